"""Every page of the web admin as its owner comes to see it: those with an address, and those that answer a form."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import trio
from msgspec import Struct
from playwright.sync_api import BrowserContext, Page

from store import open_store
from tests.browser.conftest import Site
from tests.web.admin.admin_client import PAGE_SECONDS_MAX, signed_in
from tests.web.admin.estates import Estate, Words, found
from tests.web.admin.places import PAGELESS, all_of, places
from tests.web.bus import Bus
from web.admin import cookies

Sight = Callable[[Page], Any]
"""Makes a tab show a page."""


class Resident(Struct, frozen=True):
    """An operator with an estate, and the session in which they look at it."""

    estate: Estate
    session_id: str

    def enter(self, context: BrowserContext, site: Site) -> Page:
        """A tab in which they are signed in."""
        context.add_cookies([{"name": cookies.SESSION, "value": self.session_id, "url": site.url}])
        return context.new_page()


def settle(site: Site, email: str, words: Words) -> Resident:
    """Make an owner with an estate on a running server, as fast as it goes."""

    async def make() -> Resident:
        async with (
            open_store(site.database_url) as store,
            httpx2.AsyncClient(base_url=site.url, timeout=PAGE_SECONDS_MAX) as http,
            signed_in(store, site.url, email, is_operator=True) as client,
        ):
            estate = await found(Bus(site.url, store, http, trio.Event()), client, words=words)
            return Resident(estate, client.session_id)

    return trio.run(make)


def sights(estate: Estate) -> Mapping[str, Sight]:
    """How to come to see each page, by a name for it. The order matters: forms are sent at the end."""
    project = f"/admin/projects/{estate.project_id}"
    addresses = [place.path(all_of(estate)) for place in places("GET") if place.rule not in PAGELESS]
    return {
        **{address: _at(address) for address in addresses},
        "activity, filtered to nothing": _at(f"{project}/activity?ref=nothing"),
        "activity, filtered wrongly": _at(f"{project}/activity?sequence=No+sequence"),
        "tasks, as a table": _at(f"{project}/tasks?view=table"),
        "tasks, as a picture": _at(f"{project}/tasks?view=graph"),
        "tasks, filtered to nothing": _at(f"{project}/tasks?view=table&lane=nothing"),
        "not found": _at("/admin/nowhere"),
        "sign-in link that does not work": _at("/admin/link?token=nothing"),
        "settings, refused": lambda page: _send(page, f"{project}/settings", "Save settings", Slug="No slug"),
        "palette": lambda page: _open_palette(page, project),
        "new project, refused": lambda page: _send(page, "/admin/projects/new", "Create project", Slug="No slug"),
        "grant, refused": lambda page: _send(page, f"{project}/grant", "Grant access", Participant="a/b"),
        "hand-out card": lambda page: _send(page, f"{project}/grant", "Grant access", Participant="scout"),
        "new task, refused": lambda page: _send(page, f"{project}/tasks/new", "Create task", Title="x", Owner="nobody"),
        "invite": lambda page: _send(page, f"{project}/invites", "Create invite"),
    }


def _at(address: str) -> Sight:
    return lambda page: page.goto(address)


def _open_palette(page: Page, address: str) -> None:
    page.goto(address)
    page.keyboard.press("Control+k")
    page.get_by_role("dialog", name="Go to").get_by_role("link").first.wait_for()


def _send(page: Page, address: str, button: str, **typed: str) -> None:
    page.goto(address)
    for label, text in typed.items():
        page.get_by_label(re.compile(f"^{label}")).fill(text)
    page.get_by_role("button", name=button).click()
