"""Deleting a project takes its ledger along, however long, and nobody writes to it meanwhile."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.history import Liveness
from store import Store
from store.errors import InvalidName
from store.ledger import projects
from store.people import grants, invites, minting, participants, tokens
from store.people.codes import digest
from tests.actors.journal_conformance import BEGAN, claim
from tests.postgres import query
from tests.store.estate import Estate, everything, settle, write_events

pytestmark = pytest.mark.usefixtures("bounded")

LEDGER = ("events", "snapshots", "cursors", "liveness")


@pytest.fixture
async def ann(store: Store) -> Estate:
    return await settle(store, "ann@example.com")


async def fill(store: Store, project_id: int) -> None:
    """Something in every table of the ledger."""
    await store.journal.append(project_id, [claim(seq) for seq in range(1, 8)], {1: 7})
    await store.journal.write_snapshot(project_id, 7, b"state", open_posts=0)
    await store.journal.write_liveness(project_id, {1: Liveness("ann/lead", BEGAN)})


def of_project(conninfo: str, project_id: int) -> list[int]:
    """How many rows each table of the ledger has of this project."""
    counts = ", ".join(f"(select count(*) from {table} where project_id = %(id)s)" for table in LEDGER)
    (row,) = query(conninfo, f"select {counts}".replace("%(id)s", str(project_id)))
    return [int(str(count)) for count in row]


async def test_a_project_is_deleted_with_its_ledger_in_chunks_and_others_stay(
    store: Store, ann: Estate, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects, "DELETE_CHUNK_EVENTS", 3)
    other = await store.write(minting.mint, "ann@example.com", "other", "lead")
    for project_id in (ann.project_id, other.project.id):
        await fill(store, project_id)
    assert await store.write(projects.delete, ann.owner.id, ann.project_id, by="ann")
    assert not await store.write(projects.delete, ann.owner.id, ann.project_id, by="ann")
    assert of_project(conninfo, ann.project_id) == [0, 0, 0, 0]
    assert of_project(conninfo, other.project.id) == [7, 1, 1, 1]
    assert await store.read(tokens.authenticate, digest(ann.token)) is None
    assert await store.write(invites.redeem, ann.invite.code) == "invalid"
    hashes = [digest(ann.token), digest(other.provisioned.token)]
    assert await store.read(tokens.still_valid, hashes) == {digest(other.provisioned.token)}


async def test_a_deletion_that_fails_leaves_everything(store: Store, ann: Estate, conninfo: str) -> None:
    await fill(store, ann.project_id)
    query(
        conninfo,
        "create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$;"
        "create trigger refuses before delete on liveness for each row execute function refuse()",
    )
    before = everything(conninfo)
    with pytest.raises(Exception, match="no"):
        await store.write(projects.delete, ann.owner.id, ann.project_id, by="ann")
    assert everything(conninfo) == before


async def test_a_deletion_waits_for_who_is_writing(store: Store, ann: Estate, conninfo: str) -> None:
    await fill(store, ann.project_id)
    async with trio.open_nursery() as nursery, store.journal.turn(ann.project_id, 0, 9):
        nursery.start_soon(lambda: store.write(projects.delete, ann.owner.id, ann.project_id, by="ann"))
        await wait_all_tasks_blocked(0.05)
        await store.journal.append(ann.project_id, [claim(8)], {}, holding_turn=True)
        assert of_project(conninfo, ann.project_id)[0] == 8
    assert of_project(conninfo, ann.project_id) == [0, 0, 0, 0]


async def test_what_another_process_still_wrote_goes_with_the_owners_next_deletion(
    store: Store, ann: Estate, conninfo: str
) -> None:
    await store.write(projects.delete, ann.owner.id, ann.project_id, by="ann")
    await fill(store, ann.project_id)
    again = await store.write(projects.add, ann.owner.id, "bus", by="ann")
    assert again.id != ann.project_id
    await store.write(projects.delete, ann.owner.id, again.id, by="ann")
    assert of_project(conninfo, ann.project_id) == [0, 0, 0, 0]


async def test_who_comes_while_a_project_is_deleted_is_told_that_it_is_gone(store: Store, ann: Estate) -> None:
    outcomes: list[str] = []

    async def provision(number: int) -> None:
        try:
            await store.write(grants.provision, ann.project_id, participant_name=f"p{number}", by="ann")
        except InvalidName as gone:
            outcomes.append(str(gone))
        else:
            outcomes.append("in time")

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(provision, number)
        nursery.start_soon(lambda: store.write(projects.delete, ann.owner.id, ann.project_id, by="ann"))
        for number in range(6, 12):
            nursery.start_soon(provision, number)
    assert len(outcomes) == 12
    assert set(outcomes) <= {"in time", "this project no longer exists."}
    assert await store.read(projects.find, ann.owner.id, ann.project_id) is None


async def test_a_participant_deleted_while_it_is_granted_places_ends_up_whole_or_gone(
    store: Store, ann: Estate
) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(10):
            nursery.start_soon(lambda: store.write(grants.provision, ann.project_id, participant_name="lead", by="ann"))
            if number == 5:
                nursery.start_soon(
                    lambda: store.write(participants.delete_participant, ann.owner.id, ann.participant_id, by="ann")
                )
    assert await store.read(participants.person, ann.owner.id, ann.participant_id) is None
    members = await store.read(participants.members, ann.owner.id, ann.project_id)
    assert members is not None
    assert len(members) <= 1


async def test_a_deleted_participants_events_keep_its_name(store: Store, ann: Estate, conninfo: str) -> None:
    write_events(conninfo, ann.project_id, ann.participation_id, last=3)
    await store.write(participants.delete_participant, ann.owner.id, ann.participant_id, by="ann")
    assert query(conninfo, "select distinct actor from events") == [("ann/lead",)]
