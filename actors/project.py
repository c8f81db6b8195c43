"""One project's actor: the only writer of its state.

It drains its mailbox into a batch, decides every command in order on the state in memory, commits the batch's events
in one round trip, and only then answers. While a commit is under way the next batch gathers: group commit. Never is
anything answered from a state that is not durable: events are folded as they are decided, so when a commit fails the
state is dropped, rebuilt from the journal, and the batch is decided again. Nothing had been answered; nobody sees it.

Callers use `submit` and `changed` from their own tasks; `run` is the actor's life and belongs to its supervisor
(`actors.directory`). Finding actors, waiting, and restarts are not its business.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

import structlog
import trio

from actors.errors import STOPPING, ActorError, Busy, Crashed, Unavailable
from actors.journal import Journal
from actors.limits import Limits
from actors.recovery import catch_up, rebuild
from actors.retrying import Backoff
from actors.statistics import Totals
from engine.decision import Context, Decision, Outcome
from engine.errors import Contended, JournalError, JournalUnavailable, OutcomeUnknown
from engine.events import EVENT_TYPES
from engine.history import Liveness
from engine.identity import Addressee, Principal
from engine.lookups import PostQuery, Recall
from engine.posts import fold_recall
from engine.project import AnyCommand, apply, decide, needed, snapshot, stamp
from engine.state import State
from engine.vocabulary import Event

log = structlog.get_logger(__name__)


class Passivated(ActorError):
    """The actor took its leave before it accepted the command; find it again."""


@dataclass(slots=True, frozen=True)
class Settled:
    """What a command came to, once durable: the outcome, the caller's unread posts, and the ledger's end then."""

    outcome: Outcome
    unread: int
    seq: int


@dataclass(slots=True, eq=False)
class _Request:
    caller: Principal
    command: AnyCommand
    addressee: Addressee | None
    patient: bool
    done: trio.Event = field(default_factory=trio.Event)
    result: Settled | ActorError | None = None

    def settle(self, result: Settled | ActorError) -> None:
        self.result = result
        self.done.set()


@dataclass(slots=True, eq=False)
class _Watcher:
    types: frozenset[str] | None
    woken: trio.Event = field(default_factory=trio.Event)


@dataclass(slots=True)
class _Work:
    """A batch, decided: what to write, and what to answer once it is durable."""

    events: list[Event] = field(default_factory=list)
    cursors: dict[int, int] = field(default_factory=dict)
    answers: list[tuple[_Request, Settled]] = field(default_factory=list)


class ProjectActor:
    """A mailbox, a state, and the loop between them."""

    def __init__(
        self, project_id: int, journal: Journal, clock: Callable[[], datetime], limits: Limits, totals: Totals
    ) -> None:
        self.project_id = project_id
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._totals = totals
        self._intake, self._mailbox = trio.open_memory_channel[_Request | None](limits.mailbox_size_max)
        self._closed = False
        self._stale = False
        self._prodded = False
        self._state: State | None = None
        self._batch: list[_Request] = []
        self._watchers: set[_Watcher] = set()
        self._newest: dict[str, int] = {}  # the number of the newest event of each type, or a later one
        self._unwritten: dict[int, Liveness] = {}
        self._snapshot_seq = 0
        self._snapshotting = False
        self._ended = trio.Event()

    # What callers use.

    async def submit(
        self, caller: Principal, command: AnyCommand, *, addressee: Addressee | None, patient: bool
    ) -> Settled:
        """Have one command decided and made durable.

        Cancelling the caller cancels its wait, not the accepted command. Raises `Busy` when the mailbox is full,
        `Passivated` when the actor is gone, `Unavailable` and `Crashed` when it failed.
        """
        if self._closed:
            raise Passivated
        request = _Request(caller, command, addressee, patient)
        try:
            self._intake.send_nowait(request)
        except trio.WouldBlock:
            self._totals.refused_busy += 1
            raise Busy("too many calls at once for this project; try again in a moment.") from None
        await request.done.wait()
        if isinstance(request.result, Settled):
            return request.result
        assert request.result is not None  # noqa: S101 - settle() sets it before done
        raise request.result

    async def changed(self, types: frozenset[str] | None, after: int) -> None:
        """Wait until an event of one of these types (any, if None) above number `after` is durable.

        May return early: ask again and see. Returns at once when the actor is closing.
        """
        if self._closed or self._state is None or self._newest_of(types) > after:
            return
        watcher = _Watcher(types)
        self._watchers.add(watcher)
        try:
            await watcher.woken.wait()
        finally:
            self._watchers.discard(watcher)

    def heard(self) -> None:
        """Another process may have written: catch up before the next answer, and wake whom its events concern."""
        self._stale = True
        if self._closed or self._prodded:
            return
        with suppress(trio.WouldBlock):  # a full mailbox means that the next batch is due anyway
            self._intake.send_nowait(None)
            self._prodded = True

    def close(self) -> None:
        """Accept nothing more; what was accepted is still served. Everybody who watches is woken."""
        self._closed = True
        self._intake.close()
        self._wake(None)

    @property
    def closed(self) -> bool:
        """Whether the actor accepts nothing more."""
        return self._closed

    async def ended(self) -> None:
        """Wait until everything that was accepted is answered, and nothing more will be written."""
        await self._ended.wait()

    @property
    def open_posts(self) -> int | None:
        """How many posts somebody still has to acknowledge; None while the state is not in memory."""
        return None if self._state is None else len(self._state.posts)

    @property
    def mailbox_depth(self) -> int:
        """Commands that wait to be decided."""
        return self._mailbox.statistics().current_buffer_used

    @property
    def waiting(self) -> int:
        """Callers that wait for something to happen."""
        return len(self._watchers)

    async def write_liveness(self) -> None:
        """Write behind who called lately; what cannot be written now is kept for the next time."""
        unwritten, self._unwritten = self._unwritten, {}
        if not unwritten:
            return
        try:
            await self._journal.write_liveness(self.project_id, unwritten)
        except JournalError as error:
            self._unwritten = unwritten | self._unwritten
            log.warning("liveness not written", project_id=self.project_id, reason=str(error))

    # The actor's own life.

    async def run(self) -> None:
        """Serve until idle or closed; then write liveness and a snapshot.

        Whatever ends it, nobody is left waiting: commands that were accepted and not answered fail, as
        `Unavailable` if it was cancelled, otherwise as `Crashed`.
        """
        try:
            async with trio.open_nursery() as nursery:
                while await self._gather():
                    await self._serve()
                    self._keep_snapshot(nursery)
            await self.write_liveness()
            await self._leave_snapshot()
        finally:
            self._abandon()

    async def _gather(self) -> bool:
        """Wait for something to do and fill the batch; False when there is nothing left to live for."""
        try:
            request = None if self._batch else await self._first()
            while True:
                if request is not None:
                    self._batch.append(request)
                if len(self._batch) == self._limits.batch_size_max:
                    return True
                request = self._mailbox.receive_nowait()
        except trio.WouldBlock:
            return True
        except trio.EndOfChannel:
            return bool(self._batch)

    async def _first(self) -> _Request | None:
        """The next message; closes the actor when none came for long and nobody watches."""
        while True:
            with trio.move_on_after(self._limits.idle_seconds):
                return await self._mailbox.receive()
            if not self._watchers:
                self.close()

    async def _serve(self) -> None:
        """Decide, commit and answer the batch; retry what the environment broke, within bounds."""
        backoff = Backoff(self._limits)
        unsettled: list[_Work] = []
        while True:
            try:
                async with self._turn(contended=backoff.tries > 0):
                    state = await self._current_state()
                    if (happened := await self._happened(unsettled, state)) is not None:
                        work = happened
                        break
                    work = await self._decide(state)
                    await self._commit(work, holding_turn=backoff.tries > 0)
                    break
            except JournalError as error:
                self._state = None
                if isinstance(error, OutcomeUnknown):
                    unsettled.append(work)
                if isinstance(error, Contended):
                    self._totals.conflicts += 1
                if not await backoff.pause(immediately=isinstance(error, Contended)):
                    self._fail(Unavailable("the database does not answer; try again (with the same key)."), error)
                    return
        self._publish(work)

    def _turn(self, *, contended: bool) -> AbstractAsyncContextManager[None]:
        return self._journal.turn(self.project_id) if contended else nullcontext()

    async def _current_state(self) -> State:
        self._prodded = False
        if self._state is None:
            self._stale = False
            rebuilt = await rebuild(self._journal, self.project_id, self._limits)
            self._state, self._snapshot_seq = rebuilt.state, rebuilt.snapshot_seq
            self._state.seen.update(self._unwritten)
            self._totals.rebuilds += 1
            self._newest = dict.fromkeys(EVENT_TYPES, self._state.seq)
            self._wake(None)
        if self._stale:
            self._stale = False
            types = await catch_up(self._state, self._journal, self.project_id, self._limits)
            if types:  # news of readers only wakes nobody: who is woken calls, and that would be news in turn
                self._newest |= dict.fromkeys(types, self._state.seq)
                self._wake(types)
        return self._state

    async def _happened(self, unsettled: list[_Work], state: State) -> _Work | None:
        """The work that is durable after all, of those whose outcome was unknown; any of them may land late."""
        for work in unsettled:
            if await self._is_durable(work, state):
                if work.events and work.events[-1].seq > state.seq:
                    self._state = None  # it landed after the state was rebuilt
                return work
        return None

    async def _is_durable(self, work: _Work, state: State) -> bool:
        """Whether the journal holds exactly what this work was to write."""
        events = work.events
        if not events:
            return all(state.cursors.get(reader) == seq for reader, seq in work.cursors.items())
        stored = await self._journal.tail(self.project_id, events[0].seq - 1, len(events))
        return [(row.writer, row.event) for row in stored] == [(self._journal.writer, event) for event in events]

    async def _decide(self, state: State) -> _Work:
        """Decide the batch, or its beginning: up to a command that needs a post which left the state on the way."""
        wanted = {post_id for request in self._batch if (post_id := needed(state, request.command)) is not None}
        recall = await self._recall(state, wanted)
        work = _Work()
        now = max(self._clock(), state.at)
        for request in self._batch:
            if needed(state, request.command) not in {None, *wanted}:
                break
            self._see(state, request.caller, now)
            context = Context(
                caller=request.caller,
                seq=state.seq,
                now=now,
                addressee=request.addressee,
                recall=recall,
                patient=request.patient,
            )
            outcome = decide(state, request.command, context)
            if isinstance(outcome, Decision):
                self._fold(work, state, recall, stamp(state, request.caller, now, outcome.events))
                if outcome.cursor is not None:
                    state.cursors[request.caller.id] = work.cursors[request.caller.id] = outcome.cursor
            unread = len(state.posts.inbox(request.caller.id))
            work.answers.append((request, Settled(outcome, unread, state.seq)))
        return work

    def _fold(self, work: _Work, state: State, recall: Recall, events: list[Event]) -> None:
        for event in events:
            apply(state, event)
            fold_recall(recall, event)
            self._newest[event.data.type] = event.seq
        work.events += events

    async def _recall(self, state: State, wanted: set[int]) -> Recall:
        if not wanted:
            return Recall()
        query = PostQuery(upto=state.seq, ids=tuple(sorted(wanted)), limit=len(wanted))
        return Recall(await self._journal.posts(self.project_id, query))

    def _see(self, state: State, caller: Principal, now: datetime) -> None:
        state.seen[caller.id] = self._unwritten[caller.id] = Liveness(caller.actor, now)

    async def _commit(self, work: _Work, *, holding_turn: bool) -> None:
        if not work.events and not work.cursors:
            return
        with trio.CancelScope(shield=True, deadline=trio.current_time() + self._limits.commit_seconds_max) as scope:
            await self._journal.append(self.project_id, work.events, work.cursors, holding_turn=holding_turn)
        if scope.cancelled_caught:
            raise OutcomeUnknown("the commit took too long")
        self._totals.commits += 1
        self._totals.events += len(work.events)

    def _publish(self, work: _Work) -> None:
        del self._batch[: len(work.answers)]
        for request, settled in work.answers:
            request.settle(settled)
        self._totals.batches += 1
        self._totals.commands += len(work.answers)
        if work.events:
            self._wake({event.data.type for event in work.events})

    def _fail(self, error: ActorError, reason: JournalError) -> None:
        """Tell everybody, also who still waits in the mailbox: their turn would come one timeout after the other."""
        self._drain()
        log.warning("batch failed", project_id=self.project_id, commands=len(self._batch), reason=str(reason))
        self._totals.unavailable += len(self._batch)
        self._settle_all(error)
        self._prodded = False
        if self._watchers:
            self.heard()  # the state is gone, and with it what would have woken them

    def _newest_of(self, types: frozenset[str] | None) -> int:
        return max(self._newest[name] for name in types or EVENT_TYPES)

    def _wake(self, types: Iterable[str] | None) -> None:
        """Wake whom events of these types concern; None: everybody."""
        for watcher in self._watchers:
            if types is None or watcher.types is None or not watcher.types.isdisjoint(types):
                watcher.woken.set()

    def _keep_snapshot(self, nursery: trio.Nursery) -> None:
        state = self._state
        if state is None or self._snapshotting:
            return
        if state.seq - self._snapshot_seq >= max(self._limits.snapshot_every_events, 2 * len(state.posts)):
            self._snapshotting = True
            nursery.start_soon(self._write_snapshot, state.seq, snapshot(state), len(state.posts))

    async def _leave_snapshot(self) -> None:
        if self._state is not None and self._state.seq > self._snapshot_seq:
            await self._write_snapshot(self._state.seq, snapshot(self._state), len(self._state.posts))

    async def _write_snapshot(self, seq: int, stored: bytes, open_posts: int) -> None:
        try:
            await self._journal.write_snapshot(self.project_id, seq, stored, open_posts=open_posts)
            self._snapshot_seq = seq
            self._totals.snapshots += 1
        except (JournalUnavailable, OutcomeUnknown) as error:
            log.warning("snapshot not written", project_id=self.project_id, reason=str(error))
        finally:
            self._snapshotting = False

    def _abandon(self) -> None:
        self.close()
        self._drain()
        # Only a server that stops cancels its actors.
        if trio.current_effective_deadline() == -inf:
            self._settle_all(Unavailable(STOPPING))
        else:
            self._settle_all(Crashed("this project's actor failed while it held the call; try again with its key."))
        self._ended.set()

    def _drain(self) -> None:
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while True:
                if (request := self._mailbox.receive_nowait()) is not None:
                    self._batch.append(request)

    def _settle_all(self, error: ActorError) -> None:
        for request in self._batch:
            request.settle(error)
        self._batch.clear()
