"""An owner who has no mouse: signs in, goes by the palette, and acts in every way, with keys alone."""

from collections.abc import Iterator

import httpx2
import trio
from playwright.sync_api import Page, expect

from store import open_store
from tests.browser.conftest import OpenContext, Site
from tests.browser.sights import Resident, settle
from tests.web.admin.admin_client import PAGE_SECONDS_MAX
from tests.web.admin.estates import Words
from tests.web.bus import Bus

QUESTION = "Which tax table?"
TABS_MAX = 120
"""More than any page has places to go to."""

_NAME = """
() => {
    const here = document.activeElement;
    return (here.labels?.[0] ?? here).innerText?.trim() || here.getAttribute("aria-label") || "";
}
"""


def tab_to(page: Page, name: str) -> None:
    """Press Tab until what has this name, or begins with it, is in focus."""
    passed = []
    for _ in range(TABS_MAX):
        page.keyboard.press("Tab")
        passed.append(page.evaluate(_NAME))
        if passed[-1].startswith(name):
            return
    raise AssertionError(f"{name} cannot be reached: {passed}")


def fill(page: Page, name: str, text: str) -> None:
    tab_to(page, name)
    page.keyboard.type(text)


def press(page: Page, name: str) -> None:
    tab_to(page, name)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def go(page: Page, text: str, heading: str) -> None:
    """Go somewhere by the palette."""
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Go to")
    page.keyboard.type(text)
    expect(palette.get_by_role("link").first).to_contain_text(heading)
    page.keyboard.press("ArrowDown")
    with page.expect_navigation():
        page.keyboard.press("Enter")


def ask_owner(site: Site, resident: Resident) -> None:
    """An agent writes to the owner."""

    async def ask() -> None:
        async with (
            open_store(site.database_url) as store,
            httpx2.AsyncClient(base_url=site.url, timeout=PAGE_SECONDS_MAX) as http,
        ):
            bus = Bus(site.url, store, http, trio.Event())
            handle = (await bus.call(resident.estate.peer_token, "whoami"))["actor"].partition("/")[0]
            await bus.call(resident.estate.peer_token, "post", to_actor=handle, subject=QUESTION, body="There are two.")

    trio.run(ask)


def test_everything_is_done_with_keys_alone(site: Site, open_context: OpenContext, numbers: Iterator[int]) -> None:
    email = f"keys-{next(numbers)}@example.com"
    resident = settle(site, email, Words())
    with open_context() as context:
        page = context.new_page()
        page.goto(site.admin_link(email))
        press(page, "Continue as")
        expect(page.get_by_role("link", name="Audit", exact=True)).to_be_visible()
        go(page, resident.estate.slug, Words().project_name)
        expect(page.get_by_role("heading", level=1)).to_contain_text(Words().project_name)

        go(page, "tasks", "Tasks")
        press(page, "New task")
        fill(page, "Title", "Reached without a mouse")
        press(page, "Create task")
        expect(page.get_by_role("heading", level=1)).to_contain_text("Reached without a mouse")

        go(page, "handoffs", "Handoffs")
        press(page, "Write")
        fill(page, "To", Words().label)
        fill(page, "Text", "Written without a mouse")
        press(page, "Send")
        expect(page.get_by_text("Written without a mouse")).to_be_visible()

        ask_owner(site, resident)
        go(page, "handoffs", "Handoffs")
        press(page, "For me")
        press(page, QUESTION)
        press(page, "Acknowledge")
        expect(page.get_by_text("You acknowledged the post.")).to_be_visible()

        go(page, "leases", "Leases")
        press(page, "Release…")
        fill(page, "Reason", "nobody is there")
        press(page, "Release lease")
        expect(page.get_by_role("heading", level=1)).not_to_contain_text("Release")

        go(page, "numbers", "Numbers")
        tab_to(page, "Seed sequence")
        fill(page, "Sequence", "adr")
        fill(page, "Number", "4")
        fill(page, "Why it will not be used", "taken by mistake")
        press(page, "Void number")
        expect(page.get_by_text("taken by mistake").first).to_be_visible()
