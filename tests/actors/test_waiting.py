"""Waiting for news: ends on the event, at the deadline, or with the process; never by polling, and leaves nothing."""

from functools import partial
from math import inf

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Answer, Directory, Limits, Unavailable, WaitEnded
from actors.mailbox import Request
from actors.waiting import News
from engine.errors import JournalUnavailable
from engine.history import Liveness
from engine.identity import Principal
from engine.leases import GrantedLease, Lease, Release
from engine.ledger import Digest, WhatsNew
from engine.posts import Post, Posted, Posts, ReadPosts
from engine.presence import Active, Register, WhoIsActive
from engine.project import AnyCommand
from engine.sequences import Claim
from engine.vocabulary import ANY, Event, Reply
from tests.actors.breakable_journal import BreakableJournal
from tests.actors.conftest import DAWN, PROJECT, A, Asked, B, C, OpenDirectory, ask
from tests.actors.memory_journal import MemoryJournal

INBOX = ReadPosts(to_me=True, unacked_only=True, wait_seconds=30)
CLAIM = Claim(sequence="adr")


async def replied(directory: Directory, caller: Principal, command: AnyCommand) -> Reply:
    answer = await ask(directory, caller, command)
    assert isinstance(answer, Answer)
    return answer.reply


async def do_later(seconds: float, directory: Directory, caller: Principal, command: AnyCommand) -> None:
    await trio.sleep(seconds)
    await ask(directory, caller, command)


async def foreign_post(journal: BreakableJournal, seq: int) -> None:
    """Another process writes a post to B."""
    data = Posted(to_lane=None, to_actor=B.actor, to_id=B.id, subject=None, body="hi", ref=None, tag=None, thread=seq)
    event = Event(seq=seq, at=DAWN, actor=C.actor, by=C.id, data=data)
    await MemoryJournal(journal.ledger).append(PROJECT, [event], {}, holding_turn=True)


async def test_a_post_ends_the_wait_for_it(
    autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery
) -> None:
    nursery.start_soon(do_later, 7, directory, A, Post(to_actor="b", body="hi"))
    began = trio.current_time()
    reply = await replied(directory, B, INBOX)
    assert isinstance(reply, Posts)
    assert [view.body for view in reply.posts] == ["hi"]
    assert trio.current_time() - began == pytest.approx(7, abs=0.1)


async def test_registering_into_a_lane_ends_the_wait_for_its_posts(
    autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery
) -> None:
    await ask(directory, A, Post(to_lane="api", body="hi"))
    nursery.start_soon(do_later, 7, directory, B, Register(lane="api"))
    reply = await replied(directory, B, INBOX)
    assert isinstance(reply, Posts)
    assert len(reply.posts) == 1


async def test_a_wait_for_nothing_ends_empty_at_its_deadline(autojump_clock: MockClock, directory: Directory) -> None:
    began = trio.current_time()
    reply = await replied(directory, B, INBOX)
    assert isinstance(reply, Posts)
    assert reply.posts == []
    assert trio.current_time() - began == pytest.approx(30, abs=0.1)


async def test_a_wait_that_has_its_news_already_ends_at_once(autojump_clock: MockClock, directory: Directory) -> None:
    await ask(directory, A, Post(to_actor="b", body="hi"))
    began = trio.current_time()
    await ask(directory, B, INBOX)
    assert trio.current_time() == began


async def test_any_event_ends_the_wait_for_whats_new(
    autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery
) -> None:
    nursery.start_soon(do_later, 7, directory, A, CLAIM)
    reply = await replied(directory, B, WhatsNew(wait_seconds=30))
    assert isinstance(reply, Digest)
    assert [view.type for view in reply.events] == ["claim"]


