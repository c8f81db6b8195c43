"""Streams of news that stay open: how they wait, pause, send heartbeats and end.

Pages (`web.admin.live`) and MCP clients (`web.mcp.listening`) are told of events by one rule; each has a `Source` that
writes its messages. A stream keeps nothing but a position, so a slow reader costs nothing; one that does not read at
all is dropped by the connection (`web.http.connection`). A stream ends at once when its token or session stops working,
when the server stops, and when its reader leaves.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from math import inf
from typing import Protocol

import trio
from msgspec import Struct

from actors import Busy, Crashed, Unavailable
from engine.errors import JournalUnavailable
from store.errors import StoreUnavailable
from web.http.exchange import Exchange
from web.identity.waits import Ending, Wait
from web.services import Services

GATHER_SECONDS = 0.05
"""News within this time is sent together."""

PAUSE_SECONDS = 0.25
"""How long a stream pauses after each send, at least."""

BEAT_SECONDS = 25.0
"""A stream without news sends a comment, because proxies end silent connections."""

NOTHING = b": nothing\n\n"

_UNKNOWN = (Busy, Crashed, JournalUnavailable, StoreUnavailable, Unavailable)
"""What is raised where nothing can be known now; the reader connects again, when there may be more to tell."""


class Source(Protocol):
    """The messages of a stream, as Server-Sent Events."""

    def listening(self) -> AbstractContextManager[object]:
        """Note all news while the block runs."""
        ...

    async def begin(self) -> bytes:
        """The first message, or nothing."""
        ...

    async def next(self) -> bytes:
        """The next messages, as soon as there are any."""
        ...

    def refused(self) -> bytes:
        """The only message when there is no place, or the reader may not listen."""
        ...

    def ended(self) -> bytes:
        """The last message, if the reader is still there; empty for none."""
        ...


class Crowd:
    """How many streams are open, how many may be, and how often all of them together are told something in a second.

    So many readers do not slow a busy project down: the more there are, the longer each pauses after a send.
    """

    def __init__(self, sends_per_second_max: float, size_max: float = inf) -> None:
        self.size = 0
        self._sends_per_second_max = sends_per_second_max
        self._size_max = size_max

    @property
    def pause_seconds(self) -> float:
        """How long a stream pauses after each send."""
        return PAUSE_SECONDS + self.size / self._sends_per_second_max

    @contextmanager
    def joined(self) -> Iterator[bool]:
        """One stream more; False when there are too many."""
        self.size += 1
        try:
            yield self.size <= self._size_max
        finally:
            self.size -= 1


class Reader(Struct, frozen=True, kw_only=True):
    """The reader of a stream. `seconds_max`: the stream ends then, and the reader opens the next one."""

    who: Hashable
    places_max: int
    key: bytes
    """The hash of the token or session; the stream ends with it."""
    still_admitted: Callable[[], Awaitable[bool]]
    """Asked after the stream was registered: an earlier end could not signal it."""
    seconds_max: float = inf


class Stream:
    """One open stream."""

    def __init__(self, services: Services, crowd: Crowd, source: Source, exchange: Exchange, reader: Reader) -> None:
        self._services = services
        self._crowd = crowd
        self._source = source
        self._exchange = exchange
        self._reader = reader
        self._is_broken = False

    async def messages(self) -> AsyncGenerator[bytes, None]:
        """The bytes of the stream, until it ends."""
        reader, deadline = self._reader, trio.current_time() + self._reader.seconds_max
        with (
            self._crowd.joined() as fits,
            self._source.listening(),
            self._services.waits.parked(reader.who, reader.key, places_max=reader.places_max) as wait,
        ):
            first = await self._first() if fits and wait is not None else None
            if wait is None or first is None:
                yield self._source.refused()
                return
            with self._exchange.watched(partial(wait.end, Ending.CLIENT_LEFT)):
                yield first
                while trio.current_time() < deadline:
                    news = await self._next(wait, min(deadline, trio.current_time() + BEAT_SECONDS))
                    if news is None and (wait.ending is not None or self._is_broken):
                        break
                    yield news or NOTHING
                    with wait.scope(trio.current_time() + self._crowd.pause_seconds):
                        await trio.sleep_forever()
            if last := self._source.ended():
                yield last

    async def _first(self) -> bytes | None:
        """The first message; None when the reader may not listen, or nothing can be known."""
        try:
            return await self._source.begin() if await self._reader.still_admitted() else None
        except _UNKNOWN:
            return None

    async def _next(self, wait: Wait, deadline: float) -> bytes | None:
        """The source's next messages; None if there are none until then, or when the stream must end."""
        news = None
        with wait.scope(deadline):
            try:
                news = await self._source.next()
            except _UNKNOWN:
                self._is_broken = True
        return None if wait.ending is Ending.NOT_ADMITTED else news
