"""One project's actor: the only writer of its state in this process.

It drains its mailbox into a batch, decides every command in order on the state in memory, commits the batch's events
in one round trip, and only then answers. While a commit is under way the next batch gathers: group commit. Decisions
are folded before they are durable; those that cannot be committed are taken back.

Every answer is true of everything that was durable when its batch had gathered. A batch with events proves that by its
commit, which writes right after the last event that the state holds, or not at all. A batch without events compares
that event with the ledger's last one, unless this server is alone on the database; and where events were read since
the last commit, it commits once more, since what can be read is perhaps not yet on the synchronous standby.

Its phases, and what may follow each. `Phases.enter` refuses any other step:

    resting     gathering, deciding, leaving: there is nothing to do; waits for a command, for news, or to be closed
    gathering   reading: takes its turn, if need be, and fills the batch, one command of each caller in turn
    reading     deciding, settling, retrying: brings the state up to date, if need be
    settling    deciding, answering, retrying: asks whether a commit of unknown outcome happened
    deciding    gathering, checking, committing, answering, retrying: decides as much of the batch as a slice allows
    checking    reading, committing, answering, retrying: compares the state's last event with the ledger's, and has
                what was read confirmed by a commit
    committing  committing, answering, retrying: appends the batch's events, on the last event that the state holds;
                alone, if they could not be appended together with those of others
    retrying    gathering, resting: took back what was decided; refuses the calls that waited for as long as they may,
                and pauses for the others
    answering   resting: answers what is durable, and wakes those who wait for it
    leaving     ended: writes liveness and a last snapshot
    ended       nobody is left waiting

A crash or a cancellation ends it from every phase. Its flags:

    closed               accepts nothing more. Set by `close`, for good
    in_turn              serves the batch while other servers wait. Set after a failure, and while another server is met
                         by an actor whose last batch wrote, or this one
    holds_turn           other servers do wait. Set when the turn is had; its commit hands it on
    stale                another server may have written: read before the next decision. Set by `heard`, by every
                         failure, and before a turn; reset when reading begins
    doubtful             events were read that no commit of this server vouches for yet. Set by reading; reset by the
                         next commit of events, or by one that only confirms
    foreign              an event of another server was read. Begins the time in which this one takes its turn
    wrote                the last batch that was answered had events
    recording            a batch is folded and not durable. Set while it is decided, until it is answered or taken back
    gap                  events are missing in the ledger: read-only, until they are there
    passed_over          an event of an unknown type was read: no snapshots, until the state is rebuilt
    snapshot_unreadable  the stored snapshot is of no use: write another one with the next batch
    in_round             a round serves the actor, or will. Set when it joins one, until the round ends or leaves the
                         batch to the actor's own task
    left                 what a round has decided, and did not write
    failure              why it was not written

An actor that rests and is up to date joins a round (`actors.rounds`) when a command comes: it goes from resting to
deciding, and its own task sleeps on. What the round cannot do it leaves to that task (`_leave_round`).

Callers use `submit` and `changed` from their own tasks; `run` is the actor's life and belongs to its supervisor
(`actors.directory`). Finding actors, waiting on behalf of callers, and restarts are not its business.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator
from datetime import datetime
from functools import partial
from math import inf

import structlog
import trio

from actors.batch import Deciding, Work
from actors.commits import Commit
from actors.cursors import Cursors
from actors.errors import STOPPING, Busy, Crashed, Passivated, Unavailable
from actors.journal import Journal
from actors.limits import Limits
from actors.looking import Happening
from actors.mailbox import Mailbox, Request, Settled, refuse_all
from actors.pace import Pace, Stopwatch
from actors.phases import Phase, Phases
from actors.preparing import compare, is_prepared, recall, wanted_posts
from actors.readers import LastCalls
from actors.replica import Replica
from actors.retrying import Backoff
from actors.rounds import Rounds
from actors.snapshots import Snapshots
from actors.statistics import Totals
from actors.waiting import News, Patience
from engine.errors import Contended, JournalError
from engine.history import Stored
from engine.lookups import EventQuery, EventView, Found, PostQuery, PostRecord
from engine.state import State
from engine.vocabulary import Event, Topic

log = structlog.get_logger(__name__)


class ProjectActor:
    """A mailbox, a state, and the loop between them."""

    def __init__(  # noqa: PLR0917 - handed on from one place
        self,
        project_id: int,
        journal: Journal,
        clock: Callable[[], datetime],
        limits: Limits,
        totals: Totals,
        stopwatch: Stopwatch,
        rounds: Rounds,
    ) -> None:
        self.project_id = project_id
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._totals = totals
        self._pace = Pace(limits, stopwatch)
        self._rounds = rounds
        self._mailbox = Mailbox(limits)
        self._news = News(limits)
        self._readers = LastCalls(project_id, journal, limits)
        self._cursors = Cursors(project_id, journal, limits)
        self._replica = Replica(project_id, journal, limits, totals, self._pace)
        self._replica.began, self._replica.came = self._begin_with, self._tell
        self._snapshots = Snapshots(project_id, journal, limits, totals, Pace(limits, stopwatch), self._replica)
        self._batch: list[Request] = []
        self._phases = Phases()
        self._wrote = False
        self._in_round = False
        self._left: Work | None = None
        self._failure: Exception | None = None
        self._active_at = trio.current_time()
        self.closed = False
        self._ended = trio.Event()
        self.stirred: Callable[[], object] = lambda: None
        """Called when an event has become durable here, or may have elsewhere."""

    # What callers use.

    def submit(self, request: Request) -> Awaitable[Settled]:
        """Have one command decided and made durable.

        Cancelling the caller cancels its wait, not the accepted command. Raises `Busy` when the mailbox is full,
        `Passivated` when the actor is gone, `Unavailable` and `Crashed` when it failed.
        """
        self._accept(request)
        return request.settled()

    def submit_on_news(
        self, request: Request, topics: Collection[Topic], after: int, until: float, patience: Patience | None
    ) -> Awaitable[Settled | None]:
        """The same once an event above number `after` that has one of these topics is durable, or earlier.

        None if there is none until `until`, in Trio's time. Raises `WaitEnded` when `patience` is over first.
        """
        if not self._hears_news():
            return self.submit(request)
        return self._news.submit(request, self._accept, topics, after, until=until, patience=patience)

    async def changed(self, topics: Collection[Topic], after: int) -> None:
        """Wait as `News.changed` says. Returns at once when the actor is closing."""
        if self._hears_news():
            await self._news.changed(topics, after)

    @property
    def last(self) -> int | None:
        """The number of the last durable event that is known here; None while the state is not in memory."""
        return None if self._replica.state is None else self._news.last

    def recent(self, after: int, upto: int) -> list[Happening] | None:
        """The events above number `after`, to `upto`; None when some of them are no longer remembered."""
        return self._news.recent(after, upto)

    async def cursor(self, reader: int) -> int | None:
        """Where the reader's `whats_new` goes on; None for a newcomer. Raises `JournalUnavailable`."""
        return await self._cursors.of(reader)

    def find(self, query: EventQuery) -> Found[EventView] | None:
        """The events that match; None if they must be read from the ledger. All of them are durable."""
        return self._replica.recent.find(query)

    async def posts(self, query: PostQuery) -> Found[PostRecord]:
        """The posts that match, remembered or read from the ledger. Raises what the journal raises."""
        return await self._replica.recent.posts(query, partial(self._journal.posts, self.project_id))

    def heard(self) -> None:
        """Another server may have written: read before the next answer, and wake whom its events concern."""
        self._cursors.forget()
        self._replica.stale = True
        if self._news.waiting:
            self._mailbox.prod()

    def close(self) -> None:
        """Accept nothing more; what was accepted is still served. Everybody who waits for news is woken."""
        self.closed = True
        self._mailbox.close()
        self._news.wake_all()

    async def ended(self) -> None:
        """Wait until everything that was accepted is answered, and nothing more will be written."""
        await self._ended.wait()

    @property
    def state(self) -> State | None:
        """What the project holds, to be looked at and not to be kept; None while it is not in memory."""
        return self._replica.state

    @property
    def mailbox_depth(self) -> int:
        """Commands that wait to be decided."""
        return len(self._mailbox)

    @property
    def waiting(self) -> int:
        """Callers that wait for something to happen."""
        return self._news.waiting

    @property
    def read_only(self) -> bool:
        """Whether the ledger has a gap, so that nothing can be written."""
        return self._replica.gap is not None

    async def exchange_liveness(self) -> None:
        """Write behind who called lately, and read who called at other servers."""
        await self._readers.exchange(self._clock())

    def _accept(self, request: Request) -> None:
        if self.closed:
            raise Passivated
        request.stages.accepted = trio.current_time()
        if self._phases.now is Phase.RESTING and not (self._in_round or self._mailbox.wakes):
            self._in_round = True
            self._mailbox.hold()
            self._rounds.add(self)
        try:
            self._mailbox.put(request)
        except Busy:
            self._totals.refused_busy += 1
            raise

    # The actor's own life.

    async def run(self) -> None:
        """Serve until idle or closed; then write liveness and a snapshot.

        Whatever ends it, nobody is left waiting: commands that were accepted and not answered fail, as
        `Unavailable` if it was cancelled, otherwise as `Crashed`.
        """
        try:
            async with trio.open_nursery() as self._snapshots.nursery:
                while await self._rest():
                    await self._serve()
            self._phases.enter(Phase.LEAVING)
            await self.exchange_liveness()
            await self._snapshots.write_last()
        finally:
            self.close()
            if self._in_round and self._phases.now is Phase.COMMITTING:
                with trio.CancelScope(shield=True):  # what was decided is committed, and then answered
                    await self._mailbox.arrived()
            self._end()

    async def _rest(self) -> bool:
        """Wait for something to do; False when the actor must end. It closes when it was idle for long."""
        while True:
            with trio.move_on_at(self._active_at + self._limits.idle_seconds):
                await self._mailbox.arrived()
                return bool(self._mailbox or self._batch or self._failure) or not self.closed
            if trio.current_time() >= self._active_at + self._limits.idle_seconds:
                self._active_at = trio.current_time()
                if not self._news.waiting:
                    self.close()

    async def _serve(self) -> None:
        """Decide, commit and answer a batch, or go on where a round left it; retry what the environment broke."""
        backoff = Backoff(self._limits)
        commit = Commit(self.project_id, self._journal, self._limits, self._totals)
        left, self._left = self._left, None
        commit.in_turn = left is None and self._replica.meets_others(trio.current_time()) and self._wrote
        while True:
            try:
                failure, self._failure = self._failure, None
                commit.take_over(left, failure)
                if left is None:
                    self._phases.enter(Phase.GATHERING)
                async with commit.turn(self._replica.reads_after) as page:
                    self._replica.stale |= commit.in_turn
                    work, left = await self._try(commit, page, left), None
                    if work is not None:
                        self._answer(work, trio.current_time())
                        await self._pace.give_way()
                        return
            except JournalError as error:
                left = None
                self._phases.enter(Phase.RETRYING)
                self._replica.take_back()
                self._cursors.forget()
                if isinstance(error, Contended):
                    self._totals.conflicts += 1
                    self._replica.meet(trio.current_time())
                if self._give_up(error, backoff):
                    return
                await backoff.pause(immediately=isinstance(error, Contended))
            commit.in_turn = True

    async def _try(self, commit: Commit, page: list[Stored] | None, work: Work | None) -> Work | None:
        """One try of the batch: what to answer, all of it durable; None if it must be tried again in turn.

        `page` is what was read of the ledger's tail as the turn began, and `work` what a round has decided.
        """
        current = False
        if work is None:
            self._take(self._limits.batch_size_max, trio.current_time())
        while work is None or not (work.events or await self._is_proven(just_read=current)):
            if work is not None:
                self._replica.take_back()
            self._phases.enter(Phase.READING)
            current = self._replica.must_read
            state, page = await self._replica.up_to_date(page), None
            await self._readers.read_once(self._clock())
            if self._replica.foreign:
                self._replica.meet(trio.current_time())
            if commit.unsettled and (happened := await self._happened(commit, state)) is not None:
                return happened
            work = await self._decide(state)
            if work.events and self._replica.meets_others(trio.current_time()) and not commit.in_turn:
                self._replica.take_back()
                return None
        if work.events or work.cursors:
            self._phases.enter(Phase.COMMITTING)
            await commit.append(work)
            self._replica.doubtful &= not work.events  # a commit vouches for all that was visible before it
        return work

    def _take(self, count: int, now: float) -> None:
        """Take requests from the mailbox, as far as the batch has room."""
        taken = self._mailbox.take(min(count, self._limits.batch_size_max - len(self._batch)))
        for request in taken:
            request.stages.taken = now
            self._totals.queue_seconds.observe(now - request.stages.accepted)
        self._batch += taken

    async def _happened(self, commit: Commit, state: State) -> Work | None:
        self._phases.enter(Phase.SETTLING)
        work = await commit.happened()
        if work is not None and state.seq < work.events[-1].seq:
            self._replica.stale = True  # it landed after the state was read
        return work

    async def _decide(self, state: State) -> Work:
        """Decide the batch, or its beginning, and fold what was decided."""
        self._phases.enter(Phase.DECIDING)
        wanted = wanted_posts(state, self._batch)
        recalled = await recall(self._journal, self.project_id, state, self._batch, wanted)
        if self._batch:
            await compare(state, self._batch[0], self._clock(), self._pace)
        self._pace.begin()
        self._replica.begin()
        deciding = Deciding(state, self._clock(), self._replica.gap, self._readers.saw, recalled, wanted)
        return deciding.run(self._batch, self._pace)

    async def _is_proven(self, *, just_read: bool) -> bool:
        """Whether the state ends with the ledger's last event, all of it as durable as a commit makes it."""
        if (just_read or self._journal.alone) and not self._replica.doubtful:
            return True
        self._phases.enter(Phase.CHECKING)
        return await self._replica.prove(just_read=just_read)

    def _answer(self, work: Work, now: float) -> None:
        """Answer what is durable, and wake whom it concerns."""
        self._phases.enter(Phase.ANSWERING)
        wrote = bool(work.events or work.cursors)
        for request, settled in work.answers:
            request.stages.answered, request.stages.wrote = now, wrote
            request.settle(settled)
        # Counting would not do: an answer may be of a request that was given up and has left the batch.
        if undecided := [request for request in self._batch if request.result is None]:
            self._mailbox.put_back(undecided)
        self._batch.clear()
        self._wrote, self._active_at = bool(work.events), now
        self._totals.batches += 1
        self._totals.commands += len(work.answers)
        self._totals.batch_commands.observe(len(work.answers))
        if work.cursors:
            self._cursors.moved(work.cursors)
        if self._replica.recording:  # else the events were found, and told of when they were read
            self._replica.keep(work.events)
            for event in work.events:
                self._tell(event)
        self._phases.enter(Phase.RESTING)
        if not self.closed:  # else the last one is about to be written
            self._snapshots.write_when_due()

    def _give_up(self, reason: JournalError, backoff: Backoff) -> bool:
        """Refuse the calls for which the next try comes too late, those in the mailbox too; whether none is left."""
        if (accepted_until := backoff.too_late_for) == -inf:
            return False
        late = self._mailbox.take_older(accepted_until)
        late += [request for request in self._batch if request.stages.accepted <= accepted_until]
        self._batch = [request for request in self._batch if request.stages.accepted > accepted_until]
        if late and backoff.tell():
            log.warning("batch failed", project_id=self.project_id, commands=len(late), reason=str(reason))
        self._totals.unavailable += len(late)
        refuse_all(late, Unavailable("the database does not answer; try again (with the same key)."))
        if self._batch or self._mailbox:
            return False
        self._phases.enter(Phase.RESTING)
        if self._news.waiting:
            self._mailbox.prod()  # events that came meanwhile would have woken them
        return True

    # Rounds.

    def decide_in_round(self, now: datetime, moment: float, pace: Pace) -> Work | None:
        """Decide what waits: what is to be written; None when there is nothing to be written in a round.

        `now` and, in Trio's time, `moment` are when the slice began.
        """
        try:
            work = self._decide_at_once(now, moment, pace)
            if work is None:
                self._leave_round()
            elif work.events and not work.cursors:
                self._phases.enter(Phase.COMMITTING)
                return work
            elif not work.cursors and self._journal.alone and not self._replica.doubtful:
                self._answer_in_round(work, trio.current_time())
            else:
                self._leave_round(work)
        except Exception as error:  # noqa: BLE001 - the actor's own task raises it again, to its supervisor
            self._leave_round(failure=error)
        return None

    def end_round(self, work: Work, failure: Exception | None, now: float) -> None:
        """The work is durable, or why that is not known. `now` is Trio's time."""
        if failure is not None:
            self._leave_round(work, failure)
            return
        try:
            self._replica.doubtful = False
            self._totals.events += len(work.events)
            self._answer_in_round(work, now)
        except Exception as error:  # noqa: BLE001 - as in `decide_in_round`
            self._leave_round(failure=error)

    def _decide_at_once(self, now: datetime, moment: float, pace: Pace) -> Work | None:
        """The batch, decided; None when something must come first."""
        state = self._replica.state
        if state is None or self._replica.must_read or self.closed or self._replica.meets_others(moment):
            return None
        self._take(1, moment)
        if not (self._batch and self._readers.was_read and is_prepared(state, self._batch[0], now)):
            return None
        self._phases.enter(Phase.DECIDING)
        self._replica.begin()
        return Deciding(state, now, self._replica.gap, self._readers.saw).run(self._drawn(moment), pace)

    def _drawn(self, now: float) -> Iterator[Request]:
        """The batch, filled as it is asked for: when the slice is spent, others still wait in the mailbox's order."""
        yield from self._batch
        while self._mailbox and len(self._batch) < self._limits.batch_size_max:
            self._take(1, now)
            yield self._batch[-1]

    def _answer_in_round(self, work: Work, now: float) -> None:
        self._answer(work, now)
        if self._mailbox:
            self._rounds.add(self)
        else:
            self._leave_round()

    def _leave_round(self, work: Work | None = None, failure: Exception | None = None) -> None:
        """Let the actor's own task go on with what is left, if anything."""
        self._in_round, self._left, self._failure = False, work, failure
        if self._batch or failure is not None:
            self._mailbox.prod()
        self._mailbox.release()

    # News.

    def _hears_news(self) -> bool:
        """Whether a wait may begin here. What was heard of before is read first: it may end the wait."""
        if self._replica.stale:
            self._mailbox.prod()
        return not self.closed and self._replica.state is not None

    def _tell(self, event: Event) -> None:
        self._news.tell(event)
        self.stirred()

    def _begin_with(self, state: State) -> None:
        state.seen = self._readers.seen
        self._news.begin(state.seq)

    # The end.

    def _end(self) -> None:
        self.close()
        left = self._batch + self._mailbox.take(len(self._mailbox))
        if self._failure is not None and not isinstance(self._failure, JournalError):
            log.error("a round failed while its actor was stopped", project_id=self.project_id, exc_info=self._failure)
        if trio.current_effective_deadline() == -inf:  # only a server that stops cancels its actors
            refuse_all(left, Unavailable(STOPPING))
        else:
            refuse_all(left, Crashed("this project's actor failed while it held the call; try again with its key."))
        self._phases.end()
        self._ended.set()
