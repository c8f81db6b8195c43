"""A world from a seed: processes that die and come back on one ledger, clients that want things from them, weather.

Everything random comes from one generator and Trio's own scheduler is seeded with it, under a mock clock that jumps:
the same seed gives the same history, event by event. `simulate` runs a world and judges it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Literal

import structlog
import trio
import trio.testing
from trio._core import _run as trio_run  # seeding the scheduler has no public name; Hypothesis's plugin does the same

from actors import Answer, Directory, Limits, batch, replica
from engine import project
from engine.posts import ReadPosts
from engine.project import restore
from engine.sequences import Claim
from engine.vocabulary import Event
from tests.actors.memory_journal import MemoryJournal, MemoryLedger
from tests.simulation.attempts import Attempt, Life
from tests.simulation.clients import CALLERS, PROJECT, Client
from tests.simulation.journal import LATE_SECONDS_MAX, FaultyJournal, Weather
from tests.simulation.judge import facts, fold, judge_failover, judge_history, judge_ledger
from tests.simulation.model import Model

DAWN = datetime(2026, 1, 1, tzinfo=UTC)

LIMITS = Limits(
    mailbox_size_max=12,
    batch_size_max=4,
    tail_page_events=7,
    slice_seconds_max=0.0015,
    news_kept_events=5,
    snapshot_every_events=10,
    commit_seconds_max=2.0,
    retry_seconds_max=5.0,
    idle_seconds=20.0,
    liveness_seconds=5.0,
    stop_seconds_max=5.0,
)
"""Small bounds, so that short histories reach them all."""

WORLD_SECONDS_MAX = 24 * 3600
CLIENTS_MAX = 7
DEATH_NOTICED_SECONDS_MAX = 2.0


Failover = Literal["synchronous", "asynchronous"]
"""Whether the database is replaced by a standby that has all that was acknowledged, or by one that lags behind."""


def simulate(seed: int, steps: int, failover: Failover | None = None) -> list[str]:
    """Run the world of this seed, each client making `steps` calls, and judge it; returns its history as text.

    Raises `AssertionError` for a broken promise, and `trio.TooSlowError` for somebody who hangs.
    """
    world = World(seed, failover)
    with _seeded_scheduler(seed), _charged(world.steps), structlog.testing.capture_logs() as logs:
        try:
            trio.run(world.run, steps, clock=trio.testing.MockClock(autojump_threshold=0), instruments=[world.steps])
        except BaseException as error:
            error.add_note(f"to see it again: pytest tests/simulation --seed {seed} --steps {steps}")
            raise
    crashes = [entry for entry in logs if entry["event"] == "actor crashed"]
    assert not crashes, f"seed {seed}: {crashes}"
    assert world.steps.longest <= LIMITS.slice_seconds_max + world.steps.seconds_each, "an actor did not give way"
    return world.history()


class Steps(trio.abc.Instrument):
    """How long tasks work between two checkpoints, if each decision and each fold takes `seconds_each`."""

    def __init__(self, seconds_each: float) -> None:
        self.seconds_each = seconds_each
        self.longest = 0.0
        self._worked = self._began = 0.0

    def stopwatch(self) -> float:
        return self._worked

    def charged(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, taking `seconds_each`."""

        def charged(*arguments: Any) -> Any:
            self._worked += self.seconds_each
            return function(*arguments)

        return charged

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = self._worked

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.longest = max(self.longest, self._worked - self._began)


@contextmanager
def _charged(steps: Steps) -> Iterator[None]:
    decide, apply = project.decide, project.apply
    vars(batch)["decide"], vars(replica)["apply"] = steps.charged(decide), steps.charged(apply)
    try:
        yield
    finally:
        vars(batch)["decide"], vars(replica)["apply"] = decide, apply


@contextmanager
def _seeded_scheduler(seed: int) -> Iterator[None]:
    before = trio_run._ALLOW_DETERMINISTIC_SCHEDULING
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    trio_run._r.seed(seed)
    try:
        yield
    finally:
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]


