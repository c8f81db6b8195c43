"""What happens appears in open windows by itself, also across a restart: no reload, nothing missing, nothing twice.

An owner has two windows on a project in which three MCP clients work. A project has one owner; so the other owner, who
has a window and a project of the same name, must hear nothing of it.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest
import trio
from msgspec import Struct
from playwright.sync_api import Browser, BrowserContext, Page, expect

from store import open_store
from store.ledger import projects
from store.people import grants
from tests.browser.agents import Agents, connected
from tests.browser.chromium import ACTION_MILLISECONDS_MAX, DESKTOP, Watch
from tests.postgres import Server
from tests.web.admin.admin_client import signed_in
from tests.web.command_line import serving
from web.admin import cookies

AGENTS = ("api", "web", "docs")
QUESTION = "Which tax table counts?"


class Team(Struct, frozen=True):
    """A project, the tokens of its agents, two sessions of its owner, and one of another owner."""

    database_url: str
    project_id: int
    tokens: dict[str, str]
    sessions: tuple[str, str]
    foreign_session: str

    @property
    def address(self) -> str:
        """The project's first page."""
        return f"/admin/projects/{self.project_id}"


@pytest.fixture
def team(postgres: Server) -> Team:
    database_url = postgres.create_database()

    async def make() -> Team:
        async with open_store(database_url) as store:
            async with signed_in(store, "http://unused", "eve@example.com") as eve:
                await store.write(projects.add, eve.owner.id, "shop", "Web shop", by="test")
            async with signed_in(store, "http://unused", "ada@example.com") as ada:
                project = await store.write(projects.add, ada.owner.id, "shop", "Web shop", by="test")
            async with signed_in(store, "http://unused", "ada@example.com") as again:
                sessions = (ada.session_id, again.session_id)
            tokens = {}
            for name in AGENTS:
                made = await store.write(grants.provision, project.id, participant_name=name, by="test")
                tokens[name] = made.token
        return Team(database_url, project.id, tokens, sessions, eve.session_id)

    with serving("serve", "--database-url", database_url) as server:  # migrates
        server.stop()
    return trio.run(make)


class Window:
    """A window of an owner's browser. Its pages are never reloaded, and nothing may go wrong in them."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self._opened: list[Page] = []

    def at(self, path: str) -> Page:
        """A page that is live."""
        page = self._context.new_page()
        page.goto(path)
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
        page.evaluate("window.loaded = 'once'")
        self._opened.append(page)
        return page

    @contextmanager
    def acting(self, path: str) -> Iterator[Page]:
        """One more tab, in which the owner acts."""
        page = self._context.new_page()
        page.goto(path)
        yield page
        page.close()

    def was_never_reloaded(self) -> bool:
        """Whether each page is still the one that was opened."""
        return all(page.evaluate("window.loaded") == "once" for page in self._opened)


@contextmanager
def window(chromium: Browser, url: str, session_id: str) -> Iterator[Window]:
    context = chromium.new_context(base_url=url, viewport=DESKTOP)
    context.set_default_timeout(ACTION_MILLISECONDS_MAX)
    context.add_cookies([{"name": cookies.SESSION, "value": session_id, "url": url}])
    watch = Watch(context, url)
    yield Window(context)
    context.close()
    # A stream breaks when the server stops, and what a page asks for meanwhile is cut off or refused.
    expected = ("/stream", "CONNECTION_RESET", "CONNECTION_REFUSED")
    assert [each for each in watch.complaints if not any(part in each for part in expected)] == []


class Scene(Struct, frozen=True):
    """What is open: in one window the owner's pages of everything, in the other those of one kind of thing each."""

    home: Page
    now: Page
    members: Page
    tasks: Page
    handoffs: Page
    leases: Page
    numbers: Page


def agents_work(agents: Agents, seen: Scene) -> None:
    agents.call("api", "register", lane="backend", status="rounding the totals")
    card = seen.now.get_by_role("article", name="ada/api")
    expect(card).to_contain_text("rounding the totals")
    expect(card).to_contain_text("active now")
    expect(seen.members.get_by_role("row").filter(has_text="api")).to_contain_text("rounding the totals")
    agents.call("api", "claim", sequence="adr", note="minor units")
    expect(seen.numbers.get_by_role("row").filter(has_text="adr")).to_contain_text("api")


