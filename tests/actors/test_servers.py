"""Several servers on one database: every answer is true of what was durable, with news and without."""

from functools import partial
from itertools import cycle

import pytest
import trio
from trio.testing import MockClock

from actors import ActorError, Answer, Directory
from engine.errors import OutcomeUnknown
from engine.history import Head
from engine.leases import Lease, Leases, Release, ReleasedLeases, WhoHolds
from engine.posts import Ack, AckedPost, Post, PostedPost, Posts, ReadPosts
from engine.refusals import Refusal
from engine.sequences import Claim, ClaimedNumber
from engine.tasks import TaskAssign, TaskCreate, TaskStart, TaskState
from tests.actors.breakable_journal import BreakableJournal
from tests.actors.conftest import PROJECT, A, Asked, B, C, OpenDirectory, ask
from tests.actors.memory_journal import raising

CLAIM = Claim(sequence="adr")


def reply(answer: Answer | Refusal) -> object:
    assert isinstance(answer, Answer), answer
    return answer.reply


def numbers(outcomes: list[Answer | Refusal | ActorError]) -> list[int]:
    replies = [outcome.reply for outcome in outcomes if isinstance(outcome, Answer)]
    return [each.number for each in replies if isinstance(each, ClaimedNumber)]


@pytest.fixture
def elsewhere(journal: BreakableJournal) -> BreakableJournal:
    """Another server's journal on the same ledger; nobody tells it anything."""
    return BreakableJournal(journal.ledger)


async def test_calls_that_depend_on_each_other_may_alternate_between_servers(
    autojump_clock: MockClock, open_directory: OpenDirectory, elsewhere: BreakableJournal
) -> None:
    servers = cycle([await open_directory(), await open_directory(elsewhere)])
    for _ in range(50):
        posted = reply(await ask(next(servers), A, Post(to_actor="b", body="hi")))
        assert isinstance(posted, PostedPost)
        inbox = reply(await ask(next(servers), B, ReadPosts(to_me=True, unacked_only=True)))
        assert isinstance(inbox, Posts)
        assert [view.post_id for view in inbox.posts] == [posted.post_id]
        assert isinstance(reply(await ask(next(servers), B, Ack(post_id=posted.post_id))), AckedPost)
        assert reply(await ask(next(servers), B, ReadPosts(to_me=True, unacked_only=True))) == Posts(posts=[])
        await ask(next(servers), A, Lease(surface="src/a"))
        held = reply(await ask(next(servers), C, WhoHolds()))
        assert isinstance(held, Leases)
        assert len(held.leases) == 1
        assert reply(await ask(next(servers), A, Release(surface="src/a"))) == ReleasedLeases(released=1)
        assert reply(await ask(next(servers), C, WhoHolds())) == Leases(leases=[])
        created = reply(await ask(next(servers), A, TaskCreate(title="x")))
        assert isinstance(created, TaskState)
        assert isinstance(await ask(next(servers), B, TaskAssign(task_id=created.task_id, owner="b")), Answer)
        assert isinstance(await ask(next(servers), C, TaskStart(task_id=created.task_id)), Answer)


async def test_a_server_that_is_alone_does_not_look_before_it_answers(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await ask(directory, A, CLAIM)
    tails = len(journal.tails_after)
    for _ in range(10):
        await ask(directory, A, WhoHolds())
        await ask(directory, A, CLAIM)
    assert (journal.heads_read, len(journal.tails_after)) == (0, tails)


async def test_a_server_with_others_looks_once_for_a_batch_without_events(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, elsewhere: BreakableJournal
) -> None:
    await ask(directory, A, CLAIM)
    for _ in range(10):
        await ask(directory, A, WhoHolds())
        await ask(directory, A, CLAIM)
    assert journal.heads_read == 10


async def test_servers_that_meet_take_turns_and_lose_one_race_at_most(
    autojump_clock: MockClock,
    open_directory: OpenDirectory,
    journal: BreakableJournal,
    elsewhere: BreakableJournal,
    nursery: trio.Nursery,
) -> None:
    first, second = await open_directory(), await open_directory(elsewhere)
    for each in (journal, elsewhere):
        each.before_append.extend([partial(trio.sleep, 0.001)] * 1000)

    async def keep_claiming(directory: Directory) -> None:
        outcomes.extend([await ask(directory, A, CLAIM) for _ in range(20)])

    outcomes: list[Answer | Refusal | ActorError] = []
    async with trio.open_nursery() as callers:
        for directory in (first, second) * 9:
            callers.start_soon(keep_claiming, directory)
    assert sorted(numbers(outcomes)) == list(range(1, 361))
    totals = [directory.statistics().totals for directory in (first, second)]
    assert sum(each.conflicts for each in totals) <= 2
    assert min(journal.appends, elsewhere.appends) >= 15, "neither waits for the other to have nothing to do"
    assert journal.appends + elsewhere.appends <= 120, "a turn takes along what gathered meanwhile"


async def test_turns_end_when_the_other_server_is_gone(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, elsewhere: BreakableJournal
) -> None:
    await ask(directory, A, CLAIM)
    await elsewhere.append(PROJECT, [], {})
    await ask(directory, A, WhoHolds())
    journal.ledger.journals.remove(elsewhere)
    before = journal.turns_taken
    await ask(directory, A, CLAIM)
    assert journal.turns_taken == before


async def test_what_is_found_is_answered_after_one_more_commit(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    standby = trio.Event()
    confirm = journal.confirm

    async def confirm_when_the_standby_is_back(project_id: int) -> Head:
        await standby.wait()
        return await confirm(project_id)

    journal.confirm = confirm_when_the_standby_is_back  # type: ignore[method-assign]
    journal.after_append.append(raising(OutcomeUnknown("its backend was terminated while it waited")))
    asked = Asked(directory, nursery)
    await asked.ask(A, CLAIM)
    await trio.sleep(1)
    assert asked.outcomes == []
    standby.set()
    await trio.sleep(1)
    assert (numbers(asked.outcomes), journal.confirms) == ([1], 1)


async def test_what_is_read_is_confirmed_once_before_an_answer_rests_on_it(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal, elsewhere: BreakableJournal
) -> None:
    here, there = await open_directory(), await open_directory(elsewhere)
    repeated = Claim(sequence="adr", key="k")
    await ask(there, A, repeated)
    assert elsewhere.confirms == 0, "its own commit vouches for what it wrote"
    assert numbers([await ask(here, A, repeated) for _ in range(3)]) == [1, 1, 1]
    assert journal.confirms == 1
    await ask(there, A, CLAIM)
    await ask(here, A, CLAIM)
    await ask(here, A, WhoHolds())
    assert journal.confirms == 1, "a commit of events vouches for those before it"


async def test_what_is_read_is_confirmed_also_while_others_write_on(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal, elsewhere: BreakableJournal
) -> None:
    here, there = await open_directory(), await open_directory(elsewhere)
    confirm = journal.confirm

    async def confirm_after_another_event(project_id: int) -> Head:
        await ask(there, B, CLAIM)
        return await confirm(project_id)

    journal.confirm = confirm_after_another_event  # type: ignore[method-assign]
    await ask(there, A, Lease(surface="src/a"))
    held = reply(await ask(here, C, WhoHolds()))
    assert isinstance(held, Leases)
    assert (len(held.leases), journal.confirms) == (1, 1)
