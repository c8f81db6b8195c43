"""The first page: what goes on in an owner's projects, and what to do when nothing does yet."""

from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import links_of, text_of
from tests.web.bus import Bus


async def test_who_has_no_project_is_led_to_the_first_one(ada: AdminClient) -> None:
    page = await ada.page("/admin/")
    assert "Start with a project" in text_of(page)
    assert "/admin/projects/new" in links_of(page)


async def test_a_project_in_which_nobody_takes_part_leads_to_granting_access(ada: AdminClient) -> None:
    there = await ada.change("/admin/projects", slug="shop")
    page = await ada.page("/admin/")
    assert "Nobody takes part yet" in text_of(page)
    assert f"{there}/grant" in links_of(page)


async def test_projects_show_their_events_and_who_still_has_to_answer(bus: Bus, ada: AdminClient) -> None:
    lead, scout = await bus.mint("lead"), await bus.mint("scout")
    await bus.call(lead, "post", to_actor="scout", body="first")
    second = await bus.call(lead, "post", to_actor="scout", body="second")
    await bus.call(scout, "ack", post_id=second["post_id"])
    said = text_of(await ada.page("/admin/"))
    # who is active is told by liveness, which is written behind: some seconds late
    assert "demo demo nobody 2 1 3 just now" in said
    assert "scout 1 project" in said


async def test_somebody_elses_projects_are_not_there(bus: Bus, ada: AdminClient, eve: AdminClient) -> None:
    await bus.mint("lead", project="secret-plan")
    assert "secret-plan" in text_of(await ada.page("/admin/"))
    assert "secret-plan" not in text_of(await eve.page("/admin/"))
