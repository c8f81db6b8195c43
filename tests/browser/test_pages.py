"""What holds for every page: it fits a phone, runs nothing but our own script, and shuts nobody out."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, ViewportSize

from store.people.names import HANDLE_LENGTH_MAX
from tests import npm
from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.conftest import OpenContext, Site
from tests.browser.sights import settle, sights
from tests.web.admin.estates import SCRIPTS, Words, longest, written

HERE = Path(__file__).parent
HALF_A_SCREEN = 760
"""In pixels: just too wide for the layout of narrow screens."""

ZOOMED = DESKTOP["width"] // 2
"""What is left of a desktop's width at 200 %: zoom makes the pixels of a page larger, and so fewer."""

WIDE = 1_440

_AXE = """
async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .map(found => [found.impact, found.id, found.nodes.slice(0, 3).map(node => node.html.slice(0, 200))])
"""

_IS_ONE_LINE = """
() => {
    const parts = [...document.querySelector(".top-inner").children].map(part => part.getBoundingClientRect());
    return Math.max(...parts.map(part => part.top)) < Math.min(...parts.map(part => part.bottom));
}
"""

Judge = Callable[[Page], list[Any]]
"""Says what is wrong with the page that a tab shows."""

Look = Callable[..., dict[str, list[Any]]]


@pytest.fixture
def axe() -> Judge:
    """axe-core, which finds what shuts people out; every impact counts."""
    if (modules := npm.installed(HERE)) is None:
        pytest.skip("node and npm are not installed: axe-core cannot be fetched on this machine")
    script = (modules / "axe-core" / "axe.min.js").read_text()

    def complaints(page: Page) -> list[Any]:
        page.evaluate(script)
        found: list[Any] = page.evaluate(_AXE)
        return found

    return complaints


@pytest.fixture
def look_at_everything(site: Site, open_context: OpenContext, numbers: Iterator[int]) -> Look:
    """A new owner comes to every page of an estate in these words; gives what is wrong, by page.

    Coming to a page takes longer than looking at it, so a judge looks in several ways where that says more.
    """

    def look(words: Words, judge: Judge, **options: Any) -> dict[str, list[Any]]:
        resident, found = settle(site, f"resident-{next(numbers)}@example.com", words), {}
        with open_context(refusals=None, **options) as context:
            page = resident.enter(context, site)
            for name, show in sights(resident.estate).items():
                show(page)
                if wrong := judge(page):
                    found[name] = wrong
        return found

    return look


@pytest.mark.parametrize(
    ("words", "widths"),
    [
        pytest.param(Words(), (PHONE["width"],), id="plain words"),
        pytest.param(longest(), (PHONE["width"], ZOOMED, HALF_A_SCREEN, DESKTOP["width"], WIDE), id="longest words"),
    ],
)
def test_no_page_scrolls_sideways(look_at_everything: Look, words: Words, widths: tuple[int, ...]) -> None:
    def at_each_width(page: Page) -> list[str]:
        found = []
        for width in widths:
            page.set_viewport_size({"width": width, "height": PHONE["height"]})
            found += [f"{width} px: {wrong}" for wrong in too_wide(page)]
        return found

    found = look_at_everything(words, at_each_width)
    assert found == {}, json.dumps(found, indent=2)


def test_the_frame_stays_on_one_line_down_to_the_layout_of_phones(
    site: Site, open_context: OpenContext, numbers: Iterator[int]
) -> None:
    """For an operator, who has one place more to go to, with the longest handle."""
    resident = settle(site, f"{next(numbers)}{'m' * HANDLE_LENGTH_MAX}@example.com", Words())
    with open_context() as context:
        page = resident.enter(context, site)
        page.goto("/admin/")
        for width in (737, HALF_A_SCREEN, 800, 833, 960, 961, DESKTOP["width"]):
            page.set_viewport_size({"width": width, "height": PHONE["height"]})
            assert page.evaluate(_IS_ONE_LINE), f"{width} px"


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


@pytest.mark.parametrize("payload", ["element", "attribute"])
def test_stored_script_runs_on_no_page(look_at_everything: Look, payload: str) -> None:
    """A script that got into a page would be refused by its content security policy, and `open_context` notices."""
    assert look_at_everything(written(SCRIPTS[payload].format), was_hacked) == {}


def was_hacked(page: Page) -> list[str]:
    ran: list[str] = page.evaluate("() => 'hacked' in window ? [window.hacked] : []")
    return ran


def test_script_in_a_page_is_refused_and_noticed(open_context: OpenContext) -> None:
    opened = ExitStack()
    page = opened.enter_context(open_context()).new_page()
    page.goto("/admin/sign-in")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<b onclick=hacked=1>text</b>')")
    page.locator("b").click()
    assert was_hacked(page) == []
    with pytest.raises(AssertionError, match="Content Security Policy"):
        opened.close()


@pytest.mark.parametrize(("scheme", "viewport"), [("light", DESKTOP), ("dark", PHONE)], ids=["light", "dark phone"])
def test_axe_finds_nothing_wrong_with_any_page(
    look_at_everything: Look, axe: Judge, scheme: Literal["light", "dark"], viewport: ViewportSize
) -> None:
    """Layout and colours are chosen apart, so two of the four pairs show each of both."""
    # axe is script of ours but not of the server's, so its policy would keep it out.
    found = look_at_everything(Words(), axe, bypass_csp=True, color_scheme=scheme, viewport=viewport)
    assert found == {}, json.dumps(found, indent=2)


def test_axe_notices_what_cannot_be_read(open_context: OpenContext, axe: Judge) -> None:
    with open_context() as context:
        page = context.new_page()
        page.set_content("<!doctype html><html lang=en><title>t</title><main><h1 style='color:#eee'>Pale</h1></main>")
        assert [(impact, rule) for impact, rule, _ in axe(page)] == [("serious", "color-contrast")]