class World:
    """All there is: one ledger, one or two processes, some clients, and the weather between them."""

    def __init__(self, seed: int, failover: Failover | None = None) -> None:
        self.rng = Random(seed)
        self.steps = Steps(self.rng.choice([0.0, 0.001]))
        self.unheard = trio.Event()
        self.weather = Weather.drawn(self.rng)
        self.down = False
        self.ledger: list[Event] = []
        self.attempts: list[Attempt] = []
        self.answered = 0
        self.epoch = 0
        self.durable_at: list[float] = []
        self.late_writes: trio.Nursery
        self._memory = MemoryLedger()
        self._eye = MemoryJournal(self._memory)
        self._writers: set[int] = set()
        self._killed: set[int] = set()
        self._replicated = 0
        self._failover = failover
        self._lives: dict[Life, FaultyJournal] = {}
        self._marks = 0
        self._settling = trio.Event()
        self._ending = trio.Event()

    async def run(self, steps: int) -> None:
        """Live through it and judge it."""
        processes = self.rng.choice([1, 1, 2])
        with trio.fail_after(WORLD_SECONDS_MAX):
            async with trio.open_nursery() as self.late_writes:
                for _ in range(processes):
                    self.late_writes.start_soon(self._keep_a_process_alive, self.rng.uniform(-2, 2))
                self.late_writes.start_soon(self._break_the_database)
                self.late_writes.start_soon(self._watch_states)
                if self._failover is not None:
                    self.late_writes.start_soon(self._fail_over, self._failover)
                async with trio.open_nursery() as clients:
                    for caller in [*CALLERS, *CALLERS][: self.rng.randint(2, CLIENTS_MAX)]:
                        clients.start_soon(Client(self, caller).run, steps)
                await self._settle()
        await self._judge_snapshot()
        if self._failover is None:
            judge_history(self.attempts, self.ledger, self.durable_at)
        else:
            judge_ledger(self.ledger)
            judge_failover(self.attempts, self.ledger)

    def history(self) -> list[str]:
        """Every event and every call, as text."""
        return [*map(str, self.ledger), *map(str, self.attempts)]

    def mark(self) -> str:
        """A text that was never used before."""
        self._marks += 1
        return f"m{self._marks}"

    async def look(self) -> None:
        """Bring `ledger` up to date."""
        rows = await self._eye.tail(PROJECT, len(self.ledger), 1_000_000)
        self.ledger += [row.event for row in rows if row.event.seq > len(self.ledger)]  # others look at the same time
        self.durable_at += [trio.current_time()] * (len(self.ledger) - len(self.durable_at))

    async def some_life(self) -> Life:
        """A process that is up."""
        while not self._lives:  # noqa: ASYNC110 - mock time costs nothing, and a process is down for seconds
            await trio.sleep(0.1)
        return self.rng.choice(list(self._lives))

    def tell(self, project_id: int, writer: int) -> None:
        """Let the other processes hear of what was written."""
        for life, journal in self._lives.items():
            if journal.writer != writer:
                self.late_writes.start_soon(self._tell, life, project_id, writer)

    def is_alone(self, writer: int) -> bool:
        """Whether no other process can write; nobody knows while the database does not answer."""
        return self._writers == {writer} and not self.down

    def acknowledged(self) -> None:
        """Everything in the ledger is on the standby, too."""
        self._replicated = len(self._memory.rows[PROJECT])

    async def _tell(self, life: Life, project_id: int, writer: int) -> None:
        await trio.sleep(self.rng.uniform(0, self.weather.delay_seconds_max))
        if writer in self._killed:
            return  # what it had not told is lost with it
        if self.rng.random() < 0.9:
            life.directory.heard(project_id)
        else:
            life.directory.missed_news()

    async def _keep_a_process_alive(self, skew_seconds: float) -> None:
        def clock() -> datetime:
            milliseconds = int((trio.current_time() + skew_seconds) * 1000)
            return DAWN + timedelta(milliseconds=milliseconds)

        while not self._ending.is_set():
            journal = FaultyJournal(self, MemoryJournal(self._memory))
            self._writers.add(journal.writer)
            directory = Directory(journal, clock=clock, limits=LIMITS, stopwatch=self.steps.stopwatch)
            life = Life(directory=directory)
            async with trio.open_nursery() as nursery:
                await nursery.start(directory.run)
                self._lives[life] = journal
                await self._die_sometime()
                del self._lives[life]
                life.ended = True
                if self.rng.random() < 0.7 and not self._ending.is_set():
                    journal.kill()
                    self._killed.add(journal.writer)
                    nursery.cancel_scope.cancel()
                    self.late_writes.start_soon(self._notice_death)
                else:
                    await directory.stop()
            self._writers.discard(journal.writer)
            await trio.sleep(self.rng.uniform(0, 3))

    async def _notice_death(self) -> None:
        """A process that died may not have told what it wrote: the others look at everything."""
        await trio.sleep(self.rng.uniform(0, DEATH_NOTICED_SECONDS_MAX))
        for life in self._lives:
            life.directory.missed_news()

    async def _die_sometime(self) -> None:
        with trio.move_on_after(self.rng.choice([5, 60, 600]) * self.rng.random()):
            await self._settling.wait()
        if self._settling.is_set():
            await self._ending.wait()

    async def _break_the_database(self) -> None:
        while not self._settling.is_set():
            with trio.move_on_after(self.rng.uniform(1, 300)):
                await self._settling.wait()
            self.down = not self._settling.is_set()
            await trio.sleep(self.rng.choice([0.1, 3, 20]) * self.rng.random())
            self.down = False

    async def _fail_over(self, failover: Failover) -> None:
        """Replace the database by its standby, some time, or while a writer does not know what became of its commit."""
        while not self._settling.is_set():
            self.unheard = trio.Event()
            with trio.move_on_after(self.rng.uniform(1, 300)):
                await (self.unheard if self.rng.random() < 0.8 else self._settling).wait()
            await trio.sleep(self.rng.choice([0, 0.1, 3]) * self.rng.random())
            if self._settling.is_set():
                return
            self.down = True
            lost = self.rng.randint(0, 5)
            self._lose_tail(self._replicated if failover == "synchronous" else max(0, self._replicated - lost))
            if failover == "asynchronous":
                self.attempts.clear()
            await trio.sleep(self.rng.uniform(0, 3))
            for life in self._lives:
                life.directory.missed_news()
            self.down = False

    def _lose_tail(self, kept: int) -> None:
        self.epoch += 1
        self._replicated = kept
        self.answered = min(self.answered, kept)
        for events in (self._memory.rows[PROJECT], self.ledger, self.durable_at):
            del events[kept:]
        if PROJECT in self._memory.snapshots and self._memory.snapshots[PROJECT].seq > kept:
            del self._memory.snapshots[PROJECT]

    async def _watch_states(self) -> None:
        """An actor that is not in the middle of a batch holds the fold of some prefix of the ledger."""
        while not self._ending.is_set():
            await trio.sleep(self.rng.uniform(0.1, 5))
            await self.look()
            for life in [] if self._failover else list(self._lives):
                for actor in life.directory._actors.values():
                    state = actor._replica.state
                    if state is not None and not actor._replica.recording:
                        assert state.seq <= len(self.ledger), "a state holds what is not durable"
                        assert facts(state) == facts(fold(self.ledger[: state.seq])), "a state is not its ledger's fold"

    async def _settle(self) -> None:
        """Good weather at last: whatever was under way lands, and every process comes to agree with the ledger."""
        self._settling.set()
        self.weather, self.down = Weather(), False
        await trio.sleep(30 + LATE_SECONDS_MAX)
        await self.some_life()
        for life in list(self._lives):
            await self._judge_process(life)
        self._ending.set()

    async def _judge_process(self, life: Life) -> None:
        claim = Claim(sequence="end", note=self.mark())
        assert isinstance(await life.directory.ask(CALLERS[0], claim), Answer)
        await self.look()
        state = life.directory._actors[PROJECT]._replica.state
        assert state is not None
        assert facts(state) == facts(fold(self.ledger))
        model = Model(self.ledger)
        for caller in CALLERS:
            inbox = await life.directory.ask(caller, ReadPosts(to_me=True, unacked_only=True, limit=200))
            assert isinstance(inbox, Answer)
            ids = [view.post_id for view in reversed(inbox.reply.posts)]  # type: ignore[attr-defined]
            assert ids == model.inbox(len(self.ledger), caller.id), "an unacknowledged post cannot be read"

    async def _judge_snapshot(self) -> None:
        await self.look()
        kept = await self._eye.load(PROJECT)
        if kept is not None:
            state, truth = restore(kept.state), fold(self.ledger[: kept.seq])
            assert state is not None
            of_another_ledger = self._failover is not None and state.at != truth.at
            assert of_another_ledger or kept.state == facts(truth)
