"""Tasks by browser: shown in every way, and moved by the owner, whom the ledger names by the bare handle."""

import re

import pytest

from store.ledger import history
from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import links_of, text_of, wrong_in
from tests.web.bus import Bus
from tests.web.mcp.test_former_names import delete, rename

TASKS = "/admin/projects/1/tasks"


@pytest.fixture
async def token(bus: Bus, ada: AdminClient) -> str:
    return await bus.mint("api", project="shop")


async def test_a_task_lives_by_the_owners_hand(bus: Bus, ada: AdminClient, token: str) -> None:
    there = await ada.change(TASKS, title="Totals", detail="Half\r\nto even", owner="api", lane="core", priority=4)
    there = there.partition("?")[0]
    assert there == f"{TASKS}/1"
    (row,) = (await bus.call(token, "list_tasks"))["tasks"]
    assert (row["owner"], row["priority"]) == ("ada/api", 4)
    await bus.call(token, "task_start", task_id=1)
    await ada.change(there, do="block", reason="no tax table")
    assert "Blocked just now: no tax table" in text_of(await ada.page(there))
    await ada.change(there, do="unblock")
    await ada.change(there, do="assign", owner="ada")
    await ada.change(there, do="ship")
    events = (await bus.call(token, "query_events", limit=20))["events"]
    told = [(event["type"], event["actor"]) for event in reversed(events)]
    assert told == [
        ("task_create", "ada"),
        ("task_start", "ada/api"),
        ("task_block", "ada"),
        ("task_resolve", "ada"),
        ("task_assign", "ada"),
        ("task_ship", "ada"),
    ]
    said = text_of(await ada.page(there))
    assert "Half to even" in said
    assert "cannot be changed any more" in said


async def test_a_task_that_somebody_has_is_marked_as_started_and_stays_theirs(
    bus: Bus, ada: AdminClient, token: str
) -> None:
    for number, owner, button in ((1, "", "Start it yourself"), (2, "ada", "Start it yourself"), (3, "api", "Mark as")):
        there = (await ada.change(TASKS, title="Totals", owner=owner)).partition("?")[0]
        assert there == f"{TASKS}/{number}"
        assert button in text_of(await ada.page(there))
    await ada.change(f"{TASKS}/3", do="start")
    assert "in progress api" in text_of(await ada.page(f"{TASKS}/3"))


async def test_a_refusal_is_shown_where_it_was_met(bus: Bus, ada: AdminClient, token: str) -> None:
    refused = await ada.post(TASKS, title="Totals", owner="nobody", depends_on="7")
    assert refused.status_code == 404
    assert "No participant 'nobody' in this project; the page Members shows who there is." in text_of(refused.text)
    assert 'value="Totals"' in refused.text
    refused = await ada.post(TASKS, title=" ", depends_on="seven")
    assert refused.status_code == 400
    assert set(wrong_in(refused.text)) == {"title", "depends_on"}
    await ada.change(TASKS, title="Totals")
    refused = await ada.post(f"{TASKS}/1", do="ship")
    assert refused.status_code == 409
    assert "needs it in_progress" in text_of(refused.text)
    refused = await ada.post(f"{TASKS}/1", do="cancel")
    assert refused.status_code == 400
    assert wrong_in(refused.text) == {"cancel-reason": "This cannot be left empty."}
    assert (await ada.get(f"{TASKS}/2")).status_code == 404


async def test_the_board_and_the_table_show_what_the_filters_want(bus: Bus, ada: AdminClient, token: str) -> None:
    for title, lane, priority in (("one", "core", 2), ("two", "web", 4), ("three", "core", 0)):
        await bus.call(token, "task_create", title=title, lane=lane, priority=priority)
    await bus.call(token, "task_create", title="four", owner="api", depends_on=[1])
    await bus.call(token, "task_start", task_id=1)
    await bus.call(token, "task_ship", task_id=1)
    for view in ("board", "table"):
        page = await ada.page(TASKS, view=view)
        assert '<details class="card fold">' in page
        assert '<details class="card fold" open>' in await ada.page(TASKS, view=view, lane="core")
        said = text_of(page)
        assert all(f"#{number} {title}" in said for number, title in enumerate(("one", "two", "three", "four"), 1))
        core = text_of(await ada.page(TASKS, view=view, lane="core"))
        assert "#1 one" in core
        assert "#3 three" in core
        assert "#2 two" not in core
        urgent = text_of(await ada.page(TASKS, view=view, priority=3))
        assert re.findall(r"#\d", urgent) == ["#2"]
        mine = text_of(await ada.page(TASKS, view=view, owner="ada/api", status="assigned"))
        assert re.findall(r"#\d", mine) == ["#4"]
    assert (await ada.get(TASKS, below="somewhere")).status_code == 400


