"""What a project's page shows of everybody: places, tokens, and how much each of them wrote."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trio

from engine.history import Liveness
from store import Store
from store.ledger import overview, projects
from store.people import grants, invites, minting, owners, participants, tokens
from store.people.codes import digest
from store.people.participants import MemberRow
from tests.actors.journal_conformance import BEGAN
from tests.postgres import query
from tests.store.estate import Estate, settle, write_events

pytestmark = pytest.mark.usefixtures("bounded")


@pytest.fixture
async def ann(store: Store) -> Estate:
    return await settle(store, "ann@example.com")


async def events_of(store: Store, estate: Estate) -> dict[str, int]:
    rows = await store.read(participants.members, estate.owner.id, estate.project_id)
    assert rows is not None
    return {row.name: row.events for row in rows}


async def test_members_are_shown_by_name_with_tokens_and_last_call(store: Store, ann: Estate, conninfo: str) -> None:
    carl = await store.write(grants.provision, ann.project_id, participant_name="carl", lane="api", by="ann")
    await store.write(grants.provision, ann.project_id, participant_name="carl", by="ann")
    await store.write(grants.revoke, ann.project_id, "lead", by="ann")
    await store.journal.write_liveness(ann.project_id, {carl.participation_id: Liveness("ann/carl", BEGAN)})
    rows = await store.read(participants.members, ann.owner.id, ann.project_id)
    assert rows is not None
    first, second = rows
    assert (first.name, first.lane, first.is_admin, first.tokens, first.last_seen) == ("carl", "api", False, 2, BEGAN)
    newest = query(conninfo, "select max(created_at) from tokens where revoked_at is null")
    assert [(first.token_created_at,)] == newest
    assert (second.name, second.is_admin, second.tokens, second.token_created_at) == ("lead", True, 0, None)
    assert second.last_seen is None
    assert second == await store.read(participants.member, ann.owner.id, ann.project_id, ann.participation_id)
    assert isinstance(second, MemberRow)
    assert datetime.now(UTC) - second.created_at < timedelta(minutes=5)


async def test_members_are_found_by_a_part_of_their_name_or_lane_in_pages_by_any_order(
    store: Store, ann: Estate, conninfo: str
) -> None:
    ids = {"lead": ann.participation_id}
    for name, lane in (("carl", "api"), ("Dora", "docs"), ("apis", None)):
        granted = await store.write(grants.provision, ann.project_id, participant_name=name, lane=lane, by="ann")
        ids[name] = granted.participation_id
    write_events(conninfo, ann.project_id, ids["Dora"], last=2)
    await store.journal.write_snapshot(ann.project_id, 2, b"", open_posts=0)
    write_events(conninfo, ann.project_id, ids["carl"], first=3, last=3)
    seen = {ids["carl"]: Liveness("ann/carl", BEGAN), ids["lead"]: Liveness("ann/lead", BEGAN + timedelta(hours=1))}
    await store.journal.write_liveness(ann.project_id, seen)

    async def found(**asked: Any) -> tuple[list[str], int]:
        members = await store.read(participants.find_members, ann.owner.id, ann.project_id, **asked)
        assert members is not None
        return [member.name for member in members.shown], members.matching

    assert await found() == (["Dora", "apis", "carl", "lead"], 4)
    assert await found(sort="presence") == (["lead", "carl", "Dora", "apis"], 4)
    assert await found(sort="events") == (["Dora", "carl", "apis", "lead"], 4)
    assert await found(sort="newest", limit=2) == (["apis", "Dora"], 4)
    assert await found(sort="newest", limit=2, offset=2) == (["carl", "lead"], 4)
    assert await found(part="API") == (["apis", "carl"], 2)
    assert await found(part="%") == ([], 0)


async def test_a_project_without_members_is_empty_and_not_missing(store: Store, ann: Estate) -> None:
    empty = await store.write(projects.add, ann.owner.id, "empty", by="ann")
    assert await store.read(participants.members, ann.owner.id, empty.id) == []
    assert await store.read(invites.list_all, ann.owner.id, empty.id) == []


async def test_everybodys_events_are_counted_before_and_after_every_snapshot(
    store: Store, ann: Estate, conninfo: str
) -> None:
    carl = await store.write(grants.provision, ann.project_id, participant_name="carl", by="ann")
    assert await events_of(store, ann) == {"carl": 0, "lead": 0}
    lead, project = ann.participation_id, ann.project_id
    write_events(conninfo, project, lead, last=5)
    assert await events_of(store, ann) == {"carl": 0, "lead": 5}
    await store.journal.write_snapshot(project, 4, b"", open_posts=0)
    assert await events_of(store, ann) == {"carl": 0, "lead": 5}
    write_events(conninfo, project, carl.participation_id, first=6, last=8)
    await store.journal.write_snapshot(project, 8, b"", open_posts=0)
    await store.journal.write_snapshot(project, 6, b"late", open_posts=0)
    await store.journal.write_snapshot(project, 8, b"twice", open_posts=0)
    write_events(conninfo, project, lead, first=9, last=9)
    assert await events_of(store, ann) == {"carl": 3, "lead": 6}
    kept = query(conninfo, "select seq, written from snapshots")
    assert kept == [(8, {str(lead): 5, str(carl.participation_id): 3})]


BEFORE_COUNTS = """
insert into snapshots (project_id, seq, state) values (%s, %s, '')
    on conflict (project_id) do update set seq = excluded.seq, state = excluded.state, at = now()
    where snapshots.seq < excluded.seq
