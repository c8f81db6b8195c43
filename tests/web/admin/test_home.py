"""The first page: what needs the owner, what goes on in the projects, and what to do when nothing does yet."""

from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import links_of, text_of
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus


async def test_who_has_no_project_is_led_to_the_first_one(ada: AdminClient) -> None:
    page = await ada.page("/admin/")
    assert "Start with a project" in text_of(page)
    assert "/admin/projects/new" in links_of(page)


async def test_a_project_in_which_nobody_takes_part_leads_to_granting_access(ada: AdminClient) -> None:
    there = await ada.change("/admin/projects", slug="shop")
    page = await ada.page("/admin/")
    assert "No participants yet" in text_of(page)
    assert f"{there}/grant" in links_of(page)


async def test_projects_show_their_events_and_who_still_has_to_answer(bus: Bus, ada: AdminClient) -> None:
    lead, scout = await bus.mint("lead"), await bus.mint("scout")
    await bus.call(lead, "post", to_actor="scout", body="first")
    second = await bus.call(lead, "post", to_actor="scout", body="second")
    await bus.call(scout, "ack", post_id=second["post_id"])
    said = text_of(await ada.page("/admin/"))
    assert "demo demo 2 2 1 3" in said
    assert "scout 1 project" in said


async def test_somebody_elses_projects_are_not_there(bus: Bus, ada: AdminClient, eve: AdminClient) -> None:
    await bus.mint("lead", project="secret-plan")
    assert "secret-plan" in text_of(await ada.page("/admin/"))
    assert "secret-plan" not in text_of(await eve.page("/admin/"))


async def test_what_needs_the_owner_is_named_and_counted_in_the_title(bus: Bus, ada: AdminClient) -> None:
    api, web = await bus.mint("api", project="shop"), await bus.mint("web", project="shop")
    assert "Nothing waits for you" in text_of(await ada.page("/admin/"))
    await bus.call(api, "post", to_actor="ada", subject="Which tax table?", body="There are two.")
    for title in ("Totals", "Taxes"):
        await bus.call(api, "task_create", title=title, owner="api")
    for task_id in (1, 2):
        await bus.call(api, "task_start", task_id=task_id)
    await bus.call(api, "task_block", task_id=1, reason="no table")
    await bus.call(api, "task_block", task_id=2, reason="after the totals", on=1)
    await bus.call(api, "lease", surface="src/cart/**")
    await bus.call(web, "lease", surface="src/cart/totals.py")
    await ada.change("/admin/projects/1/invites", participant_name="soon", kind="agent", uses=1, ttl_hours=2)
    assert "soon to shop" not in text_of(await ada.page("/admin/")), "most of its time is left"
    async with bus.store.transaction() as connection:
        await connection.execute("update invites set created_at = now() - interval '3 hours'")
    page = await ada.page("/admin/")
    said = text_of(page)
    assert "<title>(4) Home" in page
    for fact in ("Which tax table? api", "#1 Totals no table", "src/cart/** api and web", "soon to shop"):
        assert fact in said
    assert "#2 Taxes" not in said
    ack = next(event for event in (await bus.call(api, "query_events", type="post"))["events"])
    assert f"/admin/projects/1/posts/{ack['id']}" in links_of(page)


async def test_an_archived_project_is_marked_and_needs_nobody(bus: Bus, ada: AdminClient) -> None:
    await bus.call(await bus.mint("api"), "post", to_actor="ada", body="There are two.")
    there = await project_of(bus, ada)
    assert "<title>(1) Home" in await ada.page("/admin/")
    await ada.change(f"{there}/archive", archived="true")
    home = await ada.page("/admin/")
    assert "<title>Home" in home
    assert "demo archived demo" in text_of(home)
    for page in (there, f"{there}/members"):
        assert f"{there}/archive" in links_of(await ada.page(page))
        assert f"{there}/grant" not in links_of(await ada.page(page))
    assert "cannot connect: archived" in text_of(await ada.page(f"{there}/members"))


async def test_a_name_from_right_to_left_stands_apart_from_what_is_beside_it(bus: Bus, ada: AdminClient) -> None:
    """Otherwise a browser shows the number or the time after the name before it."""
    name, title = "\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd 7"
    await bus.call(await bus.mint(name), "task_create", title=title, owner=name)
    there = await project_of(bus, ada)
    for view in ("board", "table"):
        assert f"#1 <bdi>{title}</bdi>" in await ada.page(f"{there}/tasks", view=view)
    assert f"<bdi>ada/{name}</bdi> <span>1</span>" in await ada.page(f"{there}/activity")


async def test_projects_come_by_activity_in_pages(bus: Bus, ada: AdminClient) -> None:
    for number in range(22):
        await ada.change("/admin/projects", slug=f"p{number:02}")
    await bus.call(await bus.mint("api", project="p07"), "claim", sequence="adr")
    first, second = await ada.page("/admin/"), await ada.page("/admin/", page=2)
    assert text_of(first).index("p07") < text_of(first).index("p21")
    assert "p00" in text_of(second)
    assert "p07" not in text_of(second)
    assert "1 event in the last 24 hours" in first