@pytest.mark.parametrize("name", ["ada/ranger", "ranger", "ada/scout", "scout"])
async def test_tasks_of_a_renamed_participant_are_found_by_either_name(
    bus: Bus, ada: AdminClient, token: str, name: str
) -> None:
    scout = await bus.mint("scout", project="shop")
    for task_id in (1, 2):
        await bus.call(token, "task_create", title="t", owner="scout")
        await bus.call(scout, "task_start", task_id=task_id)
    await bus.call(scout, "task_ship", task_id=1)
    await bus.call(token, "task_create", title="t", owner="api")
    await rename(bus, "scout", "ranger")
    for view in ("board", "table"):
        said = text_of(await ada.page(TASKS, view=view, owner=name))
        assert sorted(re.findall(r"#\d", said)) == ["#1", "#2"]


async def test_tasks_of_a_deleted_participant_are_found_by_its_name(bus: Bus, ada: AdminClient, token: str) -> None:
    await bus.mint("scout", project="shop")
    await bus.call(token, "task_create", title="t", owner="scout")
    await delete(bus, "scout")
    for name in ("ada/scout", "scout"):
        assert re.findall(r"#\d", text_of(await ada.page(TASKS, owner=name))) == ["#1"]


async def test_a_search_that_looked_at_many_finished_tasks_goes_on_from_there(
    bus: Bus, ada: AdminClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title, lane in (("old", "core"), ("new", "web")):
        await bus.call(token, "task_create", title=title, lane=lane, owner="api")
    for task_id in (1, 2):
        await bus.call(token, "task_start", task_id=task_id)
        await bus.call(token, "task_ship", task_id=task_id)
    monkeypatch.setattr(history, "RARE_MAX", 1)
    monkeypatch.setattr(history, "TASKS_WALKED_MAX", 1)
    asked = {"status": "done", "owner": "ada/api", "lane": "core"}
    listed = await bus.call(token, "list_tasks", **asked)
    assert listed == {"tasks": [], "searched_back_to": 2}
    assert [row["task_id"] for row in (await bus.call(token, "list_tasks", before=2, **asked))["tasks"]] == [1]
    page = await ada.page(TASKS, view="table", **asked)
    assert "Nothing found down to #2" in text_of(page)
    (older,) = [link for link in links_of(page) if "below=" in link]
    assert "#1 old" in text_of(await ada.page(f"{TASKS}{older}"))


async def test_a_long_table_has_pages(bus: Bus, ada: AdminClient, token: str) -> None:
    for number in range(1, 104):
        await bus.call(token, "task_create", title=f"t{number}", priority=number % 3)
        if number > 51:
            await bus.call(token, "task_start", task_id=number)
            await bus.call(token, "task_ship", task_id=number)
    seen: list[str] = []
    for status in ("open", "done"):
        path: str | None = f"{TASKS}?view=table&status={status}"
        while path is not None:
            page = await ada.page(path)
            seen += re.findall(r"#(\d+) t\d", text_of(page))
            following = [link for link in links_of(page) if "below=" in link]
            path = f"{TASKS}{following[0]}" if following else None
    assert sorted(map(int, seen)) == list(range(1, 104))


async def test_the_picture_shows_what_waits_and_what_holds_up_most(bus: Bus, ada: AdminClient, token: str) -> None:
    assert "Nothing waits" in text_of(await ada.page(TASKS, view="graph"))
    await bus.call(token, "task_create", title="ground")
    await bus.call(token, "task_create", title="walls", depends_on=[1])
    await bus.call(token, "task_create", title="roof", depends_on=[2])
    page = await ada.page(TASKS, view="graph")
    assert page.count('class="edge') == 2
    assert re.search(r'class="node open worst"\s*>\s*<title>#1 ground: open, holds up 2', page)
    assert "Around it" in await ada.page(f"{TASKS}/2")
