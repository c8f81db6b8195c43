"""Participants: listed with their projects, renamed, deleted; the ledger keeps their names."""

import pytest

from store.people import participants
from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import fields_of, links_of, text_of, wrong_in
from tests.web.admin.test_members import place_of
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus
from web.admin import participants as participant_pages


async def person_of(bus: Bus, ada: AdminClient, label: str) -> str:
    """The address of a participant of ada's."""
    people = await bus.store.read(participants.persons, ada.owner.id)
    return f"/admin/participants/{next(each.id for each in people if each.label == label)}"


async def test_participants_are_listed_with_their_projects(bus: Bus, ada: AdminClient) -> None:
    assert "No participants yet" in text_of(await ada.page("/admin/participants"))
    await bus.mint("scout")
    await bus.mint("scout", project="shop")
    assert "scout Agent demo, shop" in text_of(await ada.page("/admin/participants"))
    assert "demo lead demo none active shop lead shop none active" in text_of(
        await ada.page(await person_of(bus, ada, "scout"))
    )


async def test_participants_come_in_pages_and_are_found_by_a_part_of_their_name(
    bus: Bus, ada: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(participant_pages, "PAGE_PARTICIPANTS", 2)
    for name in ("scout", "builder", "tester"):
        await bus.mint(name)
    first = await ada.page("/admin/participants")
    assert "?page=2" in links_of(first)
    second = await ada.page("/admin/participants", page=2)
    assert "?page=1" in links_of(second)
    assert not [link for link in links_of(second) if link.endswith("page=3")]
    for page, names in ((first, ["builder", "scout"]), (second, ["tester"])):
        assert [name for name in ("builder", "scout", "tester") if f"{name} Agent" in text_of(page)] == names
    found = text_of(await ada.page("/admin/participants", q="TEST"))
    assert "tester Agent" in found
    assert "builder" not in found
    assert "No participant matches" in text_of(await ada.page("/admin/participants", q="nobody"))


async def test_a_renamed_participant_keeps_its_tokens_and_acts_under_the_new_name(bus: Bus, ada: AdminClient) -> None:
    token, other = await bus.mint("scout"), await bus.mint("other")
    await bus.call(token, "claim", sequence="adr")
    person = await person_of(bus, ada, "scout")
    page = await ada.page(await ada.change(person, label=" pathfinder ", kind="human"))
    assert fields_of(page) == {"label": "pathfinder"}
    assert (await bus.call(token, "whoami"))["actor"] == "ada/pathfinder"
    await bus.call(other, "post", to_actor="pathfinder", body="hello")
    (claim,) = (await bus.call(other, "query_events", type="claim"))["events"]
    assert claim["actor"] == "ada/scout"


async def test_what_was_done_under_a_former_name_is_found_by_the_new_one(bus: Bus, ada: AdminClient) -> None:
    await bus.call(await bus.mint("scout"), "claim", sequence="adr", note="storage")
    await bus.call(await bus.mint("other"), "claim", sequence="adr", note="storage")
    await ada.change(await person_of(bus, ada, "scout"), label="pathfinder", kind="agent")
    activity = f"{await project_of(bus, ada)}/activity"
    searches: tuple[dict[str, str], ...] = ({}, {"q": "storage"}, {"type": "claim"})
    for wanted in searches:
        page = await ada.page(activity, actor="pathfinder", **wanted)
        assert [number for number in (1, 2) if f'id="event-{number}"' in page] == [1], wanted
    assert 'id="event-1"' in await ada.page(await place_of(bus, ada, "pathfinder"))


async def test_a_name_that_is_taken_or_cannot_be_is_refused_beside_the_field(bus: Bus, ada: AdminClient) -> None:
    await bus.mint("scout")
    await bus.mint("taken")
    person = await person_of(bus, ada, "scout")
    for label, status in (("taken", 409), ("a/b", 400), ("", 400)):
        response = await ada.post(person, label=label, kind="agent")
        assert response.status_code == status
        assert list(wrong_in(response.text)) == ["label"]
        assert fields_of(response.text) == {"label": label}
    assert fields_of(await ada.page(person)) == {"label": "scout"}


async def test_deleting_takes_the_name_typed_and_the_ledger_keeps_it(bus: Bus, ada: AdminClient) -> None:
    token, other = await bus.mint("scout"), await bus.mint("other")
    await bus.call(token, "claim", sequence="adr")
    person = await person_of(bus, ada, "scout")
    refused = await ada.post(f"{person}/delete", label="Scout")
    assert refused.status_code == 400
    assert list(wrong_in(refused.text)) == ["label"]
    await bus.call(token, "whoami")
    await ada.change(f"{person}/delete", label="scout")
    assert (await bus.ask(token, "tools/list")).status_code == 401
    assert (await ada.get(person)).status_code == 404
    (claim,) = (await bus.call(other, "query_events", type="claim"))["events"]
    assert claim["actor"] == "ada/scout"
    assert (await bus.refusal(other, "post", to_actor="scout", body="hello")).startswith("not_found: ")
