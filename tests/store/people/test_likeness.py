"""One owner's participants do not look the same; those who did before keep their names."""

import pytest
import trio

from store import Store
from store.errors import InvalidName, NameTaken
from store.people import grants, invites, participants
from store.people.old_names import doubtful
from tests.postgres import query
from tests.store.estate import Estate, settle

pytestmark = pytest.mark.usefixtures("bounded")


@pytest.fixture
async def ann(store: Store) -> Estate:
    return await settle(store, "ann@example.com")


async def provision(store: Store, estate: Estate, label: str) -> grants.Provisioned:
    return await store.write(grants.provision, estate.project_id, participant_name=label, by="ann")


async def test_a_participant_may_not_look_like_another(store: Store, ann: Estate) -> None:
    assert (await provision(store, ann, " caf\u00e9 ")).participant == "caf\u00e9"
    assert not (await provision(store, ann, "cafe\u0301")).created
    for label in ("Caf\u00e9", "CAFE\u0301"):
        with pytest.raises(NameTaken, match="looks the same"):
            await provision(store, ann, label)
        with pytest.raises(NameTaken):
            await store.write(invites.create, ann.project_id, participant_name=label, by="ann")
    invite = await store.write(invites.create, ann.project_id, by="ann")
    assert await store.write(invites.redeem, invite.code, "LEAD") == "name_taken"
    assert await store.write(invites.redeem, invite.code, "<YOUR_NAME>") == "name_required"
    with pytest.raises(InvalidName, match="scripts"):
        await store.write(invites.redeem, invite.code, "w\u0435b")


async def test_of_two_who_become_alike_at_once_one_is_refused(store: Store, ann: Estate) -> None:
    refused = []

    async def become(label: str) -> None:
        try:
            await provision(store, ann, label)
        except NameTaken:
            refused.append(label)

    async with trio.open_nursery() as nursery:
        for label in ("web", "Web", "WEB", "wEb"):
            nursery.start_soon(become, label)
    assert len(refused) == 3


async def test_a_name_changes_only_to_one_that_nobody_is_like(store: Store, ann: Estate) -> None:
    await provision(store, ann, "web")
    api = await provision(store, ann, "api")
    ((id_,),) = [(row.id,) for row in await store.read(participants.persons, ann.owner.id) if row.label == "api"]
    with pytest.raises(NameTaken):
        await store.write(participants.change_participant, ann.owner.id, id_, label="Web", kind="agent", by="ann")
    changed = await store.write(participants.change_participant, ann.owner.id, id_, label="API", kind="agent", by="ann")
    assert changed is not None
    assert (changed.label, api.participant) == ("API", "api")


async def test_names_of_earlier_versions_keep_working_and_the_doctor_tells(
    store: Store, ann: Estate, conninfo: str
) -> None:
    assert await doubtful(conninfo) == []
    old = ("Lead", "cafe\u0301", "w\u0435b")
    for label in old:
        query(
            conninfo,
            "insert into participants (owner_id, label, kind) values (%s, %s, 'agent') returning 1",
            (ann.owner.id, label),
        )
    for label in old:
        assert (await provision(store, ann, label)).participant == label
    assert (await provision(store, ann, "caf\u00e9")).participant == "cafe\u0301"
    rotated = await store.write(grants.rotate, ann.project_id, "caf\u00e9", by="ann")
    assert rotated is not None
    query(conninfo, "update participations set lane = 'api ' where id = %s returning 1", (rotated.participation_id,))
    told = "\n".join(await doubtful(conninfo))
    for part in ("'Lead', 'lead'", r"'cafe\u0301'", r"'w\u0435b'", "'api '"):
        assert part in told
