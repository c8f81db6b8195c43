"""Moving in from the TypeScript server: every tool answers as it did, and work goes on."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from store import open_store
from tests.postgres import Server, query
from tests.store.legacy_server import LegacyServer, Member, small_world
from tests.web.bus import Bus, running_bus
from tests.web.cli.legacy_answers import Answer, Before
from tests.web.command_line import llm_bus

CODE = "OPEN-SESAME"


@dataclass
class Move:
    """The old server with its database, and ours after the move."""

    old: LegacyServer
    source: str
    target: str
    said: str

    def member(self, place: int = 0) -> Member:
        return self.old.members[place]


@pytest.fixture(scope="module")
def move(postgres: Server) -> Iterator[Move]:
    """Moved once for all tests that only look."""
    old = small_world(seed=11, steps=3000)
    old.invite(old.rows("projects")[0], CODE)
    source, target = (_new_database(postgres, f"{name}_{id(old)}") for name in ("source", "target"))
    old.write(source)
    done = llm_bus("import-legacy", "--from", source, "--database-url", target)
    assert done.returncode == 0, done
    assert "were added" not in done.stderr
    assert "Left out" not in done.stderr
    yield Move(old, source, target, done.stdout)
    for conninfo in (source, target):
        postgres.drop_database(conninfo)


def _new_database(postgres: Server, name: str) -> str:
    postgres.run(f"create database {name}")
    return make_conninfo(postgres.conninfo, dbname=name)


@pytest.fixture
async def bus(move: Move) -> AsyncIterator[Bus]:
    async with open_store(move.target) as store, running_bus(store, move.target) as bus:
        yield bus


def test_the_command_says_what_it_carried_over(move: Move) -> None:
    events = len(move.old.rows("events"))
    assert move.said == f"Carried over 2 owners, 3 projects, 6 participants, 18 tokens and {events:,} events.\n"


PLACES = (0, 4, 8)
"""Somebody of every project and of every name."""


@pytest.mark.parametrize("place", PLACES)
async def test_who_is_there_is_as_it_was(move: Move, bus: Bus, place: int) -> None:
    member = move.member(place)
    before = Before(move.source, member)
    me = await bus.call(member.token, "whoami")
    assert (me["actor"], me["label"]) == (member.actor, member.label)
    assert (await bus.call(member.token, "list_participants"))["participants"] == before.participants()
    active = await bus.call(member.token, "who_is_active", within_seconds=86_400)
    others = {row["actor"]: row for row in active["active"] if row["actor"] != member.actor}
    called = {row["actor"]: row for row in before.active()}
    for actor, row in others.items():
        assert (row["lane"], row["status"]) == (called[actor]["lane"], called[actor]["status"])


@pytest.mark.parametrize("place", PLACES)
async def test_numbers_and_leases_are_as_they_were(move: Move, bus: Bus, place: int) -> None:
    member = move.member(place)
    before = Before(move.source, member)
    assert (await bus.call(member.token, "list_sequences"))["sequences"] == before.sequences()
    assert (await bus.call(member.token, "latest_claims"))["sequences"] == before.latest_claims()
    leases = (await bus.call(member.token, "who_holds"))["leases"]
    for row in leases:
        assert row.pop("expires_in_seconds") > 0
    assert sorted(leases, key=str) == sorted(before.leases(), key=str)
    assert leases


@pytest.mark.parametrize("place", PLACES)
async def test_tasks_are_as_they_were(move: Move, bus: Bus, place: int) -> None:
    member = move.member(place)
    before = Before(move.source, member)
    for arguments, where in (
        ({}, "true"),
        ({"status": "open"}, "t.status = 'open'"),
        ({"status": "assigned"}, "t.status = 'assigned'"),
        ({"status": "in_progress"}, "t.status = 'in_progress'"),
        ({"status": "blocked"}, "t.status = 'blocked'"),
        ({"status": "done"}, "t.status = 'done'"),
        ({"owner": member.actor}, f"t.owner_name = '{member.actor}'"),
        ({"lane": "api", "status": "assigned"}, "t.lane = 'api' and t.status = 'assigned'"),
    ):
        answer = await bus.call(member.token, "list_tasks", **{"limit": 200, **arguments})
        # The former server knew no stale tasks.
        assert [{**task, "stale": None} for task in answer["tasks"]] == [
            {**task, "stale": None} for task in before.tasks(where)
        ]


@pytest.mark.parametrize("place", PLACES)
async def test_posts_are_as_they_were(move: Move, bus: Bus, place: int) -> None:
    member = move.member(place)
    before = Before(move.source, member)
    mine = "(p.to_participation_id = {me} or p.to_lane = (select lane from presence where participation_id = {me}))"
    unread = "not exists (select from post_acks a where a.post_id = p.id and a.participation_id = {me})"
    searches: tuple[tuple[dict[str, Any], str], ...] = (
        ({}, "true"),
        ({"limit": 7}, "true"),
        ({"to_lane": "web"}, "p.to_lane = 'web'"),
        ({"tag": "t", "ref": "PR-2"}, "p.tag = 't' and p.ref = 'PR-2'"),
        ({"to_me": True}, mine),
        ({"to_lane": "api", "unacked_only": True}, f"p.to_lane = 'api' and {unread}"),
        ({"unacked_only": True, "limit": 200}, unread),
    )
    for arguments, where in searches:
        answer = await bus.call(member.token, "read_posts", **arguments)
        assert answer["posts"] == before.posts(where, arguments.get("limit", 50))
    owed = (await bus.call(member.token, "read_posts", to_me=True, unacked_only=True, limit=200))["posts"]
    in_person = before.posts(f"p.to_participation_id = {{me}} and {unread}", 200)
    assert in_person
    assert {row["post_id"] for row in in_person} <= {row["post_id"] for row in owed}
    assert not any(row["acked"] for row in owed)


@pytest.mark.parametrize("place", PLACES)
async def test_acknowledging_again_gives_the_first_time(move: Move, bus: Bus, place: int) -> None:
    member = move.member(place)
    before = Before(move.source, member)
    events = await bus.ledger_length(member.token)
    for post_id, acked_at in list(before.acked_at().items())[:20]:
        assert await bus.call(member.token, "ack", post_id=post_id) == {"post_id": post_id, "acked_at": acked_at}
    assert await bus.ledger_length(member.token) == events
    mine = (await bus.call(member.token, "read_posts", from_me=True, limit=200))["posts"]
    for row in mine:
        readers = [ack["actor"] for ack in row["acked_by"]]
        assert len(set(readers)) == len(readers)


def told_alike(ours: list[Answer], before: list[Answer]) -> None:
    """The same events; ours tell more of some: which task, which thread, a lease's note."""
    assert [{**row, "payload": None} for row in ours] == [{**row, "payload": None} for row in before]
    for mine, theirs in zip(ours, before, strict=True):
        assert theirs["payload"].items() <= mine["payload"].items(), (mine, theirs)
        more = mine["payload"].keys() - theirs["payload"].keys()
        assert more <= {"task_id", "thread", "note", "detail"}
        assert ("task_id" in more) == mine["type"].startswith("task_")


