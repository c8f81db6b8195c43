"""A memory journal that can be down as a whole, and that writes down how it was used."""

from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from engine.errors import JournalUnavailable, OutcomeUnknown
from engine.history import Head, Kept, Liveness, Stored
from engine.lookups import ClaimFact, EventQuery, EventView, FinishedTask, Found, PostQuery, PostRecord, TaskQuery
from engine.vocabulary import Event
from tests.actors.memory_journal import Fault, MemoryJournal, MemoryLedger


class BreakableJournal(MemoryJournal):
    """`down`: nothing works. `before_read` and `before_tail` hold faults of the next searches and tails, one each."""

    def __init__(self, ledger: MemoryLedger | None = None) -> None:
        super().__init__(ledger)
        self.down = False
        self.before_read: deque[Fault] = deque()
        self.before_tail: deque[Fault] = deque()
        self.has_turns = True
        self.turns_taken = 0
        self.turns_held: list[bool] = []
        self.tails_after: list[int] = []
        self.heads_read = 0
        self.confirms = 0
        self._to_vanish = 0
        self._vanished: deque[tuple[int, list[Event], dict[int, int], Head | None]] = deque()

    @property
    def appends(self) -> int:
        return len(self.turns_held)

    def lose(self, appends: int) -> None:
        """The next appends are lost on the way with an unknown outcome, and may `land` later."""
        self._to_vanish = appends

    async def land(self) -> None:
        """The first append that was lost arrives after all."""
        self._write(*self._vanished.popleft())

    async def append(
        self,
        project_id: int,
        events: Sequence[Event],
        cursors: Mapping[int, int],
        *,
        predecessor: Head | None = None,
        holding_turn: bool = False,
    ) -> None:
        self._check()
        self.turns_held.append(holding_turn)
        if self._to_vanish:
            self._to_vanish -= 1
            self._vanished.append((project_id, list(events), dict(cursors), predecessor))
            raise OutcomeUnknown("lost on the way")
        await super().append(project_id, events, cursors, predecessor=predecessor, holding_turn=holding_turn)

    @asynccontextmanager
    async def turn(self, project_id: int, after: int, limit: int) -> AsyncIterator[list[Stored]]:
        self.turns_taken += 1
        if not self.has_turns:
            raise JournalUnavailable("no turn")
        async with super().turn(project_id, after, limit) as page:
            yield page

    async def load(self, project_id: int) -> Kept | None:
        self._check()
        return await super().load(project_id)

    async def tail(self, project_id: int, after: int, limit: int) -> list[Stored]:
        self._check()
        self.tails_after.append(after)
        if self.before_tail:
            await self.before_tail.popleft()()
        return await super().tail(project_id, after, limit)

    async def head(self, project_id: int) -> Head:
        self._check()
        self.heads_read += 1
        return await super().head(project_id)

    async def confirm(self, project_id: int) -> Head:
        self._check()
        self.confirms += 1
        return await super().confirm(project_id)

    async def cursor(self, project_id: int, reader: int) -> int | None:
        self._check()
        return await super().cursor(project_id, reader)

    async def events(self, project_id: int, query: EventQuery) -> Found[EventView]:
        await self._search()
        return await super().events(project_id, query)

    async def posts(self, project_id: int, query: PostQuery) -> Found[PostRecord]:
        await self._search()
        return await super().posts(project_id, query)

    async def claim(self, project_id: int, sequence: str, number: int) -> ClaimFact | None:
        await self._search()
        return await super().claim(project_id, sequence, number)

    async def finished_tasks(self, project_id: int, query: TaskQuery) -> Found[FinishedTask]:
        await self._search()
        return await super().finished_tasks(project_id, query)

    async def write_snapshot(
        self, project_id: int, seq: int, state: bytes, *, open_posts: int, at: datetime | None = None
    ) -> None:
        self._check()
        await super().write_snapshot(project_id, seq, state, open_posts=open_posts, at=at)

    async def write_liveness(self, project_id: int, seen: Mapping[int, Liveness]) -> None:
        self._check()
        await super().write_liveness(project_id, seen)

    async def _search(self) -> None:
        self._check()
        if self.before_read:
            await self.before_read.popleft()()

    def _check(self) -> None:
        if self.down:
            raise JournalUnavailable("down")
