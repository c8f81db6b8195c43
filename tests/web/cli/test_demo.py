"""The demo: real clients, a real server, a story that a newcomer can read."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.postgres import Server, query
from tests.web.command_line import llm_bus, serving
from web.cli import demo
from web.cli.demo_story import CAST
from web.errors import BusUnreachable

SCENES = (
    "Four agents arrive",
    "Three need the next ADR number",
    "Two want the same file",
    "A handoff that is acknowledged",
    "A task waits for another",
    "Somebody comes late",
)
FAST = ("demo", "--pace", "0")


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    conninfo = postgres.create_database()
    yield conninfo
    postgres.drop_database(conninfo)


def assert_told(story: str) -> None:
    assert [story.index(scene) for scene in SCENES] == sorted(story.index(scene) for scene in SCENES)
    assert sorted(re.findall(r"claims the next number  → (ADR-\d+)", story)) == ["ADR-0013", "ADR-0014", "ADR-0015"]
    assert re.search(r"take care: \S*api holds src/auth/\*\*", story)
    assert re.search(r"is woken  → lease \d+; nobody else is there", story)
    assert re.search(r"looks whether it arrived  → acknowledged by \S*docs", story)
    assert "is woken  → task 2 is in_progress again" in story
    assert re.search(r"asks what is new  → 23 events", story)
    assert "\x1b" not in story


def test_without_a_server_it_brings_its_own_and_stays_in_its_own_project(database: str) -> None:
    done = llm_bus(*FAST, "--database-url", database, "--port", "1")
    assert done.returncode == 0, done.stderr
    assert "project demo/demo-1" in done.stderr
    assert_told(done.stdout)
    assert query(database, "select slug from projects") == [("demo-1",)]


def test_with_a_server_on_the_same_database_it_performs_there(database: str) -> None:
    with serving("serve", "--database-url", database) as server:
        done = llm_bus(*FAST, "--database-url", database, "--port", server.url.rpartition(":")[2])
        assert f"connected to {server.url}/mcp" in done.stderr
        assert_told(done.stdout)
        assert server.stop() == 0


def test_a_server_on_another_database_is_left_alone(database: str, postgres: Server) -> None:
    other = postgres.create_database()
    with serving("serve", "--database-url", other) as server:
        done = llm_bus(*FAST, "--database-url", database, "--port", server.url.rpartition(":")[2])
        assert_told(done.stdout)
        assert server.url not in done.stderr
        assert query(other, "select count(*) from events") == [(0,)]
        assert server.stop() == 0
    postgres.drop_database(other)


def test_every_demo_has_its_own_project_and_all_can_be_removed(database: str) -> None:
    for _ in range(2):
        assert llm_bus(*FAST, "--database-url", database, "--port", "1").returncode == 0
    assert query(database, "select slug from projects order by slug") == [("demo-1",), ("demo-2",)]
    assert llm_bus("demo", "--remove", "--database-url", database).stdout == "Removed every demo project.\n"
    for table in ("events", "snapshots", "cursors", "liveness", "projects", "owners", "participants", "audit"):
        assert query(database, f"select count(*) from {table}") == [(0,)], table
    assert llm_bus("demo", "--remove", "--database-url", database).stdout == "There is nothing to remove.\n"


def test_guests_use_a_leads_project_twice_and_their_tokens_end(database: str) -> None:
    mint = ("token", "mint", "--owner", "ann@example.com", "--project", "shop", "--participant", "boss", "--admin")
    token = json.loads(llm_bus(*mint, "--json", "--database-url", database).stdout)["token"]
    with serving("serve", "--database-url", database) as server:
        first = llm_bus(*FAST, "--url", server.url, LLM_BUS_TOKEN=token)
        second = llm_bus(*FAST, "--url", f"{server.url}/mcp", LLM_BUS_TOKEN=token)
        assert server.stop() == 0
    assert_told(first.stdout)
    assert second.returncode == 0, second.stderr
    assert query(database, "select count(*) from tokens where revoked_at is null") == [(1,)]


def test_guests_without_a_leads_token_are_told_so(database: str) -> None:
    mint = ("token", "mint", "--owner", "ann@example.com", "--project", "shop", "--participant", "a", "--json")
    token = json.loads(llm_bus(*mint, "--database-url", database).stdout)["token"]
    with serving("serve", "--database-url", database) as server:
        refused = llm_bus(*FAST, "--url", server.url, LLM_BUS_TOKEN=token)
        unknown = llm_bus(*FAST, "--url", server.url, LLM_BUS_TOKEN="llmbus_wrong")
        assert server.stop() == 0
    assert (refused.returncode, unknown.returncode) == (1, 1)
    assert refused.stderr == (
        "llm-bus: forbidden: only leads may do this; ask a lead of the project (list_participants shows them).\n"
    )
    assert unknown.stderr == f"llm-bus: the bus at {server.url}/mcp does not know this token.\n"


async def test_guests_that_cannot_all_be_let_in_are_all_put_out(monkeypatch: pytest.MonkeyPatch) -> None:
    provisioned: list[str] = []
    revoked: list[str] = []

    class Lead:
        async def call(self, tool: str, participant_name: str = "", **_: Any) -> dict[str, Any]:
            if tool == "admin_revoke":
                revoked.append(participant_name)
            if tool == "admin_provision":
                if len(provisioned) == 2:
                    raise BusUnreachable("no proper answer from the bus.")
                provisioned.append(participant_name)
            return {"project": "shop", "token": "llmbus_guest"}

    @asynccontextmanager
    async def connect(url: str, token: str) -> AsyncIterator[Lead]:
        yield Lead()

    monkeypatch.setattr(demo, "connect", connect)
    with pytest.raises(BusUnreachable):
        await demo.perform_as_guests("http://bus.example", "llmbus_lead", 0)
    assert len(provisioned) == 2
    assert len(revoked) == len(CAST)
    assert set(provisioned) <= set(revoked)
