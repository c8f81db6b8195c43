"""Owners, projects, participants, tokens and invites: who gets in as whom, and what the audit trail says of it."""

from hashlib import sha256

import pytest
import trio

from engine.identity import Principal, Roster
from store import Store
from store.errors import InvalidName
from store.people import grants, invites, minting, owners, tokens
from store.people.invites import Redeemed
from store.people.minting import Minted
from store.postgres.connection import Connection
from tests.postgres import query

pytestmark = pytest.mark.usefixtures("bounded")


async def mint(
    store: Store, participant: str = "lead", *, is_admin: bool | None = None, project: str = "bus"
) -> Minted:
    return await store.write(minting.mint, "ann@example.com", project, participant, is_admin=is_admin)


def digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


async def works(store: Store, token: str) -> bool:
    return await store.read(tokens.authenticate, digest(token)) is not None


def audited(conninfo: str) -> list[object]:
    return [action for (action,) in query(conninfo, "select action from audit order by id")]


async def test_minting_creates_what_is_missing_and_the_token_names_its_holder(store: Store) -> None:
    assert not await store.read(owners.has_owners)
    minted = await store.write(minting.mint, "Ann@example.com", "bus", "lead", kind="human", lane="api", is_admin=True)
    assert await store.read(owners.has_owners)
    assert (minted.owner.created, minted.project.created, minted.provisioned.created) == (True, True, True)
    grant = await store.read(tokens.authenticate, digest(minted.provisioned.token))
    assert grant is not None
    assert grant.principal == Principal(
        id=minted.provisioned.participation_id,
        project_id=minted.project.id,
        handle="ann",
        label="lead",
        project="bus",
        is_admin=True,
        liveness_window_seconds=900,
    )
    assert (grant.owner_id, grant.suspended) == (minted.owner.id, False)


async def test_minting_again_adds_a_token_and_nothing_else(store: Store, conninfo: str) -> None:
    first = await mint(store)
    second = await store.write(minting.mint, "ANN@example.com", "bus", "lead")
    assert (second.owner.created, second.project.created, second.provisioned.created) == (False, False, False)
    assert second.project.id == first.project.id
    assert await works(store, first.provisioned.token)
    assert await works(store, second.provisioned.token)
    assert query(conninfo, "select count(*) from participants") == [(1,)]


async def test_only_the_hash_of_a_secret_is_anywhere_in_the_database(store: Store, conninfo: str) -> None:
    minted = await mint(store)
    invite = await store.write(invites.create, minted.project.id, by="ann/lead")
    await store.write(grants.rotate, minted.project.id, "lead", by="ann/lead")
    assert minted.provisioned.token.startswith("llmbus_")
    for table in ("tokens", "invites", "audit", "participations"):
        stored = str(query(conninfo, f"select * from {table}"))
        assert minted.provisioned.token not in stored
        assert invite.code not in stored


async def test_all_tokens_of_a_project_have_its_tag_and_no_other_project_has_it(store: Store) -> None:
    lead, other, elsewhere = await mint(store), await mint(store, "other"), await mint(store, project="elsewhere")
    rotated = await store.write(grants.rotate, lead.project.id, "lead", by="ann/lead")
    assert rotated is not None
    tags = {minted.provisioned.token[:16] for minted in (lead, other)} | {rotated.token[:16]}
    assert tags == {f"llmbus_{tokens.routing_tag(lead.project.id)}_"}
    assert elsewhere.provisioned.token[:16] not in tags


async def test_a_tag_is_trusted_in_nothing_and_tokens_of_earlier_versions_have_none(store: Store) -> None:
    minted, elsewhere = await mint(store), await mint(store, project="elsewhere")
    _, tag, secret = minted.provisioned.token.split("_", 2)
    assert not await works(store, minted.provisioned.token.replace(tag, tokens.routing_tag(elsewhere.project.id)))
    old = f"llmbus_{secret}"
    await store.write(_keep, minted.provisioned.participation_id, old)
    assert await works(store, old)


async def _keep(connection: Connection, participation_id: int, token: str) -> None:
    """As a version before tags kept it."""
    statement = "insert into tokens (participation_id, sha256) values (%s, %s)"
    await connection.execute(statement, (participation_id, digest(token)))


async def test_an_unknown_token_is_nobody(store: Store) -> None:
    await mint(store)
    assert not await works(store, "llmbus_made-up")


