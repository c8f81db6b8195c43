"""Rounds: busy projects share commits, and none of them waits for another."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Answer, Crashed, Directory, Limits
from actors.batch import Work
from actors.pace import Pace
from actors.rounds import Rounds
from actors.statistics import Totals
from engine.errors import JournalError, JournalUnavailable, NotTogether, OutcomeUnknown
from engine.history import EMPTY, Batch
from engine.posts import Ack, Post
from engine.presence import Touch
from engine.sequences import Claim, ClaimedNumber, ListSequences
from tests.actors.breakable_journal import BreakableJournal
from tests.actors.conftest import PROJECT, Asked, OpenDirectory, ask, principal

CLAIM = Claim(sequence="adr")
PROJECTS = range(1, 9)


class Watched(BreakableJournal):
    """Keeps the projects of each commit, which waits for `gate`; `failing` says what comes of a project's batch."""

    def __init__(self) -> None:
        super().__init__()
        self.rounds: list[list[int]] = []
        self.alone_appends: list[int] = []
        self.failing: dict[int, JournalError] = {}
        self.gate: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint

    async def append_together(self, batches: Sequence[Batch]) -> list[JournalError | None]:
        self.rounds.append([batch.project_id for batch in batches])
        await self.gate()
        good = [batch for batch in batches if batch.project_id not in self.failing]
        found = dict(zip((batch.project_id for batch in good), await super().append_together(good), strict=True))
        return [found.get(batch.project_id, self.failing.pop(batch.project_id, None)) for batch in batches]


@pytest.fixture
def journal() -> Watched:
    return Watched()


@pytest.fixture
async def busy(open_directory: OpenDirectory) -> Directory:
    """With every project's state in memory."""
    directory = await open_directory()
    for project in PROJECTS:
        await ask(directory, principal(1, project), ListSequences())
    return directory


def number(answer: object) -> int:
    assert isinstance(answer, Answer), answer
    assert isinstance(answer.reply, ClaimedNumber)
    return answer.reply.number


async def claim_everywhere(directory: Directory, asked: Asked) -> None:
    for project in PROJECTS:
        await asked.ask(principal(1, project), CLAIM)


async def test_what_gathers_while_commits_are_under_way_shares_the_next(
    autojump_clock: MockClock, busy: Directory, journal: Watched, nursery: trio.Nursery
) -> None:
    gate = trio.Event()
    journal.gate = gate.wait
    asked = Asked(busy, nursery)
    await claim_everywhere(busy, asked)
    assert journal.rounds == [[1], [2]], "the first ones wait for nobody"
    gate.set()
    await wait_all_tasks_blocked()
    assert journal.rounds == [[1], [2], [3, 4, 5, 6, 7, 8]]
    assert [number(outcome) for outcome in asked.outcomes] == [1] * len(PROJECTS)
    totals = busy.statistics().totals
    assert (totals.commits, totals.events) == (3, len(PROJECTS))


async def test_what_is_more_than_one_commit_takes_begins_another_at_once(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: Watched, nursery: trio.Nursery
) -> None:
    directory = await open_directory(round_commands_max=1)
    for project in PROJECTS:
        await ask(directory, principal(1, project), ListSequences())
    journal.gate = trio.sleep_forever
    for project in PROJECTS:
        nursery.start_soon(ask, directory, principal(1, project), CLAIM)
    await wait_all_tasks_blocked()
    assert [len(projects) for projects in journal.rounds] == [1, 1]
    nursery.cancel_scope.cancel()


async def test_what_only_reads_waits_for_no_commit_of_another_project(
    autojump_clock: MockClock, busy: Directory, journal: Watched, nursery: trio.Nursery
) -> None:
    journal.gate = trio.sleep_forever
    asked = Asked(busy, nursery)
    for project in (1, 2, 3):
        await asked.ask(principal(1, project), CLAIM)
    await asked.ask(principal(1, 4), Touch())
    assert len(asked.outcomes) == 1


