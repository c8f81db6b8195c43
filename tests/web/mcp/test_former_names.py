"""Names that are in the ledger and that nobody has any more."""

import pytest

from store.people import owners, participants
from tests.web.bus import Bus


async def owner_of(bus: Bus) -> int:
    owner = await bus.store.read(owners.find_owner, "ada@example.com")
    assert owner is not None
    return owner.id


async def delete(bus: Bus, label: str) -> None:
    owner = await owner_of(bus)
    persons = await bus.store.read(participants.persons, owner)
    gone = next(person for person in persons if person.label == label)
    await bus.store.write(participants.delete_participant, owner, gone.id, by="ada")


@pytest.mark.parametrize("name", ["scout", "ada/scout"])
async def test_a_deleted_participant_is_found_in_the_ledger(bus: Bus, token: str, name: str) -> None:
    scout = await bus.mint("scout")
    await bus.call(scout, "claim", sequence="adr")
    await bus.call(scout, "task_create", title="t")
    await bus.call(scout, "task_start", task_id=1)
    await delete(bus, "scout")
    assert len((await bus.call(token, "query_events", actor=name))["events"]) == 4
    assert len((await bus.call(token, "list_tasks", owner=name))["tasks"]) == 1
    assert (await bus.refusal(token, "query_events", actor=name, type="post")).startswith("not_found: ")
    assert (await bus.refusal(token, "task_create", title="t", owner=name)).startswith("not_found: ")


async def test_a_former_handle_is_found_in_the_ledger(bus: Bus, token: str) -> None:
    await bus.call(token, "claim", sequence="adr")
    await bus.store.write(owners.rename, await owner_of(bus), "eve", by="ada")
    events = await bus.call(await bus.mint("second"), "query_events", actor="ada/lead")
    assert [event["actor"] for event in events["events"]] == ["ada/lead"]


async def test_unfinished_tasks_of_a_renamed_participant_are_found_by_its_name_and_not_as_a_newcomers(
    bus: Bus, token: str
) -> None:
    await bus.mint("scout")
    await bus.call(token, "task_create", title="t", owner="scout")
    owner = await owner_of(bus)
    persons = await bus.store.read(participants.persons, owner)
    renamed = next(person.id for person in persons if person.label == "scout")
    await bus.store.write(participants.change_participant, owner, renamed, label="ranger", kind="agent", by="ada")
    for name, tasks in (("scout", 1), ("ranger", 1), ("lead", 0)):
        assert len((await bus.call(token, "list_tasks", owner=name))["tasks"]) == tasks, name
    await bus.mint("scout")
    assert (await bus.call(token, "list_tasks", owner="scout"))["tasks"] == []
    assert len((await bus.call(token, "list_tasks", owner="ranger", status="assigned"))["tasks"]) == 1
