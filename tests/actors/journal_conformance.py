"""The promises of `actors.journal.Journal`, as tests that any journal must pass.

Import everything from here into a test module that has a fixture `open_journal`: it opens journals on one and the same
ledger, as several processes would, and gives each call another one. `tests/actors` runs them in memory, `tests/store`
on PostgreSQL.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.journal import Journal
from engine.errors import Contended, NotTogether
from engine.events import payload
from engine.history import EMPTY, Batch, Head, Kept, Liveness, Stored
from engine.leases import Leased, Released
from engine.lookups import ACKS_SHOWN_MAX, ClaimFact, EventQuery, FinishedTask, PostQuery, TaskQuery
from engine.posts import Acked, Posted
from engine.presence import Registered
from engine.repairs import Lost
from engine.sequences import Claimed, Seeded, Voided
from engine.tasks import TaskAssigned, TaskBlocked, TaskCancelled, TaskCreated, TaskResolved, TaskShipped, TaskStarted
from engine.vocabulary import Event, EventData
from tests.bounds import HANG_SECONDS

OpenJournal = Callable[[], Journal]

PROJECT = 7
BEGAN = datetime(2026, 3, 1, 12, 0, 0, 1000, tzinfo=UTC)
ALICE, BOB, OWNER = 1, 2, 0
NAMES = {ALICE: "ann/alice", BOB: "ann/bob", OWNER: "ann"}


def event(seq: int, data: EventData, *, by: int = ALICE) -> Event:
    """An event whose time follows from its number, in odd milliseconds."""
    return Event(seq=seq, at=BEGAN + timedelta(milliseconds=997 * seq), actor=NAMES[by], by=by, data=data)


def claim(seq: int, *, sequence: str = "adr", by: int = ALICE) -> Event:
    return event(seq, Claimed(sequence=sequence, number=seq, formatted=f"{seq:04}", note=None), by=by)


def post(
    seq: int,
    *,
    by: int = ALICE,
    to_lane: str | None = None,
    to_id: int | None = None,
    ref: str | None = None,
    tag: str | None = None,
    thread: int | None = None,
) -> Event:
    data = Posted(
        to_lane=to_lane,
        to_actor=None if to_id is None else NAMES[to_id],
        to_id=to_id,
        subject="s",
        body=f"body {seq}",
        ref=ref,
        tag=tag,
        thread=seq if thread is None else thread,
        reply_to=thread,
        key="secret",
    )
    return event(seq, data, by=by)


def one_of_each() -> list[Event]:
    """Every type of event, with every field set, and text that SQL, JSON and arrays would like to misread."""
    odd = "a'b\"c\\d{e,f}%s\n\t\u2028é🦆"
    data: list[EventData] = [
        Seeded(sequence="adr", current=2**53 - 1, prefix=odd[:16], pad=12),
        Claimed(sequence="adr", number=1, formatted=odd, note=odd, key="k"),
        Registered(lane=odd, status=None),
        Posted(
            to_lane=odd,
            to_actor=odd,
            subject=odd,
            body=odd * 100,
            ref=odd,
            tag=odd,
            thread=4,
            to_id=3,
            reply_to=1,
            key="k",
        ),
        Acked(post_id=4),
        Leased(surface="src/**", ttl_seconds=60, note=odd, mode="shared"),
        Released(surface="src/**"),
        TaskCreated(task_id=1, title=odd, lane=None, owner=odd, detail=odd, owner_id=3, depends_on=(1, 2)),
        TaskAssigned(task_id=1, owner=odd, owner_id=3),
        TaskStarted(task_id=1),
        TaskBlocked(task_id=1, on=None, reason=odd),
        TaskResolved(task_id=1, blocker=2),
        TaskShipped(task_id=1),
        Lost(reason=odd, was="ack", data=odd),
    ]
    return [event(seq, each) for seq, each in enumerate(data, 1)]


async def test_what_was_appended_is_read_back_exactly(open_journal: OpenJournal) -> None:
    journal, events = open_journal(), one_of_each()
    await journal.append(PROJECT, events, {})
    assert await journal.tail(PROJECT, 0, 100) == [Stored(each, journal.writer) for each in events]


async def test_history_comes_in_pages_in_order_and_ends(open_journal: OpenJournal) -> None:
    journal = open_journal()
    for first in (1, 4, 7):
        await journal.append(PROJECT, [claim(seq) for seq in range(first, first + 3)], {})
    pages = [await journal.tail(PROJECT, after, 4) for after in (0, 4, 8, 9)]
    assert [[row.event.seq for row in page] for page in pages] == [[1, 2, 3, 4], [5, 6, 7, 8], [9], []]


async def test_a_project_never_written_to_is_empty(open_journal: OpenJournal) -> None:
    journal = open_journal()
    await journal.append(PROJECT, [claim(1)], {ALICE: 1})
    assert await journal.load(PROJECT + 1) is None
    assert await journal.cursor(PROJECT + 1, ALICE) is None
    assert await journal.liveness(PROJECT + 1, BEGAN, 9) == {}
    assert await journal.head(PROJECT + 1) == EMPTY
    assert await journal.tail(PROJECT + 1, 0, 10) == []
    assert await journal.events(PROJECT + 1, EventQuery(upto=9, limit=9)) == []
    assert await journal.posts(PROJECT + 1, PostQuery(upto=9, limit=9)) == []


async def test_a_taken_number_is_contended_and_nothing_of_the_batch_is_written(open_journal: OpenJournal) -> None:
    first, second = open_journal(), open_journal()
    await first.append(PROJECT, [claim(1), claim(2)], {})
    with pytest.raises(Contended):
        await second.append(PROJECT, [claim(2, by=BOB), claim(3, by=BOB)], {BOB: 3})
    assert [row.writer for row in await second.tail(PROJECT, 0, 10)] == [first.writer] * 2
    assert await second.cursor(PROJECT, BOB) is None


async def test_nothing_is_written_where_the_event_before_it_is_another_one(open_journal: OpenJournal) -> None:
    journal = open_journal()
    await journal.append(PROJECT, [claim(1)], {}, predecessor=EMPTY)
    head = Head(1, claim(1).at)
    assert await journal.head(PROJECT) == head
    with pytest.raises(Contended):
        await journal.append(PROJECT, [claim(2)], {}, predecessor=Head(1, head.at + timedelta(milliseconds=1)))
    await journal.append(PROJECT, [claim(2)], {}, predecessor=head)
    assert await journal.head(PROJECT) == Head(2, claim(2).at)


async def test_batches_of_several_projects_have_outcomes_of_their_own(open_journal: OpenJournal) -> None:
    journal, other = open_journal(), open_journal()
    await other.append(PROJECT, [claim(1)], {})
    projects = (PROJECT, PROJECT + 1, PROJECT + 2)
    async with other.turn(PROJECT + 2, 0, 1):
        batches = [Batch(project, [claim(2 if project == PROJECT else 1)], EMPTY) for project in projects]
        outcomes = await journal.append_together(batches)
    assert [type(outcome) for outcome in outcomes] == [Contended, type(None), NotTogether]
    heads = [(await journal.head(project)).seq for project in projects]
    assert heads == [1, 1, 0]
    assert await journal.append_together([Batch(PROJECT, [claim(2)], Head(1, claim(1).at))]) == [None]
    assert [row.writer for row in await journal.tail(PROJECT, 0, 9)] == [other.writer, journal.writer]


async def test_writers_are_told_apart(open_journal: OpenJournal) -> None:
    first, second = open_journal(), open_journal()
    await first.append(PROJECT, [claim(1)], {})
    await second.append(PROJECT, [claim(2)], {})
    assert first.writer != second.writer
    assert [row.writer for row in await first.tail(PROJECT, 0, 10)] == [first.writer, second.writer]


async def test_of_many_who_race_for_a_number_one_wins(open_journal: OpenJournal) -> None:
    journals = [open_journal() for _ in range(8)]
    outcomes: list[str] = []

    async def race(journal: Journal) -> None:
        try:
            await journal.append(PROJECT, [claim(1)], {})
        except Contended:
            outcomes.append("contended")
        else:
            outcomes.append("won")

    async with trio.open_nursery() as nursery:
        for journal in journals:
            nursery.start_soon(race, journal)
    assert sorted(outcomes) == ["contended"] * 7 + ["won"]


async def test_a_cursor_rides_on_a_commit_and_never_moves_backwards(open_journal: OpenJournal) -> None:
    journal = open_journal()
    await journal.append(PROJECT, [claim(1), claim(2)], {ALICE: 2, OWNER: 1})
    await journal.append(PROJECT, [claim(3)], {ALICE: 1, BOB: 3})
    await journal.append(PROJECT, [], {OWNER: 3})
    assert [await journal.cursor(PROJECT, reader) for reader in (ALICE, BOB, OWNER)] == [2, 3, 3]


async def test_nothing_to_append_is_no_error(open_journal: OpenJournal) -> None:
    journal = open_journal()
    await journal.append(PROJECT, [], {})
    assert await journal.tail(PROJECT, 0, 10) == []


async def test_the_newest_snapshot_stays(open_journal: OpenJournal) -> None:
    journal = open_journal()
    state = bytes(range(256)) * 1000
    await journal.write_snapshot(PROJECT, 5, b"old", open_posts=0)
    await journal.write_snapshot(PROJECT, 9, state, open_posts=0)
    await journal.write_snapshot(PROJECT, 7, b"late", open_posts=0)
    assert await journal.load(PROJECT) == Kept(9, state)


async def test_a_snapshot_is_replaced_by_one_of_the_same_event(open_journal: OpenJournal) -> None:
    """The one that is there may be unreadable."""
    journal = open_journal()
    await journal.write_snapshot(PROJECT, 9, b"unreadable", open_posts=0)
    await journal.write_snapshot(PROJECT, 9, b"good", open_posts=0)
    assert await journal.load(PROJECT) == Kept(9, b"good")


async def test_a_snapshot_of_events_that_the_ledger_lost_is_not_kept(open_journal: OpenJournal) -> None:
    journal, events = open_journal(), [claim(1), claim(2)]
    await journal.append(PROJECT, events, {})
    await journal.write_snapshot(PROJECT, 3, b"lost", open_posts=0, at=claim(3).at)
    await journal.write_snapshot(PROJECT, 2, b"other", open_posts=0, at=claim(1).at)
    assert await journal.load(PROJECT) is None
    await journal.write_snapshot(PROJECT, 2, b"good", open_posts=0, at=events[-1].at)
    assert await journal.load(PROJECT) == Kept(2, b"good")


async def test_liveness_never_moves_backwards(open_journal: OpenJournal) -> None:
    journal = open_journal()
    early, late = BEGAN, BEGAN + timedelta(milliseconds=1)
    await journal.write_liveness(PROJECT, {ALICE: Liveness("ann/alice", late), OWNER: Liveness("ann", early)})
    await journal.write_liveness(PROJECT, {ALICE: Liveness("old/alice", early), OWNER: Liveness("new", late)})
    await journal.write_liveness(PROJECT, {})
    assert await journal.liveness(PROJECT, BEGAN, 9) == {
        ALICE: Liveness("ann/alice", late),
        OWNER: Liveness("new", late),
    }


async def test_those_are_read_who_called_since_a_moment_and_called_last(open_journal: OpenJournal) -> None:
    journal = open_journal()
    called = {reader: Liveness("ann/alice", BEGAN + timedelta(seconds=reader)) for reader in range(5)}
    await journal.write_liveness(PROJECT, called)
    assert set(await journal.liveness(PROJECT, BEGAN + timedelta(seconds=3), 9)) == {3, 4}
    assert set(await journal.liveness(PROJECT, BEGAN, 2)) == {3, 4}


async def test_a_turn_keeps_other_writers_waiting(open_journal: OpenJournal) -> None:
    first, second = open_journal(), open_journal()
    outcomes: list[str] = []

    async def lose(journal: Journal) -> None:
        with pytest.raises(Contended):
            await journal.append(PROJECT, [claim(1, by=BOB)], {})
        outcomes.append("second lost")

    with trio.fail_after(HANG_SECONDS):
        async with trio.open_nursery() as nursery, first.turn(PROJECT, 0, 9):
            nursery.start_soon(lose, second)
            await second.append(PROJECT + 1, [claim(1)], {})
            await wait_all_tasks_blocked(0.05)
            assert outcomes == []
            await first.append(PROJECT, [claim(1)], {}, holding_turn=True)
    assert outcomes == ["second lost"]


async def test_a_turn_begins_with_the_ledgers_tail_and_its_append_writes_after_it(open_journal: OpenJournal) -> None:
    first, second = open_journal(), open_journal()
    await first.append(PROJECT, [claim(1), claim(2)], {})
    for seq in (3, 4):
        async with second.turn(PROJECT, seq - 2, 9) as page:
            assert [row.event.seq for row in page] == [seq - 1]
            await second.append(PROJECT, [claim(seq, by=BOB)], {BOB: seq}, holding_turn=True)
            assert [row.event.seq for row in await first.tail(PROJECT, seq - 1, 9)] == [seq]
    assert await first.cursor(PROJECT, BOB) == 4


async def test_a_turn_in_which_nothing_could_be_written_is_handed_on(open_journal: OpenJournal) -> None:
    first, second = open_journal(), open_journal()
    with trio.fail_after(HANG_SECONDS):
        with pytest.raises(Contended):
            async with first.turn(PROJECT, 0, 9):
                await first.append(PROJECT, [claim(2)], {}, holding_turn=True)
        async with second.turn(PROJECT, 0, 9):
            await second.append(PROJECT, [claim(1)], {}, holding_turn=True)
        async with first.turn(PROJECT, 0, 9) as page:
            assert [row.event.seq for row in page] == [1]


async def test_an_append_needs_the_event_before_it_and_otherwise_writes_nothing(open_journal: OpenJournal) -> None:
    journal = open_journal()
    await journal.append(PROJECT, [claim(1)], {})
    with pytest.raises(Contended):
        await journal.append(PROJECT, [claim(3), claim(4)], {ALICE: 4})
    with pytest.raises(Contended):
        async with journal.turn(PROJECT + 1, 0, 9):
            await journal.append(PROJECT + 1, [claim(2)], {}, holding_turn=True)
    assert [row.event.seq for row in await journal.tail(PROJECT, 0, 9)] == [1]
    assert await journal.cursor(PROJECT, ALICE) is None
    assert await journal.tail(PROJECT + 1, 0, 9) == []


async def test_the_head_is_the_last_event_and_confirming_gives_it_too(open_journal: OpenJournal) -> None:
    journal = open_journal()
    assert [await journal.head(PROJECT), await journal.confirm(PROJECT)] == [EMPTY] * 2
    await journal.append(PROJECT, [claim(1), claim(2)], {})
    await journal.append(PROJECT + 1, [claim(1)], {})
    assert [await journal.head(PROJECT), await journal.confirm(PROJECT)] == [Head(2, claim(2).at)] * 2


async def test_turns_follow_one_another(open_journal: OpenJournal) -> None:
    inside = 0

    async def take(journal: Journal) -> None:
        nonlocal inside
        async with journal.turn(PROJECT, 0, 9):
            inside += 1
            assert inside == 1
            await trio.lowlevel.checkpoint()
            inside -= 1

    with trio.fail_after(HANG_SECONDS):
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(take, open_journal())


async def test_a_turn_ends_with_an_error_and_with_cancellation(open_journal: OpenJournal) -> None:
    first, second = open_journal(), open_journal()
    with pytest.raises(ZeroDivisionError):
        async with first.turn(PROJECT, 0, 9):
            raise ZeroDivisionError
    with trio.move_on_after(0):
        async with first.turn(PROJECT, 0, 9):
            await trio.sleep_forever()
    with trio.fail_after(HANG_SECONDS):
        async with first.turn(PROJECT, 0, 9):
            with trio.CancelScope() as scope:
                scope.cancel()
                async with second.turn(PROJECT, 0, 9):
                    raise AssertionError("two turns at once")
        await second.append(PROJECT, [claim(1)], {})


async def test_events_show_what_the_engine_shows(open_journal: OpenJournal) -> None:
    journal, events = open_journal(), one_of_each()
    await journal.append(PROJECT, events, {})
    found = await journal.events(PROJECT, EventQuery(upto=100, limit=100, oldest_first=True))
    assert [view.payload for view in found] == [payload(each.data) for each in events]
    assert [list(view.payload) for view in found] == [list(payload(each.data)) for each in events]
    assert [(view.id, view.ts, view.actor, view.type) for view in found] == [
        (each.seq, each.at, each.actor, each.data.type) for each in events
    ]


def ledger() -> list[Event]:
    """Sixteen events in which every filter matches some and not others."""
    return [
        event(1, Seeded(sequence="adr", current=1, prefix="", pad=4)),
        claim(2),
        claim(3, by=BOB),
        claim(4, sequence="rfc"),
        post(5, to_lane="api"),
        post(6, to_lane="web", by=BOB, ref="r", tag="t"),
        post(7, to_id=BOB, ref="r"),
        post(8, to_id=ALICE, by=BOB, tag="t", thread=5),
        post(9, to_lane="api", to_id=BOB, ref="q", tag="u", thread=5),
        post(10, to_id=OWNER, by=BOB),
        event(11, Acked(post_id=5), by=BOB),
        event(12, Acked(post_id=5), by=OWNER),
        event(13, Acked(post_id=6), by=ALICE),
        event(14, Acked(post_id=9), by=BOB),
        event(15, Registered(lane="api", status=None), by=BOB),
        claim(16, by=BOB),
    ]


AT = [each.at for each in ledger()]

EVENT_QUERIES = {
    "all": (EventQuery(upto=16, limit=16), list(range(16, 0, -1))),
    "limit": (EventQuery(upto=16, limit=2), [16, 15]),
    "oldest first": (EventQuery(upto=16, limit=2, oldest_first=True), [1, 2]),
    "after and upto": (EventQuery(after=3, upto=5, limit=9), [5, 4]),
    "actor": (EventQuery(upto=16, limit=3, actor="ann/bob"), [16, 15, 14]),
    "actor of several names": (
        EventQuery(upto=16, limit=4, actor="ann/bob", former_names=("ann/al", "ann/alice")),
        [16, 15, 14, 13],
    ),
    "actor of several names, oldest first": (
        EventQuery(upto=16, limit=9, actor="ann/bob", former_names=("ann/alice",), type="claim", oldest_first=True),
        [2, 3, 4, 16],
    ),
    "unknown actor": (EventQuery(upto=16, limit=3, actor="ann/ALICE"), []),
    "type": (EventQuery(upto=16, limit=9, type="ack"), [14, 13, 12, 11]),
    "type nobody wrote": (EventQuery(upto=16, limit=9, type="lease"), []),
    "sequence": (EventQuery(upto=16, limit=9, sequence="adr"), [16, 3, 2, 1]),
    "sequence and number": (EventQuery(upto=16, limit=9, sequence="adr", number=3), [3]),
    "number of another sequence": (EventQuery(upto=16, limit=9, sequence="rfc", number=3), []),
    "task that nobody made": (EventQuery(upto=16, limit=9, task_id=1), []),
    "ref": (EventQuery(upto=16, limit=9, ref="r"), [7, 6]),
    "tag": (EventQuery(upto=16, limit=9, tag="t"), [8, 6]),
    "ref and tag": (EventQuery(upto=16, limit=9, ref="r", tag="t"), [6]),
    "ref and type": (EventQuery(upto=16, limit=9, ref="r", type="claim"), []),
    "since": (EventQuery(upto=16, limit=9, since=AT[13]), [16, 15, 14]),
    "since between": (EventQuery(upto=16, limit=9, since=AT[13] + timedelta(milliseconds=1)), [16, 15]),
    "since the future": (EventQuery(upto=16, limit=9, since=AT[15] + timedelta(seconds=1)), []),
    "until": (EventQuery(upto=16, limit=9, until=AT[1]), [2, 1]),
    "until between": (EventQuery(upto=16, limit=9, until=AT[1] + timedelta(milliseconds=1)), [2, 1]),
    "until the past": (EventQuery(upto=16, limit=9, until=AT[0] - timedelta(seconds=1)), []),
    "since and until": (EventQuery(upto=16, limit=9, since=AT[2], until=AT[4]), [5, 4, 3]),
    "everything": (
        EventQuery(upto=16, after=1, limit=9, actor="ann/bob", type="claim", sequence="adr", since=AT[0], until=AT[9]),
        [3],
    ),
}

POST_QUERIES = {
    "all": (PostQuery(upto=16, limit=9), [10, 9, 8, 7, 6, 5]),
    "limit": (PostQuery(upto=16, limit=2), [10, 9]),
    "upto": (PostQuery(upto=6, limit=9), [6, 5]),
    "after": (PostQuery(upto=16, after=8, limit=9), [10, 9]),
    "after and unacked": (PostQuery(upto=16, after=6, limit=9, unacked_by=BOB), [10, 8, 7]),
    "ids": (PostQuery(upto=16, limit=9, ids=(5, 8, 2, 99)), [8, 5]),
    "ids without acknowledgements": (PostQuery(upto=7, limit=1, ids=(2, 5, 7, 8), with_acks=False), [7]),
    "no ids": (PostQuery(upto=16, limit=9, ids=()), []),
    "to reader": (PostQuery(upto=16, limit=9, to_reader=BOB), [9, 7]),
    "to owner": (PostQuery(upto=16, limit=9, to_reader=OWNER), [10]),
    "to reader or lane": (PostQuery(upto=16, limit=9, to_reader=BOB, reader_lane="api"), [9, 7, 5]),
    "to reader or lane, limit": (PostQuery(upto=16, limit=2, to_reader=BOB, reader_lane="api"), [9, 7]),
    "to lane": (PostQuery(upto=16, limit=9, to_lane="api"), [9, 5]),
    "by": (PostQuery(upto=16, limit=9, by=BOB), [10, 8, 6]),
    "ref": (PostQuery(upto=16, limit=9, ref="r"), [7, 6]),
    "tag": (PostQuery(upto=16, limit=9, tag="t"), [8, 6]),
    "thread": (PostQuery(upto=16, limit=9, thread=5), [9, 8, 5]),
    "unacked by bob": (PostQuery(upto=16, limit=9, unacked_by=BOB), [10, 8, 7, 6]),
    "with an acknowledgement": (PostQuery(upto=16, limit=9, ids=(5,), acks_of=(BOB,)), [5]),
    "unacked by alice": (PostQuery(upto=16, limit=9, unacked_by=ALICE), [10, 9, 8, 7, 5]),
    "everything": (
        PostQuery(
            upto=16, limit=9, to_reader=BOB, reader_lane="api", to_lane="api", by=ALICE, thread=5, unacked_by=ALICE
        ),
        [9, 5],
    ),
}


@pytest.mark.parametrize("name", EVENT_QUERIES)
async def test_events_that_match(open_journal: OpenJournal, name: str) -> None:
    journal = open_journal()
    await journal.append(PROJECT, ledger(), {})
    await journal.append(PROJECT + 1, [claim(1), post(2, to_lane="api", ref="r", tag="t")], {})
    query, expected = EVENT_QUERIES[name]
    assert [view.id for view in await journal.events(PROJECT, query)] == expected


@pytest.mark.parametrize("name", POST_QUERIES)
async def test_posts_that_match(open_journal: OpenJournal, name: str) -> None:
    journal = open_journal()
    await journal.append(PROJECT, ledger(), {})
    await journal.append(PROJECT + 1, [post(1, to_lane="api", to_id=BOB, ref="r", tag="t")], {})
    query, expected = POST_QUERIES[name]
    assert [record.event.seq for record in await journal.posts(PROJECT, query)] == expected


async def test_posts_come_whole_with_their_acknowledgements_oldest_first(open_journal: OpenJournal) -> None:
    journal, events = open_journal(), ledger()
    await journal.append(PROJECT, events, {})
    bare = await journal.posts(PROJECT, PostQuery(upto=16, limit=9, ids=(5, 7), with_acks=False))
    assert [(record.event.seq, record.acks, record.acks_more) for record in bare] == [(7, (), 0), (5, (), 0)]
    records = await journal.posts(PROJECT, PostQuery(upto=16, limit=9, ids=(5, 7)))
    assert [record.event for record in records] == [events[6], events[4]]
    assert [[(ack.by, ack.actor, ack.at) for ack in record.acks] for record in records] == [
        [],
        [(BOB, "ann/bob", AT[10]), (OWNER, "ann", AT[11])],
    ]


async def test_a_post_that_very_many_acknowledged_comes_with_the_first_and_those_asked_for(
    open_journal: OpenJournal,
) -> None:
    journal = open_journal()
    readers = range(1, ACKS_SHOWN_MAX + 6)
    acks = [
        Event(seq=reader + 1, at=BEGAN, actor=f"ann/{reader}", by=reader, data=Acked(post_id=1)) for reader in readers
    ]
    await journal.append(PROJECT, [post(1, to_lane="api"), *acks], {})
    query = PostQuery(upto=999, limit=9, acks_of=(3, ACKS_SHOWN_MAX + 2, 9_999))
    (record,) = await journal.posts(PROJECT, query)
    assert [fact.by for fact in record.acks] == [*readers[:ACKS_SHOWN_MAX], ACKS_SHOWN_MAX + 2]
    assert record.acks_more == 5


def works() -> list[Event]:
    """Tasks 1 to 7: 2 and 6 have not shipped, 7 was cancelled; 3 went from bob to alice."""
    data: list[EventData] = [
        TaskCreated(task_id=1, title="one", lane="api", owner=None),
        TaskCreated(task_id=2, title="two", lane="api", owner="ann/bob", owner_id=BOB),
        TaskCreated(task_id=3, title="three", lane=None, owner="ann/bob", owner_id=BOB),
        TaskCreated(task_id=4, title="four", lane="web", owner="ann/bob", owner_id=BOB),
        TaskAssigned(task_id=1, owner="ann/alice", owner_id=ALICE),
        TaskAssigned(task_id=3, owner="ann/alice", owner_id=ALICE),
        TaskShipped(task_id=3),
        TaskShipped(task_id=1),
        TaskShipped(task_id=4),
        TaskCreated(task_id=5, title="five", lane="web", owner="ann/bob", owner_id=BOB),
        TaskShipped(task_id=5),
        TaskCreated(task_id=6, title="six", lane="web", owner="ann/bob", owner_id=BOB),
        TaskCreated(task_id=7, title="seven", lane="qa", owner=None),
        TaskCancelled(task_id=7, reason="no need"),
    ]
    return [Event(seq=seq, at=BEGAN, actor="ann/bob", by=BOB, data=each) for seq, each in enumerate(data, start=1)]


TASK_QUERIES = {
    "all": (TaskQuery(upto=16, limit=9), [7, 5, 4, 3, 1]),
    "limit": (TaskQuery(upto=16, limit=2), [7, 5]),
    "done": (TaskQuery(upto=16, status="done", limit=9), [5, 4, 3, 1]),
    "cancelled": (TaskQuery(upto=16, status="cancelled", limit=9), [7]),
    "upto": (TaskQuery(upto=8, limit=9), [3, 1]),
    "above": (TaskQuery(upto=16, above=3, limit=9), [7, 5, 4]),
    "below": (TaskQuery(upto=16, above=3, below=7, limit=9), [5, 4]),
    "owner": (TaskQuery(upto=16, owner="ann/bob", limit=9), [5, 4]),
    "owner, limit": (TaskQuery(upto=16, owner="ann/bob", limit=1), [5]),
    "owner of several names": (
        TaskQuery(upto=16, owner="ann/bob", former_names=("ann/al", "ann/alice"), limit=3),
        [5, 4, 3],
    ),
    "another owner": (TaskQuery(upto=16, owner="ann/alice", limit=9), [3, 1]),
    "lane": (TaskQuery(upto=16, lane="web", limit=9), [5, 4]),
    "cancelled in a lane": (TaskQuery(upto=16, lane="qa", status="cancelled", limit=9), [7]),
    "cancelled in another lane": (TaskQuery(upto=16, lane="web", status="cancelled", limit=9), []),
    "done of an owner": (TaskQuery(upto=16, owner="ann/bob", status="done", limit=9), [5, 4]),
    "lane and owner": (TaskQuery(upto=16, lane="api", owner="ann/alice", limit=9), [1]),
    "lane and another owner": (TaskQuery(upto=16, lane="api", owner="ann/bob", limit=9), []),
    "everything": (TaskQuery(upto=9, above=1, lane="web", owner="ann/bob", limit=9), [4]),
}


def numbered() -> list[Event]:
    """adr 1 of alice, adr 2 of bob, rfc 2 of alice; bob voided adr 2."""
    data: list[tuple[int, EventData]] = [
        (ALICE, Claimed(sequence="adr", number=1, formatted="A-1", note=None)),
        (BOB, Claimed(sequence="adr", number=2, formatted="A-2", note=None)),
        (ALICE, Claimed(sequence="rfc", number=2, formatted="2", note=None)),
        (BOB, Voided(sequence="adr", number=2, formatted="A-2", reason="r", claimed_by="ann/bob")),
    ]
    names = {ALICE: "ann/alice", BOB: "ann/bob"}
    return [Event(seq=seq, at=BEGAN, actor=names[by], by=by, data=each) for seq, (by, each) in enumerate(data, start=1)]


async def test_the_claim_of_a_number(open_journal: OpenJournal) -> None:
    journal = open_journal()
    await journal.append(PROJECT, numbered(), {})
    await journal.append(PROJECT + 1, [claim(1)], {})
    assert await journal.claim(PROJECT, "adr", 1) == ClaimFact(by=ALICE, actor="ann/alice", formatted="A-1")
    assert await journal.claim(PROJECT, "adr", 2) == ClaimFact(by=BOB, actor="ann/bob", formatted="A-2", void=True)
    assert await journal.claim(PROJECT, "rfc", 2) == ClaimFact(by=ALICE, actor="ann/alice", formatted="2")
    assert await journal.claim(PROJECT, "rfc", 1) is None


async def test_the_story_of_a_number_tells_who_claimed_and_who_voided_it(open_journal: OpenJournal) -> None:
    journal = open_journal()
    await journal.append(PROJECT, numbered(), {})
    story = await journal.events(PROJECT, EventQuery(upto=9, sequence="adr", number=2, limit=9))
    assert [(event.type, event.actor) for event in story] == [("void_claim", "ann/bob"), ("claim", "ann/bob")]
    everything = await journal.events(PROJECT, EventQuery(upto=9, sequence="adr", limit=9))
    assert [event.id for event in everything] == [4, 2, 1]


async def test_the_events_of_one_task(open_journal: OpenJournal) -> None:
    journal = open_journal()
    await journal.append(PROJECT, works(), {})
    newest = await journal.events(PROJECT, EventQuery(upto=16, task_id=3, limit=2))
    assert [event.id for event in newest] == [7, 6]
    (first,) = await journal.events(PROJECT, EventQuery(upto=16, task_id=3, oldest_first=True, limit=1))
    assert (first.id, first.type, first.payload["title"]) == (3, "task_create", "three")


@pytest.mark.parametrize("name", TASK_QUERIES)
async def test_finished_tasks_that_match(open_journal: OpenJournal, name: str) -> None:
    journal = open_journal()
    await journal.append(PROJECT, works(), {})
    await journal.append(PROJECT + 1, works()[:1], {})
    query, expected = TASK_QUERIES[name]
    assert [task.task_id for task in await journal.finished_tasks(PROJECT, query)] == expected


async def test_a_shipped_task_is_told_with_its_last_owner(open_journal: OpenJournal) -> None:
    journal = open_journal()
    await journal.append(PROJECT, works(), {})
    assert (await journal.finished_tasks(PROJECT, TaskQuery(upto=16, status="done", limit=9)))[1:3] == [
        FinishedTask(task_id=4, title="four", lane="web", owner="ann/bob", status="done"),
        FinishedTask(task_id=3, title="three", lane=None, owner="ann/alice", status="done"),
    ]


async def test_a_cancelled_append_is_all_there_or_not_at_all(open_journal: OpenJournal) -> None:
    journal = open_journal()
    with trio.CancelScope() as scope:
        scope.cancel()
        await journal.append(PROJECT, [claim(1), claim(2)], {ALICE: 2})
    with trio.fail_after(HANG_SECONDS):
        async with journal.turn(PROJECT, 0, 9):
            stored, cursor = await journal.tail(PROJECT, 0, 9), await journal.cursor(PROJECT, ALICE)
    assert (len(stored), cursor) in [(0, None), (2, 2)]


def test_every_filter_is_tried() -> None:
    """A filter added to a query shows here until it has a row above."""
    tried: set[str]
    for queries, cls in ((EVENT_QUERIES, EventQuery), (POST_QUERIES, PostQuery), (TASK_QUERIES, TaskQuery)):
        default = cls(upto=16, limit=9)
        tried = {
            field
            for (query, _), field in product(queries.values(), cls.__struct_fields__)
            if getattr(query, field) != getattr(default, field)
        }
        assert tried == set(cls.__struct_fields__)
