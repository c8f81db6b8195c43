"""A browser, a server in a process of its own, and owners who sign in by the link that the command line prints.

Playwright's own loop runs in this thread as long as a browser does, so browsers live no longer than a module's tests.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from msgspec import Struct
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.chromium import ACTION_MILLISECONDS_MAX, DESKTOP, Watch, find_chromium, running_chromium
from tests.postgres import Server
from tests.web.command_line import llm_bus, serving

OpenContext = Callable[..., AbstractContextManager[BrowserContext]]


class Site(Struct, frozen=True):
    """A running server: where it is, and the database behind it."""

    url: str
    database_url: str

    def add_owner(self, email: str, *flags: str) -> None:
        """Make an owner, as an operator does."""
        done = llm_bus("owner", "add", email, *flags, "--database-url", self.database_url)
        assert done.returncode == 0, done.stderr

    def admin_link(self, email: str) -> str:
        """The link that `llm-bus admin-link` prints for this owner."""
        done = llm_bus("admin-link", email, "--database-url", self.database_url, "--public-url", self.url)
        assert done.returncode == 0, done.stderr
        found = re.search(rf"{re.escape(self.url)}/admin/link\?token=\S+", done.stdout)
        assert found, done.stdout
        return found[0]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium is installed: nothing is shown in a real browser on this machine")
    expect.set_options(timeout=ACTION_MILLISECONDS_MAX)
    with running_chromium(path) as browser:
        yield browser


@pytest.fixture(scope="module")
def site(postgres: Server) -> Iterator[Site]:
    database_url = postgres.create_database()
    with serving("serve", "--database-url", database_url) as server:
        yield Site(server.url, database_url)
        assert server.stop() == 0


@pytest.fixture
def open_context(chromium: Browser, site: Site) -> OpenContext:
    """Opens contexts, as different people's browsers; at its end nothing may have gone wrong in one.

    `refusals` are the pages that were meant to be refused, by status and path; None: whichever.
    """

    @contextmanager
    def open_one(*, refusals: tuple[tuple[int, str], ...] | None = (), **options: Any) -> Iterator[BrowserContext]:
        context = chromium.new_context(**{"base_url": site.url, "viewport": DESKTOP, **options})
        context.set_default_timeout(ACTION_MILLISECONDS_MAX)
        watch = Watch(context, site.url)
        try:
            yield context
        finally:
            context.close()
        assert watch.complaints == []
        assert refusals is None or tuple(watch.refusals) == refusals

    return open_one


@pytest.fixture
def owner(site: Site, numbers: Iterator[int]) -> str:
    """The email of an owner who has nothing yet."""
    email = f"ada-{next(numbers)}@example.com"
    site.add_owner(email)
    return email


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    return itertools.count(1)
