"""Nobody holds up anybody: slices of work, turns among callers, and bounds on what one caller may have waiting."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Answer, Busy, Directory, Limits, batch
from actors.mailbox import Mailbox, Request
from actors.pace import Pace
from actors.readers import LastCalls
from actors.waiting import News
from engine import surfaces
from engine.identity import Principal
from engine.leases import Lease, WhoHolds
from engine.posts import Posted, ReadPosts
from engine.presence import Registered, Touch
from engine.sequences import Claim, ListSequences
from engine.vocabulary import Event, EventData
from tests.actors.breakable_journal import BreakableJournal
from tests.actors.conftest import DAWN, A, Asked, B, C, clock, principal
from tests.passes import counted_passes

CLAIM = Claim(sequence="adr")


class Work:
    """A stopwatch by which each decision takes as long as it says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.seconds_each = 0.001
        self.decided: list[Principal] = []
        decide = vars(batch)["decide"]

        def decide_slowly(state: object, command: object, context: object) -> object:
            self.now += self.seconds_each
            self.decided.append(context.caller)  # type: ignore[attr-defined]
            return decide(state, command, context)

        monkeypatch.setitem(vars(batch), "decide", decide_slowly)

    def stopwatch(self) -> float:
        return self.now


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


@pytest.fixture
async def slow_directory(work: Work, journal: BreakableJournal, nursery: trio.Nursery) -> Directory:
    directory = Directory(journal, clock=clock, limits=Limits(slice_seconds_max=0.01), stopwatch=work.stopwatch)
    await nursery.start(directory.run)
    return directory


async def claim_during_a_commit(
    directory: Directory, journal: BreakableJournal, nursery: trio.Nursery, claims: int
) -> None:
    """Have the first of these claims committed, and meanwhile the others gather; return when all are answered."""
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    asked = Asked(directory, nursery)
    for _ in range(claims):
        await asked.ask(A, CLAIM)
    gate.set()
    await wait_all_tasks_blocked()
    assert len(asked.outcomes) == claims


