"""Without script, pages show the present and the owner acts in every way. The ledger names the bare handle."""

import re
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

WORDS = Words()


def fill(page: Page, form: str, button: str, **typed: str) -> None:
    """Fill a form in, and send it by its button."""
    here = page.get_by_role("form", name=form)
    for label, text in typed.items():
        here.get_by_label(re.compile(f"^{label.replace('_', ' ')}")).fill(text)
    here.get_by_role("button", name=button, exact=True).click()


def tasks_are_moved(page: Page, project: str) -> None:
    page.goto(f"{project}/tasks")
    page.get_by_role("link", name="New task").first.click()
    fill(page, "New task", "Create task", Title="Made without script")
    fill(page, "Start it yourself", "Start it yourself")
    fill(page, "Block", "Block", Why="nobody knows how")
    expect(page.get_by_text("nobody knows how").first).to_be_visible()
    fill(page, "Remove all blockers", "Remove all blockers")
    fill(page, "Ship", "Ship")
    expect(page.get_by_text("done", exact=True).first).to_be_visible()
    page.goto(f"{project}/tasks/new")
    fill(page, "New task", "Create task", Title="Not needed")
    fill(page, "Assign", "Assign", Assign_to=WORDS.peer)
    fill(page, "Hand over", "Hand over", Hand_over_to=WORDS.label)
    fill(page, "Cancel", "Cancel task", Why="it was made twice")
    expect(page.get_by_text("cancelled", exact=True).first).to_be_visible()


def posts_are_answered(page: Page, project: str, asked: int) -> None:
    page.goto(f"{project}/handoffs?view=mine")
    page.get_by_role("link", name="A question").click()
    page.get_by_role("button", name="Acknowledge").click()
    fill(page, "Answer", "Send answer", Your_answer="Take the second one.")
    expect(page.get_by_text("Take the second one.")).to_be_visible()
    assert page.url.endswith(f"/posts/{asked}?done=posted")
    page.goto(f"{project}/handoffs/new")
    page.get_by_label(re.compile("^Lane")).fill("docs")
    page.get_by_label("Text").fill("For whoever writes the guide.")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("For whoever writes the guide.")).to_be_visible()


def numbers_are_given(page: Page, project: str) -> None:
    page.goto(f"{project}/numbers?sequence=adr")
    fill(page, "Claim a number", "Claim the next number", Note="claimed without script")
    expect(page.get_by_text("claimed without script")).to_be_visible()
    fill(page, "Seed a sequence", "Seed sequence", Sequence="rfc", Last_number="7")
    expect(page.get_by_role("row").filter(has_text="rfc")).to_contain_text("8")
    fill(page, "Void a number", "Void number", Sequence="adr", Number="4", Why="written twice")
    expect(page.get_by_text("written twice").first).to_be_visible()
    page.get_by_role("row").filter(has_text="rfc").get_by_role("link", name="Archive…").click()
    page.get_by_role("button", name="Archive sequence").click()
    expect(page.get_by_role("row").filter(has_text="rfc")).to_contain_text("archived")


def leases_end(page: Page, project: str) -> None:
    page.goto(f"{project}/leases")
    page.get_by_role("link", name="Release…").first.click()
    page.get_by_label("Reason").fill("nobody is there")
    page.get_by_role("button", name="Release lease").click()
    expect(page.get_by_text("Nothing is leased")).to_be_visible()


def the_project_is_set_up(page: Page, project: str) -> None:
    page.goto(f"{project}/settings")
    fill(page, "Settings", "Save settings", Link_for_refs="https://example.com/pull/{ref}")
    expect(page.get_by_text("settings are saved")).to_be_visible()
    page.goto(f"{project}/activity?q=nobody+knows")
    expect(page.get_by_text("nobody knows how").first).to_be_visible()
    page.goto(f"{project}/insights")
    page.get_by_text("As a table").click()
    expect(page.get_by_role("columnheader", name="Hour")).to_be_visible()
    page.get_by_role("searchbox", name="Search").first.fill(WORDS.peer)
    page.get_by_role("searchbox", name="Search").first.press("Enter")
    page.get_by_role("link", name=WORDS.peer).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(WORDS.peer)


def members_are_managed(page: Page, project: str) -> None:
    page.goto(f"{project}/members")
    page.get_by_label(f"Select {WORDS.peer}").check()
    page.get_by_role("button", name="Revoke access of selected…").click()
    expect(page.get_by_role("list").get_by_text(WORDS.peer)).to_be_visible()
    page.get_by_role("button", name="Revoke access").click()
    expect(page.get_by_role("row").filter(has_text=WORDS.peer)).to_contain_text("cannot connect")


async def asked_by_agent(bus: Bus, resident: Resident) -> int:
    handle = (await bus.call(resident.estate.token, "whoami"))["handle"]
    asked = await bus.call(resident.estate.token, "post", to_actor=handle, subject="A question", body="Which one?")
    return int(asked["post_id"])


async def types_of(bus: Bus, resident: Resident) -> set[str]:
    """What the ledger says of the owner in person, as an agent reads it."""
    handle = (await bus.call(resident.estate.token, "whoami"))["handle"]
    events = await bus.call(resident.estate.token, "query_events", actor=handle, limit=100)
    return {event["type"] for event in events["events"]}


def test_the_owner_acts_in_every_way_without_script(
    site: Site, open_context: OpenContext, numbers: Iterator[int]
) -> None:
    resident = settle(site, f"plain-{next(numbers)}@example.com", WORDS)
    project = f"/admin/projects/{resident.estate.project_id}"

    async def through_the_bus(act: str) -> object:
        async with (
            open_store(site.database_url) as store,
            httpx2.AsyncClient(base_url=site.url, timeout=PAGE_SECONDS_MAX) as http,
        ):
            bus = Bus(site.url, store, http, trio.Event())
            return await (asked_by_agent(bus, resident) if act == "ask" else types_of(bus, resident))

    asked = trio.run(through_the_bus, "ask")
    assert isinstance(asked, int)
    with open_context(java_script_enabled=False) as context:
        page = resident.enter(context, site)
        tasks_are_moved(page, project)
        posts_are_answered(page, project, asked)
        numbers_are_given(page, project)
        leases_end(page, project)
        the_project_is_set_up(page, project)
        members_are_managed(page, project)
    assert trio.run(through_the_bus, "read") == {
        *("task_create", "task_assign", "task_start", "task_block", "task_resolve", "task_ship", "task_cancel"),
        *("post", "ack", "release", "claim", "seed", "void_claim"),
    }
