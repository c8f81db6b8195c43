"""Searches of a long ledger walk an index to what they return, whether or not PostgreSQL has counted its rows."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

import msgspec
import pytest

from engine.lookups import ACKS_COUNTED_MAX, ACKS_SHOWN_MAX, EventQuery, FinishedTask, Found, PostQuery, TaskQuery
from engine.terms import ID_MAX
from store.ledger.history import find_claim, find_events, find_finished_tasks, find_posts
from store.postgres.connection import Connection
from store.postgres.pool import Pool
from tests.postgres import query
from tests.store.history_of_many import generate

PROJECT, EVENTS = 1, 30_000
ROWS_READ_PER_ROW_MAX = 8
"""How many index entries a search may touch for each row it returns, acknowledgements included."""

READS_MAX = 100
"""And how many more, whatever it returns."""

WALKED, TASKS_WALKED, PAGE = 200, 200, 30
"""How many events a walk is allowed here, and how many are asked for at once."""

SHORT_WALK = 20

MIDDLE = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=EVENTS / 2)

EVENT_SEARCHES: dict[str, dict[str, Any]] = {
    "newest": {},
    "oldest first": {"oldest_first": True},
    "page": {"after": EVENTS // 2, "upto": EVENTS // 2 + 20, "oldest_first": True},
    "actor": {"actor": "ann/agent-7"},
    "nobody": {"actor": "ann/nobody"},
    "type": {"type": "claim"},
    "rare type": {"type": "seed"},
    "no such type": {"type": "task_ship"},
    "sequence": {"sequence": "seq-6"},
    "sequence, from the middle": {"sequence": "seq-6", "upto": EVENTS // 2},
    "number": {"sequence": "seq-6", "number": 66},
    "ref": {"ref": "ref-51"},
    "tag": {"tag": "tag-1"},
    "since": {"since": MIDDLE},
    "until": {"until": MIDDLE},
    "actor until": {"actor": "ann/agent-7", "until": MIDDLE},
}

POST_SEARCHES: dict[str, dict[str, Any]] = {
    "newest": {},
    "ids": {"ids": tuple(range(1, EVENTS, EVENTS // 50))},
    "to reader": {"to_reader": 7},
    "to reader or lane": {"to_reader": 7, "reader_lane": "lane-3"},
    "to nobody or an empty lane": {"to_reader": 999, "reader_lane": "nothing"},
    "lane": {"to_lane": "lane-3"},
    "by": {"by": 12},
    "ref": {"ref": "ref-51"},
    "tag": {"tag": "tag-1"},
    "thread": {"thread": EVENTS // 2},
    "unacked": {"unacked_by": 13},
    "to reader or lane, unacked": {"to_reader": 7, "reader_lane": "lane-3", "unacked_by": 13},
}


class Explaining:
    """A session that shows what a statement did instead of its rows."""

    def __init__(self, inner: Connection) -> None:
        self._inner = inner
        self.plan = ""

    async def fetch(self, statement: str, parameters: Any) -> list[Any]:
        self.plan += await self._explained(statement, parameters)
        # The answer of these decides how the search goes on.
        return await self._inner.fetch(statement, parameters) if "as probed" in statement else []

    async def fetch_each(self, statement: str, parameters: Any, made: Any) -> list[Any]:
        self.plan += await self._explained(statement, parameters)
        return []

    async def _explained(self, statement: str, parameters: Any) -> str:
        explained = await self._inner.fetch(f"explain (analyze, timing off, summary off) {statement}", parameters)
        return "".join(f"\n{line}" for (line,) in explained)

    async def write(self, statement: LiteralString) -> None:
        await self._inner.execute(statement)


@pytest.fixture(autouse=True)
def few_are_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.ledger.history.RARE_MAX", 100)
    monkeypatch.setattr("store.ledger.history.WALKED_MAX", WALKED)
    monkeypatch.setattr("store.ledger.history.TASKS_WALKED_MAX", TASKS_WALKED)


def entries_read(plan: str) -> int:
    """Index entries that were looked at, kept or thrown away."""
    read = 0
    for node in re.finditer(r"Index.*?actual rows=([\d.]+) loops=(\d+)\)((?:\n(?! *->).*)*)", plan):
        rows, loops, details = float(node[1]), int(node[2]), node[3]
        removed = re.search(r"Rows Removed by Filter: (\d+)", details)
        read += round((rows + (int(removed[1]) if removed else 0)) * loops)
    return read


@pytest.fixture(params=["counted", "uncounted"])
async def explaining(request: pytest.FixtureRequest, conninfo: str) -> AsyncIterator[Explaining]:
    query(conninfo, generate(PROJECT, EVENTS))
    if request.param == "counted":
        query(conninfo, "analyze events")
    connection = await Connection.open(conninfo)
    yield Explaining(connection)
    connection.close()


async def test_searches_walk_an_index(explaining: Explaining) -> None:
    for name, fields in EVENT_SEARCHES.items():
        await find_events(explaining, PROJECT, EventQuery(**{"upto": EVENTS, "limit": 50, **fields}))  # type: ignore[arg-type]
        check(f"events by {name}", explaining, limit=50)
    for name, fields in POST_SEARCHES.items():
        await find_posts(explaining, PROJECT, PostQuery(**{"upto": EVENTS, "limit": 50, **fields}))  # type: ignore[arg-type]
        check(f"posts by {name}", explaining, limit=50)
    await find_claim(explaining, PROJECT, "seq-6", 66)  # type: ignore[arg-type]
    check("the claim of a number", explaining, limit=1)


def check(name: str, explaining: Explaining, limit: int, probed: int = 0) -> None:
    plan, explaining.plan = explaining.plan, ""
    assert "Index" in plan, f"{name}:\n{plan}"
    assert "Seq Scan on events" not in plan, f"{name}:\n{plan}"
    assert entries_read(plan) <= READS_MAX + ROWS_READ_PER_ROW_MAX * limit + probed, f"{name}:\n{plan}"


TASKS_MAKE = """
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select 2, n, timestamptz '2026-01-01Z' + n * interval '1 second', 'ann/a', 1, kind, data, 0
  from (select 3 * n - 2 as n, 'task_create' as kind, jsonb_build_object('task_id', n, 'title', 't', 'lane',
               'lane-' || n % 17, 'owner', 'ann/agent-' || n % 50) as data from generate_series(1, 10000) as n
        union all select 3 * n - 1, 'task_assign', jsonb_build_object('task_id', n, 'owner', 'ann/agent-' || n % 7)
          from generate_series(1, 10000) as n
        union all select 3 * n, case when n < 5 then 'task_cancel' else 'task_ship' end,
               jsonb_build_object('task_id', n)
          from generate_series(1, 10000) as n where n % 100 > 0) as told
