"""What a backup is worth: taken while agents claim, and restored elsewhere, where every tool answers as before."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import trio

from store import open_store
from store.people import minting
from tests.acceptance import raw_http
from tests.acceptance.conftest import Project
from tests.acceptance.raw_http import STATELESS, RawClient
from tests.acceptance.story import story
from tests.acceptance.telling import check
from tests.load import Client, Team
from tests.postgres import Server, query
from tests.web.command_line import llm_bus, serving
from web.mcp.tools import TOOLS

STORY_SECONDS_MAX = 300
LOADED_CLIENTS = 4
LOADED_ANSWERS = 50
"""Answers that clients of another project get before the backup begins."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|\d{4}-\d\d-\d\d \d\d:\d\d(?= UTC)")
SECRET = re.compile(r"llmbus_[\w-]{52}")

CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("lead", "whoami", {}),
    ("scout", "whoami", {}),
    ("scout", "whats_new", {"advance_cursor": False}),
    ("scout", "whats_new", {}),
    ("lead", "whats_new", {"limit": 500}),
    ("lead", "list_sequences", {}),
    ("lead", "latest_claims", {}),
    ("lead", "list_participants", {}),
    ("lead", "who_is_active", {}),
    ("lead", "who_holds", {}),
    ("lead", "list_tasks", {"limit": 200}),
    ("lead", "query_events", {"limit": 1000}),
    ("lead", "read_posts", {"limit": 200}),
    ("lead", "read_posts", {"from_me": True}),
    ("scout", "read_posts", {"to_me": True, "unacked_only": True}),
    ("lead", "claim", {"sequence": "adr", "key": "after the backup"}),
    ("lead", "claim", {"sequence": "adr", "key": "after the backup"}),
    ("lead", "seed_sequence", {"sequence": "adr", "current": 100}),
    ("lead", "void_claim", {"sequence": "adr", "number": 1, "reason": "because"}),
    ("scout", "register", {"lane": "restored"}),
    ("lead", "post", {"to_lane": "restored", "body": "Is everything there?", "ref": "backup"}),
    ("scout", "read_posts", {"ref": "backup"}),
    ("scout", "ack", {"post_id": 1}),
    ("scout", "lease", {"surface": "src/**"}),
    ("lead", "lease", {"surface": "src/a.py"}),
    ("scout", "release", {"surface": "src/**"}),
    ("lead", "task_create", {"title": "Look", "owner": "scout"}),
    ("scout", "task_start", {"task_id": 1}),
    ("scout", "task_assign", {"task_id": 2, "owner": "scout"}),
    ("scout", "task_block", {"task_id": 2, "reason": "because"}),
    ("scout", "task_resolve", {"task_id": 2}),
    ("scout", "task_ship", {"task_id": 2}),
    ("lead", "task_cancel", {"task_id": 1, "reason": "because"}),
    ("lead", "list_tasks", {"limit": 200}),
    ("lead", "admin_provision", {"participant_name": "restored"}),
    ("lead", "admin_rotate", {"participant_name": "restored"}),
    ("lead", "admin_revoke", {"participant_name": "restored"}),
    ("lead", "create_invite", {"participant_name": "restored"}),
    ("lead", "list_invites", {}),
    ("lead", "revoke_invite", {"invite_id": 1}),
)
"""Every tool at least once; what is refused is compared too."""