@pytest.mark.parametrize("place", PLACES)
async def test_the_ledger_is_as_it_was(move: Move, bus: Bus, place: int) -> None:
    member = move.member(place)
    before = Before(move.source, member)
    middle = before.events(limit=1000)[len(before.event) // 2]["ts"]
    exact = datetime.fromisoformat(middle)
    searches: list[tuple[dict[str, Any], str]] = [
        ({}, "true"),
        ({"actor": member.actor}, f"e.actor_name = '{member.actor}'"),
        ({"sequence": "adr"}, "e.type in ('claim', 'seed') and e.payload ->> 'sequence' = 'adr'"),
        ({"ref": "PR-1"}, "p.ref = 'PR-1'"),
        ({"tag": "t"}, "p.tag = 't'"),
        ({"since": middle}, f"e.ts >= '{exact}'"),
        ({"until": middle}, f"e.ts <= '{exact}'"),
        *(({"type": name}, f"e.type = '{name}'") for name in {row["type"] for row in move.old.rows("events")}),
    ]
    for arguments, where in searches:
        answer = await bus.call(member.token, "query_events", limit=1000, **arguments)
        told_alike(answer["events"], before.events(where, 1000))


@pytest.mark.parametrize("place", PLACES)
async def test_catching_up_goes_on_where_it_stopped(move: Move, bus: Bus, place: int) -> None:
    member = move.member(place)
    before = Before(move.source, member)
    cursor = before.cursor()
    assert cursor is not None
    digest = await bus.call(member.token, "whats_new", advance_cursor=False, limit=500)
    assert digest["since_event_id"] == cursor
    missed = [row for row in reversed(before.events(limit=1000)) if row["id"] > cursor]
    told_alike(digest["events"], missed[:500])
    assert digest["remaining"] == max(0, len(missed) - 500)
    assert digest["latest_claims"] == {row["sequence"]: row["formatted"] for row in before.latest_claims()}


async def test_a_revoked_token_stays_revoked(move: Move, bus: Bus) -> None:
    for member in move.old.members:
        response = await bus.ask(f"{member.token}-old", "tools/list")
        assert response.status_code == 401


@pytest.fixture
def moved(postgres: Server) -> Iterator[Move]:
    """Moved for one test, which may go on working."""
    old = small_world(seed=12, steps=1200)
    old.invite(old.rows("projects")[0], CODE)
    source, target = (_new_database(postgres, f"{name}_{id(old)}") for name in ("source", "target"))
    old.write(source)
    done = llm_bus("import-legacy", "--from", source, "--database-url", target)
    assert done.returncode == 0, done
    yield Move(old, source, target, done.stdout)
    for conninfo in (source, target):
        postgres.drop_database(conninfo)


async def test_work_goes_on_after_the_move(moved: Move) -> None:
    member = moved.member(0)
    before = Before(moved.source, member)
    numbers = {row["name"]: row["next_formatted"] for row in before.sequences()}
    length = len(before.event)
    async with open_store(moved.target) as store, running_bus(store, moved.target) as bus:
        claimed = await bus.call(member.token, "claim", sequence="adr")
        assert claimed["formatted"] == numbers["adr"]
        assert await bus.ledger_length(member.token) == length + 1
        created = await bus.call(member.token, "task_create", title="New", owner="agent-1")
        assert created["task_id"] == len(before.task) + 1
        for task in before.tasks("t.status = 'blocked'"):
            await bus.call(member.token, "task_resolve", task_id=task["task_id"])
            shipped = await bus.call(member.token, "task_ship", task_id=task["task_id"])
            assert shipped["status"] == "done"
        mine = [row for row in before.leases() if row["actor"] == member.actor]
        for row in mine:
            released = await bus.call(member.token, "release", surface=row["surface"])
            assert released["released"] == 1
        posted = await bus.call(member.token, "post", to_actor="agent-1", body="after the move")
        assert posted["post_id"] == await bus.ledger_length(member.token)
        joined = await bus.http.post("/join", json={"code": CODE, "name": "newcomer"})
        assert joined.status_code == 200, joined.text
        assert (await bus.call(joined.json()["token"], "whoami"))["actor"] == "ann/newcomer"
    assert query(moved.target, "select count(*) from (select project_id, max(seq) - count(*) as gap from events "
                 "group by 1) as ledgers where gap <> 0") == [(0,)]  # fmt: skip
