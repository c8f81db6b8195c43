"""Answers of one pass of the event loop leave one right after the other: as the pass ends, or after half a millisecond.

Sending to a client that sleeps wakes it, which costs the sender more than the sending. A client, or a proxy, with many
connections is woken by the first of several answers and awake for the others.

An answer is kept back only if the system is sure to take all of it: then nobody has to wait for what is left, and the
connection's task goes on at once. Its request is recorded when it was sent.
"""

import fcntl
import socket
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from time import perf_counter

import structlog
import trio
from msgspec import Struct

from web.http.exchange import Exchange

log = structlog.get_logger(__name__)

CLIENT_GONE = 499
"""The status in the log of a request whose client left."""

ANSWER_BYTES_MAX = 32 * 1024
"""The longest answer that is kept back: `web.http.listener.SEND_BUFFER_BYTES` holds it, whatever a packet costs."""

KEPT_SECONDS_MAX = 0.0005
"""How long an answer is kept back: some ten answers. A pass of a busy server takes many times as long."""

_NO_BYTES = bytes(4)


class _Leaving(Struct):
    client: socket.socket
    answer: bytes
    exchange: Exchange


class Outbox(trio.abc.Instrument):
    """The answers that leave soon, and at the end of this pass at the latest. Nothing is kept back unless `opened`."""

    def __init__(self, record: Callable[[Exchange], object]) -> None:
        self._record = record
        self._leaving: list[_Leaving] = []
        self._late_at = inf
        """When the first of them has been kept back for long enough, on the clock of `perf_counter`."""
        self._is_open = False

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Keep answers back while the block runs."""
        trio.lowlevel.add_instrument(self)
        self._is_open = sys.platform == "linux"  # others ask for a socket's unsent bytes in other ways
        try:
            yield
        finally:
            self._is_open = False
            self.send_all()
            trio.lowlevel.remove_instrument(self)

    def put(self, client: socket.socket, answer: bytes, exchange: Exchange) -> bool:
        """Take an answer, and the recording of its request; False when it must be sent now.

        The caller lets the loop run before it sends anything else to this client, or closes.
        """
        if not self._is_open or len(answer) > ANSWER_BYTES_MAX or _has_unsent(client):
            return False
        self._leaving.append(_Leaving(client, answer, exchange))
        if self._late_at == inf:
            self._late_at = perf_counter() + KEPT_SECONDS_MAX
        return True

    def send_late(self, now: float) -> None:
        """Send everything if the first answer has been kept back for long enough; `now` is of `perf_counter`."""
        if now >= self._late_at:
            self.send_all()

    def before_io_wait(self, timeout: float) -> None:
        """End a pass. Trio calls it, and no task may be woken in it."""
        if self._leaving:
            self.send_all()

    def send_all(self) -> None:
        """Send everything, and then record it."""
        leaving, self._leaving, self._late_at = self._leaving, [], inf
        for each in leaving:
            each.exchange.is_answered = True
            if not _sent(each.client, each.answer):
                each.exchange.status, each.exchange.outcome = CLIENT_GONE, "disconnected"
        for each in leaving:
            try:
                self._record(each.exchange)
            except Exception:  # Trio would call this never again
                log.exception("request not recorded", request_id=each.exchange.request_id)


def _has_unsent(client: socket.socket) -> bool:
    """Whether the client has not yet confirmed all that was sent to it."""
    try:
        return fcntl.ioctl(client, termios.TIOCOUTQ, _NO_BYTES) != _NO_BYTES
    except OSError:
        return True


def _sent(client: socket.socket, answer: bytes) -> bool:
    """Send all of it; False when the client has left."""
    try:
        whole = client.send(answer) == len(answer)
        if not whole:  # the connection's task is told by the end of the stream
            client.shutdown(socket.SHUT_RDWR)
    except OSError:
        return False
    return whole
