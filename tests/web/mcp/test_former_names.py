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


@pytest.mark.parametrize("name", ["lead", "ada/lead", "eve/lead"])
async def test_a_former_handle_means_the_present_one(bus: Bus, token: str, name: str) -> None:
    await bus.call(token, "claim", sequence="adr")
    await bus.call(token, "task_create", title="t")
    await bus.call(token, "task_start", task_id=1)
    await bus.call(token, "task_ship", task_id=1)
    await bus.store.write(owners.rename, await owner_of(bus), "eve", by="ada")
    second = await bus.mint("second")
    events = await bus.call(second, "query_events", actor=name, type="claim")
    assert [event["actor"] for event in events["events"]] == ["ada/lead"]
    assert len((await bus.call(second, "list_tasks", owner=name))["tasks"]) == 1
    sent = [(await bus.call(second, "post", to_actor=to, body="an answer"))["post_id"] for to in (name, "ada")]
    assert [post["post_id"] for post in (await bus.call(token, "read_posts", to_me=True))["posts"]] == sent[:1]


async def test_the_handle_before_the_last_is_found_in_the_ledger(bus: Bus, token: str) -> None:
    await bus.call(token, "claim", sequence="adr")
    for handle in ("eve", "mallory"):
        await bus.store.write(owners.rename, await owner_of(bus), handle, by="ada")
    events = await bus.call(await bus.mint("second"), "query_events", actor="ada/lead")
    assert [event["actor"] for event in events["events"]] == ["ada/lead"]


async def rename(bus: Bus, label: str, to: str) -> None:
    owner = await owner_of(bus)
    renamed = next(one.id for one in await bus.store.read(participants.persons, owner) if one.label == label)
    await bus.store.write(participants.change_participant, owner, renamed, label=to, kind="agent", by="ada")


async def test_events_from_before_a_rename_are_found_by_the_new_name_in_their_order(bus: Bus, token: str) -> None:
    for name, new_name in (("scout", "ranger"), ("ranger", "warden"), ("warden", None)):
        for by in (await bus.mint(name), token):  # the server may know an older token by the former name still
            await bus.call(by, "claim", sequence="adr")
        if new_name is not None:
            await rename(bus, name, new_name)

    async def found(name: str, **more: object) -> list[str]:
        return [each["actor"] for each in (await bus.call(token, "query_events", actor=name, **more))["events"]]

    assert await found("warden", type="claim") == ["ada/warden", "ada/ranger", "ada/scout"]
    assert await found("warden", type="claim", limit=2) == ["ada/warden", "ada/ranger"]


async def test_unfinished_tasks_of_a_renamed_participant_are_found_by_its_name_and_not_as_a_newcomers(
    bus: Bus, token: str
) -> None:
    await bus.mint("scout")
    await bus.call(token, "task_create", title="t", owner="scout")
    await rename(bus, "scout", "ranger")
    for name, tasks in (("scout", 1), ("ranger", 1), ("lead", 0)):
        assert len((await bus.call(token, "list_tasks", owner=name))["tasks"]) == tasks, name
    await bus.mint("scout")
    assert (await bus.call(token, "list_tasks", owner="scout"))["tasks"] == []
    assert len((await bus.call(token, "list_tasks", owner="ranger", status="assigned"))["tasks"]) == 1


@pytest.mark.parametrize("name", ["scout", "ranger"])
async def test_tasks_finished_under_a_former_name_are_found_by_either_name(bus: Bus, token: str, name: str) -> None:
    scout = await bus.mint("scout")
    for task_id, title in ((1, "before"), (2, "after")):
        await bus.call(token, "task_create", title=title, owner="scout" if task_id == 1 else "ranger")
        await bus.call(scout, "task_start", task_id=task_id)
        await bus.call(scout, "task_ship", task_id=task_id)
        if task_id == 1:
            await rename(bus, "scout", "ranger")
    found = (await bus.call(token, "list_tasks", owner=name, status="done"))["tasks"]
    assert [task["title"] for task in found] == ["after", "before"]


@pytest.mark.parametrize("name", ["scout", "ada/scout"])
async def test_a_post_to_a_former_name_reaches_who_had_it_and_then_whoever_has_it_now(
    bus: Bus, token: str, name: str
) -> None:
    await bus.mint("scout")
    await bus.call(token, "post", to_actor="scout", body="the roster is known now")
    await rename(bus, "scout", "ranger")
    ranger = await bus.mint("ranger")
    reply = (await bus.call(token, "post", to_actor=name, body="an answer"))["post_id"]
    assert reply in [post["post_id"] for post in (await bus.call(ranger, "read_posts", to_me=True))["posts"]]
    scout = await bus.mint("scout")
    other = (await bus.call(token, "post", to_actor=name, body="to the newcomer"))["post_id"]
    assert [post["post_id"] for post in (await bus.call(scout, "read_posts", to_me=True))["posts"]] == [other]