def leases_meet(agents: Agents, seen: Scene, address: str, other: Window) -> None:
    agents.call("web", "lease", surface="src/cart/**")
    expect(seen.now.get_by_role("article", name="ada/web")).to_contain_text("src/cart/**")
    expect(seen.leases.get_by_text("1 active lease")).to_be_visible()
    lease = agents.call("docs", "lease", surface="src/cart/README.md")
    expect(seen.now.get_by_text("1 lease conflict")).to_be_visible()
    expect(seen.leases.get_by_text("overlaps").first).to_be_visible()
    expect(seen.home).to_have_title("(1) Home · LLM Bus")
    with other.acting(f"{address}/leases/{lease['lease_id']}/release") as acting:
        acting.get_by_label("Reason").fill("web goes first")
        acting.get_by_role("button", name="Release lease").click()
        expect(seen.leases.get_by_text("1 active lease")).to_be_visible()
        expect(seen.now.get_by_text("1 lease conflict")).to_have_count(0)
        expect(seen.home).to_have_title("Home · LLM Bus")
    (told,) = agents.call("docs", "whats_new")["unacked_posts"]
    assert told["from"] == "ada"
    agents.call("docs", "ack", post_id=told["post_id"])


def posts_go_both_ways(agents: Agents, seen: Scene, address: str, other: Window) -> None:
    asked = agents.call("docs", "post", to_actor="ada", subject=QUESTION, body="There are two.")["post_id"]
    expect(seen.handoffs.get_by_role("link", name=QUESTION)).to_be_visible()
    expect(seen.handoffs).to_have_title("(1) Handoffs in Web shop · LLM Bus")
    expect(seen.home.get_by_role("link", name=QUESTION)).to_be_visible()
    expect(seen.home).to_have_title("(1) Home · LLM Bus")
    expect(seen.now).to_have_title("(1) Web shop · LLM Bus")
    with other.acting(f"{address}/posts/{asked}") as acting:
        acting.get_by_role("button", name="Acknowledge").click()
        expect(acting.get_by_text("You acknowledged the post.")).to_be_visible()
        expect(seen.home).to_have_title("Home · LLM Bus")
        expect(seen.handoffs.get_by_role("link", name=QUESTION)).to_have_count(0)
        acting.goto(f"{address}/handoffs/new")
        acting.get_by_label(re.compile("^To")).fill("web")
        acting.get_by_label("Text").fill("Take the one of the accountant.")
        acting.get_by_role("button", name="Send").click()
        expect(seen.handoffs.get_by_text("waiting for 1")).to_be_visible()
    agents.call("web", "ack", post_id=agents.call("web", "whats_new")["unacked_posts"][0]["post_id"])
    expect(seen.handoffs.get_by_text("Every handoff is acknowledged")).to_be_visible()


def a_task_is_done(agents: Agents, seen: Scene, address: str, other: Window) -> None:
    with other.acting(f"{address}/tasks/new") as acting:
        acting.get_by_label("Title").fill("Totals on the server")
        acting.get_by_label(re.compile("^Owner")).fill("api")
        acting.get_by_role("button", name="Create task").click()
        expect(seen.tasks.get_by_role("region", name="Assigned")).to_contain_text("#1 Totals on the server")
        agents.call("api", "task_start", task_id=1)
        expect(seen.now.get_by_role("article", name="ada/api")).to_contain_text("#1 Totals")
        expect(acting.get_by_text("in progress", exact=True).first).to_be_visible()
        acting.get_by_role("button", name="Ship").click()
        expect(seen.tasks.get_by_role("region", name="Finished")).to_contain_text("Totals on the server")
        expect(seen.now.get_by_role("article", name="ada/api")).not_to_contain_text("#1 Totals")


def access_ends(seen: Scene, address: str, other: Window) -> None:
    row = seen.members.get_by_role("row").filter(has_text="web")
    expect(row).to_contain_text("may connect")
    with other.acting(f"{address}/members") as acting:
        acting.get_by_role("link", name="web", exact=True).click()
        acting.get_by_role("link", name="Revoke access…").click()
        acting.get_by_role("button", name="Revoke access").click()
        expect(row).to_contain_text("cannot connect")


