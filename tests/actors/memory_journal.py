"""A journal in memory, with the promises of `actors.journal.Journal` and faults on order.

Several `MemoryJournal`s on one `MemoryLedger` are several processes on one database. The conformance suite holds it to
what `store.ledger.journal` does on PostgreSQL, so that what is tested against it here is true there.
"""

import secrets
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import trio

from engine.errors import Contended, JournalError, NotTogether
from engine.events import payload
from engine.history import EMPTY, Batch, Head, Kept, Liveness, Stored
from engine.lookups import (
    AckFact,
    ClaimFact,
    EventQuery,
    EventView,
    FinishedTask,
    Found,
    PostQuery,
    PostRecord,
    TaskQuery,
)
from engine.posts import Acked, Posted
from engine.sequences import Claimed, Seeded, Voided
from engine.vocabulary import Event
from tests.history import claim_of, finished_tasks, with_first_acks

Fault = Callable[[], Awaitable[None]]
"""What an append meets on its way: it may raise a `JournalError`, sleep, or write foreign events."""


def raising(error: Exception) -> Fault:
    """A fault that is this error."""

    async def fault() -> None:
        raise error

    return fault


async def outcome(append: Awaitable[None]) -> JournalError | None:
    """What came of an append."""
    try:
        await append
    except JournalError as error:
        return error
    return None


class MemoryLedger:
    """What a database would hold."""

    def __init__(self) -> None:
        self.rows: defaultdict[int, list[Stored]] = defaultdict(list)
        self.snapshots: dict[int, Kept] = {}
        self.bases: dict[int, Kept] = {}
        self.open_posts: dict[int, int] = {}  # as of the snapshot
        self.cursors: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self.liveness: defaultdict[int, dict[int, Liveness]] = defaultdict(dict)
        self.turns: defaultdict[int, trio.Lock] = defaultdict(trio.Lock)
        self.losses: list[tuple[int, int, int]] = []  # project, had, kept
        self.journals: list[MemoryJournal] = []


