"""Pages of history are bounded in bytes."""

from datetime import UTC, datetime

import pytest
from msgspec import UNSET, UnsetType

from engine import lookups
from engine.decision import Decision
from engine.events import view as shown
from engine.ledger import Events, QueryEvents
from engine.lookups import (
    EventLookup,
    EventQuery,
    EventView,
    FinishedTask,
    Found,
    PostLookup,
    TaskLookup,
    within_a_page,
)
from engine.posts import Posts, ReadPosts
from engine.sequences import Claimed
from engine.tasks import ListTasks, TaskCancel, TaskCreate, Tasks
from engine.vocabulary import Event
from tests.engine.project import Project, lea


def view(number: int, length: int) -> EventView:
    return EventView(
        id=number, ts=datetime(2026, 1, 1, tzinfo=UTC), actor="ada/web", type="note", payload={"x": "x" * length}
    )


def test_a_page_holds_the_first_items_that_fit_and_one_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "PAGE_BYTES_MAX", 1_000)
    small, large = [view(number, 300) for number in range(5)], [view(number, 5_000) for number in range(3)]
    assert within_a_page(small) == (small[:2], 3)
    assert within_a_page(small[:2]) == (small[:2], 0)
    assert within_a_page(large) == (large[:1], 2)
    assert within_a_page(large[:1]) == (large[:1], 0)
    assert within_a_page([]) == ([], 0)
    monkeypatch.setattr(lookups, "MEASURED_AT_ONCE", 2)
    assert within_a_page([*small[:2], *large]) == (small[:2], 3)
    assert within_a_page(small[:1] * 3) == (small[:1] * 2, 1)


def test_an_event_is_shown_without_what_is_not_marked_as_shown() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    claimed = Claimed(sequence="adr", number=1, formatted="1", note=None, key="secret")
    assert shown(Event(seq=3, at=at, actor="ada/web", by=1, data=claimed)) == EventView(
        id=3,
        ts=at,
        actor="ada/web",
        type="claim",
        payload={"sequence": "adr", "number": 1, "formatted": "1", "note": None},
    )


def test_a_range_of_events_names_nothing_but_bounds() -> None:
    assert EventQuery(upto=9, after=3, oldest_first=True, limit=5).is_range
    assert not EventQuery(upto=9, limit=5, tag="x").is_range


@pytest.mark.parametrize("length", [300, 900])
def test_a_search_that_ended_early_says_where_it_goes_on(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """Not where items are left out of the page: it then goes on after the last one that is shown."""
    monkeypatch.setattr(lookups, "PAGE_BYTES_MAX", 1_000)
    found, goes_on = Found([view(9, length), view(8, length)], searched_back_to=5), 5 if length == 300 else UNSET
    outcome = Project().decide(lea.principal, QueryEvents())
    assert isinstance(outcome, Decision)
    assert isinstance(outcome.reply, EventLookup)
    reply = outcome.reply.complete(found)
    assert isinstance(reply, Events)
    assert (reply.events, reply.searched_back_to) == (found[: 2 if length == 300 else 1], goes_on)


@pytest.mark.parametrize(("limit", "goes_on"), [(3, 5), (1, UNSET)])
def test_a_search_of_finished_tasks_that_ended_early_says_where_it_goes_on(
    limit: int, goes_on: int | UnsetType
) -> None:
    """Not where the page is full: it then goes on after the last one that is shown."""
    project = Project()
    ended = lea(TaskCancel(task_id=1, reason="not needed"))
    project.play([lea(TaskCreate(title="one")), lea(TaskCreate(title="two")), ended])
    outcome = project.decide(lea.principal, ListTasks(limit=limit))
    assert isinstance(outcome, Decision)
    assert isinstance(outcome.reply, TaskLookup)
    finished = FinishedTask(task_id=1, title="one", lane=None, owner=None, status="cancelled")
    reply = outcome.reply.complete(Found([finished], searched_back_to=5))
    assert isinstance(reply, Tasks)
    assert reply.searched_back_to == goes_on


def test_a_search_of_posts_that_ended_early_says_where_it_goes_on() -> None:
    outcome = Project().decide(lea.principal, ReadPosts())
    assert isinstance(outcome, Decision)
    assert isinstance(outcome.reply, PostLookup)
    reply = outcome.reply.complete(Found((), searched_back_to=5))
    assert isinstance(reply, Posts)
    assert (reply.posts, reply.searched_back_to) == ([], 5)
