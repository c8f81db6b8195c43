"""Projects: made, changed and deleted by their owner."""

import pytest

from engine.terms import ID_MAX
from store.ledger import overview
from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import fields_of, text_of, wrong_in
from tests.web.bus import Bus


async def project_of(bus: Bus, ada: AdminClient, slug: str = "demo") -> str:
    """The address of ada's project."""
    projects = await bus.store.read(overview.dashboard, ada.owner.id)
    return f"/admin/projects/{next(each.id for each in projects if each.slug == slug)}"


async def test_a_new_project_is_there_and_is_named_by_its_slug_unless_told_otherwise(ada: AdminClient) -> None:
    plain = await ada.change("/admin/projects", slug="shop", name=" ")
    named = await ada.change("/admin/projects", slug="api", name=" The API ")
    assert text_of(await ada.page(f"{plain}/members")).count("shop") == 3  # the way there, the heading, the slug
    assert "The API Slug: api" in text_of(await ada.page(f"{named}/members"))


@pytest.mark.parametrize(
    ("typed", "status", "field"),
    [
        ({"slug": "demo", "name": "Mine"}, 409, "slug"),
        ({"slug": "No Slug", "name": "Mine"}, 400, "slug"),
        ({"slug": "", "name": "Mine"}, 400, "slug"),
        ({"slug": "fine", "name": "x" * 101}, 400, "name"),
    ],
)
async def test_a_project_that_cannot_be_is_refused_beside_the_field_and_nothing_typed_is_lost(
    bus: Bus, ada: AdminClient, typed: dict[str, str], status: int, field: str
) -> None:
    await bus.mint()
    response = await ada.post("/admin/projects", **typed)
    assert response.status_code == status
    assert list(wrong_in(response.text)) == [field]
    assert fields_of(response.text) == typed
    assert len(await bus.store.read(overview.dashboard, ada.owner.id)) == 1


async def test_settings_are_changed_and_tokens_keep_working(bus: Bus, ada: AdminClient, token: str) -> None:
    there = await project_of(bus, ada)
    assert fields_of(await ada.page(f"{there}/settings")) == {
        "name": "demo",
        "slug": "demo",
        "liveness_window_seconds": "900",
        "stale_after_seconds": "1800",
        "ref_url": "",
        "time_zone": "UTC",
    }
    wanted = {"name": "Web shop", "slug": "shop", "liveness_window_seconds": "60", "stale_after_seconds": "600"}
    wanted |= {"ref_url": "https://example.com/{ref}", "time_zone": "UTC"}
    page = await ada.page(await ada.change(f"{there}/settings", **wanted))
    assert fields_of(page) == wanted
    assert "settings are saved" in text_of(page)
    assert (await bus.call(token, "whoami"))["project"] == "shop"


@pytest.mark.parametrize(
    ("field", "text", "status"),
    [
        ("slug", "taken", 409),
        ("slug", "not/a/slug", 400),
        ("name", "", 400),
        ("liveness_window_seconds", "0", 400),
        ("liveness_window_seconds", "86401", 400),
        ("liveness_window_seconds", "soon", 400),
        ("ref_url", "javascript:{ref}", 400),
        ("ref_url", "https://example.com/", 400),
        ("time_zone", "Europe/Atlantis", 400),
        ("time_zone", "../etc", 400),
        ("time_zone", "localtime", 400),
        ("time_zone", "posix/Europe/Berlin", 400),
        ("stale_after_seconds", "0", 400),
    ],
)
async def test_settings_that_cannot_be_are_refused_and_change_nothing(
    bus: Bus, ada: AdminClient, field: str, text: str, status: int
) -> None:
    await bus.mint()
    await bus.mint(project="taken")
    there = await project_of(bus, ada)
    before = fields_of(await ada.page(f"{there}/settings"))
    right = {"name": "Other", "slug": "other", "liveness_window_seconds": "60", "stale_after_seconds": "600"}
    right |= {"ref_url": "", "time_zone": "UTC"}
    typed = {**right, field: text}
    response = await ada.post(f"{there}/settings", **typed)
    assert response.status_code == status
    assert list(wrong_in(response.text)) == [field]
    assert fields_of(response.text) == typed
    assert fields_of(await ada.page(f"{there}/settings")) == before


async def test_settings_show_what_the_owner_has_of_each_quota(bus: Bus, ada: AdminClient, token: str) -> None:
    said = text_of(await ada.page(f"{await project_of(bus, ada)}/settings"))
    at = said.index("Your quotas")
    assert "Projects1 of 100 Participants1 of 1,000 Tokens1 of 5,000 Open invites0 of 1,000" in said[at : at + 200]


async def test_an_archived_project_lets_nobody_in_until_it_is_taken_out(bus: Bus, ada: AdminClient, token: str) -> None:
    there = await project_of(bus, ada)
    assert "Archive demo?" in text_of(await ada.page(f"{there}/archive"))
    assert "is archived" in text_of(await ada.page(await ada.change(f"{there}/archive", archived="true")))
    assert (await bus.ask(token, "tools/list")).status_code == 403
    assert "Unarchive demo?" in text_of(await ada.page(f"{there}/archive"))
    await ada.change(f"{there}/archive", archived="")
    assert (await bus.ask(token, "tools/list")).status_code == 200


async def test_deleting_takes_the_slug_typed_and_the_ledger_goes_with_it(
    bus: Bus, ada: AdminClient, token: str
) -> None:
    await bus.call(token, "claim", sequence="adr")
    there = await project_of(bus, ada)
    assert "ledger goes with it" in text_of(await ada.page(f"{there}/delete"))
    refused = await ada.post(f"{there}/delete", slug="dem")
    assert refused.status_code == 400
    assert list(wrong_in(refused.text)) == ["slug"]
    assert await bus.ledger_length(token) == 1
    said = text_of(await ada.page(await ada.change(f"{there}/delete", slug="demo")))
    assert "its ledger are deleted" in said
    assert (await ada.get(there)).status_code == 404
    assert (await bus.ask(token, "tools/list")).status_code == 401
    again = await bus.mint()
    assert await bus.ledger_length(again) == 0


async def test_what_a_page_says_first_comes_from_us_alone(bus: Bus, ada: AdminClient, token: str) -> None:
    there = f"{await project_of(bus, ada)}/members"
    assert text_of(await ada.page(there, done="anything else")) == text_of(await ada.page(there))


@pytest.mark.parametrize("number", [0, ID_MAX, 2**63, 10**30])
async def test_a_number_that_no_project_has_is_a_missing_page(ada: AdminClient, number: int) -> None:
    assert (await ada.get(f"/admin/projects/{number}")).status_code == 404
    assert (await ada.get(f"/admin/participants/{number}")).status_code == 404
    refused = await ada.post(f"/admin/projects/{number}/invites/{number}/revoke")
    assert refused.status_code == 404