async def test_a_suspended_owner_is_reported(store: Store, conninfo: str) -> None:
    minted = await mint(store)
    query(conninfo, "update owners set suspended_at = now()")
    grant = await store.read(tokens.authenticate, digest(minted.provisioned.token))
    assert grant is not None
    assert grant.suspended
    owner = await store.read(owners.find_owner, "ann@example.com")
    assert owner is not None
    assert owner.suspended


async def test_owners_are_told_apart_by_email_in_any_case_and_get_handles_of_their_own(store: Store) -> None:
    first = await store.write(owners.ensure_owner, "ann@example.com")
    again = await store.write(owners.ensure_owner, "ANN@EXAMPLE.COM")
    other = await store.write(owners.ensure_owner, "Ann@example.org")
    assert (again.id, again.created) == (first.id, False)
    assert (first.handle, other.handle) == ("ann", "ann-2")
    assert await store.read(owners.find_owner, "nobody@example.com") is None


async def test_an_owner_whose_email_begins_with_a_single_character_gets_a_handle(store: Store) -> None:
    first = await store.write(owners.ensure_owner, "a@x.com")
    other = await store.write(owners.ensure_owner, "a@y.com")
    assert (first.handle, other.handle) == ("a-1", "a-2")


async def test_owners_added_at_once_get_handles_of_their_own(store: Store) -> None:
    handles: list[str] = []

    async def add(number: int) -> None:
        handles.append((await store.write(owners.ensure_owner, f"ann@{number % 6}.example.com")).handle)

    async with trio.open_nursery() as nursery:
        for number in range(12):
            nursery.start_soon(add, number)
    assert set(handles) == {"ann", "ann-2", "ann-3", "ann-4", "ann-5", "ann-6"}


async def test_an_owner_becomes_an_operator_and_stays_one(store: Store, conninfo: str) -> None:
    assert not (await store.write(owners.ensure_owner, "ann@example.com")).is_operator
    assert (await store.write(owners.ensure_owner, "ann@example.com", is_operator=True)).is_operator
    assert (await store.write(owners.ensure_owner, "ann@example.com")).is_operator
    assert audited(conninfo) == ["owner_add", "owner_operator"]


async def test_two_owners_may_use_the_same_slug_and_label(store: Store) -> None:
    first = await store.write(minting.mint, "ann@example.com", "bus", "lead")
    second = await store.write(minting.mint, "bob@example.com", "bus", "lead")
    assert first.project.id != second.project.id
    assert await store.read(grants.roster, first.project.id) == Roster(
        handle="ann", labels={"lead": first.provisioned.participation_id}
    )
    assert await store.read(grants.roster, 0) is None


async def test_participants_are_listed_by_name(store: Store) -> None:
    project = (await mint(store, "Zoe", is_admin=True)).project.id
    await store.write(grants.provision, project, participant_name="émile", kind="human", by="ann/Zoe")
    await store.write(grants.provision, project, participant_name="bob", lane="api", by="ann/Zoe")
    await store.write(minting.mint, "ann@example.com", "elsewhere", "unseen")
    await store.write(grants.revoke, project, "bob", by="ann/Zoe")
    rows = await store.read(grants.list_participants, project)
    assert [(row.name, row.kind, row.lane, row.is_admin, row.token_active) for row in rows] == [
        ("Zoe", "agent", None, True, True),
        ("bob", "agent", "api", False, False),
        ("émile", "human", None, False, True),
    ]


async def test_provisioning_somebody_who_is_there_changes_only_what_is_said(store: Store) -> None:
    project = (await mint(store)).project.id
    await store.write(
        grants.provision, project, participant_name="bob", kind="human", lane="api", is_admin=True, by="ann/lead"
    )
    again = await store.write(grants.provision, project, participant_name="bob", kind="agent", by="ann/lead")
    assert (again.created, again.kind, again.lane, again.is_admin) == (False, "human", "api", True)
    changed = await store.write(
        grants.provision, project, participant_name="bob", lane="web", is_admin=False, by="ann/lead"
    )
    assert (changed.lane, changed.is_admin) == ("web", False)
    row = (await store.read(grants.list_participants, project))[0]
    assert (row.name, row.lane, row.is_admin) == ("bob", "web", False)


