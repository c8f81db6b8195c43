"""The directory: finds or starts a project's actor, supervises it, and waits on a caller's behalf.

A caller's `ask` goes to the actor's mailbox; what the state does not hold is looked up in the journal, and waiting is
done, in the caller's own task. So a slow read or a long wait never holds an actor up, and a cancelled caller leaves
nothing behind.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import inf
from time import perf_counter
from typing import TypeVar, assert_never

import structlog
import trio
from msgspec import Struct

from actors.errors import STOPPING, Busy, Crashed, Passivated, Unavailable
from actors.journal import Journal
from actors.limits import Limits
from actors.looking import Happening, Look, Looked, Prepare, Stir, nobody
from actors.mailbox import Request, Settled, Stages
from actors.pace import Stopwatch
from actors.project import ProjectActor
from actors.retrying import Backoff, doubled
from actors.rounds import Rounds
from actors.statistics import DirectoryStatistics, Figures, Totals, figures
from actors.waiting import Patience
from engine.decision import Context, Decision, Pending
from engine.errors import JournalUnavailable, TooSlow
from engine.identity import Addressee, Principal
from engine.ledger import AdvanceCursor, WhatsNew
from engine.lookups import ClaimFact, EventLookup, Lookup, PostLookup, Recall, TaskLookup
from engine.project import AnyCommand, decide, long_comparison
from engine.refusals import Refusal
from engine.sequences import VoidClaim
from engine.state import State
from engine.vocabulary import ANY, Reply

log = structlog.get_logger(__name__)

Found = TypeVar("Found")
Seen = TypeVar("Seen")


class Answer(Struct, frozen=True):
    """A durable reply, and how many posts the caller still has to acknowledge after it.

    `advances` is the caller's cursor, for `Directory.follow_up` once the reply has reached the caller.
    """

    reply: Reply
    unread: int
    advances: int | None = None


def utc_now() -> datetime:
    """The wall clock in UTC, in whole milliseconds, as the ledger keeps time."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(slots=True)
class _Crashes:
    """A project's crashes in a row, and the time before which its actor is not started again."""

    in_a_row: int
    not_before: float


