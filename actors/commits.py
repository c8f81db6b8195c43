"""Making one batch durable: appending it, and settling an append whose outcome is unknown.

One `Commit` lives as long as its batch. It knows which of its appends may still turn out to have happened, and whether
the batch is served in turn with other servers. Deciding, and what the callers are told, is `actors.project`'s.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import trio

from actors.batch import Work
from actors.journal import Journal
from actors.limits import Limits
from actors.statistics import Totals
from engine.errors import JournalUnavailable, NotTogether, OutcomeUnknown
from engine.history import Stored
from engine.vocabulary import Event


class Commit:
    """The way of one batch into the ledger."""

    def __init__(self, project_id: int, journal: Journal, limits: Limits, totals: Totals) -> None:
        self._project_id = project_id
        self._journal = journal
        self._limits = limits
        self._totals = totals
        self._unsettled: list[Work] = []
        self.in_turn = False
        self._holds_turn = False

    @asynccontextmanager
    async def turn(self, after: int) -> AsyncIterator[list[Stored] | None]:
        """If the batch is served in turn, other servers do not write to the project until it is durable.

        Gives the first page of the ledger's tail after event `after`, as it is then. A turn is for fairness: when there
        is none to be had, the batch is served without one.
        """
        page, limit = None, self._limits.tail_page_events
        async with AsyncExitStack() as stack:
            if self.in_turn:
                with suppress(JournalUnavailable):
                    page = await stack.enter_async_context(self._journal.turn(self._project_id, after, limit))
            self._holds_turn = page is not None
            try:
                yield page
            finally:
                self._holds_turn = False

    @property
    def unsettled(self) -> bool:
        """Whether an append of this batch may have happened unheard."""
        return bool(self._unsettled)

    def take_over(self, work: Work | None, failure: Exception | None) -> None:
        """Go on where a round ended; raises why it failed, unless its work can still be written as it is."""
        if isinstance(failure, OutcomeUnknown) and work is not None:
            self._doubt(work)
        if failure is not None and not isinstance(failure, NotTogether):
            raise failure

    async def append(self, work: Work) -> None:
        """Write the work; returns once it is durable. Not cancelled, but by its deadline.

        Raises:
            Contended: the ledger does not end with the work's predecessor; nothing was written.
            JournalUnavailable: nothing was written.
            OutcomeUnknown: ask `happened` after the state was read again.
        """
        if not work.events and not work.cursors:
            return
        try:
            await self._append(work)
        except OutcomeUnknown:
            self._doubt(work)
            raise
        self._totals.commits += 1
        self._totals.events += len(work.events)

    async def _append(self, work: Work) -> None:
        began = trio.current_time()
        deadline = began + self._limits.commit_seconds_max
        with trio.CancelScope(shield=True, deadline=deadline) as scope:
            await self._journal.append(
                self._project_id, work.events, work.cursors, predecessor=work.predecessor, holding_turn=self._holds_turn
            )
        if scope.cancelled_caught:
            raise OutcomeUnknown("the commit took too long")
        self._totals.commit_seconds.observe(trio.current_time() - began)

    async def happened(self) -> Work | None:
        """The work that is durable after all, of those whose outcome was unknown; any of them may land late.

        A commit shows before a synchronous standby has it. So another commit comes first, and only what that one
        vouches for counts as found: what was read before it may have been read from a primary that is gone.
        """
        head = await self._journal.confirm(self._project_id)
        # The longest first: a shorter one may be its beginning, with the same events at the same time.
        for work in sorted(self._unsettled, key=lambda work: work.events[-1].seq, reverse=True):
            if work.events[-1].seq <= head.seq and await self._is_in_ledger(work.events):
                return work
        return None

    def _doubt(self, work: Work) -> None:
        """An append of this work may have happened unheard."""
        if work.events:  # cursors alone are written again: they only move forward
            self._unsettled.append(work)

    async def _is_in_ledger(self, events: list[Event]) -> bool:
        """Whether the ledger holds exactly these events, written by this server."""
        stored = await self._journal.tail(self._project_id, events[0].seq - 1, len(events))
        return [(row.writer, row.event) for row in stored] == [(self._journal.writer, event) for event in events]
