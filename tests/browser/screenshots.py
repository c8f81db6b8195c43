"""`make screenshots`: the pictures of the web admin in docs/images, taken of a real server with a made-up team's work.

No picture holds a secret, not even a dead one: the token on the hand-out card is replaced before the picture is taken.
"""

import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import product
from pathlib import Path
from typing import Literal

import httpx2
import trio
from playwright.sync_api import Browser, Page, expect

from store import open_store
from tests.browser.chromium import DESKTOP, PHONE, find_chromium, running_chromium
from tests.browser.team import PROJECT, age, bustle, work
from tests.postgres import running_server
from tests.web.admin.admin_client import PAGE_SECONDS_MAX, AdminClient, signed_in
from tests.web.bus import Bus
from tests.web.command_line import serving
from web.admin import cookies

IMAGES = Path(__file__).parents[2] / "docs" / "images"
BYTES_MAX = 150_000
SHOWN_URL = "http://127.0.0.1:8787"
"""What the pages call the server, wherever it listens: pictures taken again differ by what has changed, no more."""

NOT_A_TOKEN = "llmbus_EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-EXAMPLE-000"
SETTLING_MILLISECONDS = 600
DEVICES = {"desktop": (DESKTOP, 1.0), "phone": (PHONE, 2.0)}
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")

Take = Callable[[str], None]
"""Takes a picture of what is shown, by the name of its subject."""

Show = Callable[[Page, Take], None]

_HIDE_TOKEN = """
replacement => {
    const token = document.getElementById("token").textContent.trim();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(token, replacement);
    return !document.documentElement.outerHTML.includes(token);
}
"""


def main() -> int:
    """Take every picture; the exit code."""
    path = find_chromium()
    if path is None:
        sys.stderr.write("No Chromium is installed, so there is nothing to take pictures with.\n")
        return 1
    IMAGES.mkdir(exist_ok=True)
    with prepared() as (url, session_id), running_chromium(path) as browser:
        for show in (show_pages, show_card):  # a card lets somebody in, whom the other pictures need not show
            for device, scheme in product(DEVICES, SCHEMES):
                take_pictures(browser, url, session_id, show, device=device, scheme=scheme)
    return 0


@contextmanager
def prepared() -> Iterator[tuple[str, str]]:
    """A server that has a team's work behind it, and a session of the team's owner."""
    with tempfile.TemporaryDirectory() as directory, running_server(Path(directory)) as postgres:
        database_url = postgres.create_database()

        with serving("serve", "--database-url", database_url) as server:
            tokens = trio.run(_furnish, database_url, server.url)
            server.stop()
        age(database_url)
        with serving("serve", "--database-url", database_url, "--public-url", SHOWN_URL) as server:
            yield server.url, trio.run(_enliven, database_url, server.url, tokens)


async def _furnish(database_url: str, url: str) -> dict[str, str]:
    async with _visiting(database_url, url) as (bus, maya):
        return await work(bus, maya.owner)


async def _enliven(database_url: str, url: str, tokens: dict[str, str]) -> str:
    async with _visiting(database_url, url) as (bus, maya):
        await bustle(bus, maya.owner, tokens)
        return maya.session_id


@asynccontextmanager
async def _visiting(database_url: str, url: str) -> AsyncIterator[tuple[Bus, AdminClient]]:
    async with (
        open_store(database_url) as store,
        httpx2.AsyncClient(base_url=url, timeout=PAGE_SECONDS_MAX) as http,
        signed_in(store, url, "maya@example.com") as maya,
    ):
        yield Bus(url, store, http, trio.Event()), maya


def take_pictures(browser: Browser, url: str, session_id: str, show: Show, *, device: str, scheme: Scheme) -> None:
    """Pictures of everything that `show` shows, on one device in one scheme."""
    viewport, scale = DEVICES[device]
    with browser.new_context(
        base_url=url, viewport=viewport, device_scale_factor=scale, color_scheme=scheme, has_touch=device == "phone"
    ) as context:
        context.add_cookies([{"name": cookies.SESSION, "value": session_id, "url": url}])
        page = context.new_page()

        def take(subject: str) -> None:
            image = IMAGES / f"admin-{subject}-{device}-{scheme}.png"
            page.screenshot(path=image)
            if image.stat().st_size > BYTES_MAX:
                raise SystemExit(f"{image.name} has {image.stat().st_size:,} bytes; at most {BYTES_MAX:,} are wanted.")

        show(page, take)


def show_pages(page: Page, take: Take) -> None:
    """The first page, and those of a project that an owner keeps open."""
    _open(page, "/admin/")
    take("home")
    page.get_by_role("link", name=PROJECT).first.click()
    _settle(page)
    take("now")
    project = page.url
    for subject, address in (
        ("tasks", "/tasks"),
        ("graph", "/tasks?view=graph"),
        ("leases", "/leases"),
        ("activity", "/activity"),
        ("members", "/members"),
        ("settings", "/settings"),
    ):
        _open(page, project + address)
        take(subject)
    page.goto(f"{project}/webhook")
    take("webhook")
    _open(page, project)
    page.keyboard.press("Control+k")
    page.get_by_role("dialog", name="Go to").get_by_role("searchbox").fill("lea")
    page.wait_for_timeout(SETTLING_MILLISECONDS)
    take("palette")


def _open(page: Page, address: str) -> None:
    page.goto(address)
    _settle(page)


def _settle(page: Page) -> None:
    """Wait until the page is live and has shown what it heard."""
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.wait_for_timeout(SETTLING_MILLISECONDS)


def show_card(page: Page, take: Take) -> None:
    """The hand-out card, with something else in the token's place."""
    page.goto("/admin/")
    page.get_by_role("link", name=PROJECT).first.click()
    page.get_by_role("link", name="Grant access").first.click()
    page.get_by_label("Participant").fill("tester")
    page.get_by_role("button", name="Grant access").click()
    if not page.evaluate(_HIDE_TOKEN, NOT_A_TOKEN):
        raise SystemExit("The token is still on the page.")
    take("card")


if __name__ == "__main__":
    sys.exit(main())