class MemoryJournal:
    """One process's journal on a ledger, its own unless one is given.

    `before_append` and `after_append` hold the faults of the next appends, one each: `after` comes when the events are
    durable, so an `OutcomeUnknown` there is one that happened, and one in `before` is one that did not.
    """

    def __init__(self, ledger: MemoryLedger | None = None) -> None:
        self.ledger = MemoryLedger() if ledger is None else ledger
        self.before_append: deque[Fault] = deque()
        self.after_append: deque[Fault] = deque()
        self._writer = secrets.randbits(63)
        self.ledger.journals.append(self)

    @property
    def writer(self) -> int:
        return self._writer

    async def load(self, project_id: int) -> Kept | None:
        await trio.lowlevel.checkpoint()
        return self.ledger.snapshots.get(project_id)

    async def base(self, project_id: int) -> Kept | None:
        await trio.lowlevel.checkpoint()
        return self.ledger.bases.get(project_id)

    @property
    def alone(self) -> bool:
        return len(self.ledger.journals) == 1

    async def cursor(self, project_id: int, reader: int) -> int | None:
        await trio.lowlevel.checkpoint()
        return self.ledger.cursors[project_id].get(reader)

    async def liveness(self, project_id: int, since: datetime, limit: int) -> dict[int, Liveness]:
        await trio.lowlevel.checkpoint()
        known = sorted(self.ledger.liveness[project_id].items(), key=lambda item: item[1].at, reverse=True)
        return {reader: liveness for reader, liveness in known[:limit] if liveness.at >= since}

    async def head(self, project_id: int) -> Head:
        await trio.lowlevel.checkpoint()
        return self._head(project_id)

    def _head(self, project_id: int) -> Head:
        rows = self.ledger.rows[project_id]
        return Head(rows[-1].event.seq, rows[-1].event.at) if rows else EMPTY

    async def confirm(self, project_id: int) -> Head:
        return await self.head(project_id)

    async def tail(self, project_id: int, after: int, limit: int) -> list[Stored]:
        await trio.lowlevel.checkpoint()
        rows = self.ledger.rows[project_id]
        first = bisect_right(rows, after, key=lambda row: row.event.seq)
        return rows[first : first + limit]

    async def append(
        self,
        project_id: int,
        events: Sequence[Event],
        cursors: Mapping[int, int],
        *,
        predecessor: Head | None = None,
        holding_turn: bool = False,
    ) -> None:
        await trio.lowlevel.checkpoint()
        if self.before_append:
            await self.before_append.popleft()()
        if holding_turn or not events:
            self._write(project_id, events, cursors, predecessor)
        else:
            async with self.ledger.turns[project_id]:
                self._write(project_id, events, cursors, predecessor)
        if self.after_append:
            await self.after_append.popleft()()

    async def append_together(self, batches: Sequence[Batch]) -> list[JournalError | None]:
        return [await outcome(self._append_at_once(batch)) for batch in batches]

    async def _append_at_once(self, batch: Batch) -> None:
        if self.ledger.turns[batch.project_id].locked():
            raise NotTogether
        await self.append(batch.project_id, batch.events, {}, predecessor=batch.predecessor)

    def _write(
        self, project_id: int, events: Sequence[Event], cursors: Mapping[int, int], predecessor: Head | None = None
    ) -> None:
        rows, known = self.ledger.rows[project_id], self.ledger.cursors[project_id]
        if events:
            head = self._head(project_id)
            if head.seq != events[0].seq - 1 or predecessor not in {None, head}:
                raise Contended(f"event {events[0].seq} of project {project_id} does not follow event {head.seq}")
        rows.extend(Stored(event, self._writer) for event in events)
        for reader, seq in cursors.items():
            known[reader] = max(seq, known.get(reader, 0))

    @asynccontextmanager
    async def turn(self, project_id: int, after: int, limit: int) -> AsyncIterator[list[Stored]]:
        async with self.ledger.turns[project_id]:
            yield await self.tail(project_id, after, limit)

    async def note_loss(self, project_id: int, had: Head, has: Head) -> None:
        await trio.lowlevel.checkpoint()
        self.ledger.losses.append((project_id, had.seq, has.seq))

    async def write_snapshot(
        self, project_id: int, seq: int, state: bytes, *, open_posts: int, at: datetime | None = None
    ) -> None:
        await trio.lowlevel.checkpoint()
        rows = self.ledger.rows[project_id]
        if at is not None and (seq > len(rows) or rows[seq - 1].event.at != at):
            return
        kept = self.ledger.snapshots.get(project_id)
        if kept is None or seq >= kept.seq:
            self.ledger.snapshots[project_id] = Kept(seq, state)
            self.ledger.open_posts[project_id] = open_posts

    async def write_liveness(self, project_id: int, seen: Mapping[int, Liveness]) -> None:
        await trio.lowlevel.checkpoint()
        known = self.ledger.liveness[project_id]
        for reader, liveness in seen.items():
            if reader not in known or known[reader].at < liveness.at:
                known[reader] = liveness

    async def events(self, project_id: int, query: EventQuery) -> Found[EventView]:
        await trio.lowlevel.checkpoint()
        rows = [row.event for row in self.ledger.rows[project_id] if query.after < row.event.seq <= query.upto]
        found = [event for event in rows if _event_matches(event, query)]
        if not query.oldest_first:
            found.reverse()
        return Found(
            EventView(id=event.seq, ts=event.at, actor=event.actor, type=event.data.type, payload=payload(event.data))
            for event in found[: query.limit]
        )

    async def posts(self, project_id: int, query: PostQuery) -> Found[PostRecord]:
        await trio.lowlevel.checkpoint()
        found = [record for record in self._posts(project_id) if _post_matches(record, query)]
        return Found(with_first_acks(record, query) for record in found[: -query.limit - 1 : -1])

    async def claim(self, project_id: int, sequence: str, number: int) -> ClaimFact | None:
        await trio.lowlevel.checkpoint()
        return claim_of((row.event for row in self.ledger.rows[project_id]), sequence, number)

    async def finished_tasks(self, project_id: int, query: TaskQuery) -> Found[FinishedTask]:
        await trio.lowlevel.checkpoint()
        return finished_tasks((row.event for row in self.ledger.rows[project_id]), query)

    def _posts(self, project_id: int) -> Iterator[PostRecord]:
        acks: defaultdict[int, list[AckFact]] = defaultdict(list)
        for row in self.ledger.rows[project_id]:
            if isinstance(row.event.data, Acked):
                fact = AckFact(by=row.event.by, actor=row.event.actor, at=row.event.at, note=row.event.data.note)
                acks[row.event.data.post_id].append(fact)
        for row in self.ledger.rows[project_id]:
            if isinstance(row.event.data, Posted):
                yield PostRecord(event=row.event, acks=tuple(acks[row.event.seq]))


def _event_matches(event: Event, query: EventQuery) -> bool:
    data = event.data
    sequence = data.sequence if isinstance(data, Claimed | Seeded | Voided) else None
    number = data.number if isinstance(data, Claimed | Voided) else None
    ref, tag = (data.ref, data.tag) if isinstance(data, Posted) else (None, None)
    return (
        (query.actor in {None, event.actor} or event.actor in query.former_names)
        and query.type in {None, data.type}
        and query.sequence in {None, sequence}
        and query.number in {None, number}
        and query.task_id in {None, getattr(data, "task_id", None)}
        and query.ref in {None, ref}
        and query.tag in {None, tag}
        and (query.since is None or query.since <= event.at)
        and (query.until is None or event.at <= query.until)
    )


def _post_matches(record: PostRecord, query: PostQuery) -> bool:
    event, data = record.event, record.posted
    to_reader = query.to_reader is None or (
        data.to_id == query.to_reader or (query.reader_lane is not None and data.to_lane == query.reader_lane)
    )
    return (
        query.after < event.seq <= query.upto
        and to_reader
        and (query.ids is None or event.seq in query.ids)
        and query.to_lane in {None, data.to_lane}
        and query.by in {None, event.by}
        and query.ref in {None, data.ref}
        and query.tag in {None, data.tag}
        and query.thread in {None, data.thread}
        and (query.unacked_by is None or all(ack.by != query.unacked_by for ack in record.acks))
    )