async def test_a_batch_is_committed_as_it_is_when_its_time_is_spent(
    autojump_clock: MockClock, slow_directory: Directory, work: Work, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    await claim_during_a_commit(slow_directory, journal, nursery, 31)
    assert journal.appends == 1 + 3, "ten claims of a millisecond each fill a slice of ten"


async def test_what_a_slice_has_no_time_for_stays_in_the_mailbox(
    autojump_clock: MockClock, slow_directory: Directory, work: Work, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    await slow_directory.ask(A, CLAIM)  # so that the state is read and rounds serve the next ones
    await claim_during_a_commit(slow_directory, journal, nursery, 31)
    assert sum(slow_directory.statistics().totals.queue_seconds.counts) == 1 + 31


async def test_one_command_is_decided_however_long_it_takes(
    autojump_clock: MockClock, slow_directory: Directory, work: Work, nursery: trio.Nursery
) -> None:
    work.seconds_each = 60
    asked = Asked(slow_directory, nursery)
    await asked.ask(A, CLAIM)
    await asked.ask(B, CLAIM)
    assert [type(outcome) for outcome in asked.outcomes] == [Answer, Answer]


async def test_other_tasks_run_after_every_slice(
    autojump_clock: MockClock, slow_directory: Directory, work: Work, nursery: trio.Nursery
) -> None:
    await Asked(slow_directory, nursery).ask(A, ListSequences())
    longest = began = 0.0
    done = False

    async def keep_looking() -> None:
        nonlocal longest, began
        while not done:
            longest, began = max(longest, work.now - began), work.now
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as callers:
        nursery.start_soon(keep_looking)
        for _ in range(200):
            callers.start_soon(slow_directory.ask, A, ListSequences())
    done = True
    assert work.now == pytest.approx(0.201)
    assert longest <= 0.011, "a slice, and the command that ended it"


async def test_other_tasks_run_while_a_surface_is_compared_with_many_leases(
    autojump_clock: MockClock, slow_directory: Directory, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        await slow_directory.ask(A, Lease(surface=f"{{a*b,c*d,e*f,g*h,i*j,k*l,m*n,o*p{number}}}/x"))
    overlap, compared_in = surfaces.overlap, list[int]()

    async with counted_passes() as passes, trio.open_nursery() as callers:

        def overlap_slowly(a: str, b: str) -> bool:
            work.now += 0.001
            compared_in.append(passes.count)
            return overlap(a, b)

        monkeypatch.setattr(surfaces, "overlap", overlap_slowly)
        for surface in ("*x*", "*y*"):  # the second one waits for a batch of its own
            callers.start_soon(slow_directory.ask, B, WhoHolds(surface=surface))
        with trio.fail_after(60):
            while len(compared_in) < 100:
                await trio.lowlevel.checkpoint()
        callers.cancel_scope.cancel()
    assert max(compared_in.count(number) for number in compared_in) <= 11, "a slice, and the comparison that ended it"


async def test_a_caller_with_many_calls_waits_for_its_own(
    autojump_clock: MockClock, slow_directory: Directory, work: Work, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    asked = Asked(slow_directory, nursery)
    for _ in range(100):
        await asked.ask(A, CLAIM)
    await asked.ask(B, CLAIM)
    await asked.ask(C, CLAIM)
    gate.set()
    await wait_all_tasks_blocked()
    assert {B, C} <= set(work.decided[:4])


def requests(mailbox: Mailbox) -> Iterator[int]:
    return (request.caller.id for request in mailbox.take(100))


def test_callers_are_served_in_turn_and_keep_their_order() -> None:
    mailbox = Mailbox(Limits())
    mine = [Request(A, Touch()) for _ in range(3)]
    for request in [*mine, Request(B, Touch()), Request(C, Touch())]:
        mailbox.put(request)
    taken = mailbox.take(100)
    assert [request.caller.id for request in taken] == [A.id, B.id, C.id, A.id, A.id]
    assert [request for request in taken if request.caller is A] == mine
    assert len(mailbox) == 0


def test_what_is_put_back_is_next_in_the_same_order() -> None:
    mailbox = Mailbox(Limits())
    for caller in (A, A, A, B, C):
        mailbox.put(Request(caller, Touch()))
    _, *undecided = mailbox.take(4)
    mailbox.put_back(undecided)
    assert list(requests(mailbox)) == [B.id, C.id, A.id, A.id]


def test_nobody_fills_the_mailbox_alone() -> None:
    mailbox = Mailbox(Limits(mailbox_size_max=3, mailbox_share_max=2))
    mailbox.put(Request(A, Touch()))
    mailbox.put(Request(A, Touch()))
    with pytest.raises(Busy, match="your calls"):
        mailbox.put(Request(A, Touch()))
    mailbox.put(Request(B, Touch()))
    with pytest.raises(Busy, match="this project"):
        mailbox.put(Request(C, Touch()))
    assert len(mailbox) == 3


async def test_others_run_the_more_often_the_longer_a_slice_took() -> None:
    now = 0.0
    pace = Pace(Limits(slice_seconds_max=0.002, passes_per_second=1000), lambda: now)
    async with counted_passes() as passes:
        for seconds, expected in ((0.001, 0), (0.002, 2), (0.05, 50)):
            pace.begin()
            now += seconds
            before = passes.count
            await pace.give_way_when_spent()
            assert abs(passes.count - before - expected) <= 1


async def test_those_who_called_last_are_remembered_and_the_others_forgotten(journal: BreakableJournal) -> None:
    calls = LastCalls(1, journal, Limits(seen_max=3))
    for second, number in enumerate((1, 2, 3, 1, 2)):
        calls.saw(principal(number), DAWN + timedelta(seconds=second))
    calls.saw(Principal(id=9, project_id=1, handle="ann", label="x", project="p"), DAWN + timedelta(seconds=9))
    assert list(calls.seen) == [1, 2, 9]
    await calls.exchange(DAWN + timedelta(days=1, seconds=5))
    assert list(calls.seen) == [9], "who called a day ago is not shown any more"
    assert set(journal.ledger.liveness[1]) == {1, 2, 9}


def happened(seq: int, kind: str) -> Event:
    data: EventData = Registered(lane="api", status=None)
    if kind == "post":
        data = Posted(
            to_lane=None, to_actor=B.actor, to_id=B.id, subject=None, body="hi", ref=None, tag=None, thread=seq
        )
    return Event(seq=seq, at=DAWN, actor=A.actor, by=A.id, data=data)


async def test_only_so_many_wait_for_news_of_a_project(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    news = News(Limits(watchers_max=2))
    for _ in range(2):
        nursery.start_soon(news.changed, ["post"], 0)
    await wait_all_tasks_blocked()
    with pytest.raises(Busy):
        await news.changed(["post"], 0)
    assert news.waiting == 2
    news.tell(happened(1, "post"))
    await wait_all_tasks_blocked()
    assert news.waiting == 0


async def test_who_begins_to_wait_hears_of_what_happened_since_it_was_answered() -> None:
    news = News(Limits(news_kept_events=3))
    for seq in range(1, 6):
        news.tell(happened(seq, "post" if seq == 4 else "register"))
    with trio.fail_after(1):
        await news.changed(["post"], after=3)
        await news.changed(["lease"], after=1)  # event 2 is forgotten: it may have been one
    with trio.move_on_after(0) as waited:
        await news.changed(["post"], after=4)
    assert waited.cancelled_caught


async def test_many_who_wait_for_something_else_are_not_even_looked_at(
    autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery
) -> None:
    asked = Asked(directory, nursery)
    for _ in range(200):
        nursery.start_soon(asked._ask, B, ReadPosts(to_me=True, unacked_only=True, wait_seconds=50))
    await wait_all_tasks_blocked()
    before = directory.statistics().totals.commands
    await asked.ask(A, CLAIM)
    assert directory.statistics().totals.commands == before + 1
    nursery.cancel_scope.cancel()