def the_project_changes(seen: Scene, address: str, one: Window, other: Window) -> None:
    settings = one.at(f"{address}/settings")
    with other.acting(f"{address}/settings") as acting:
        acting.get_by_label(re.compile("^Name")).fill("Corner shop")
        acting.get_by_label(re.compile("^Time zone")).fill("Europe/Berlin")
        acting.get_by_role("button", name="Save settings").click()
        for page in (seen.now, seen.members, seen.tasks, seen.handoffs, seen.leases, seen.numbers, settings):
            expect(page.get_by_role("heading", level=1)).to_have_text("Corner shop")
            expect(page.get_by_role("navigation", name="Breadcrumbs")).to_contain_text("Corner shop")
        expect(seen.tasks).to_have_title("Tasks of Corner shop · LLM Bus")
        expect(seen.home.get_by_role("link", name="Corner shop", exact=True)).to_be_visible()
        expect(settings.get_by_label(re.compile("^Time zone"))).to_have_value("Europe/Berlin")
        acting.goto(f"{address}/archive")
        acting.get_by_role("button", name="Archive project").click()
        expect(seen.now.get_by_text("archived", exact=True)).to_be_visible()
        expect(seen.now.get_by_role("link", name="Unarchive project…")).to_be_visible()
        expect(settings.get_by_role("link", name="Unarchive project…")).to_be_visible()
        acting.goto(f"{address}/archive")
        acting.get_by_role("button", name="Unarchive project").click()
        expect(seen.now.get_by_text("archived", exact=True)).to_have_count(0)


def ids_of(page: Page) -> list[int]:
    """The events that the page lists, newest first."""
    return [int(text.rpartition("#")[2]) for text in page.locator("#events .id").all_inner_texts()]


def test_windows_keep_up_with_agents_and_with_each_other(chromium: Browser, team: Team) -> None:
    with serving("serve", "--database-url", team.database_url) as server, ExitStack() as stack:
        url, port = server.url, urlsplit(server.url).port or 0
        one, other, foreign = (
            stack.enter_context(window(chromium, url, session)) for session in (*team.sessions, team.foreign_session)
        )
        agents = stack.enter_context(connected(url, team.tokens))
        elsewhere = foreign.at("/admin/")
        nothing = elsewhere.get_by_role("main").inner_text()
        seen = Scene(
            home=one.at("/admin/"),
            now=one.at(team.address),
            members=one.at(f"{team.address}/members"),
            tasks=other.at(f"{team.address}/tasks"),
            handoffs=other.at(f"{team.address}/handoffs"),
            leases=other.at(f"{team.address}/leases"),
            numbers=one.at(f"{team.address}/numbers?sequence=adr"),
        )
        agents_work(agents, seen)
        leases_meet(agents, seen, team.address, other)
        posts_go_both_ways(agents, seen, team.address, other)
        a_task_is_done(agents, seen, team.address, other)
        access_ends(seen, team.address, other)
        the_project_changes(seen, team.address, one, other)

        assert server.stop() == 0
        with serving("serve", "--database-url", team.database_url, port=port):
            for number in range(3):
                agents.call("docs", "claim", sequence="adr", note=f"after the restart {number}")
            expect(seen.now.get_by_text("after the restart 2", exact=True)).to_be_visible()
            expect(seen.numbers.get_by_text("after the restart 2", exact=True)).to_be_visible()
            expect(seen.now.get_by_text("Live", exact=True)).to_be_visible()
            events = agents.call("docs", "query_events", limit=100)["events"]
            assert ids_of(seen.now) == [event["id"] for event in events][: len(ids_of(seen.now))]
            acted = {event["type"] for event in events if event["actor"] == "ada"}
            assert acted == {"post", "ack", "release", "task_create", "task_ship"}
            assert one.was_never_reloaded()
            assert other.was_never_reloaded()
            assert elsewhere.get_by_role("main").inner_text() == nothing
            assert foreign.was_never_reloaded()