"""
"""10,000 tasks, of which every hundredth is unfinished, and the first four are cancelled."""

TASK_SEARCHES: dict[str, dict[str, Any]] = {
    "newest": {},
    "lane": {"lane": "lane-3"},
    "owner": {"owner": "ann/agent-3"},
    "nobody": {"owner": "ann/nobody"},
    "no such lane": {"lane": "nothing"},
    "above": {"above": 9_900},
    "cancelled": {"status": "cancelled"},
    "owner, cancelled": {"owner": "ann/agent-3", "status": "cancelled"},
    "lane, cancelled": {"lane": "lane-3", "status": "cancelled"},
    "a common owner in no lane": {"owner": "ann/agent-3", "lane": "nothing"},
    "a common lane of nobody": {"owner": "ann/nobody", "lane": "lane-3"},
}


async def test_searches_of_shipped_tasks_walk_an_index(explaining: Explaining, conninfo: str) -> None:
    query(conninfo, TASKS_MAKE)
    query(conninfo, "analyze events")
    for name, fields in TASK_SEARCHES.items():
        await find_finished_tasks(explaining, 2, TaskQuery(**{"upto": 30_000, "limit": 50, **fields}))  # type: ignore[arg-type]
        check(f"tasks by {name}", explaining, limit=50, probed=100 * len(fields))


COMMON_TASKS: dict[str, dict[str, Any]] = {
    "an owner and a lane that never meet": {"owner": "ann/agent-30", "lane": "lane-3"},
    "an owner and a lane": {"owner": "ann/agent-3", "lane": "lane-3"},
    "an owner of several names": {"owner": "ann/agent-3", "former_names": ("ann/agent-2",), "lane": "lane-3"},
    "an owner whose tasks others got": {"owner": "ann/agent-30"},
    "cancelled among very many": {"status": "cancelled"},
}


async def test_two_common_filters_of_tasks_are_walked_in_pages_that_miss_nothing(
    explaining: Explaining, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(conninfo, TASKS_MAKE)
    monkeypatch.setattr("store.ledger.history.RARE_MAX", 2)
    connection = await Connection.open(conninfo)
    try:
        for name, fields in COMMON_TASKS.items():
            asked = TaskQuery(**{"upto": 30_000, "limit": 20_000, **fields})
            with monkeypatch.context() as unbounded:
                unbounded.setattr("store.ledger.history.TASKS_WALKED_MAX", 20_000)
                whole = await find_finished_tasks(connection, 2, asked)
            found, below, pages = list[FinishedTask](), ID_MAX, 0
            while True:
                page = await find_finished_tasks(connection, 2, msgspec.structs.replace(asked, below=below))
                found, pages = [*found, *page], pages + 1
                if page.searched_back_to is None:
                    break
                below = page.searched_back_to
            assert (found, whole.searched_back_to) == (whole, None), name
            assert pages > 1, name
    finally:
        connection.close()
    for name in ("an owner and a lane that never meet", "an owner whose tasks others got"):
        fields = COMMON_TASKS[name]
        await find_finished_tasks(explaining, 2, TaskQuery(**{"upto": 30_000, "limit": 50, **fields}))  # type: ignore[arg-type]
        check(name, explaining, limit=50, probed=6 * TASKS_WALKED)


async def test_a_post_that_very_many_acknowledged_is_read_by_its_first_acknowledgements(
    explaining: Explaining, conninfo: str
) -> None:
    query(
        conninfo,
        "insert into events"
        " select 3, n, now(), 'ann/a', n, 'ack', '{\"post_id\": 1}', 0 from generate_series(2, 20000) as n",
    )
    query(
        conninfo,
        "insert into events select 3, 1, now(), 'ann/a', 1, 'post', '{\"body\": \"b\", \"thread\": 1}', 0",
    )
    await find_posts(explaining, 3, PostQuery(upto=20_000, ids=(1,), acks_of=(19_000,), limit=1))  # type: ignore[arg-type]
    check("a post", explaining, limit=1, probed=ACKS_SHOWN_MAX + ACKS_COUNTED_MAX)


RARE_SEARCHES: dict[str, dict[str, Any]] = {
    "a ref that nobody used": {"tag": "common", "ref": "none"},
    "a lane without posts": {"tag": "common", "to_lane": "nothing"},
    "an author who wrote little": {"tag": "common", "by": 999},
    "a reader who got nothing": {"tag": "common", "to_reader": 999, "reader_lane": "nothing"},
}


async def test_a_rare_filter_beside_a_common_one_bounds_the_search(explaining: Explaining) -> None:
    """Walking the common filter's index for what it never has would read all of it: 3.8 s in a large project."""
    common = "update events set data = data || '{\"tag\": \"common\"}' where type = 'post'"
    await explaining.write(common)
    for name, fields in RARE_SEARCHES.items():
        await find_posts(explaining, PROJECT, PostQuery(upto=EVENTS, limit=50, **fields))  # type: ignore[arg-type]
        check(name, explaining, limit=50, probed=4 * 100)
    await find_events(explaining, PROJECT, EventQuery(upto=EVENTS, limit=50, tag="common", ref="none"))  # type: ignore[arg-type]
    check("events", explaining, limit=50, probed=2 * 100)


