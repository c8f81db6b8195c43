"""Listening sockets, and how many connections may be open.

Every connection is accepted at once. One that is over the bound hears 503 and is closed (`web.http.places`); it never
waits in the kernel's queue, where nobody would answer it.
"""

import errno
import resource
import socket
from collections.abc import Callable

import structlog
import trio

from store.outages import Outage
from web.http.places import PROBE_PLACES

log = structlog.get_logger(__name__)

CONNECTIONS_MAX = 4096
"""Open connections at once, each a few dozen kilobytes."""

FILES_BESIDE_MAX = 96
"""Open files besides connections: the database pool, logs, the embedded database's pipes."""

SEND_BUFFER_BYTES = 128 * 1024
"""How much of an answer the kernel takes for a client that does not read; it would take megabytes by itself."""

ACCEPTS_MAX = 64
"""Connections accepted before others may run."""

RETRY_SECONDS = 0.1
"""How soon accepting is tried again when the system has no more files or memory."""

_OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

Accepted = Callable[[socket.socket, str], None]
"""Takes over a new connection, given its socket and its peer's address."""


class Listener:
    """One listening socket."""

    def __init__(self, listening: socket.socket, connections_max: int) -> None:
        self._socket = listening
        self.connections_max = connections_max

    @property
    def port(self) -> int:
        """The port it listens on."""
        number: int = self._socket.getsockname()[1]
        return number

    async def run(self, accepted: Accepted) -> None:
        """Accept until cancelled; then close."""
        outage = Outage()
        try:
            while True:
                await trio.lowlevel.wait_readable(self._socket)
                try:
                    self._accept_all(accepted)
                    outage.over()
                except OSError as error:
                    if error.errno not in _OUT_OF_RESOURCES:
                        continue  # the connection that was to be accepted broke first
                    if outage.failed():
                        log.warning("cannot accept", seconds=outage.seconds, reason=error.strerror)
                    await trio.sleep(RETRY_SECONDS)
        finally:
            self.close()

    def _accept_all(self, accepted: Accepted) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                client, address = self._socket.accept()
            except BlockingIOError:
                return
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted(client, address[0])

    def close(self) -> None:
        """Stop listening; open connections stay."""
        self._socket.close()


async def listen(host: str, port: int, connections_max: int = CONNECTIONS_MAX) -> list[Listener]:
    """Open listeners on every address of `host`; port 0 lets the system choose. `::` is every address of IPv4, too.

    Raises `OSError`.
    """
    beside = FILES_BESIDE_MAX + PROBE_PLACES
    connections_max = max(1, min(connections_max, _allow_open_files(connections_max + beside) - beside))
    sockets = await _open_sockets(host, port)
    if host == "::":
        sockets += await _open_sockets("0.0.0.0", sockets[0].getsockname()[1])  # noqa: S104 - asked for
    return [Listener(listening, connections_max) for listening in sockets]


async def _open_sockets(host: str, port: int) -> list[socket.socket]:
    opened = await trio.open_tcp_listeners(port, host=host)
    sockets = [socket.socket(fileno=listener.socket.detach()) for listener in opened]
    for listening in sockets:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return sockets


def _allow_open_files(wanted: int) -> int:
    """Raise this process's limit of open files as far as the system allows; gives the limit, `wanted` at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    if possible < wanted:
        log.warning("few open files allowed", allowed=possible, wanted=wanted)
    return possible
