"""An archived project is read-only for its owner too, and every refusal says how to bring it back."""

from tests.web.admin.admin_client import AdminClient
from tests.web.admin.places import FORMS
from tests.web.admin.reading import links_of, text_of
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus

ACTS = ("leases/", "numbers/", "handoffs/", "posts/", "tasks")
"""What begins the forms with which an owner acts in a project."""


async def test_nothing_that_an_owner_does_is_written_in_an_archived_project(
    bus: Bus, ada: AdminClient, token: str
) -> None:
    post = (await bus.call(token, "post", to_actor="ada", body="There are two."))["post_id"]
    task = (await bus.call(token, "task_create", title="Taxes"))["task_id"]
    lease = (await bus.call(token, "lease", surface="src/**"))["lease_id"]
    await bus.call(token, "claim", sequence="adr")
    there, ids = await project_of(bus, ada), {"post_id": post, "task_id": task, "lease_id": lease}
    await ada.change(f"{there}/archive", archived="true")
    count = 0
    for rule, fields in FORMS.items():
        place = rule.removeprefix("/admin/projects/<int:project_id>/")
        if place == rule or not place.startswith(ACTS):
            continue
        for name, each in ids.items():
            place = place.replace(f"<int:{name}>", str(each))
        refused = await ada.post(f"{there}/{place}", **{name: str(value) for name, value in fields.items()})
        assert refused.status_code == 403, (place, refused.status_code)
        assert "Unarchive it in its settings" in text_of(refused.text), place
        count += 1
    assert count == 10
    page = await ada.page(f"{there}/tasks")
    assert "This project is archived: it can be read, and nothing is written in it." in text_of(page)
    assert f"{there}/archive" in links_of(page)
    await ada.change(f"{there}/archive", archived="")
    assert len((await bus.call(token, "query_events"))["events"]) == 4
    await ada.change(f"{there}/numbers/claim", sequence="adr", note="")
