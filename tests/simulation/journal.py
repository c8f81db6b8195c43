"""A journal that loses connections, answers late, lands writes after everybody gave up on them, and dies.

It stands between an actor and the in-memory journal, and takes every fault from the world's one random generator, so
that a seed replays. It never lies: what it reports as not written is not there, and what it confirms is.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from random import Random
from typing import Protocol

import trio
from msgspec import Struct

from actors.journal import Journal
from engine.errors import Contended, JournalError, JournalUnavailable, NotTogether, OutcomeUnknown
from engine.history import Batch, Head, Kept, Liveness, Stored
from engine.lookups import ClaimFact, EventQuery, EventView, FinishedTask, Found, PostQuery, PostRecord, TaskQuery
from engine.vocabulary import Event
from tests.actors.memory_journal import outcome

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
    epoch: int
    unheard: trio.Event
    late_writes: trio.Nursery

    def tell(self, project_id: int, writer: int) -> None:
        """This writer wrote to the project."""

    def is_alone(self, writer: int) -> bool:
        """Whether no other process can write."""

    def acknowledged(self) -> None:
        """Everything in the ledger is on the standby, too."""


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

    def kill(self) -> None:
        """The process is gone; what it had under way lands or does not."""
        self._dead.set()

    @property
    def alone(self) -> bool:
        return self._world.is_alone(self.writer)

    async def append(
        self,
        project_id: int,
        events: Sequence[Event],
        cursors: Mapping[int, int],
        *,
        predecessor: Head | None = None,
        holding_turn: bool = False,
    ) -> None:
        write = partial(
            self._inner.append,
            project_id,
            list(events),
            dict(cursors),
            predecessor=predecessor,
            holding_turn=holding_turn,
        )
        await self._write(project_id, write)

    async def append_together(self, batches: Sequence[Batch]) -> list[JournalError | None]:
        return [await outcome(self._write(batch.project_id, partial(self._together, batch))) for batch in batches]

    async def _together(self, batch: Batch) -> None:
        (failure,) = await self._inner.append_together([batch])
        if failure is not None:
            raise failure

    async def _write(self, project_id: int, write: Callable[[], Awaitable[None]]) -> None:
        world, weather, rng = self._world, self._world.weather, self._world.rng
        fate, epoch = self._draw_fate(), world.epoch
        self._fate = fate
        survives = rng.random() < 0.5
        try:
            with trio.move_on_after(60 if fate == "stalls" else rng.uniform(0, weather.delay_seconds_max)):
                await self._dead.wait()
        except trio.Cancelled:
            if survives:
                world.late_writes.start_soon(self._land_late, project_id, write)
            raise
        if self._dead.is_set():
            if survives:
                world.late_writes.start_soon(self._land_late, project_id, write)
            raise OutcomeUnknown("killed")
        if world.epoch != epoch:
            raise OutcomeUnknown("the database failed over")
        if world.down or fate == "fails":
            raise JournalUnavailable(fate)
        if fate == "late":
            world.late_writes.start_soon(self._land_late, project_id, write)
        if fate in {"late", "lost"}:
            raise OutcomeUnknown(fate)
        await write()
        if fate == "done unheard":
            world.unheard.set()
            world.tell(project_id, self.writer)
            raise OutcomeUnknown(fate)
        world.acknowledged()
        if not self._dead.is_set():  # a process that died between commit and news tells nobody
            world.tell(project_id, self.writer)

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

    async def _land_late(self, project_id: int, write: Callable[[], Awaitable[None]]) -> None:
        """The write lands after all, unless something else took its place."""
        rng, epoch = self._world.rng, self._world.epoch
        await trio.sleep(rng.choice([0.0, rng.uniform(0, 0.5), rng.uniform(0, LATE_SECONDS_MAX)]))
        with suppress(Contended, NotTogether):
            if self._world.epoch == epoch:
                await write()
                self._world.tell(project_id, self.writer)

    async def confirm(self, project_id: int) -> Head:
        await self._read()
        head = await self._inner.confirm(project_id)
        self._world.acknowledged()
        return head

    async def head(self, project_id: int) -> Head:
        await self._read()
        return await self._inner.head(project_id)

    async def cursor(self, project_id: int, reader: int) -> int | None:
        await self._read()
        return await self._inner.cursor(project_id, reader)

    async def liveness(self, project_id: int, since: datetime, limit: int) -> dict[int, Liveness]:
        await self._read()
        return await self._inner.liveness(project_id, since, limit)

    async def load(self, project_id: int) -> Kept | None:
        await self._read()
        return await self._inner.load(project_id)

    async def base(self, project_id: int) -> Kept | None:
        await self._read()
        return await self._inner.base(project_id)

    async def tail(self, project_id: int, after: int, limit: int) -> list[Stored]:
        await self._read()
        return await self._inner.tail(project_id, after, limit)

    async def events(self, project_id: int, query: EventQuery) -> Found[EventView]:
        await self._read()
        return await self._inner.events(project_id, query)

    async def posts(self, project_id: int, query: PostQuery) -> Found[PostRecord]:
        await self._read()
        return await self._inner.posts(project_id, query)

    async def claim(self, project_id: int, sequence: str, number: int) -> ClaimFact | None:
        await self._read()
        return await self._inner.claim(project_id, sequence, number)

    async def finished_tasks(self, project_id: int, query: TaskQuery) -> Found[FinishedTask]:
        await self._read()
        return await self._inner.finished_tasks(project_id, query)

    @asynccontextmanager
    async def turn(self, project_id: int, after: int, limit: int) -> AsyncIterator[list[Stored]]:
        await self._read()
        async with self._inner.turn(project_id, after, limit) as page:
            yield page

    async def note_loss(self, project_id: int, had: Head, has: Head) -> None:
        await self._read()
        await self._inner.note_loss(project_id, had, has)

    async def write_snapshot(
        self, project_id: int, seq: int, state: bytes, *, open_posts: int, at: datetime | None = None
    ) -> None:
        await self._read()
        await self._inner.write_snapshot(project_id, seq, state, open_posts=open_posts, at=at)

    async def write_liveness(self, project_id: int, seen: Mapping[int, Liveness]) -> None:
        await self._read()
        await self._inner.write_liveness(project_id, seen)

    async def _read(self) -> None:
        with trio.move_on_after(self._world.rng.uniform(0, self._world.weather.delay_seconds_max)):
            await self._dead.wait()
        if self._dead.is_set() or self._world.down or self._world.rng.random() < self._world.weather.reads_fail:
            raise JournalUnavailable("no connection")
