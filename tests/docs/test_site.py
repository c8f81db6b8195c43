"""The static site: it builds without a warning, leads nowhere wrong, asks nobody else, and fits a phone."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import PHONE, find_chromium, running_chromium
from tests.docs.site import Site

ROOT = Path(__file__).parents[2]
BUILD_SECONDS_MAX = 600
IN_MARKDOWN = re.compile(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)")


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Run Sphinx as `make docs` does, without leaving anything beside the pages."""
    flags = ["-W", "--keep-going", "-q", "-b", "html", "-d", str(target.with_suffix(".doctrees"))]
    command = [sys.executable, "-m", "sphinx", *flags, str(source), str(target)]
    return subprocess.run(command, capture_output=True, check=False, text=True, timeout=BUILD_SECONDS_MAX)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    pytest.importorskip("sphinx", reason="the extra 'docs' is not installed")
    target = tmp_path_factory.mktemp("site") / "html"
    done = build(ROOT / "docs", target)
    assert done.returncode == 0, done.stderr
    return Site(target)


def test_every_link_of_the_site_leads_somewhere(site: Site) -> None:
    assert len(site.pages) > 20
    assert site.dead_links() == []


def test_every_page_is_reached_from_the_first(site: Site) -> None:
    assert site.orphans() == set()


def test_the_site_asks_no_other_host(site: Site) -> None:
    assert site.fetches_from_elsewhere() == []
    sheets = "".join(path.read_text("utf-8") for path in site.root.rglob("*.css"))
    assert re.findall(r"@import[^;]*//|url\(\s*['\"]?(?:https?:)?//", sheets) == []


def test_what_is_wrong_with_a_site_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(
        '<a href="there.html#no"></a><a href="gone.html"></a><img src="https://x.example/y">'
    )
    (tmp_path / "there.html").write_text('<p id="yes"></p>')
    (tmp_path / "alone.html").write_text("<p></p>")
    site = Site(tmp_path)
    assert site.dead_links() == ["index.html: there.html#no", "index.html: gone.html"]
    assert site.orphans() == {"alone.html"}
    assert site.fetches_from_elsewhere() == ["index.html: https://x.example/y"]


def test_the_pages_at_the_root_lead_somewhere() -> None:
    for page in ROOT.glob("*.md"):
        targets = [target for target in IN_MARKDOWN.findall(page.read_text("utf-8")) if "://" not in target]
        assert [target for target in targets if not (ROOT / target).exists()] == [], page.name


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium is installed: the site is not looked at on a phone")
    with running_chromium(path) as browser:
        yield browser


def test_a_block_of_code_is_copied_with_a_button(site: Site, chromium: Browser) -> None:
    context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto((site.root / "tutorial" / "first-ten-minutes.html").as_uri())
    block = page.locator("div.highlight").first
    block.hover()
    block.get_by_role("button", name="Copy").click()
    block.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == block.locator("pre").inner_text().rstrip()
    context.close()


def test_a_search_finds_an_error_text(site: Site, chromium: Browser) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto((site.root / "search.html").as_uri() + "?q=number+goes+with+sequence+say+whose+number")
    page.locator("#search-results a", has_text="Errors").first.wait_for()
    context.close()


def test_every_page_fits_a_phone(site: Site, chromium: Browser) -> None:
    assert {page.viewport.replace(" ", "") for page in site.pages.values()} == {"width=device-width,initial-scale=1"}
    context = chromium.new_context(viewport=PHONE)
    page = context.new_page()
    too_wide = {}
    for path in site.pages:
        page.goto(path.as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            too_wide[path.name] = width
    context.close()
    assert too_wide == {}