async def test_a_participant_of_another_project_is_granted_a_place_of_its_own(store: Store) -> None:
    here, there = await mint(store), await store.write(minting.mint, "ann@example.com", "other", "bob")
    place = await store.write(grants.provision, here.project.id, participant_name="bob", by="ann/lead")
    assert place.created
    assert place.participation_id != there.provisioned.participation_id


async def test_rotating_mints_a_token_and_takes_back_all_others(store: Store) -> None:
    first, second = await mint(store), await mint(store)
    rotated = await store.write(grants.rotate, first.project.id, "lead", by="ann/lead")
    assert rotated is not None
    old = [first.provisioned.token, second.provisioned.token]
    assert sorted(rotated.revoked_hashes) == sorted(map(digest, old))
    assert [await works(store, token) for token in (*old, rotated.token)] == [False, False, True]


async def test_of_rotations_at_once_one_token_is_left(store: Store, conninfo: str) -> None:
    minted = await mint(store)
    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(lambda: store.write(grants.rotate, minted.project.id, "lead", by="ann/lead"))
    assert query(conninfo, "select count(*) from tokens where revoked_at is null") == [(1,)]


async def test_revoking_takes_back_all_tokens_once(store: Store) -> None:
    minted = await mint(store)
    revoked = await store.write(grants.revoke, minted.project.id, "lead", by="ann")
    assert revoked == (digest(minted.provisioned.token),)
    assert not await works(store, minted.provisioned.token)
    assert await store.write(grants.revoke, minted.project.id, "lead", by="ann") == ()


async def test_a_participant_of_another_project_is_out_of_reach(store: Store) -> None:
    here, there = await mint(store), await store.write(minting.mint, "ann@example.com", "other", "bob")
    assert await store.write(grants.rotate, here.project.id, "bob", by="ann/lead") is None
    assert await store.write(grants.revoke, here.project.id, "bob", by="ann/lead") == ()
    assert await works(store, there.provisioned.token)


async def test_names_that_cannot_be_one_and_projects_that_are_gone_are_refused(store: Store, conninfo: str) -> None:
    project = (await mint(store)).project.id
    for attempt in (
        store.write(minting.mint, "nobody", "bus", "lead"),
        store.write(minting.mint, "bob@example.com", "Not A Slug", "lead"),
        store.write(minting.mint, "bob@example.com", "bus", "a/b"),
        store.write(grants.provision, project, participant_name="", by="ann"),
        store.write(invites.create, project, participant_name="a/b", by="ann"),
        store.write(grants.provision, project + 1, participant_name="bob", by="ann"),
        store.write(grants.rotate, project + 1, "bob", by="ann"),
    ):
        with pytest.raises(InvalidName):
            await attempt
    assert query(conninfo, "select email from owners") == [("ann@example.com",)]


async def test_every_change_of_identity_is_audited_with_who_did_it(store: Store, conninfo: str) -> None:
    project = (await mint(store)).project.id
    await store.write(grants.provision, project, participant_name="bob", by="ann/lead")
    await store.write(grants.rotate, project, "bob", by="ann/lead")
    await store.write(grants.revoke, project, "bob", by="ann/lead")
    invite = await store.write(invites.create, project, by="ann/lead")
    await store.write(invites.redeem, invite.code, "eve")
    assert query(conninfo, "select actor, action, detail ->> 'participant' from audit order by id") == [
        ("cli", "owner_add", None),
        ("cli", "project_add", None),
        ("cli", "grant", "lead"),
        ("cli", "token_mint", "lead"),
        ("ann/lead", "grant", "bob"),
        ("ann/lead", "token_mint", "bob"),
        ("ann/lead", "rotate", "bob"),
        ("ann/lead", "revoke", "bob"),
        ("ann/lead", "invite", None),
        ("ann/eve", "grant", "eve"),
        ("ann/eve", "redeem", "eve"),
    ]


async def test_what_did_not_happen_is_not_audited(store: Store, conninfo: str) -> None:
    project = (await mint(store)).project.id
    before = audited(conninfo)
    await store.write(grants.rotate, project, "nobody", by="ann")
    await store.write(grants.revoke, project, "nobody", by="ann")
    await store.write(invites.redeem, "made-up", "eve")
    with pytest.raises(InvalidName):
        await store.write(grants.provision, project, participant_name="a/b", by="ann")
    assert audited(conninfo) == before


