"""A project's state in this process: rebuilt once, then brought up to date by reading what is new.

The state is the fold of a beginning of the ledger, plus the changes of the batch that is being decided; those are kept
or taken back (`engine.undo`). It is thrown away only if the ledger no longer begins with it: a failover lost events.
Beside it, the last durable events are remembered (`recent`).

What the ledger may hold beside plain events: a gap, before which the copy stops (`gap`); and events of a type that
this version does not know, which it passes over (`passed_over`). Deciding, committing and waking are done elsewhere.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from math import inf
from time import perf_counter

import structlog

from actors.journal import Journal
from actors.limits import Limits
from actors.pace import Pace
from actors.recent import Recent
from actors.statistics import Totals
from engine.errors import JournalUnavailable, LedgerGap
from engine.events import Unknown
from engine.history import Head, Kept, Stored
from engine.project import apply, restore_steps
from engine.state import State
from engine.vocabulary import Event

log = structlog.get_logger(__name__)


class Replica:
    """A project's state in memory, and what is known about its ledger.

    `came` is called with every event that was read after the first rebuild, and `began` with the last event of a
    rebuilt state. `foreign` tells whether any of them was another server's; `meet` resets it. `doubtful`:
    events were read that are perhaps not yet on the synchronous standby; it is reset by who proves that they are.
    """

    def __init__(self, project_id: int, journal: Journal, limits: Limits, totals: Totals, pace: Pace) -> None:
        self._project_id = project_id
        self._journal = journal
        self._limits = limits
        self._totals = totals
        self._pace = pace
        self.state: State | None = None
        self.stale = True
        self.recording = False
        self.foreign = False
        self._meeting_until = -inf
        self.doubtful = False
        self.passed_over = False
        self.gap: LedgerGap | None = None
        self.snapshot_seq = 0
        self.snapshot_unreadable = False
        self.recent = Recent(limits)
        self.came: Callable[[Event], None] = lambda event: None
        self.began: Callable[[State], None] = lambda state: None

    def meet(self, now: float) -> None:
        """Another server writes to this project: take turns for a while."""
        self.foreign = False
        self._meeting_until = now + self._limits.meeting_seconds

    def meets_others(self, now: float) -> bool:
        """Whether another server wrote to this project lately, and may do so again."""
        return now < self._meeting_until and not self._journal.alone

    @property
    def must_read(self) -> bool:
        """Whether `up_to_date` will read the ledger."""
        return self.state is None or self.stale or self.gap is not None

    @property
    def reads_after(self) -> int:
        """The event after which `up_to_date` reads: the one before the state's last, which must still be there."""
        return 0 if self.state is None else max(0, self.state.seq - 1)

    async def up_to_date(self, page: list[Stored] | None = None) -> State:
        """The state with everything that is durable now, if `stale`; otherwise the state as it is.

        `page` is the first page of the tail, if it was just read. Raises what the journal raises. Failed or cancelled,
        it has folded what it has read, and is still stale.
        """
        if self.state is None:
            return await self._rebuild()
        if not self.must_read:
            return self.state
        if await self._catch_up(self.state, self.came, page):
            return self.state
        had = Head(self.state.seq, self.state.at)
        has = await self._journal.head(self._project_id)
        log.error("the ledger lost events that were durable", project_id=self._project_id, had=had.seq, has=has.seq)
        self._totals.ledgers_lost += 1
        self.state = None
        with suppress(JournalUnavailable):  # the log and the metric tell it too
            await self._journal.note_loss(self._project_id, had, has)
        return await self._rebuild()

    def begin(self) -> None:
        """A batch is folded from now on; it is kept or taken back."""
        self.recording = True
        if self.state is not None:
            self.state.undo.begin()

    def keep(self, events: Iterable[Event]) -> None:
        """The batch is durable, with these events."""
        self.recording = False
        for event in events:
            self.recent.add(event)
        if self.state is not None:
            self.state.undo.keep()

    def take_back(self) -> None:
        """The batch is not durable: undo it, and read before the next one."""
        self.stale = True
        if self.state is not None and self.recording:
            self.state.undo.take_back()
        self.recording = False

    async def prove(self, *, just_read: bool) -> bool:
        """Whether the state ends with the ledger's last event, all of it as durable as a commit makes it; else stale.

        Raises what the journal raises.
        """
        if not self.doubtful:
            proven = self._is_at(await self._journal.head(self._project_id))
        else:
            proven = self._is_at(await self._journal.confirm(self._project_id)) or (
                just_read and await self._is_in_ledger()  # others wrote on; what was read is confirmed
            )
            self.doubtful = not proven
        self.stale |= not proven
        return proven

    def _is_at(self, head: Head) -> bool:
        """Whether the state ends with this event."""
        return self.state is not None and (self.state.seq, self.state.at) == (head.seq, head.at)

    async def _is_in_ledger(self) -> bool:
        """Whether the ledger holds the state's last event."""
        if self.state is None or not self.state.seq:
            return self.state is not None
        page = await self._journal.tail(self._project_id, self.state.seq - 1, 1)
        return bool(page) and (page[0].event.seq, page[0].event.at) == (self.state.seq, self.state.at)

    async def _rebuild(self) -> State:
        self.passed_over, self.gap = False, None
        self.recent.clear()
        state = await self._from_snapshot()
        if not await self._catch_up(state, _ignore):
            log.error("a snapshot is of another ledger", project_id=self._project_id, seq=state.seq)
            state, self.snapshot_seq, self.snapshot_unreadable = await self._from_base(), 0, True
            await self._catch_up(state, _ignore)
        self.foreign = False
        self.state = state
        self._totals.rebuilds += 1
        self.began(state)
        return state

    async def _from_snapshot(self) -> State:
        kept = await self._journal.load(self._project_id)
        state = None if kept is None else await self._restored(kept)
        self.snapshot_unreadable = kept is not None and state is None
        if self.snapshot_unreadable:
            log.warning("a snapshot cannot be read: folding the whole history", project_id=self._project_id)
            self._totals.snapshots_unreadable += 1
        self.snapshot_seq = 0 if state is None else state.seq
        return state or await self._from_base()

    async def _from_base(self) -> State:
        """The state before the first event that the ledger has."""
        base = await self._journal.base(self._project_id)
        if base is None:
            return State()
        if (state := await self._restored(base)) is None:
            raise JournalUnavailable(
                "this version cannot read the state that stands for events in files; run 'llm-bus unprune'"
            )
        return state

    async def _restored(self, kept: Kept) -> State | None:
        state: State | None = None
        for step in restore_steps(kept.state):
            state = step
            await self._pace.give_way_when_spent()
        return state

    async def _catch_up(self, state: State, came: Callable[[Event], None], page: list[Stored] | None = None) -> bool:
        """Fold what is durable after the state's last event; False if the ledger does not hold that event."""
        self.stale = False  # before the first read: what is heard of meanwhile is read next time
        known_gap, self.gap = self.gap, None
        try:
            if page is None:
                page = await self._journal.tail(self._project_id, max(0, state.seq - 1), self._limits.tail_page_events)
            if state.seq and not (page and (page[0].event.seq, page[0].event.at) == (state.seq, state.at)):
                return False
            full = len(page) == self._limits.tail_page_events
            await self._fold(state, page[1 if state.seq else 0 :], came)
            while full and self.gap is None:
                page = await self._journal.tail(self._project_id, state.seq, self._limits.tail_page_events)
                full = len(page) == self._limits.tail_page_events
                await self._fold(state, page, came)
        except BaseException:
            self.stale, self.gap = True, known_gap
            raise
        self._report_gap(known_gap)
        return True

    def _report_gap(self, known: LedgerGap | None) -> None:
        if self.gap is not None and known is None:
            log.error("the ledger has a gap: read-only", project_id=self._project_id, reason=str(self.gap))

    async def _fold(self, state: State, page: list[Stored], came: Callable[[Event], None]) -> None:
        self._pace.begin()
        for row in page:
            try:
                apply(state, row.event)
            except LedgerGap as gap:
                self.gap = gap
                return
            self._pass_over(row.event)
            self.recent.add(row.event)
            self.passed_over |= isinstance(row.event.data, Unknown)
            self.foreign |= row.writer != self._journal.writer
            self.doubtful = True
            came(row.event)
            await self._pace.give_way_when_spent()
        await self._pace.give_way()

    def _pass_over(self, event: Event) -> None:
        """Note an event of an unknown type. The state lacks what it means, so no snapshot is written of it."""
        if isinstance(event.data, Unknown) and not self.passed_over:
            self.passed_over = True
            log.warning(
                "passed over events of a newer version",
                project_id=self._project_id,
                seq=event.seq,
                type=event.data.type,
            )


async def read_state(journal: Journal, project_id: int) -> State:
    """A project's state as it is now, for a tool that looks once. Raises what the journal raises."""
    limits = Limits()
    return await Replica(project_id, journal, limits, Totals(), Pace(limits, perf_counter)).up_to_date()


def _ignore(_: Event) -> None:
    """Nobody waits for what is read while a state is rebuilt."""