@pytest.mark.parametrize(
    ("ttl_seconds", "released_after", "granted_after", "conflicts"),
    [(600, 7, 7, 0), (12, 600, 12, 0), (600, 600, 30, 1)],
    ids=["release", "expiry", "deadline"],
)
async def test_a_lease_is_granted_when_nobody_conflicts_or_the_wait_is_over(  # noqa: PLR0917 - pytest passes by name
    autojump_clock: MockClock,
    directory: Directory,
    nursery: trio.Nursery,
    ttl_seconds: int,
    released_after: int,
    granted_after: int,
    conflicts: int,
) -> None:
    await ask(directory, A, Lease(surface="src/**", ttl_seconds=ttl_seconds))
    nursery.start_soon(do_later, released_after, directory, A, Release(surface="src/**"))
    began = trio.current_time()
    reply = await replied(directory, B, Lease(surface="src/a", wait_seconds=30))
    assert isinstance(reply, GrantedLease)
    assert len(reply.others) == conflicts
    assert trio.current_time() - began == pytest.approx(granted_after, abs=0.1)
    nursery.cancel_scope.cancel()


async def test_of_two_who_wait_for_a_surface_one_gets_it(
    autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery
) -> None:
    await ask(directory, A, Lease(surface="src/a", ttl_seconds=600))
    asked = Asked(directory, nursery)
    await asked.ask(B, Lease(surface="src/a", wait_seconds=50))
    await asked.ask(C, Lease(surface="src/a", wait_seconds=50))
    await ask(directory, A, Release(surface="src/a"))
    await trio.sleep(1)
    assert len(asked.outcomes) == 1
    assert directory.statistics().waiting == 1
    await trio.sleep(60)
    assert len(asked.outcomes) == 2


async def test_a_cancelled_wait_leaves_nothing_behind(autojump_clock: MockClock, directory: Directory) -> None:
    await ask(directory, A, Lease(surface="src/a"))
    for command in (INBOX, Lease(surface="src/a", wait_seconds=30)):
        with trio.move_on_after(5) as cancelled:
            await ask(directory, B, command)
        assert cancelled.cancelled_caught
        assert directory.statistics().waiting == 0
    await trio.sleep(60)
    assert directory.statistics().totals.commits == 1, "nobody leased for the one who left"


