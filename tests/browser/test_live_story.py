"""What happens appears in open windows by itself, also across a restart: no reload, nothing missing, nothing twice.

Two windows of an owner look at a project in which three MCP clients work and the owner acts.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import trio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from msgspec import Struct
from playwright.sync_api import Browser, BrowserContext, Page, expect

from store import open_store
from store.ledger import projects
from store.people import grants
from tests.browser.chromium import ACTION_MILLISECONDS_MAX, DESKTOP, Watch
from tests.postgres import Server
from tests.web.admin.admin_client import signed_in
from tests.web.command_line import serving
from web.admin import cookies

MCP_SECONDS_MAX = 90
AGENTS = ("api", "web", "docs")


class Team(Struct, frozen=True):
    """A project, the tokens of its agents, and two sessions of its owner."""

    database_url: str
    project_id: int
    tokens: dict[str, str]
    sessions: tuple[str, str]


@pytest.fixture
def team(postgres: Server) -> Team:
    database_url = postgres.create_database()

    async def make() -> Team:
        async with open_store(database_url) as store:
            async with signed_in(store, "http://unused", "ada@example.com") as ada:
                project = await store.write(projects.add, ada.owner.id, "shop", "Web shop", by="test")
            async with signed_in(store, "http://unused", "ada@example.com") as again:
                sessions = (ada.session_id, again.session_id)
            tokens = {}
            for name in AGENTS:
                made = await store.write(grants.provision, project.id, participant_name=name, by="test")
                tokens[name] = made.token
        return Team(database_url, project.id, tokens, sessions)

    with serving("serve", "--database-url", database_url) as server:  # migrates
        server.stop()
    return trio.run(make)


def call(url: str, token: str, tool: str, **arguments: Any) -> dict[str, Any]:
    """What the bus answers a real MCP client."""

    async def ask() -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        with trio.fail_after(MCP_SECONDS_MAX):
            async with (
                httpx2.AsyncClient(headers=headers) as http,
                Client(streamable_http_client(f"{url}/mcp", http_client=http)) as client,
            ):
                return (await client.call_tool(tool, arguments)).structured_content

    answer: dict[str, Any] = trio.run(ask)
    return answer


@contextmanager
def window(chromium: Browser, url: str, session_id: str) -> Iterator[Page]:
    """A window of the owner's, which must never be reloaded, and in which nothing may go wrong."""
    context: BrowserContext = chromium.new_context(base_url=url, viewport=DESKTOP)
    context.set_default_timeout(ACTION_MILLISECONDS_MAX)
    context.add_cookies([{"name": cookies.SESSION, "value": session_id, "url": url}])
    watch = Watch(context, url)
    yield context.new_page()
    context.close()
    # A stream breaks when the server stops, and what a page asks for meanwhile is refused.
    assert [each for each in watch.complaints if "/stream" not in each and "CONNECTION_REFUSED" not in each] == []


def ids_of(page: Page) -> list[int]:
    """The events that the page lists, newest first."""
    return [int(text.rpartition("#")[2]) for text in page.locator("#events .id").all_inner_texts()]


def test_windows_keep_up_with_agents_and_with_each_other(chromium: Browser, team: Team) -> None:
    address = f"/admin/projects/{team.project_id}"
    with serving("serve", "--database-url", team.database_url) as server:
        url, port = server.url, urlsplit(server.url).port or 0
        with window(chromium, url, team.sessions[0]) as now, window(chromium, url, team.sessions[1]) as tasks:
            now.goto(address)
            tasks.goto(f"{address}/tasks")
            for page in (now, tasks):
                expect(page.get_by_text("Live", exact=True)).to_be_visible()
                page.evaluate("window.loaded = 'once'")

            call(url, team.tokens["api"], "register", lane="backend", status="rounding the totals")
            expect(now.get_by_role("article", name="ada/api")).to_contain_text("rounding the totals")
            call(url, team.tokens["web"], "lease", surface="src/cart/**")
            expect(now.get_by_role("article", name="ada/web")).to_contain_text("src/cart/**")
            call(url, team.tokens["docs"], "lease", surface="src/cart/README.md")
            expect(now.get_by_text("1 lease conflict")).to_be_visible()

            with window(chromium, url, team.sessions[1]) as acting:
                acting.goto(f"{address}/tasks/new")
                acting.get_by_label("Title").fill("Totals on the server")
                acting.get_by_label(re.compile("^Owner")).fill("api")
                acting.get_by_role("button", name="Create task").click()
                expect(tasks.get_by_role("link", name="#1 Totals on the server")).to_be_visible()
                call(url, team.tokens["api"], "task_start", task_id=1)
                expect(now.get_by_role("article", name="ada/api")).to_contain_text("#1 Totals")
                expect(acting.get_by_text("in progress", exact=True).first).to_be_visible()
                acting.get_by_role("button", name="Ship").click()
                expect(tasks.get_by_role("region", name="Finished")).to_contain_text("Totals on the server")
                expect(now.get_by_role("article", name="ada/api")).not_to_contain_text("#1 Totals")

            assert server.stop() == 0
            with serving("serve", "--database-url", team.database_url, port=port):
                for number in range(3):
                    call(url, team.tokens["docs"], "claim", sequence="adr", note=f"after the restart {number}")
                expect(now.get_by_text("after the restart 2", exact=True)).to_be_visible()
                expect(now.get_by_text("Live", exact=True)).to_be_visible()
                ids = ids_of(now)
                assert ids == list(range(ids[0], 0, -1))
                assert (ids[0], now.evaluate("window.loaded")) == (9, "once")
                assert tasks.evaluate("window.loaded") == "once"