async def test_every_tool_answers_as_before_from_a_restored_backup(postgres: Server, tmp_path: Path) -> None:
    database_url = postgres.create_database()
    with serving("serve", "--database-url", database_url) as server:
        project = await minted(database_url, "backup", "lead", "scout")
        team = Team((await minted(database_url, "busy", *map("client-{}".format, range(LOADED_CLIENTS)))).tokens)
        steps = story(project.slug, project.handle, server.url)
        with trio.fail_after(STORY_SECONDS_MAX):
            told = await raw_http.tell(f"{server.url}/mcp", project.tokens, [step.call for step in steps], STATELESS)
        check(steps, told.outcomes)
        async with claiming(team, server.url):
            await team.record.progress(LOADED_ANSWERS)
            claimed_before = numbers(team)
            await trio.to_thread.run_sync(run, "backup", tmp_path / "backup", database_url)
            claimed_meanwhile = numbers(team) - claimed_before
        since = datetime.now(UTC)
        before = await answers(server.url, project, since)
        assert server.stop() == 0
    postgres.drop_database(database_url)
    postgres.run("create database elsewhere")
    elsewhere = psycopg.conninfo.make_conninfo(postgres.conninfo, dbname="elsewhere")
    run("restore", tmp_path / "backup", elsewhere)
    held = {number for (number,) in query(elsewhere, CLAIMED)}
    with serving("serve", "--database-url", elsewhere) as server:
        after = await answers(server.url, project, since)
        assert server.stop() == 0
    postgres.drop_database(elsewhere)
    assert {call[1] for call in CALLS} == {tool.name for tool in TOOLS}
    assert after == before
    assert claimed_meanwhile, "nobody claimed while the backup was made"
    assert held == set(range(1, len(held) + 1)) >= claimed_before


CLAIMED = """
select (data ->> 'number')::int from events join projects on projects.id = project_id
 where slug = 'busy' and type = 'claim'
"""


async def minted(database_url: str, project: str, *names: str) -> Project:
    """A project in which these take part; `lead` is one."""
    tokens = {}
    async with open_store(database_url) as store:
        for who in names:
            minted = await store.write(minting.mint, "backup@example.com", project, who, is_admin=who == "lead")
            tokens[who] = minted.provisioned.token
    return Project(minted.project.slug, minted.owner.handle, tokens)


@asynccontextmanager
async def claiming(team: Team, url: str) -> AsyncIterator[None]:
    """The whole team claims without a pause; what is under way at the end is answered."""
    done = trio.Event()

    async def claim(client: Client) -> None:
        async with client:
            while not done.is_set():
                await client.insist("claim", sequence="adr")

    with trio.fail_after(STORY_SECONDS_MAX):
        async with trio.open_nursery() as nursery:
            for client in team.clients(int(url.rpartition(":")[2])):
                nursery.start_soon(claim, client)
            yield
            done.set()


def numbers(team: Team) -> set[int]:
    """The numbers that the team has been given so far."""
    return {answer["number"] for _, answer in team.record.answered("claim")}


def run(command: str, file: Path, database_url: str) -> None:
    """Run a command of ours on the whole database."""
    done = llm_bus(command, file, "--database-url", database_url)
    assert done.returncode == 0, done.stderr


async def answers(url: str, project: Project, since: datetime) -> list[tuple[str, str]]:
    """What every tool answers; what may differ from one time to the next is dots."""
    given = []
    async with httpx2.AsyncClient() as http:
        clients = {who: RawClient(http, f"{url}/mcp", token, STATELESS) for who, token in project.tokens.items()}
        for who, tool, arguments in CALLS:
            with trio.fail_after(STORY_SECONDS_MAX):
                result = await clients[who].request("tools/call", {"name": tool, "arguments": arguments})
            given.append((tool, settled(result["content"][0]["text"].replace(url, "…"), since)))
    return given


def settled(text: str, since: datetime) -> str:
    """The text without secrets, seconds that pass, and times after `since`; earlier ones stay."""

    def without_now(found: re.Match[str]) -> str:
        time = datetime.fromisoformat(found[0]) if "T" in found[0] else since
        return "…" if time >= since else found[0]

    text = SECRET.sub("…", TIME.sub(without_now, text))
    text = re.sub(r'"expires_in_seconds":\d+', '"expires_in_seconds":0', text)
    if text.startswith('{"code":'):
        text = text.replace(json.loads(text)["code"], "…")
    return text
