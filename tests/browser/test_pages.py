"""What holds for every page: it fits a phone, runs nothing but our own script, and shuts nobody out."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page

from tests import npm
from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.conftest import OpenContext, Site
from tests.browser.sights import Resident, settle, sights
from tests.web.admin.estates import SCRIPTS, Words, longest, written

HERE = Path(__file__).parent
SERIOUS = {"serious", "critical"}
HALF_A_SCREEN = 760
"""In pixels: just too wide for the layout of narrow screens."""

VIEWPORTS = {"desktop": DESKTOP, "phone": PHONE}

_AXE = """
async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .map(found => [found.impact, found.id, found.nodes.slice(0, 3).map(node => node.html.slice(0, 200))])
"""


@pytest.fixture
def move_in(site: Site, numbers: Iterator[int]) -> Callable[[Words], Resident]:
    return lambda words: settle(site, f"resident-{next(numbers)}@example.com", words)


def look_at_everything(
    site: Site, open_context: OpenContext, resident: Resident, judge: Callable[[Page], list[Any]], **options: Any
) -> dict[str, list[Any]]:
    """What `judge` finds wrong, by page; each page was reached as its owner reaches it."""
    found = {}
    with open_context(refusals=None, **options) as context:
        page = resident.enter(context, site)
        for name, show in sights(resident.estate).items():
            show(page)
            if wrong := judge(page):
                found[name] = wrong
    return found


@pytest.mark.parametrize("width", [PHONE["width"], HALF_A_SCREEN, DESKTOP["width"]])
@pytest.mark.parametrize("words", [Words(), longest()], ids=["plain words", "longest words"])
def test_no_page_scrolls_sideways(
    site: Site, open_context: OpenContext, move_in: Callable[[Words], Resident], words: Words, width: int
) -> None:
    viewport = {"width": width, "height": PHONE["height"]}
    found = look_at_everything(site, open_context, move_in(words), too_wide, viewport=viewport)
    assert found == {}, json.dumps(found, indent=2)


def too_wide(page: Page) -> list[str]:
    """The elements that stick out of a page that is wider than its window."""
    sticking_out: list[str] = page.evaluate("""
        () => {
            const root = document.documentElement, width = root.clientWidth;
            if (root.scrollWidth <= width && document.body.scrollWidth <= width) return [];
            return [...document.querySelectorAll("body *")]
                .filter(each => each.getBoundingClientRect().right > width)
                .map(each => each.outerHTML.slice(0, 120)).slice(-3).concat(`${root.scrollWidth} px`);
        }
    """)
    return sticking_out


@pytest.mark.parametrize("payload", SCRIPTS.values(), ids=SCRIPTS)
def test_stored_script_runs_on_no_page(
    site: Site, open_context: OpenContext, move_in: Callable[[Words], Resident], payload: str
) -> None:
    """A script that got into a page would be refused by its content security policy, and `open_context` notices."""
    found = look_at_everything(site, open_context, move_in(written(payload.format)), was_hacked)
    assert found == {}


def was_hacked(page: Page) -> list[str]:
    ran: list[str] = page.evaluate("() => 'hacked' in window ? [window.hacked] : []")
    return ran


@pytest.mark.parametrize("viewport", VIEWPORTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(
    site: Site,
    open_context: OpenContext,
    move_in: Callable[[Words], Resident],
    scheme: Literal["light", "dark"],
    viewport: str,
) -> None:
    if (modules := npm.installed(HERE)) is None:
        pytest.skip("node and npm are not installed: axe-core cannot be fetched on this machine")
    axe = (modules / "axe-core" / "axe.min.js").read_text()

    def complaints(page: Page) -> list[Any]:
        page.evaluate(axe)
        return [found for found in page.evaluate(_AXE) if found[0] in SERIOUS]

    # axe is script of ours but not of the server's, so its policy would keep it out.
    found = look_at_everything(
        site,
        open_context,
        move_in(Words()),
        complaints,
        bypass_csp=True,
        color_scheme=scheme,
        viewport=VIEWPORTS[viewport],
    )
    assert found == {}, json.dumps(found, indent=2)