async def test_a_lone_project_s_commands_are_decided_together(
    autojump_clock: MockClock, busy: Directory, journal: Watched, nursery: trio.Nursery
) -> None:
    asked = Asked(busy, nursery)
    journal.rounds.clear()
    for _ in range(200):
        nursery.start_soon(asked._ask, principal(1), CLAIM)
    await wait_all_tasks_blocked()
    assert sorted(map(number, asked.outcomes)) == list(range(1, 201))
    assert journal.rounds == [[1]]


@pytest.mark.parametrize("failure", [NotTogether("large"), JournalUnavailable("down"), OutcomeUnknown("lost")])
async def test_a_batch_that_fails_is_written_by_its_own_actor_and_the_others_are_answered(
    autojump_clock: MockClock, busy: Directory, journal: Watched, nursery: trio.Nursery, failure: JournalError
) -> None:
    gate = trio.Event()
    journal.gate = gate.wait
    asked = Asked(busy, nursery)
    await claim_everywhere(busy, asked)
    journal.failing[5] = failure
    gate.set()
    await trio.sleep(1)
    assert [number(outcome) for outcome in asked.outcomes] == [1] * len(PROJECTS)
    assert [len(journal.ledger.rows[project]) for project in PROJECTS] == [1] * len(PROJECTS)


async def test_a_commit_that_takes_too_long_is_settled_by_looking(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: Watched, nursery: trio.Nursery
) -> None:
    directory = await open_directory(commit_seconds_max=3)
    await ask(directory, principal(1), ListSequences())
    journal.gate = trio.sleep_forever
    assert number(await ask(directory, principal(1), CLAIM)) == 1
    assert 3 <= trio.current_time() < 4


async def test_a_bug_of_the_journal_crashes_the_actors_and_not_the_server(
    autojump_clock: MockClock, busy: Directory, journal: Watched
) -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    journal.gate = broken
    with pytest.raises(Crashed):
        await ask(busy, principal(1), CLAIM)
    journal.gate = trio.lowlevel.checkpoint
    assert number(await ask(busy, principal(1, 2), CLAIM)) == 1
    await trio.sleep(1)
    assert number(await ask(busy, principal(1), CLAIM)) == 1


async def test_what_needs_more_than_a_decision_is_done_by_the_actor_itself(
    autojump_clock: MockClock, busy: Directory, journal: Watched
) -> None:
    a, b = principal(1), principal(2)
    await ask(busy, a, Post(to_actor="b", body="hi"))
    await ask(busy, b, Ack(post_id=1))
    rounds = len(journal.rounds)
    assert isinstance(await ask(busy, b, Ack(post_id=1)), Answer), "the post is read from the ledger again"
    assert len(journal.rounds) == rounds


async def test_an_actor_that_only_rounds_serve_is_not_idle(
    autojump_clock: MockClock, open_directory: OpenDirectory
) -> None:
    directory = await open_directory(idle_seconds=60)
    for _ in range(10):
        await trio.sleep(40)
        await ask(directory, principal(1), CLAIM)
    assert directory.statistics().totals.rebuilds == 1
    await trio.sleep(61)
    assert directory.statistics().actors == 0


async def test_what_was_decided_is_committed_and_answered_when_the_directory_is_cancelled(
    autojump_clock: MockClock, journal: Watched, nursery: trio.Nursery
) -> None:
    directory, gate = Directory(journal), trio.Event()
    async with trio.open_nursery() as owner:
        await owner.start(directory.run)
        for project in PROJECTS:
            await ask(directory, principal(1, project), ListSequences())
            await ask(directory, principal(1, project), ListSequences())  # in a round
        journal.gate = gate.wait
        asked = Asked(directory, nursery)
        await claim_everywhere(directory, asked)
        owner.cancel_scope.cancel()
        gate.set()
    await wait_all_tasks_blocked()
    assert [number(outcome) for outcome in asked.outcomes] == [1] * len(PROJECTS)