async def test_the_check_sees_a_walk_that_reads_too_much(explaining: Explaining) -> None:
    statement = "select from events where project_id = 1 and data ->> 'surface' = 'src/3' order by seq desc limit 50"
    await explaining.fetch(statement, ())
    with pytest.raises(AssertionError):
        check("a filter without an index", explaining, limit=50)


COMMON_EVENTS: dict[str, dict[str, Any]] = {
    "nothing in common": {"type": "claim", "actor": "ann/agent-1"},
    "little in common": {"type": "post", "actor": "ann/agent-1", "tag": "tag-1"},
    "former names": {"type": "claim", "actor": "ann/agent-1", "former_names": ("ann/agent-2", "ann/nobody")},
}

COMMON_POSTS: dict[str, dict[str, Any]] = {
    "a lane and an author": {"to_lane": "lane-3", "by": 12},
    "a tag that no post to the reader has": {"tag": "tag-11", "to_reader": 7},
    "a reader or a lane, from somebody": {"to_reader": 7, "reader_lane": "lane-3", "by": 12},
    "unacked in a lane": {"unacked_by": 13, "to_lane": "lane-3"},
    "unacked": {"unacked_by": 13},
}


class Numbers(list[int]):
    """The numbers of what was found, and how far back the search came."""

    def __init__(self, found: Found[Any], numbers: Iterable[int]) -> None:
        super().__init__(numbers)
        self.searched_back_to = found.searched_back_to


