"""Going anywhere by a few letters."""

from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import links_of
from tests.web.bus import Bus


async def test_a_few_letters_lead_to_projects_pages_and_participants(bus: Bus, ada: AdminClient) -> None:
    await bus.mint("scout", project="shop")
    await bus.mint("builder", project="docs")
    assert "/admin/projects/1" in links_of(await ada.page("/admin/find", q="sho"))
    assert "/admin/projects/2/tasks?view=graph" in links_of(await ada.page("/admin/find", q="graph docs"))
    assert any(link.startswith("/admin/participants/") for link in links_of(await ada.page("/admin/find", q="SCOUT")))
    tabs = {link for link in links_of(await ada.page("/admin/projects/1")) if link.startswith("/admin/projects/1")}
    assert {link for link in tabs if link.count("/") == 4} <= set(links_of(await ada.page("/admin/find", project=1)))
    here = links_of(await ada.page("/admin/find", q="#7", project=1))
    assert {"/admin/projects/1/tasks/7", "/admin/projects/1/posts/7"} < set(here)
    assert "No results" in await ada.page("/admin/find", q="nowhere at all")


async def test_words_are_searched_for_in_the_present_project(bus: Bus, ada: AdminClient) -> None:
    token = await bus.mint("scout", project="shop")
    await bus.call(token, "post", to_lane="docs", subject="Rounding & totals", body="x")
    (search,) = links_of(await ada.page("/admin/find", q="rounding & totals", project=1))[-1:]
    assert search.startswith("/admin/projects/1/activity?q=")
    assert "Rounding &amp; totals" in await ada.page(search)


async def test_nobody_finds_what_is_another_owners(bus: Bus, ada: AdminClient, eve: AdminClient) -> None:
    await bus.mint("scout", project="shop")
    for query in ("shop", "scout", "#7"):
        page = await eve.page("/admin/find", q=query, project=1)
        assert "/admin/projects/1" not in "".join(links_of(page)), query
    assert "No results" in await eve.page("/admin/find", q="shop")


async def test_thousands_of_words_are_not_looked_for(bus: Bus, ada: AdminClient) -> None:
    """Each was compared with every page and participant: 15,000 of them took seconds, in which nobody was served."""
    await bus.mint("scout", project="shop")
    assert "Search activity" in await ada.page("/admin/find", q="p " * 50, project=1)
    assert "Search activity" not in await ada.page("/admin/find", q="p " * 3_500, project=1)