async def test_an_invite_lets_in_under_a_name_of_choice(store: Store, conninfo: str) -> None:
    project = (await mint(store)).project.id
    invite = await store.write(
        invites.create, project, kind="human", lane="api", is_admin=True, uses=1, ttl_hours=2, by="ann/lead"
    )
    redeemed = await store.write(invites.redeem, invite.code, " eve ")
    assert isinstance(redeemed, Redeemed)
    assert (redeemed.project, redeemed.project_name, redeemed.participant, redeemed.created) == (
        "bus",
        "bus",
        "eve",
        True,
    )
    grant = await store.read(tokens.authenticate, digest(redeemed.token))
    assert grant is not None
    assert (grant.principal.actor, grant.principal.is_admin) == ("ann/eve", True)
    assert query(conninfo, "select expires_at = created_at + interval '2 hours' from invites") == [(True,)]


async def test_an_invite_that_names_a_participant_lets_in_as_that_one(store: Store) -> None:
    minted = await mint(store, is_admin=True)
    invite = await store.write(invites.create, minted.project.id, participant_name="lead", lane="api", by="ann/lead")
    redeemed = await store.write(invites.redeem, invite.code, "somebody else")
    assert isinstance(redeemed, Redeemed)
    assert (redeemed.participant, redeemed.created) == ("lead", False)
    (row,) = await store.read(grants.list_participants, minted.project.id)
    assert (row.lane, row.is_admin) == ("api", True)
    assert await works(store, minted.provisioned.token)


async def test_an_invite_says_why_it_lets_nobody_in_and_stays_usable(store: Store, conninfo: str) -> None:
    project = (await mint(store)).project.id
    code = (await store.write(invites.create, project, by="ann/lead")).code
    assert await store.write(invites.redeem, "made-up", "eve") == "invalid"
    assert await store.write(invites.redeem, code) == "name_required"
    assert await store.write(invites.redeem, code, "  ") == "name_required"
    assert await store.write(invites.redeem, code, "lead") == "name_taken"
    query(conninfo, "update owners set suspended_at = now()")
    assert await store.write(invites.redeem, code, "eve") == "invalid"
    query(conninfo, "update owners set suspended_at = null")
    assert isinstance(await store.write(invites.redeem, code, "eve"), Redeemed)
    assert await store.write(invites.redeem, code, "bob") == "exhausted"
    query(conninfo, "update invites set expires_at = now()")
    assert await store.write(invites.redeem, code, "bob") == "expired"
    query(conninfo, "update invites set revoked_at = now()")
    assert await store.write(invites.redeem, code, "bob") == "invalid"


async def test_uses_are_counted_exactly_when_many_redeem_at_once(store: Store, conninfo: str) -> None:
    project = (await mint(store)).project.id
    code = (await store.write(invites.create, project, uses=3, by="ann/lead")).code
    outcomes: list[object] = []

    async def redeem(number: int) -> None:
        outcome = await store.write(invites.redeem, code, f"eve {number}")
        outcomes.append("in" if isinstance(outcome, Redeemed) else outcome)

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(redeem, number)
    assert sorted(map(str, outcomes)) == ["exhausted"] * 5 + ["in"] * 3
    assert query(conninfo, "select uses from invites") == [(3,)]


async def test_of_two_who_want_one_name_at_once_one_gets_it(store: Store) -> None:
    project = (await mint(store)).project.id
    code = (await store.write(invites.create, project, uses=9, by="ann/lead")).code
    outcomes: list[object] = []

    async def redeem() -> None:
        outcome = await store.write(invites.redeem, code, "eve")
        outcomes.append("in" if isinstance(outcome, Redeemed) else outcome)

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(redeem)
    assert sorted(map(str, outcomes)) == ["in"] + ["name_taken"] * 3


async def test_deleting_a_participant_takes_its_tokens_and_leaves_the_ledger(store: Store, conninfo: str) -> None:
    minted = await mint(store)
    query(
        conninfo,
        "insert into events values (%s, 1, now(), 'ann/lead', %s, 'release', '{\"surface\": \"a\"}', 0)",
        (minted.project.id, minted.provisioned.participation_id),
    )
    query(conninfo, "delete from participants")
    assert not await works(store, minted.provisioned.token)
    assert query(conninfo, "select actor from events") == [("ann/lead",)]
