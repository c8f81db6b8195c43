"""An owner runs everything from a browser, and what is handed out there works outside of it."""

import re
import shutil
import subprocess
from typing import Any

import httpx2
import pytest
import trio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenContext, Site

MCP_SECONDS_MAX = 90
CURL_SECONDS_MAX = 90


def whoami(site: Site, token: str) -> dict[str, Any]:
    """What the bus answers a real MCP client with this token."""

    async def ask() -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        with trio.fail_after(MCP_SECONDS_MAX):
            async with (
                httpx2.AsyncClient(headers=headers) as http,
                Client(streamable_http_client(f"{site.url}/mcp", http_client=http)) as client,
            ):
                return (await client.call_tool("whoami", {})).structured_content

    answer: dict[str, Any] = trio.run(ask)
    return answer


def is_refused(site: Site, token: str) -> bool:
    """Whether the bus does not know this token."""
    answer = httpx2.post(
        f"{site.url}/mcp", headers={"Authorization": f"Bearer {token}"}, json={}, timeout=MCP_SECONDS_MAX
    )
    return answer.status_code == 401


def copied(page: Page, what: str) -> str:
    """What a press of a card's copy button puts on the clipboard."""
    page.get_by_role("button", name=f"Copy {what}", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def selected(page: Page, what: str) -> str:
    """What a card shows to be selected by hand."""
    return page.locator(".copyable").filter(has=page.get_by_text(what, exact=True)).locator("pre").inner_text()


def text_field(page: Page, label: str) -> Locator:
    named = re.compile(rf"^{label}\b")
    return page.get_by_role("textbox", name=named).or_(page.get_by_role("combobox", name=named))


def manage(page: Page, name: str, action: str) -> None:
    """Open a member's page, ask for something dangerous, and answer the question, which names the member."""
    page.get_by_role("link", name="Members", exact=True).click()
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("link", name=f"{action}…").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    page.get_by_role("button", name=action).click()


def redeem(prompt: str, name: str) -> str:
    """Run the command that an invite's prompt tells an agent to run; the token that it gets."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: the invite's command cannot be run on this machine")
    [command] = re.findall(r"Run: (curl .*)$", prompt, re.MULTILINE)
    ran = subprocess.run(
        command.replace("YOUR-NAME", name), shell=True, capture_output=True, check=True, timeout=CURL_SECONDS_MAX
    )
    found = re.search(rb'"token": ?"(llmbus_[\w-]+)"', ran.stdout)
    assert found, ran.stdout
    return found[1].decode()


@pytest.mark.parametrize("scripted", [True, False], ids=["with script", "without script"])
def test_an_owner_runs_everything_from_a_browser(
    site: Site, open_context: OpenContext, owner: str, *, scripted: bool
) -> None:
    take = copied if scripted else selected
    options: dict[str, Any] = {"java_script_enabled": scripted}
    if scripted:
        options["permissions"] = ["clipboard-read", "clipboard-write"]
    with open_context(**options) as context:
        page = context.new_page()
        sign_in(page, site, owner)

        page.get_by_role("link", name="Create your first project").click()
        text_field(page, "Slug").fill("shop")
        text_field(page, "Name").fill("Web shop")
        page.get_by_role("button", name="Create project").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Web shop")

        page.get_by_role("link", name="Grant access").first.click()
        text_field(page, "Participant").fill("builder")
        text_field(page, "Lane").fill("checkout")
        page.get_by_label("Lead").check()
        page.get_by_role("button", name="Grant access").click()
        token = take(page, "the token")
        assert whoami(site, token) | {"actor": ""} == {
            "actor": "",
            "handle": handle_of(owner),
            "label": "builder",
            "project": "shop",
            "is_admin": True,
        }

        page.get_by_role("link", name="Done, back to Web shop").click()
        manage(page, "builder", "Rotate token")
        assert is_refused(site, token)
        rotated = take(page, "the token")
        assert whoami(site, rotated)["label"] == "builder"

        page.get_by_role("link", name="Done, back to Web shop").click()
        page.get_by_role("link", name="Invite", exact=True).click()
        page.get_by_role("button", name="Create invite").click()
        joined = redeem(take(page, "the prompt"), "guest")
        assert whoami(site, joined)["label"] == "guest"
        page.get_by_role("link", name="Done, back to the invites").click()
        expect(page.get_by_role("row").filter(has_text="used up")).to_have_count(1)

        manage(page, "guest", "Revoke access")
        expect(page.get_by_role("row").filter(has_text="guest")).to_contain_text("no token")
        assert is_refused(site, joined)

        delete_participant(page, "guest")
        delete_project(page, "Web shop", "shop")
        assert is_refused(site, rotated)


def handle_of(email: str) -> str:
    return email.partition("@")[0]


def sign_in(page: Page, site: Site, email: str) -> None:
    """Open the link from the command line, and confirm the handle at the first visit."""
    page.goto(site.admin_link(email))
    page.get_by_role("button", name="Continue as").click()
    expect(text_field(page, "Handle")).to_have_value(handle_of(email))
    page.get_by_role("form", name="Handle").get_by_role("button").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


def delete_participant(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Participants").click()
    page.get_by_role("link", name=name, exact=True).click()
    page.get_by_role("link", name="Delete participant").click()
    page.get_by_role("textbox").fill(name)
    page.get_by_role("button", name="Delete participant").click()
    expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)


def delete_project(page: Page, name: str, slug: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Home").click()
    page.get_by_role("link", name=name, exact=True).first.click()
    page.get_by_role("link", name="Settings", exact=True).click()
    page.get_by_role("link", name="Delete project").click()
    page.get_by_role("textbox").fill(slug)
    page.get_by_role("button", name="Delete project").click()
    expect(page.get_by_role("link", name="Create your first project")).to_be_visible()


def test_a_link_signs_in_once(site: Site, open_context: OpenContext, owner: str) -> None:
    link = site.admin_link(owner)
    with open_context(java_script_enabled=False) as first:
        page = first.new_page()
        page.goto(link)
        page.get_by_role("button", name="Continue as").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    with open_context(refusals=((404, "/admin/link"),)) as second:
        page = second.new_page()
        page.goto(link)
        expect(page.get_by_role("button", name="Sign out")).to_have_count(0)


def test_a_refused_form_keeps_what_was_typed_and_says_what_is_wrong(
    site: Site, open_context: OpenContext, owner: str
) -> None:
    with open_context(refusals=((400, "/admin/projects"),)) as context:
        page = context.new_page()
        sign_in(page, site, owner)
        page.goto("/admin/projects/new")
        text_field(page, "Slug").fill("No Slug")
        text_field(page, "Name").fill("My project")
        page.get_by_role("button", name="Create project").click()
        expect(text_field(page, "Slug")).to_have_value("No Slug")
        expect(text_field(page, "Name")).to_have_value("My project")
        expect(text_field(page, "Slug")).to_have_attribute("aria-invalid", "true")
        expect(text_field(page, "Slug")).to_have_accessible_description(re.compile("lower-case letters"))


def test_signing_out_ends_the_session(site: Site, open_context: OpenContext, owner: str) -> None:
    with open_context() as context:
        page = context.new_page()
        sign_in(page, site, owner)
        kept = context.cookies()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("navigation", name="Main")).to_have_count(0)
        context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": site.url} for cookie in kept])
        page.goto("/admin/")
        expect(page).to_have_url(re.compile("/admin/sign-in"))