"""
"""How a release before migration 0003 kept a snapshot."""

COUNTING_BY_ITSELF = """
insert into snapshots (project_id, seq, state, open_posts, written) values (%s, %s, '', 9, '{"1": 12345}')
    on conflict (project_id) do update set seq = excluded.seq, state = excluded.state, written = excluded.written
    where snapshots.seq < excluded.seq
"""
"""How a release before migration 0006 did, with a count that is wrong."""


@pytest.mark.parametrize("older", [BEFORE_COUNTS, COUNTING_BY_ITSELF])
@pytest.mark.parametrize("older_first", [True, False])
async def test_counts_are_right_when_releases_take_turns_at_writing_snapshots(
    store: Store, ann: Estate, conninfo: str, older: str, older_first: bool
) -> None:
    write_events(conninfo, ann.project_id, ann.participation_id, last=40)
    for number, seq in enumerate((10, 20, 30)):
        if number % 2 == (not older_first):
            query(conninfo, older, (ann.project_id, seq))
        else:
            await store.journal.write_snapshot(ann.project_id, seq, b"", open_posts=0)
        assert query(conninfo, "select seq, written from snapshots") == [(seq, {str(ann.participation_id): seq})]
        assert await events_of(store, ann) == {"lead": 40}


async def test_open_posts_counted_by_a_release_that_does_not_say_when_are_unknown(
    store: Store, ann: Estate, conninfo: str
) -> None:
    write_events(conninfo, ann.project_id, ann.participation_id, last=20)
    await store.journal.write_snapshot(ann.project_id, 10, b"", open_posts=3)
    query(conninfo, BEFORE_COUNTS, (ann.project_id, 20))
    assert [row.open_posts for row in await store.read(overview.dashboard, ann.owner.id)] == [None]
    await store.journal.write_snapshot(ann.project_id, 20, b"", open_posts=4)
    assert [row.open_posts for row in await store.read(overview.dashboard, ann.owner.id)] == [4]


async def test_snapshots_written_at_once_count_every_event_once(store: Store, ann: Estate, conninfo: str) -> None:
    write_events(conninfo, ann.project_id, ann.participation_id, last=100)

    async def write(seq: int) -> None:
        await store.journal.write_snapshot(ann.project_id, seq, b"", open_posts=0)

    async with trio.open_nursery() as nursery:
        for seq in (40, 100, 10, 70, 90, 20):
            nursery.start_soon(write, seq)
    assert query(conninfo, "select seq, written from snapshots") == [(100, {str(ann.participation_id): 100})]
    assert await events_of(store, ann) == {"lead": 100}


async def test_a_renamed_participant_keeps_its_count(store: Store, ann: Estate, conninfo: str) -> None:
    write_events(conninfo, ann.project_id, ann.participation_id, last=2)
    await store.write(
        participants.change_participant, ann.owner.id, ann.participant_id, label="boss", kind="agent", by="ann"
    )
    assert await events_of(store, ann) == {"boss": 2}


async def names_of(store: Store, estate: Estate) -> list[str]:
    """The names of the estate's participant, now and before, as its token and its project know them."""
    grant = await store.read(tokens.authenticate, digest(estate.token))
    roster = await store.read(grants.roster, estate.project_id)
    assert grant is not None
    assert roster is not None
    member = roster.member(grant.principal.label or "")
    found = [grant.principal.actor, *grant.principal.former_names]
    assert [member.actor, *member.former_names] == found
    return found