@pytest.fixture
async def failing(open_directory: OpenDirectory) -> AsyncIterator[Directory]:
    """A directory in which telling of an event of the first project fails, once its batch is answered."""
    directory = await open_directory()
    await ask(directory, principal(1), ListSequences())
    with directory.listening([PROJECT]) as stir:
        stir.happened = Broken()  # type: ignore[assignment]
        yield directory


class Broken:
    """An event that cannot be set."""

    def set(self) -> None:
        raise ZeroDivisionError


async def test_a_failure_of_a_round_crashes_an_actor_that_is_being_closed(
    autojump_clock: MockClock, failing: Directory, journal: Watched, nursery: trio.Nursery, logs: list[Any]
) -> None:
    gate = trio.Event()
    journal.gate = gate.wait
    asked = Asked(failing, nursery)
    await asked.ask(principal(1), CLAIM)
    nursery.start_soon(failing.stop)
    await wait_all_tasks_blocked()
    gate.set()
    await wait_all_tasks_blocked()
    assert [number(outcome) for outcome in asked.outcomes] == [1]
    assert failing.statistics().totals.crashes == 1
    assert [entry["event"] for entry in logs] == ["actor crashed"]
    assert "ZeroDivisionError" in logs[0]["exception"]


async def test_a_failure_of_a_round_is_logged_when_its_actor_was_cancelled(
    autojump_clock: MockClock, journal: Watched, nursery: trio.Nursery, logs: list[Any]
) -> None:
    directory, gate = Directory(journal), trio.Event()
    with directory.listening([PROJECT]) as stir:
        async with trio.open_nursery() as owner:
            await owner.start(directory.run)
            await ask(directory, principal(1), ListSequences())
            stir.happened = Broken()  # type: ignore[assignment]
            journal.gate = gate.wait
            await Asked(directory, nursery).ask(principal(1), CLAIM)
            owner.cancel_scope.cancel()
            gate.set()
    assert [entry["event"] for entry in logs] == ["a round failed while its actor was stopped"]


class Joined:
    """An actor that has work to be written, after `deciding` was called; keeps what came of its work."""

    project_id = 1

    def __init__(self, deciding: Callable[[], object]) -> None:
        self.deciding = deciding
        self.ended: list[Exception | None] = []

    def decide_in_round(self, now: datetime, moment: float, pace: Pace) -> Work | None:
        """Work, unless that fails."""
        self.deciding()
        return Work(EMPTY)

    def end_round(self, work: Work, failure: Exception | None, now: float) -> None:
        """Keep what came of it."""
        self.ended.append(failure)


async def test_rounds_that_end_leave_to_an_actor_what_was_not_committed(journal: Watched) -> None:
    rounds = Rounds(journal, lambda: datetime.now(UTC), Limits(rounds_max=1), Totals(), lambda: 0.0)

    def fail() -> None:
        raise RuntimeError("planted")

    actor = Joined(lambda: rounds.add(Joined(fail)))

    async def join() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rounds.run)
            await wait_all_tasks_blocked()
            rounds.add(actor)

    with pytest.raises(ExceptionGroup):
        await join()
    (failure,) = actor.ended
    assert isinstance(failure, NotTogether)
    assert journal.rounds == []


async def test_the_end_of_a_commit_is_the_beginning_of_the_next(
    autojump_clock: MockClock, busy: Directory, journal: Watched, nursery: trio.Nursery
) -> None:
    gate = trio.Event()
    journal.gate = gate.wait
    begun_when_answered: list[int] = []

    async def claim() -> None:
        await ask(busy, principal(1), CLAIM)
        begun_when_answered.append(len(journal.rounds))

    for _ in range(2):
        nursery.start_soon(claim)
        await wait_all_tasks_blocked()
    gate.set()
    await wait_all_tasks_blocked()
    assert begun_when_answered == [2, 2]
