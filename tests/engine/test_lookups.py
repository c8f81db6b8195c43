"""Pages of history are bounded in bytes."""

from datetime import UTC, datetime

import pytest

from engine import lookups
from engine.events import view as shown
from engine.lookups import EventQuery, EventView, within_a_page
from engine.sequences import Claimed
from engine.vocabulary import Event


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
    assert within_a_page([]) == ([], 0)


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
