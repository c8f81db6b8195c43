"""Notices clients that leave while their requests are answered.

Thousands of requests may wait for news at once, each for a minute. A task for each that waits for the end of its stream
would cost more than the wait itself, so the system is asked about all of them in one call.
"""

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LEFT = getattr(select, "POLLRDHUP", select.POLLHUP)
"""The client has closed its side, even if unread bytes came before that. Systems without POLLRDHUP tell less."""


class Departures:
    """The clients that are watched; `look` tells of those that have left."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._told: dict[int, Callable[[], object]] = {}

    @contextmanager
    def watched(self, client: socket.socket, left: Callable[[], object]) -> Iterator[None]:
        """Have `left` called, perhaps several times, if the client closes its side while the block runs."""
        number = client.fileno()
        self._poll.register(number, _LEFT)
        self._told[number] = left
        try:
            yield
        finally:
            self._poll.unregister(number)
            del self._told[number]

    def look(self) -> None:
        """Tell of every watched client that has left."""
        for number, _ in self._poll.poll(0):
            self._told[number]()