class Directory:
    """All actors of one process. `run` owns them; `ask` reaches them."""

    def __init__(
        self,
        journal: Journal,
        *,
        clock: Callable[[], datetime] = utc_now,
        limits: Limits | None = None,
        stopwatch: Stopwatch = perf_counter,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._stopwatch = stopwatch
        self._limits = limits or Limits()
        self._totals = Totals()
        self._rounds = Rounds(journal, clock, self._limits, self._totals, stopwatch)
        self._actors: dict[int, ProjectActor] = {}
        self._crashes: dict[int, _Crashes] = {}
        self._forgotten: list[int] = []
        self._advancing: dict[tuple[int, int], dict[trio.Event, int]] = {}
        """By reader the moves of the cursor that are under way: when each is done, and where it leads."""
        self._stirring: dict[int, set[Stir]] = {}
        self._nursery: trio.Nursery | None = None
        self._stopping = trio.Event()
        self._stopped = trio.Event()

    async def ask(
        self,
        caller: Principal,
        command: AnyCommand,
        *,
        addressee: Addressee | None = None,
        stages: list[Stages] | None = None,
        patience: Patience | None = None,
    ) -> Answer | Refusal:
        """Have a command decided, made durable and answered; waits up to the command's `wait_seconds` for news.

        `stages` is given the times of each time that it was decided: a wait asks again when there is news.
        Cancelling cancels the wait, never a command that was accepted. Raises `Busy`, `Unavailable` or `Crashed`, and
        `WaitEnded` when `patience` is over before there is news.
        """
        deadline = trio.current_time() + command.wait_seconds if command.wait_seconds else -inf
        answer: Answer | None = None
        since: int | None = None
        while answer is None or not self._stopping.is_set():
            patient = deadline > -inf and trio.current_time() < deadline
            actor = self._find(caller.project_id)
            cursor = await self._cursor(actor, caller) if isinstance(command, WhatsNew) else None
            claim = await self._claim(caller, command) if isinstance(command, VoidClaim) else None
            request = Request(caller, command, addressee, cursor, claim, since, patient)
            try:
                settled: Settled | None = await actor.submit(request)
                while settled is not None:
                    if stages is not None:
                        stages.append(request.stages)
                    outcome, until = settled.outcome, deadline
                    since = settled.seq if since is None else since
                    match outcome:
                        case Refusal():
                            return outcome
                        case Pending():
                            until = min(deadline, self._trio_time(outcome.until))
                        case Decision():
                            cursor = outcome.cursor if cursor is None else cursor
                            reply = await self._complete(caller.project_id, outcome.reply)
                            answer = Answer(reply, settled.unread, outcome.advances)
                            if reply.is_news or not patient:
                                return answer
                    # The cursor stays: any event that could move it further ends this wait.
                    request = Request(caller, command, addressee, cursor, claim, since, patient)
                    settled = await actor.submit_on_news(request, outcome.awaits, settled.seq, until, patience)
            except Passivated:
                continue
        return answer

    async def follow_up(self, caller: Principal, answer: Answer) -> None:
        """Keep that the answer has reached the caller. Not called, the caller is shown the same events again.

        Raises what `ask` raises.
        """
        if answer.advances is None:
            return
        reader = (caller.project_id, caller.id)
        moves = self._advancing.setdefault(reader, {})
        if any(upto >= answer.advances for upto in moves.values()):
            return  # a reader with many calls that wait was shown the same events by all of them
        done = trio.Event()
        moves[done] = answer.advances
        try:
            await self.ask(caller, AdvanceCursor(upto=answer.advances))
        finally:
            done.set()
            del moves[done]
            if not moves:
                del self._advancing[reader]

    async def look(
        self, project_id: int, view: Callable[[State, datetime], Seen], prepare: Prepare | None = None
    ) -> Seen:
        """What `view` makes of a project's state, all of it durable, and the time; nobody counts as having called.

        What `view` and `prepare` may do is said at `actors.looking.Look`. Raises what `ask` raises.
        """
        while True:
            actor = self._find(project_id)
            try:
                look = Look(view=view) if prepare is None else Look(view=view, prepare=prepare)
                settled = await actor.submit(Request(nobody(project_id), look))
            except Passivated:
                continue
            assert isinstance(settled.outcome, Decision)  # noqa: S101 - a look is never refused
            assert isinstance(settled.outcome.reply, Looked)  # noqa: S101 - and has this reply
            seen: Seen = settled.outcome.reply.seen
            return seen

    async def consult(self, caller: Principal, question: AnyCommand) -> Reply | Refusal:
        """What a reading command would be answered, without counting as a call of the caller's.

        For questions that name nobody and do not wait. Raises what `ask` raises.
        """
        project_id = caller.project_id
        outcome = await self.look(
            project_id,
            lambda state, now: _consulted(state, now, caller, question),
            lambda state, now: long_comparison(state, question),
        )
        return await self._complete(project_id, outcome.reply) if isinstance(outcome, Decision) else outcome

    async def last_event(self, project_id: int) -> int:
        """The number of a project's last event; 0 before the first. Raises what `ask` raises."""
        return await self.look(project_id, _last_event)

    async def happened(self, project_id: int, after: int) -> tuple[int, list[Happening] | None]:
        """Wait until the last event of a project is another than number `after`: its number, and the events between.

        They are None when not all of them are remembered, or the ledger ends before `after`. Raises what `ask` raises.
        """
        while True:
            actor = self._find(project_id)
            if (last := actor.last) is None:
                await self.last_event(project_id)  # brings the state into memory
            elif last != after:
                return last, actor.recent(after, last) if last > after else None
            else:
                await actor.changed((ANY,), after)

    @contextmanager
    def listening(self, project_ids: Collection[int]) -> Iterator[Stir]:
        """Notice what happens in these projects while the block runs, here or at another server; wakes none of them."""
        stir = Stir()
        for project_id in project_ids:
            self._stirring.setdefault(project_id, set()).add(stir)
        try:
            yield stir
        finally:
            for project_id in project_ids:
                self._stirring[project_id].discard(stir)
                if not self._stirring[project_id]:
                    del self._stirring[project_id]

    def heard(self, project_id: int) -> None:
        """Another process wrote to this project; nothing happens where no actor lives."""
        self._stir(project_id)
        if (actor := self._actors.get(project_id)) is not None:
            actor.heard()

    def missed_news(self) -> None:
        """Other processes may have written anything meanwhile: let every actor look."""
        for project_id in list(self._stirring):
            self._stir(project_id)
        for actor in self._actors.values():
            actor.heard()

    @asynccontextmanager
    async def forgetting(self, project_id: int) -> AsyncIterator[None]:
        """Serve no calls to this project while the block runs, so that it can be deleted.

        On entry what was accepted is still served, and waits end. Callers get `Unavailable` until the block is left;
        the project's next actor then starts from what the journal has.
        """
        self._forgotten.append(project_id)
        try:
            if (actor := self._actors.get(project_id)) is not None:
                actor.close()
                await actor.ended()
            yield
        finally:
            self._forgotten.remove(project_id)

    def open_posts(self, project_id: int) -> int | None:
        """How many posts of a project somebody still has to acknowledge; None when its state is not in memory."""
        actor = self._actors.get(project_id)
        return None if actor is None or actor.state is None else len(actor.state.posts)

    def statistics(self) -> DirectoryStatistics:
        """Figures of the actors, since the process started."""
        actors = list(self._actors.values())
        return DirectoryStatistics(
            actors=len(actors),
            mailbox_depth=sum(actor.mailbox_depth for actor in actors),
            waiting=sum(actor.waiting for actor in actors),
            read_only=sum(actor.read_only for actor in actors),
            totals=copy(self._totals),
        )

    def figures(self) -> Figures:
        """Figures of the projects in memory."""
        return figures([actor.state for actor in self._actors.values() if actor.state is not None], self._clock())

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the actors until `stop` has drained them; ready to be asked once started."""
        try:
            async with trio.open_nursery() as background:
                background.start_soon(self._exchange_liveness)
                background.start_soon(self._rounds.run)
                await self._own_actors(task_status)
                background.cancel_scope.cancel()
        finally:
            self._stopped.set()

    async def stop(self) -> None:
        """Stop intake, drain, commit, snapshot, close, within `stop_seconds_max`; waits end with what they have."""
        self._stopping.set()
        for actor in self._actors.values():
            actor.close()
        if self._nursery is not None:
            await self._stopped.wait()

    async def _own_actors(self, task_status: trio.TaskStatus[None]) -> None:
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                try:
                    await self._stopping.wait()
                finally:
                    self._stopping.set()  # also when cancelled: a nursery that ends takes no more actors
                self._nursery.cancel_scope.deadline = trio.current_time() + self._limits.stop_seconds_max
        finally:
            self._nursery = None

    def _find(self, project_id: int) -> ProjectActor:
        """The project's actor, started if need be."""
        if self._nursery is None or self._stopping.is_set():
            raise Unavailable(STOPPING)
        actor = self._actors.get(project_id)
        if actor is not None and not actor.closed:
            return actor
        if project_id in self._forgotten:
            raise Unavailable("this project is being deleted.")
        if (crashed := self._crashes.get(project_id)) is not None and trio.current_time() < crashed.not_before:
            raise Crashed("this project's actor failed and is being restarted; try again in a moment.")
        if len(self._actors) >= self._limits.actors_max:
            self._totals.refused_busy += 1
            raise Busy("too many projects are active at once; try again in a moment.")
        actor = ProjectActor(
            project_id, self._journal, self._clock, self._limits, self._totals, self._stopwatch, self._rounds
        )
        actor.stirred = partial(self._stir, project_id)
        self._actors[project_id] = actor
        self._nursery.start_soon(self._supervise, actor)
        return actor

    def _stir(self, project_id: int) -> None:
        for stir in self._stirring.get(project_id, ()):
            stir.happened.set()

    async def _supervise(self, actor: ProjectActor) -> None:
        """Let an actor live; when it crashes, tell the operator and hold its next start back for a while."""
        project_id = actor.project_id
        born = trio.current_time()
        try:
            await actor.run()
            self._crashes.pop(project_id, None)
        except Exception:
            if trio.current_time() - born > self._limits.restart_seconds_max:
                self._crashes.pop(project_id, None)  # it lived well in between
            in_a_row = self._crashes[project_id].in_a_row + 1 if project_id in self._crashes else 1
            pause = doubled(
                self._limits.restart_seconds_min, in_a_row - 1, seconds_max=self._limits.restart_seconds_max
            )
            self._crashes[project_id] = _Crashes(in_a_row, trio.current_time() + pause)
            self._totals.crashes += 1
            log.exception("actor crashed", project_id=project_id, in_a_row=in_a_row, restart_after_seconds=pause)
        finally:
            if self._actors.get(project_id) is actor:
                del self._actors[project_id]

    async def _complete(self, project_id: int, reply: Reply | Lookup) -> Reply:
        """Look up in history what the state does not hold; an answer may lead to the next question."""
        while not isinstance(reply, Reply):
            reply = await self._look_up(project_id, reply)
        return reply

    async def _look_up(self, project_id: int, lookup: Lookup) -> Reply | Lookup:
        actor = self._actors.get(project_id)
        match lookup:
            case EventLookup():
                if actor is not None and (remembered := actor.find(lookup.query)) is not None:
                    return lookup.complete(remembered)
                found = lookup.complete(await self._read(lambda: self._journal.events(project_id, lookup.query)))
            case PostLookup():
                read = partial(self._journal.posts, project_id) if actor is None else actor.posts
                found = lookup.complete(await self._read(lambda: read(lookup.query)))
            case TaskLookup():
                tasks = await self._read(lambda: self._journal.finished_tasks(project_id, lookup.query))
                found = lookup.complete(tasks)
            case _:
                assert_never(lookup)
        await trio.lowlevel.checkpoint()  # decoding took time, and the reply is encoded next
        return found

    async def _cursor(self, actor: ProjectActor, reader: Principal) -> int | None:
        for done in list(self._advancing.get((reader.project_id, reader.id), ())):
            await done.wait()
        return await self._read(lambda: actor.cursor(reader.id))

    async def _claim(self, caller: Principal, command: VoidClaim) -> ClaimFact | None:
        return await self._read(lambda: self._journal.claim(caller.project_id, command.sequence, command.number))

    async def _read(self, read: Callable[[], Awaitable[Found]]) -> Found:
        """Read from the journal; retried like a commit."""
        backoff = Backoff(self._limits)
        while True:
            try:
                return await read()
            except TooSlow as error:
                raise Unavailable(str(error)) from error
            except JournalUnavailable as error:
                if backoff.too_late_for > -inf:
                    raise Unavailable("the database does not answer; try again in a moment.") from error
                await backoff.pause()

    async def _exchange_liveness(self) -> None:
        while True:
            await trio.sleep(self._limits.liveness_seconds)
            for actor in list(self._actors.values()):
                try:
                    await actor.exchange_liveness()
                except Exception:  # liveness may be lost; a project's trouble with it must not end the others
                    log.exception("liveness not exchanged", project_id=actor.project_id)

    def _trio_time(self, moment: datetime) -> float:
        return trio.current_time() + (moment - self._clock()).total_seconds()


def _last_event(state: State, _: datetime) -> int:
    return state.seq


def _consulted(state: State, now: datetime, caller: Principal, question: AnyCommand) -> Decision | Refusal:
    outcome = decide(state, question, Context(caller=caller, seq=state.seq, now=now, at=now, recall=Recall()))
    assert not isinstance(outcome, Pending)  # noqa: S101 - who is not patient need not wait
    assert not (isinstance(outcome, Decision) and outcome.events)  # noqa: S101 - a question changes nothing
    return outcome
