"""A journal that loses connections, answers late, lands writes after everybody gave up on them, and dies.

It stands between an actor and the in-memory journal, and takes every fault from the world's one random generator, so
that a seed replays. It never lies: what it reports as not written is not there, and what it confirms is.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Protocol

import trio
from msgspec import Struct

from actors.journal import Journal
from engine.errors import Contended, JournalUnavailable, OutcomeUnknown
from engine.history import Kept, Liveness, Marks, Stored
from engine.lookups import EventQuery, EventView, PostQuery, PostRecord
from engine.vocabulary import Event

LATE_SECONDS_MAX = 6.0
"""How long a write may still land after its writer lost the connection."""


class Weather(Struct, frozen=True, kw_only=True):
    """How likely each fault is, and how slow the network. `persists`: that the next append meets the same fault."""

    fails: float = 0.0
    lost: float = 0.0
    done_unheard: float = 0.0
    late: float = 0.0
    stalls: float = 0.0
    reads_fail: float = 0.0
    persists: float = 0.0
    delay_seconds_max: float = 0.0

    @classmethod
    def drawn(cls, rng: Random) -> "Weather":
        """Mild in most worlds, a storm in some."""
        worst = rng.choice([0.0, 0.02, 0.05, 0.2])
        faults = {name: rng.uniform(0, worst) for name in ("fails", "lost", "done_unheard", "late", "stalls")}
        return cls(
            **faults,
            reads_fail=rng.uniform(0, worst / 2),
            persists=rng.choice([0.0, 0.6]),
            delay_seconds_max=rng.choice([0.0, 0.01, 0.3]),
        )


class Surroundings(Protocol):
    """What a faulty journal sees of the world."""

    rng: Random
    weather: Weather
    down: bool
    late_writes: trio.Nursery

    def tell(self, project_id: int, writer: int) -> None:
        """This writer wrote to the project."""


class FaultyJournal:
    """One process's connection to the ledger that all processes share."""

    def __init__(self, world: Surroundings, inner: Journal) -> None:
        self._world = world
        self._inner = inner
        self._dead = trio.Event()
        self._fate = "done"

    @property
    def writer(self) -> int:
        return self._inner.writer

    @property
    def alone(self) -> bool:
        return self._inner.alone

    async def head(self, project_id: int) -> int:
        await self._read()
        return await self._inner.head(project_id)

    async def confirm(self, project_id: int) -> int:
        await self._read()
        return await self._inner.confirm(project_id)

    def kill(self) -> None:
        """The process is gone; what it had under way lands or does not."""
        self._dead.set()

    async def append(
        self, project_id: int, events: Sequence[Event], cursors: Mapping[int, int], *, holding_turn: bool = False
    ) -> None:
        world, weather, rng = self._world, self._world.weather, self._world.rng
        fate = self._fate = self._draw_fate()
        survives = rng.random() < 0.5
        write = (project_id, list(events), dict(cursors), holding_turn)
        try:
            with trio.move_on_after(60 if fate == "stalls" else rng.uniform(0, weather.delay_seconds_max)):
                await self._dead.wait()
        except trio.Cancelled:
            if survives:
                world.late_writes.start_soon(self._land_late, *write)
            raise
        if self._dead.is_set():
            if survives:
                world.late_writes.start_soon(self._land_late, *write)
            raise OutcomeUnknown("killed")
        if world.down or fate == "fails":
            raise JournalUnavailable(fate)
        if fate == "late":
            world.late_writes.start_soon(self._land_late, *write)
        if fate in {"late", "lost"}:
            raise OutcomeUnknown(fate)
        await self._write(*write)
        if fate == "done unheard":
            raise OutcomeUnknown(fate)

    def _draw_fate(self) -> str:
        weather, rng = self._world.weather, self._world.rng
        if self._fate != "done" and rng.random() < weather.persists:
            return self._fate
        faults = {
            "fails": weather.fails,
            "lost": weather.lost,
            "done unheard": weather.done_unheard,
            "late": weather.late,
            "stalls": weather.stalls,
        }
        (fate,) = rng.choices([*faults, "done"], [*faults.values(), max(0.0, 1 - sum(faults.values()))])
        return fate

    async def _land_late(
        self, project_id: int, events: list[Event], cursors: dict[int, int], holding_turn: bool
    ) -> None:
        rng = self._world.rng
        await trio.sleep(rng.choice([0.0, rng.uniform(0, 0.5), rng.uniform(0, LATE_SECONDS_MAX)]))
        with suppress(Contended):
            await self._write(project_id, events, cursors, holding_turn)

    async def _write(self, project_id: int, events: list[Event], cursors: dict[int, int], holding_turn: bool) -> None:
        await self._inner.append(project_id, events, cursors, holding_turn=holding_turn)
        self._world.tell(project_id, self.writer)

    async def load(self, project_id: int) -> Kept | None:
        await self._read()
        return await self._inner.load(project_id)

    async def marks(self, project_id: int) -> Marks:
        await self._read()
        return await self._inner.marks(project_id)

    async def tail(self, project_id: int, after: int, limit: int) -> list[Stored]:
        await self._read()
        return await self._inner.tail(project_id, after, limit)

    async def events(self, project_id: int, query: EventQuery) -> list[EventView]:
        await self._read()
        return await self._inner.events(project_id, query)

    async def posts(self, project_id: int, query: PostQuery) -> list[PostRecord]:
        await self._read()
        return await self._inner.posts(project_id, query)

    @asynccontextmanager
    async def turn(self, project_id: int) -> AsyncIterator[None]:
        await self._read()
        async with self._inner.turn(project_id):
            yield

    async def write_snapshot(self, project_id: int, seq: int, state: bytes, *, open_posts: int) -> None:
        await self._read()
        await self._inner.write_snapshot(project_id, seq, state, open_posts=open_posts)

    async def write_liveness(self, project_id: int, seen: Mapping[int, Liveness]) -> None:
        await self._read()
        await self._inner.write_liveness(project_id, seen)

    async def _read(self) -> None:
        with trio.move_on_after(self._world.rng.uniform(0, self._world.weather.delay_seconds_max)):
            await self._dead.wait()
        if self._dead.is_set() or self._world.down or self._world.rng.random() < self._world.weather.reads_fail:
            raise JournalUnavailable("no connection")