class Leaving:
    """A caller that ends its waits after some seconds, from which on it has no patience."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = trio.current_time() + seconds

    @property
    def is_over(self) -> bool:
        return trio.current_time() >= self._ends_at

    def scope(self, deadline: float) -> trio.CancelScope:
        return trio.CancelScope(deadline=min(deadline, self._ends_at))


async def test_a_wait_ends_with_its_callers_patience(autojump_clock: MockClock, directory: Directory) -> None:
    await ask(directory, A, Lease(surface="src/a", ttl_seconds=600))
    for command in (INBOX, Lease(surface="src/a", wait_seconds=30)):
        for seconds in (5, 0):
            began = trio.current_time()
            with pytest.raises(WaitEnded):
                await directory.ask(B, command, patience=Leaving(seconds))
            assert trio.current_time() - began == pytest.approx(seconds, abs=0.1)
            assert directory.statistics().waiting == 0
    assert isinstance(await directory.ask(B, INBOX, patience=Leaving(60)), Answer), "its own time ends it first"
    assert directory.statistics().totals.commits == 1, "nobody leased for the one who left"


async def test_where_news_comes_all_the_time_nothing_is_decided_for_a_caller_that_has_left(
    autojump_clock: MockClock,
) -> None:
    news, accepted = News(Limits()), list[Request]()
    news.begin(2)  # what came before may have been news
    with pytest.raises(WaitEnded), trio.fail_after(60):
        await news.submit(Request(B, INBOX), accepted.append, [ANY], after=1, until=inf, patience=Leaving(0))
    assert accepted == []


async def test_what_is_committed_for_a_wait_is_answered_though_its_caller_has_lost_patience(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    await ask(directory, A, Lease(surface="src/a", ttl_seconds=600))
    answers = list[object]()

    async def wait() -> None:
        answers.append(await directory.ask(B, Lease(surface="src/a", wait_seconds=30), patience=Leaving(3)))

    nursery.start_soon(wait)
    await trio.sleep(2)
    journal.before_append.extend([trio.lowlevel.checkpoint, partial(trio.sleep, 5)])
    await ask(directory, A, Release(surface="src/a"))
    await trio.sleep(10)
    (answer,) = answers
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, GrantedLease)


async def test_many_wait_for_one_event(autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery) -> None:
    asked = Asked(directory, nursery)
    for _ in range(200):
        nursery.start_soon(asked._ask, B, INBOX)
    await wait_all_tasks_blocked()
    assert directory.statistics().waiting == 200
    await ask(directory, A, Post(to_actor="b", body="hi"))
    await wait_all_tasks_blocked()
    assert len(asked.outcomes) == 200
    assert directory.statistics().waiting == 0


async def test_a_wait_whose_time_ends_while_its_command_is_committed_is_answered_by_that(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    await ask(directory, A, Lease(surface="src/a", ttl_seconds=600))
    asked = Asked(directory, nursery)
    await asked.ask(B, Lease(surface="src/a", wait_seconds=30))
    await trio.sleep(29)
    journal.before_append.extend([trio.lowlevel.checkpoint, partial(trio.sleep, 5)])
    await ask(directory, A, Release(surface="src/a"))
    await trio.sleep(10)
    (answer,) = asked.outcomes
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, GrantedLease)
    assert answer.reply.others == []
    assert [row.event.data.type for row in journal.ledger.rows[PROJECT]] == ["lease", "release", "lease"]


async def test_those_for_whom_the_mailbox_has_no_room_when_they_are_woken_hear_so(
    autojump_clock: MockClock, open_directory: OpenDirectory, nursery: trio.Nursery
) -> None:
    directory = await open_directory(mailbox_share_max=2)
    asked = Asked(directory, nursery)
    for _ in range(3):
        await asked.ask(B, INBOX)
    await ask(directory, A, Post(to_actor="b", body="hi"))
    await wait_all_tasks_blocked()
    assert sorted(type(outcome).__name__ for outcome in asked.outcomes) == ["Answer", "Answer", "Busy"]
    assert directory.statistics().waiting == 0


async def test_a_wait_that_begins_as_its_actor_closes_goes_on_at_the_next_one(
    autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery
) -> None:
    await ask(directory, A, CLAIM)
    asked = Asked(directory, nursery)
    nursery.start_soon(asked._ask, B, INBOX)
    while directory.statistics().totals.commands < 2:
        await trio.lowlevel.checkpoint()
    directory._actors[PROJECT].close()
    await wait_all_tasks_blocked()
    assert directory.statistics().waiting == 1
    await ask(directory, A, Post(to_actor="b", body="hi"))
    await wait_all_tasks_blocked()
    assert len(asked.outcomes) == 1


async def test_nobody_is_woken_by_what_they_do_not_wait_for(
    autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery
) -> None:
    await Asked(directory, nursery).ask(B, INBOX)
    before = directory.statistics().totals.commands
    await ask(directory, A, CLAIM)
    await wait_all_tasks_blocked()
    assert directory.statistics().totals.commands == before + 1


async def test_in_a_busy_project_nobody_asks_again_for_what_they_do_not_wait_for(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    await ask(directory, A, CLAIM)
    journal.before_append.extend([partial(trio.sleep, 0.01)] * 100)
    journal.before_read.extend([partial(trio.sleep, 0.02)] * 100)
    nursery.start_soon(ask, directory, B, ReadPosts(tag="review", wait_seconds=30))
    for _ in range(100):
        await ask(directory, A, CLAIM)
    assert directory.statistics().totals.commands == 1 + 100 + 1
    nursery.cancel_scope.cancel()


async def test_a_foreign_event_that_was_heard_of_ends_a_wait(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    asked = Asked(directory, nursery)
    await asked.ask(B, INBOX)
    await foreign_post(journal, 1)
    directory.heard(PROJECT)
    await wait_all_tasks_blocked()
    assert len(asked.outcomes) == 1


async def test_a_foreign_event_that_is_heard_of_while_the_state_is_rebuilt_is_not_missed(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    async def meanwhile() -> None:
        await foreign_post(journal, 1)
        directory.heard(PROJECT)

    page = journal.tail

    async def tail_before_it(project_id: int, after: int, limit: int) -> object:
        rows = await page(project_id, after, limit)
        if not journal.ledger.rows[PROJECT]:
            await meanwhile()
        return rows

    journal.tail = tail_before_it  # type: ignore[method-assign, assignment]
    began = trio.current_time()
    reply = await replied(directory, B, INBOX)
    assert isinstance(reply, Posts)
    assert len(reply.posts) == 1
    assert trio.current_time() == began


async def test_a_foreign_event_found_through_a_lost_race_ends_a_wait(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    asked = Asked(directory, nursery)
    await asked.ask(B, INBOX)
    journal.before_append.append(partial(foreign_post, journal, 1))
    await ask(directory, A, CLAIM)
    await wait_all_tasks_blocked()
    assert len(asked.outcomes) == 1


async def test_news_that_comes_while_a_batch_fails_ends_a_wait(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    directory = await open_directory(retry_seconds_max=1)

    async def time_out() -> None:
        await trio.sleep(5)
        raise JournalUnavailable("silent")

    asked = Asked(directory, nursery)
    await asked.ask(B, INBOX)
    journal.before_tail.append(time_out)
    directory.heard(PROJECT)
    await wait_all_tasks_blocked()
    await foreign_post(journal, 1)
    directory.heard(PROJECT)
    await trio.sleep(6)
    assert len(asked.outcomes) == 1


async def test_news_from_elsewhere_never_fills_the_mailbox(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    await Asked(directory, nursery).ask(A, CLAIM)
    for _ in range(10_000):
        directory.heard(PROJECT)
    assert directory.statistics().mailbox_depth == 0
    gate.set()


async def test_waits_end_with_what_they_have_when_the_server_stops(
    autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery
) -> None:
    await ask(directory, A, Lease(surface="src/a"))
    asked = Asked(directory, nursery)
    await asked.ask(B, INBOX)
    await asked.ask(C, Lease(surface="src/a", wait_seconds=30))
    await directory.stop()
    await wait_all_tasks_blocked()
    assert sorted(type(outcome).__name__ for outcome in asked.outcomes) == ["Answer", Unavailable.__name__]


async def test_cursors_of_another_server_hold_at_once_and_its_callers_are_known_soon(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await ask(directory, A, CLAIM)
    elsewhere = MemoryJournal(journal.ledger)
    await elsewhere.append(PROJECT, [], {B.id: 1})
    await elsewhere.write_liveness(PROJECT, {C.id: Liveness(C.actor, DAWN)})
    digest = await replied(directory, B, WhatsNew())
    assert isinstance(digest, Digest)
    assert digest.since_event_id == 1
    await trio.sleep(Limits().liveness_seconds + 1)
    active = await replied(directory, A, WhoIsActive())
    assert isinstance(active, Active)
    assert {row.actor for row in active.active} == {A.actor, B.actor, C.actor}


async def test_callers_elsewhere_do_not_wake_who_waits(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    await ask(directory, B, WhatsNew())
    await Asked(directory, nursery).ask(B, WhatsNew(wait_seconds=30))
    commands = directory.statistics().totals.commands
    await MemoryJournal(journal.ledger).write_liveness(PROJECT, {C.id: Liveness(C.actor, DAWN)})
    directory.heard(PROJECT)
    await wait_all_tasks_blocked()
    assert directory.statistics().waiting == 1
    assert directory.statistics().totals.commands == commands
