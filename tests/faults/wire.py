"""The network between a server and its PostgreSQL: a TCP proxy that does what networks do.

Each server has a wire of its own. What a wire carries is real PostgreSQL traffic, which it does not understand; it
only knows the bytes of writes, by words that our clients put into everything they write (`WRITE`), of a session that
listens for news, and of searches in the ledger.
"""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

import trio

WRITE = b"wire-mark"
"""In every note, body, title and status of our clients, so that a request with it is about to commit something."""

_LISTEN = b"listen "
_SEARCH = b"from events e"
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with a time of zero: close() sends RST instead of FIN
RECEIVE_BYTES = 65536


class Moment(Enum):
    """Where a connection breaks, seen from the commit that it carries."""

    BEFORE = auto()
    """The request never reaches PostgreSQL."""

    DURING = auto()
    """PostgreSQL has the request, and the connection is gone at once."""

    AFTER = auto()
    """PostgreSQL has committed and answered; the answer is lost."""


class Cut(Enum):
    """How a connection ends."""

    CLOSE = auto()
    RESET = auto()
    HALF = auto()
    """Only the server's direction is closed: PostgreSQL hears that its client is done, and the client hears nothing."""

    SILENCE = auto()
    """It stays open and carries nothing any more, and nobody is told."""


@dataclass(eq=False)
class _Link:
    """One connection of the server, and the one to PostgreSQL that it is joined to."""

    client: trio.SocketStream
    postgres: trio.SocketStream
    scope: trio.CancelScope
    listens: bool = False
    searches: bool = False
    is_silent: bool = False
    answer_is_due: bool = False


@dataclass
class _Trap:
    moment: Moment
    cut: Cut
    sprung: trio.Event = field(default_factory=trio.Event)


class Wire:
    """Carries connections from `port` to `upstream`, which may be changed, until told otherwise."""

    def __init__(self, upstream: Path, port: int) -> None:
        self.upstream = upstream
        self.port = port
        self.delay_seconds = 0.0
        self.is_down = False
        self.breaks_searches = False
        self._links = set[_Link]()
        self._trap: _Trap | None = None

    def cut(self, how: Cut, *, listening_only: bool = False) -> None:
        """End all connections, or only those that listen for news."""
        for link in list(self._links):
            if link.listens or not listening_only:
                self._cut(link, how)

    async def cut_next_write(self, moment: Moment, how: Cut) -> None:
        """End the next connection that is about to commit, at that moment; returns once it has happened."""
        self._trap = _Trap(moment, how)
        await self._trap.sprung.wait()

    def give_up(self) -> None:
        """Wait for no write any more."""
        self._trap = None

    def _cut(self, link: _Link, how: Cut) -> None:
        match how:
            case Cut.CLOSE:
                link.scope.cancel()
            case Cut.RESET:
                for stream in (link.client, link.postgres):
                    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                link.scope.cancel()
            case Cut.HALF:
                link.postgres.socket.shutdown(socket.SHUT_WR)
                link.is_silent = True
            case Cut.SILENCE:
                link.is_silent = True

    async def serve(self, client: trio.SocketStream) -> None:
        """Carry one connection to its end."""
        if self.is_down:
            await trio.sleep_forever()  # accepted by the kernel, and never heard of again
        try:
            postgres = await trio.open_unix_socket(str(self.upstream))
        except OSError:
            await trio.aclose_forcefully(client)
            return
        async with client, postgres, trio.open_nursery() as nursery:
            link = _Link(client, postgres, nursery.cancel_scope)
            self._links.add(link)
            try:
                nursery.start_soon(self._requests, link)
                await self._answers(link)
                nursery.cancel_scope.cancel()
            finally:
                self._links.discard(link)

    async def _requests(self, link: _Link) -> None:
        while request := await _receive(link.client):
            link.listens = link.listens or _LISTEN in request.lower()
            link.searches = link.searches or _SEARCH in request
            if self.breaks_searches and link.searches:
                self._cut(link, Cut.CLOSE)
            trap = self._trap if WRITE in request and not link.is_silent else None
            if trap is not None and trap.moment is Moment.BEFORE:
                self._spring(trap, link)
                continue
            if await self._carry(request, link, link.postgres) and trap is not None:
                link.answer_is_due = trap.moment is Moment.AFTER
                if trap.moment is Moment.DURING:
                    self._spring(trap, link)
        link.scope.cancel()

    async def _answers(self, link: _Link) -> None:
        while answer := await _receive(link.postgres):
            if link.answer_is_due and self._trap is not None:
                self._spring(self._trap, link)
                continue
            await self._carry(answer, link, link.client)
        if link.is_silent:
            await trio.sleep_forever()

    async def _carry(self, chunk: bytes, link: _Link, to: trio.SocketStream) -> bool:
        await trio.sleep(self.delay_seconds)
        if self.is_down or link.is_silent:
            link.is_silent = True
            return False
        try:
            await to.send_all(chunk)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            link.scope.cancel()
        return True

    def _spring(self, trap: _Trap, link: _Link) -> None:
        self._cut(link, trap.cut)
        self._trap = None
        trap.sprung.set()


@asynccontextmanager
async def wired(upstream: Path) -> AsyncIterator[Wire]:
    """A wire to the PostgreSQL that listens on this Unix socket."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        wire = Wire(upstream, listener.socket.getsockname()[1])
        nursery.start_soon(trio.serve_listeners, wire.serve, [listener])
        yield wire
        nursery.cancel_scope.cancel()


async def _receive(stream: trio.SocketStream) -> bytes:
    """What arrives next; nothing when the other side has ended."""
    try:
        return bytes(await stream.receive_some(RECEIVE_BYTES))
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return b""
