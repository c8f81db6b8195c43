"""Notices clients that leave while their requests are answered.

Thousands of requests may wait for news at once, each for a minute. A task for each that waits for the end of its stream
would cost more than the wait itself, so the system is asked about all of them in one call.
"""

import select
import socket
from collections.abc import Callable

_LEFT = getattr(select, "POLLRDHUP", select.POLLHUP)
"""The client has closed its side, even if unread bytes came before that. Systems without POLLRDHUP tell less."""


class Departures:
    """The clients that are watched; `look` tells of those that have left."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._told: dict[int, Callable[[], object]] = {}

    def watched(self, client: socket.socket, left: Callable[[], object]) -> "_Watch":
        """Have `left` called, perhaps several times, if the client closes its side while the block runs."""
        return _Watch(self, client.fileno(), left)

    def _watch(self, number: int, left: Callable[[], object]) -> None:
        self._poll.register(number, _LEFT)
        self._told[number] = left

    def _unwatch(self, number: int) -> None:
        self._poll.unregister(number)
        del self._told[number]

    def look(self) -> None:
        """Tell of every watched client that has left."""
        for number, _ in self._poll.poll(0):
            self._told[number]()


class _Watch:
    """A client that is watched for a block; a thousand may be left at once, which is slower with generators."""

    __slots__ = ("_departures", "_left", "_number")

    def __init__(self, departures: Departures, number: int, left: Callable[[], object]) -> None:
        self._departures = departures
        self._number = number
        self._left = left

    def __enter__(self) -> None:
        self._departures._watch(self._number, self._left)  # noqa: SLF001 - a part of it

    def __exit__(self, *_: object) -> None:
        self._departures._unwatch(self._number)  # noqa: SLF001 - a part of it
