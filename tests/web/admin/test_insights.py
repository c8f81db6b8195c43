"""Insights: figures of a project's last days, each told in a table beside its picture."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from engine.terms import LeaseMode
from store.ledger.insights import Taken
from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import text_of
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus
from web.admin.insights import CHART_HEIGHT, by_kind, columns, contention

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


IDS = count(1)


def taken(by: int, surface: str, minute: int = 0, mode: LeaseMode = "exclusive") -> Taken:
    at = NOON + timedelta(minutes=minute)
    return Taken(id=next(IDS), at=at, by=by, surface=surface, mode=mode, ttl_seconds=600)


async def test_every_figure_is_told_in_a_table(bus: Bus, ada: AdminClient) -> None:
    scout, builder = await bus.mint("scout"), await bus.mint("builder")
    await bus.call(scout, "lease", surface="src/cart/**")
    await bus.call(builder, "lease", surface="src/cart/total.py")
    for ref in ("PR-1", None):
        post = await bus.call(scout, "post", to_lane="docs", body="x", **({"ref": ref} if ref else {}))
    await bus.call(builder, "ack", post_id=post["post_id"])
    for days in (1, 7, 30):
        page = text_of(await ada.page(f"{await project_of(bus, ada)}/insights", days=days))
        assert page.count("50 % 1 of 2") == 2  # acknowledged, and with a ref
        assert "All days 1 0 s 0 s" in page
        assert "docs 2 1" in page
        assert "src/cart 1" in page


async def test_figures_are_counted_once_a_minute_for_each_period(bus: Bus, ada: AdminClient) -> None:
    token = await bus.mint()
    there = f"{await project_of(bus, ada)}/insights"
    for number in (1, 2):
        await bus.call(token, "post", to_lane="docs", body="x")
        page = text_of(await ada.page(there, days=7))
        assert "docs 1 0" in page
        assert "Counted just now" in page
        assert f"docs {number} 0" in text_of(await ada.page(there, days=number))


async def test_a_project_without_events_says_so(ada: AdminClient) -> None:
    there = await ada.change("/admin/projects", slug="shop")
    page = text_of(await ada.page(f"{there}/insights", days="soon"))
    assert "No events in this period" in page
    assert "Nothing to measure yet" in page


def test_columns_stand_on_the_ground_and_the_highest_fills_the_picture() -> None:
    hours = by_kind([(3, "claim", 2), (3, "task_start", 2), (4, "post", 1), (5, "riot", 1)])
    assert hours[3] == Counter(numbers=2, tasks=2)
    assert hours[5] == Counter(other=1)
    pieces = columns(hours)
    assert {round(piece.y + piece.height, 1) for piece in pieces if piece.kind in ("numbers", "handoffs")} == {
        CHART_HEIGHT
    }
    assert min(piece.y for piece in pieces) == 0
    assert columns(by_kind([])) == []


@pytest.mark.parametrize(
    ("leases", "met"),
    [
        ([taken(1, "src/a/**"), taken(2, "src/a/b.py")], [("src/a", 1)]),
        ([taken(1, "src/a/**"), taken(1, "src/a/b.py")], []),
        ([taken(1, "src/a/**"), taken(2, "src/b/b.py")], []),
        ([taken(1, "src/a", mode="shared"), taken(2, "src/a", mode="shared")], []),
        ([taken(1, "src/a"), taken(2, "src/a", minute=11)], []),
        ([taken(1, "a"), taken(2, "a"), taken(3, "a"), taken(1, "b"), taken(2, "b")], [("a", 3), ("b", 1)]),
    ],
)
def test_contention_counts_leases_that_met(leases: list[Taken], met: list[tuple[str, int]]) -> None:
    assert contention(leases) == met
