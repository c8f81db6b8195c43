"""What an actor remembers of the last events and of cursors, and when it reads the ledger all the same."""

from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter

import pytest
from msgspec.structs import replace

from actors.cursors import Cursors
from actors.limits import Limits
from actors.project import ProjectActor
from actors.recent import Recent
from actors.rounds import Rounds
from actors.statistics import Totals
from engine.events import view
from engine.lookups import EventQuery, Found, PostQuery, PostRecord
from engine.posts import Posted
from engine.sequences import Claimed
from engine.vocabulary import Event
from tests.actors.memory_journal import MemoryJournal

AT = datetime(2026, 1, 1, tzinfo=UTC)


def event(seq: int) -> Event:
    data: Claimed | Posted
    if seq % 3 == 0:
        data = Posted(
            to_lane="docs", to_actor=None, to_id=None, subject=None, body="x" * 8_000, ref=None, tag=None, thread=seq
        )
    else:
        data = Claimed(sequence="adr", number=seq, formatted=str(seq), note=None)
    return Event(seq=seq, at=AT, actor="ada/lead", by=1, data=data)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (EventQuery(after=4, upto=9, oldest_first=True, limit=100), [5, 6, 7, 8, 9]),
        (EventQuery(after=4, upto=9, oldest_first=True, limit=2), [5, 6]),
        (EventQuery(upto=9, limit=3), [9, 8, 7]),
        (EventQuery(after=7, upto=9, limit=3), [9, 8]),
        (EventQuery(after=9, upto=9, oldest_first=True, limit=3), None),
        (EventQuery(after=1, upto=9, oldest_first=True, limit=100), None),
        (EventQuery(upto=12, limit=3), None),
        (EventQuery(upto=9, limit=30), None),
        (EventQuery(upto=9, limit=3, type="claim"), None),
    ],
)
def test_a_range_that_is_remembered_is_found_as_the_ledger_shows_it(query: EventQuery, found: list[int] | None) -> None:
    recent = Recent(Limits(recent_events=7))
    for seq in range(1, 11):
        recent.add(event(seq))

    for _ in range(2):
        assert recent.find(query) == (None if found is None else [view(event(seq)) for seq in found])


def test_a_gap_and_a_new_beginning_forget_what_came_before() -> None:
    recent = Recent(Limits())
    recent.add(event(1))
    recent.add(event(3))
    assert recent.find(EventQuery(after=0, upto=1, oldest_first=True, limit=1)) is None
    assert recent.find(EventQuery(after=2, upto=3, oldest_first=True, limit=1)) == [view(event(3))]
    recent.clear()
    assert recent.find(EventQuery(after=2, upto=3, oldest_first=True, limit=1)) is None


def test_posts_are_remembered_with_their_bodies_up_to_so_many_bytes() -> None:
    recent = Recent(Limits(recent_post_bytes=70_000))
    for seq in range(1, 11):
        recent.add(event(seq))

    query = PostQuery(upto=9, ids=(6, 9), with_acks=False, limit=5)
    assert recent.find_posts(query) == [PostRecord(event=event(9)), PostRecord(event=event(6))]
    assert recent.find_posts(replace(query, limit=1)) == [PostRecord(event=event(9))]
    assert recent.find_posts(replace(query, upto=8)) == [PostRecord(event=event(6))]
    for other in (replace(query, ids=(3, 6)), replace(query, with_acks=True), replace(query, ids=None)):
        assert recent.find_posts(other) is None
    recent.clear()
    assert recent.find_posts(query) is None


class Posts(MemoryJournal):
    """Has posts to be found, counts their reads; something may happen during one."""

    reads = 0
    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    async def posts(self, project_id: int, query: PostQuery) -> Found[PostRecord]:
        self.reads += 1
        self.meanwhile()
        return Found(PostRecord(event=event(post_id)) for post_id in sorted(query.ids or (3,), reverse=True))


def actor_on(journal: Posts, limits: Limits) -> ProjectActor:
    totals = Totals()
    rounds = Rounds(journal, lambda: AT, limits, totals, perf_counter)
    return ProjectActor(1, journal, lambda: AT, limits, totals, perf_counter, rounds)


async def test_an_inbox_that_was_read_of_the_ledger_is_remembered() -> None:
    journal = Posts()
    actor = actor_on(journal, Limits(recent_post_bytes=70_000))
    inbox = PostQuery(upto=9, ids=(3, 6), with_acks=False, limit=5)
    found = [PostRecord(event=event(6)), PostRecord(event=event(3))]
    assert [await actor.posts(inbox), await actor.posts(inbox)] == [found, found]
    assert journal.reads == 1

    await actor.posts(replace(inbox, ids=(9,)))  # pushes the oldest out
    assert await actor.posts(inbox) == found
    assert journal.reads == 3
    for _ in range(2):
        await actor.posts(replace(inbox, ids=None))
    assert journal.reads == 5


async def test_posts_read_while_the_state_is_lost_are_not_kept() -> None:
    journal = Posts()
    actor = actor_on(journal, Limits())
    journal.meanwhile = actor._replica.recent.clear
    inbox = PostQuery(upto=9, ids=(3, 6), with_acks=False, limit=5)
    assert await actor.posts(inbox) == await actor.posts(inbox)
    assert journal.reads == 2


class Counting(MemoryJournal):
    """Counts reads of cursors; something may happen during one."""

    reads = 0
    meanwhile: Callable[[], object] = staticmethod(lambda: None)
    is_alone = True

    @property
    def alone(self) -> bool:
        return self.is_alone

    async def cursor(self, project_id: int, reader: int) -> int | None:
        self.reads += 1
        found = await super().cursor(project_id, reader)
        self.meanwhile()
        return found


async def test_a_cursor_is_read_once_while_no_other_server_is_there() -> None:
    journal = Counting()
    cursors = Cursors(1, journal, Limits())
    assert [await cursors.of(7), await cursors.of(7)] == [None, None]
    cursors.moved({7: 5})
    assert (await cursors.of(7), journal.reads) == (5, 1)
    cursors.forget()
    assert (await cursors.of(7), journal.reads) == (None, 2)
    journal.is_alone = False
    cursors.moved({7: 6})
    assert [await cursors.of(7), await cursors.of(7)] == [None, None]
    journal.is_alone = True
    assert (await cursors.of(7), journal.reads) == (None, 5)


async def test_a_move_during_the_read_of_a_cursor_counts() -> None:
    journal = Counting()
    cursors = Cursors(1, journal, Limits())
    journal.meanwhile = lambda: cursors.moved({7: 5})
    assert (await cursors.of(7), await cursors.of(7)) == (5, 5)


async def test_what_is_read_while_others_come_is_not_kept() -> None:
    journal = Counting()
    cursors = Cursors(1, journal, Limits())
    journal.meanwhile = cursors.forget
    assert [await cursors.of(7), await cursors.of(7), journal.reads] == [None, None, 2]


async def test_the_readers_remembered_are_those_that_came_last() -> None:
    journal = Counting()
    cursors = Cursors(1, journal, Limits(seen_max=2))
    for reader in (1, 2, 3, 3, 2, 1):
        await cursors.of(reader)
    assert journal.reads == 4
