"""Dashboards: right figures, at a cost that does not grow with the ledgers."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from engine.history import Liveness
from store import Store
from store.ledger import overview, projects
from store.ledger.overview import _OWNERS, _PROJECTS
from store.people import minting, owners
from store.people.participants import _WRITTEN
from store.postgres.connection import Connection
from tests.postgres import query
from tests.store.estate import Estate, settle, write_events
from tests.store.history_of_many import generate

pytestmark = pytest.mark.usefixtures("bounded")

PROJECTS, EVENTS_EACH, TAIL = 10, 1_000, 100


@pytest.fixture
async def ann(store: Store) -> Estate:
    return await settle(store, "ann@example.com")


async def test_a_project_is_shown_with_who_is_active_and_what_happened(
    store: Store, ann: Estate, conninfo: str
) -> None:
    await store.write(minting.mint, "ann@example.com", "bus", "carl")
    write_events(conninfo, ann.project_id, ann.participation_id, last=3)
    ((last_event_at,),) = query(conninfo, "select max(at) from events")
    now = datetime.now(UTC)
    seen = {1: Liveness("ann/lead", now), 2: Liveness("ann/carl", now - timedelta(seconds=1000))}
    await store.journal.write_liveness(ann.project_id, seen)
    (row,) = await store.read(overview.dashboard, ann.owner.id)
    assert (row.id, row.slug, row.name, row.participants, row.active) == (ann.project_id, "bus", "bus", 2, 1)
    assert (row.events, row.last_event_at, row.open_posts) == (3, last_event_at, None)
    await store.write(
        projects.change, ann.owner.id, ann.project_id, slug="bus", name="B", liveness_window_seconds=2000, by="ann"
    )
    assert [(row.name, row.active) for row in await store.read(overview.dashboard, ann.owner.id)] == [("B", 2)]


async def test_open_posts_are_known_while_the_snapshot_is_as_new_as_the_ledger(
    store: Store, ann: Estate, conninfo: str
) -> None:
    async def open_posts() -> int | None:
        (row,) = await store.read(overview.dashboard, ann.owner.id)
        return row.open_posts

    assert await open_posts() == 0
    write_events(conninfo, ann.project_id, ann.participation_id, last=3)
    assert await open_posts() is None
    await store.journal.write_snapshot(ann.project_id, 2, b"", open_posts=5)
    assert await open_posts() is None
    await store.journal.write_snapshot(ann.project_id, 3, b"", open_posts=4)
    assert await open_posts() == 4
    await store.journal.write_snapshot(ann.project_id, 2, b"", open_posts=5)
    assert await open_posts() == 4


async def test_projects_are_shown_by_name(store: Store, ann: Estate) -> None:
    for slug, name in (("zoo", "alpha"), ("abc", "Zulu")):
        await store.write(projects.add, ann.owner.id, slug, name, by="ann")
    assert [row.name for row in await store.read(overview.dashboard, ann.owner.id)] == ["alpha", "bus", "Zulu"]


async def test_an_operator_sees_every_owner_with_figures_but_no_temporary_ones(
    store: Store, ann: Estate, conninfo: str
) -> None:
    await store.write(minting.mint, "ann@example.com", "web", "carl")
    await store.write(owners.ensure_owner, "root@example.com", is_operator=True)
    await store.write(owners.ensure_owner, "doctor@llm-bus.invalid")
    write_events(conninfo, ann.project_id, ann.participation_id, last=3)
    await store.write(owners.suspend, ann.owner.id, by="root")
    first, second = await store.read(overview.owners)
    assert (first.handle, first.projects, first.participants, first.events) == ("ann", 2, 2, 3)
    assert first.last_event_at is not None
    assert first.suspended_at is not None
    assert (second.handle, second.is_operator, second.projects, second.events) == ("root", True, 0, 0)
    assert second.last_event_at is None


async def test_pages_read_a_few_rows_of_each_ledger(store: Store, ann: Estate, conninfo: str) -> None:
    for number in range(1, PROJECTS):
        await store.write(projects.add, ann.owner.id, f"p{number}", by="ann")
    for row in await store.read(overview.dashboard, ann.owner.id):
        query(conninfo, generate(row.id, EVENTS_EACH))
        await store.journal.write_snapshot(row.id, EVENTS_EACH - TAIL, b"", open_posts=0)
    query(conninfo, "analyze")
    connection = await Connection.open(conninfo)
    try:
        for statement, parameters, rows_max in (
            (_PROJECTS, (ann.owner.id,), PROJECTS),
            (_OWNERS, {"temporary": "invalid", "owner": None, "part": "", "limit": 50, "offset": 0}, PROJECTS),
            (_WRITTEN, {"project": ann.project_id, "counted": EVENTS_EACH - TAIL}, TAIL),
        ):
            explained = await connection.fetch(f"explain (analyze, timing off) {statement}", parameters)
            plan = "\n".join(line for (line,) in explained)
            assert "Seq Scan on events" not in plan, plan
            assert read_of_events(plan) <= rows_max, plan
    finally:
        connection.close()


def read_of_events(plan: str) -> int:
    """How many rows of events were looked at."""
    scans = re.findall(r"Scan[^\n]* on events.*?actual rows=([\d.]+) loops=(\d+)", plan)
    assert scans or "never executed" in plan, plan
    return round(sum(float(rows) * int(loops) for rows, loops in scans))