Search = Callable[[int, int], Awaitable[Numbers]]


async def test_a_search_of_common_filters_is_bounded_and_goes_on_where_it_ended(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(conninfo, generate(PROJECT, EVENTS))
    async with Pool(conninfo) as pool, pool.connection() as connection:

        def events(fields: dict[str, Any]) -> Search:
            async def search(before: int, limit: int) -> Numbers:
                found = await find_events(connection, PROJECT, EventQuery(upto=before - 1, limit=limit, **fields))
                return Numbers(found, (event.id for event in found))

            return search

        def posts(fields: dict[str, Any]) -> Search:
            async def search(before: int, limit: int) -> Numbers:
                found = await find_posts(connection, PROJECT, PostQuery(upto=before - 1, limit=limit, **fields))
                return Numbers(found, (record.event.seq for record in found))

            return search

        searches = {f"events: {name}": events(fields) for name, fields in COMMON_EVENTS.items()}
        searches |= {f"posts: {name}": posts(fields) for name, fields in COMMON_POSTS.items()}
        monkeypatch.setattr("store.ledger.history.RARE_MAX", 10)
        for name, search in searches.items():
            monkeypatch.setattr("store.ledger.history.WALKED_MAX", EVENTS)
            whole = await search(EVENTS + 1, EVENTS)
            monkeypatch.setattr("store.ledger.history.WALKED_MAX", SHORT_WALK)
            found, pages = await page_by_page(search)
            assert (found, whole.searched_back_to) == (whole, None), name
            assert pages > len(whole) / PAGE + 1, f"{name}: no page was cut short"


async def page_by_page(search: Search) -> tuple[list[int], int]:
    """What a client finds that goes on as it is told, and how many pages that takes."""
    found, before, pages = list[int](), EVENTS + 1, 0
    while True:
        page = await search(before, PAGE)
        found, pages = [*found, *page], pages + 1
        if page.searched_back_to is None and len(page) < PAGE:
            return found, pages
        before = page[-1] if page.searched_back_to is None else page.searched_back_to