async def test_a_former_name_stays_known_unless_another_has_it_now(store: Store, ann: Estate) -> None:
    async def rename(participant_id: int, label: str) -> None:
        await store.write(
            participants.change_participant, ann.owner.id, participant_id, label=label, kind="agent", by="ann"
        )

    assert await names_of(store, ann) == ["ann/lead"]
    await rename(ann.participant_id, "boss")
    await rename(ann.participant_id, "chief")
    await rename(ann.participant_id, "chief")
    assert await names_of(store, ann) == ["ann/chief", "ann/boss", "ann/lead"]
    await rename(ann.participant_id, "boss")
    assert await names_of(store, ann) == ["ann/boss", "ann/chief", "ann/lead"]
    await store.write(minting.mint, "ann@example.com", "elsewhere", "chief")
    assert await names_of(store, ann) == ["ann/boss", "ann/lead"]
    for number in range(participants.FORMER_LABELS_MAX):
        await rename(ann.participant_id, f"name-{number}")
    assert len(await names_of(store, ann)) == 1 + participants.FORMER_LABELS_MAX


async def test_a_former_handle_of_the_owner_stays_known(store: Store, ann: Estate) -> None:
    for handle in ("ann-2", "ann-3", "ann-3"):
        await store.write(owners.rename, ann.owner.id, handle, by="ann")
    assert await names_of(store, ann) == ["ann-3/lead", "ann-2/lead"]
    await store.write(
        participants.change_participant, ann.owner.id, ann.participant_id, label="boss", kind="agent", by="ann"
    )
    assert await names_of(store, ann) == ["ann-3/boss", "ann-3/lead", "ann-2/boss", "ann-2/lead"]


@pytest.mark.parametrize("goes", ["renamed", "deleted"])
async def test_a_former_name_that_another_had_since_stays_theirs(store: Store, ann: Estate, goes: str) -> None:
    # Otherwise what the second one claimed and leased would count as the first one's.
    async def rename(participant_id: int, label: str) -> None:
        await store.write(
            participants.change_participant, ann.owner.id, participant_id, label=label, kind="agent", by="ann"
        )

    await rename(ann.participant_id, "boss")
    second = (await store.write(minting.mint, "ann@example.com", "shop", "lead")).provisioned
    known = await store.read(participants.persons, ann.owner.id)
    second_id = next(person.id for person in known if person.label == "lead")
    if goes == "renamed":
        await rename(second_id, "other")
        grant = await store.read(tokens.authenticate, digest(second.token))
        assert grant is not None
        assert grant.principal.former_names == ["ann/lead"]
    else:
        await store.write(participants.delete_participant, ann.owner.id, second_id, by="ann")
    grant = await store.read(tokens.authenticate, digest(ann.token))
    assert grant is not None
    assert grant.principal.former_names == []
