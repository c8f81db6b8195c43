"""Adherence by participant and week: every figure from events, beside what it is a part of."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from store import Store
from store.ledger.adherence import Adherence, adherence
from store.people import minting
from tests.postgres import query

ADA, BEN = 101, 102
NAMES = {ADA: "ada/ada", BEN: "ada/ben"}

Row = tuple[int, float, str, dict[str, Any]]
"""Who, hours after the beginning of this week, the type, and the data."""


def monday() -> datetime:
    now = datetime.now(UTC)
    return (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)


def write(conninfo: str, project_id: int, rows: Iterable[Row], weeks_ago: int = 1) -> None:
    """Events of a week that is over."""
    begin = monday() - timedelta(weeks=weeks_ago)
    for seq, (by, hours, kind, data) in enumerate(rows, start=1):
        values = (project_id, seq, begin + timedelta(hours=hours), NAMES[by], by, kind, json.dumps(data))
        query(
            conninfo,
            "insert into events (project_id, seq, at, actor, participation_id, type, data, writer)"
            " values (%s, %s, %s, %s, %s, %s, %s, 1)",
            values,
        )


def report(
    commit: str, numbers: tuple[int, int, int] = (0, 0, 0), paths: tuple[int, int, int, int] = (0, 0, 0, 0), **more: Any
) -> dict[str, Any]:
    counted = dict(zip(("claimed", "by_hook", "unclaimed"), numbers, strict=True))
    return {
        "commit": commit,
        "numbers": counted,
        "paths": dict(zip(("own", "by_hook", "other", "none"), paths, strict=True)),
        **more,
    }


def lease(surface: str, seconds: int = 3600, **more: Any) -> dict[str, Any]:
    return {"surface": surface, "ttl_seconds": seconds, **more}


@pytest.fixture
async def project_id(store: Store) -> int:
    return (await store.write(minting.mint, "ada@example.com", "shop", "lead")).project.id


async def counted(store: Store, project_id: int, **asked: Any) -> dict[str, Adherence]:
    rows = await store.read(adherence, project_id, **asked)
    return {row.participant: row for row in rows}


async def test_an_empty_ledger_has_no_rows(store: Store, project_id: int) -> None:
    assert await store.read(adherence, project_id) == []


async def test_only_so_many_of_the_newest_events_count(store: Store, conninfo: str, project_id: int) -> None:
    write(conninfo, project_id, [(ADA, hour, "commit_check", report(f"{hour}aaa")) for hour in (1, 2, 3)])
    for events_max, commits in ((2, 2), (3, 3), (9, 3), (None, 3)):
        found = await counted(store, project_id, events_max=events_max)
        assert found["ada/ada"].commits == commits


async def test_commits_are_counted_once_by_what_the_guard_saw(store: Store, conninfo: str, project_id: int) -> None:
    rows: list[Row] = [
        (ADA, 1, "commit_check", report("aaaa", (1, 2, 3), (4, 5, 6, 7))),
        (ADA, 1, "commit_check", report("aaaa", (1, 2, 3), (4, 5, 6, 7))),
        (ADA, 2, "commit_check", report("bbbb", (1, 0, 0), (0, 0, 0, 1))),
        (ADA, 3, "commit_check", report("cccc", bypassed=True)),
        (ADA, 4, "commit_check", report("dddd", unchecked="the bus does not answer")),
        (BEN, 5, "commit_check", report("aaaa")),
    ]
    write(conninfo, project_id, rows)
    found = await counted(store, project_id)
    ada = found["ada/ada"]
    assert (ada.commits, ada.commits_bypassed, ada.commits_unchecked, ada.commits_covered) == (4, 1, 1, 2)
    assert (ada.numbers, ada.numbers_claimed, ada.numbers_by_hook) == (7, 2, 2)
    assert (ada.paths, ada.paths_leased, ada.paths_by_hook) == (23, 4, 5)
    assert found["ada/ben"].commits == 1


async def test_handoffs_are_overdue_until_whom_they_are_for_acknowledges(
    store: Store, conninfo: str, project_id: int
) -> None:
    to_ben = {"to_id": BEN, "to_actor": "ada/ben", "to_lane": None}
    rows: list[Row] = [
        (ADA, 0, "post", to_ben),
        (ADA, 0, "post", to_ben),
        (ADA, 0, "post", to_ben),
        (ADA, 0, "post", {"to_id": None, "to_lane": "api"}),
        (BEN, 1, "ack", {"post_id": 1}),
        (ADA, 2, "ack", {"post_id": 2}),
        (BEN, 5, "ack", {"post_id": 4}),
        (BEN, 30, "ack", {"post_id": 2}),
    ]
    write(conninfo, project_id, rows)
    found = await counted(store, project_id)
    ben = found["ada/ben"]
    assert (ben.handoffs, ben.handoffs_overdue) == (3, 2)
    assert (ben.acks, ben.ack_seconds_median) == (3, 5 * 3600)
    assert found["ada/ada"].handoffs == 0
    assert (await counted(store, project_id, overdue_hours=48))["ada/ben"].handoffs_overdue == 1


async def test_a_lease_expired_when_it_was_neither_released_nor_renewed(
    store: Store, conninfo: str, project_id: int
) -> None:
    rows: list[Row] = [
        (ADA, 0.0, "lease", lease("released")),
        (ADA, 0.1, "lease", lease("renewed")),
        (ADA, 0.2, "lease", lease("forgotten")),
        (ADA, 0.3, "lease", lease("hooked", by="hook")),
        (BEN, 0.4, "release", {"surface": "forgotten"}),
        (ADA, 0.5, "release", {"surface": "released"}),
        (ADA, 0.6, "lease", lease("renewed")),
        (ADA, 0.7, "release", {"surface": "renewed"}),
        (ADA, 9.0, "lease", lease("forgotten")),
        (ADA, 9.1, "release", {"surface": "forgotten"}),
    ]
    write(conninfo, project_id, rows)
    ada = (await counted(store, project_id))["ada/ada"]
    assert (ada.leases, ada.leases_expired) == (5, 1)


async def test_a_session_ends_with_a_pause_and_should_register(store: Store, conninfo: str, project_id: int) -> None:
    rows: list[Row] = [
        (ADA, 0.0, "claim", {}),
        (BEN, 0.5, "claim", {}),
        (ADA, 1.0, "register", {"lane": "api"}),
        (ADA, 2.9, "claim", {}),
        (ADA, 9.0, "claim", {}),
        (ADA, 9.1, "claim", {}),
    ]
    write(conninfo, project_id, rows)
    found = await counted(store, project_id)
    assert (found["ada/ada"].sessions, found["ada/ada"].sessions_unregistered) == (2, 1)
    assert (found["ada/ben"].sessions, found["ada/ben"].sessions_unregistered) == (1, 1)


async def test_only_the_weeks_that_are_asked_for_are_counted(store: Store, conninfo: str, project_id: int) -> None:
    write(conninfo, project_id, [(ADA, 0.0, "claim", {})], weeks_ago=3)
    assert await store.read(adherence, project_id, weeks=3) == []
    (row,) = await store.read(adherence, project_id, weeks=4)
    assert row.week == (monday() - timedelta(weeks=3)).date()


async def test_whoever_only_owes_is_named_too(store: Store, conninfo: str, project_id: int) -> None:
    write(conninfo, project_id, [(ADA, 0.0, "post", {"to_id": BEN, "to_actor": "ada/ben", "to_lane": None})])
    assert set(await counted(store, project_id)) == {"ada/ada", "ada/ben"}
