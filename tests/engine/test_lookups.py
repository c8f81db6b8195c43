"""Pages of history are bounded in bytes."""

from datetime import UTC, datetime

import pytest

from engine import lookups
from engine.lookups import EventView, within_a_page


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
