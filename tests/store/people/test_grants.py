"""Owners, projects, participants, tokens and invites: who gets in as whom, and what the audit trail says of it."""

from hashlib import sha256

import pytest
import trio

from engine.identity import Principal, Roster
from store import Store
from store.accounts import Accounts, Minted, Redeemed
from store.errors import InvalidName
from tests.postgres import query

pytestmark = pytest.mark.usefixtures("bounded")


@pytest.fixture
def accounts(store: Store) -> Accounts:
    return store.accounts


async def mint(accounts: Accounts, participant: str = "lead", *, is_admin: bool | None = None) -> Minted:
    return await accounts.mint("ann@example.com", "bus", participant, is_admin=is_admin)


def digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


async def works(accounts: Accounts, token: str) -> bool:
    return await accounts.authenticate(digest(token)) is not None


def audited(conninfo: str) -> list[object]:
    return [action for (action,) in query(conninfo, "select action from audit order by id")]


async def test_minting_creates_what_is_missing_and_the_token_names_its_holder(accounts: Accounts) -> None:
    assert not await accounts.has_owners()
    minted = await accounts.mint("Ann@example.com", "bus", "lead", kind="human", lane="api", is_admin=True)
    assert await accounts.has_owners()
    assert (minted.owner.created, minted.project.created, minted.provisioned.created) == (True, True, True)
    grant = await accounts.authenticate(digest(minted.provisioned.token))
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


async def test_minting_again_adds_a_token_and_nothing_else(accounts: Accounts, conninfo: str) -> None:
    first = await mint(accounts)
    second = await accounts.mint("ANN@example.com", "bus", "lead")
    assert (second.owner.created, second.project.created, second.provisioned.created) == (False, False, False)
    assert second.project.id == first.project.id
    assert await works(accounts, first.provisioned.token)
    assert await works(accounts, second.provisioned.token)
    assert query(conninfo, "select count(*) from participants") == [(1,)]


async def test_only_the_hash_of_a_secret_is_anywhere_in_the_database(accounts: Accounts, conninfo: str) -> None:
    minted = await mint(accounts)
    invite = await accounts.create_invite(minted.project.id, by="ann/lead")
    await accounts.rotate(minted.project.id, "lead", by="ann/lead")
    assert minted.provisioned.token.startswith("llmbus_")
    for table in ("tokens", "invites", "audit", "participations"):
        stored = str(query(conninfo, f"select * from {table}"))
        assert minted.provisioned.token not in stored
        assert invite.code not in stored


async def test_an_unknown_token_is_nobody(accounts: Accounts) -> None:
    await mint(accounts)
    assert not await works(accounts, "llmbus_made-up")


async def test_a_suspended_owner_is_reported(accounts: Accounts, conninfo: str) -> None:
    minted = await mint(accounts)
    query(conninfo, "update owners set suspended_at = now()")
    grant = await accounts.authenticate(digest(minted.provisioned.token))
    assert grant is not None
    assert grant.suspended
    owner = await accounts.find_owner("ann@example.com")
    assert owner is not None
    assert owner.suspended


async def test_owners_are_told_apart_by_email_in_any_case_and_get_handles_of_their_own(accounts: Accounts) -> None:
    first = await accounts.add_owner("ann@example.com")
    again = await accounts.add_owner("ANN@EXAMPLE.COM")
    other = await accounts.add_owner("Ann@example.org")
    assert (again.id, again.created) == (first.id, False)
    assert (first.handle, other.handle) == ("ann", "ann-2")
    assert await accounts.find_owner("nobody@example.com") is None


async def test_an_owner_whose_email_begins_with_a_single_character_gets_a_handle(accounts: Accounts) -> None:
    first = await accounts.add_owner("a@x.com")
    other = await accounts.add_owner("a@y.com")
    assert (first.handle, other.handle) == ("a-1", "a-2")


async def test_owners_added_at_once_get_handles_of_their_own(accounts: Accounts) -> None:
    handles: list[str] = []

    async def add(number: int) -> None:
        handles.append((await accounts.add_owner(f"ann@{number % 6}.example.com")).handle)

    async with trio.open_nursery() as nursery:
        for number in range(12):
            nursery.start_soon(add, number)
    assert set(handles) == {"ann", "ann-2", "ann-3", "ann-4", "ann-5", "ann-6"}


async def test_an_owner_becomes_an_operator_and_stays_one(accounts: Accounts, conninfo: str) -> None:
    assert not (await accounts.add_owner("ann@example.com")).is_operator
    assert (await accounts.add_owner("ann@example.com", is_operator=True)).is_operator
    assert (await accounts.add_owner("ann@example.com")).is_operator
    assert audited(conninfo) == ["owner_add", "owner_operator"]


async def test_two_owners_may_use_the_same_slug_and_label(accounts: Accounts) -> None:
    first = await accounts.mint("ann@example.com", "bus", "lead")
    second = await accounts.mint("bob@example.com", "bus", "lead")
    assert first.project.id != second.project.id
    assert await accounts.roster(first.project.id) == Roster(
        handle="ann", labels={"lead": first.provisioned.participation_id}
    )
    assert await accounts.roster(0) is None


async def test_participants_are_listed_by_name(accounts: Accounts) -> None:
    project = (await mint(accounts, "Zoe", is_admin=True)).project.id
    await accounts.provision(project, participant_name="émile", kind="human", by="ann/Zoe")
    await accounts.provision(project, participant_name="bob", lane="api", by="ann/Zoe")
    await accounts.mint("ann@example.com", "elsewhere", "unseen")
    await accounts.revoke(project, "bob", by="ann/Zoe")
    rows = await accounts.list_participants(project)
    assert [(row.name, row.kind, row.lane, row.is_admin, row.token_active) for row in rows] == [
        ("Zoe", "agent", None, True, True),
        ("bob", "agent", "api", False, False),
        ("émile", "human", None, False, True),
    ]


async def test_provisioning_somebody_who_is_there_changes_only_what_is_said(accounts: Accounts) -> None:
    project = (await mint(accounts)).project.id
    await accounts.provision(project, participant_name="bob", kind="human", lane="api", is_admin=True, by="ann/lead")
    again = await accounts.provision(project, participant_name="bob", kind="agent", by="ann/lead")
    assert (again.created, again.kind, again.lane, again.is_admin) == (False, "human", "api", True)
    changed = await accounts.provision(project, participant_name="bob", lane="web", is_admin=False, by="ann/lead")
    assert (changed.lane, changed.is_admin) == ("web", False)
    row = (await accounts.list_participants(project))[0]
    assert (row.name, row.lane, row.is_admin) == ("bob", "web", False)


async def test_a_participant_of_another_project_is_granted_a_place_of_its_own(accounts: Accounts) -> None:
    here, there = await mint(accounts), await accounts.mint("ann@example.com", "other", "bob")
    place = await accounts.provision(here.project.id, participant_name="bob", by="ann/lead")
    assert place.created
    assert place.participation_id != there.provisioned.participation_id


async def test_rotating_mints_a_token_and_takes_back_all_others(accounts: Accounts) -> None:
    first, second = await mint(accounts), await mint(accounts)
    rotated = await accounts.rotate(first.project.id, "lead", by="ann/lead")
    assert rotated is not None
    old = [first.provisioned.token, second.provisioned.token]
    assert sorted(rotated.revoked_hashes) == sorted(map(digest, old))
    assert [await works(accounts, token) for token in (*old, rotated.token)] == [False, False, True]


async def test_of_rotations_at_once_one_token_is_left(accounts: Accounts, conninfo: str) -> None:
    minted = await mint(accounts)
    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(lambda: accounts.rotate(minted.project.id, "lead", by="ann/lead"))
    assert query(conninfo, "select count(*) from tokens where revoked_at is null") == [(1,)]


async def test_revoking_takes_back_all_tokens_once(accounts: Accounts) -> None:
    minted = await mint(accounts)
    revoked = await accounts.revoke(minted.project.id, "lead", by="ann")
    assert (revoked.count, revoked.token_hashes) == (1, (digest(minted.provisioned.token),))
    assert not await works(accounts, minted.provisioned.token)
    assert (await accounts.revoke(minted.project.id, "lead", by="ann")).count == 0


async def test_a_participant_of_another_project_is_out_of_reach(accounts: Accounts) -> None:
    here, there = await mint(accounts), await accounts.mint("ann@example.com", "other", "bob")
    assert await accounts.rotate(here.project.id, "bob", by="ann/lead") is None
    assert (await accounts.revoke(here.project.id, "bob", by="ann/lead")).count == 0
    assert await works(accounts, there.provisioned.token)


async def test_names_that_cannot_be_one_and_projects_that_are_gone_are_refused(
    accounts: Accounts, conninfo: str
) -> None:
    project = (await mint(accounts)).project.id
    for attempt in (
        accounts.mint("nobody", "bus", "lead"),
        accounts.mint("bob@example.com", "Not A Slug", "lead"),
        accounts.mint("bob@example.com", "bus", "a/b"),
        accounts.provision(project, participant_name="", by="ann"),
        accounts.create_invite(project, participant_name="a/b", by="ann"),
        accounts.provision(project + 1, participant_name="bob", by="ann"),
        accounts.rotate(project + 1, "bob", by="ann"),
    ):
        with pytest.raises(InvalidName):
            await attempt
    assert query(conninfo, "select email from owners") == [("ann@example.com",)]


async def test_every_change_of_identity_is_audited_with_who_did_it(accounts: Accounts, conninfo: str) -> None:
    project = (await mint(accounts)).project.id
    await accounts.provision(project, participant_name="bob", by="ann/lead")
    await accounts.rotate(project, "bob", by="ann/lead")
    await accounts.revoke(project, "bob", by="ann/lead")
    invite = await accounts.create_invite(project, by="ann/lead")
    await accounts.redeem_invite(invite.code, "eve")
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


async def test_what_did_not_happen_is_not_audited(accounts: Accounts, conninfo: str) -> None:
    project = (await mint(accounts)).project.id
    before = audited(conninfo)
    await accounts.rotate(project, "nobody", by="ann")
    await accounts.revoke(project, "nobody", by="ann")
    await accounts.redeem_invite("made-up", "eve")
    with pytest.raises(InvalidName):
        await accounts.provision(project, participant_name="a/b", by="ann")
    assert audited(conninfo) == before


async def test_an_invite_lets_in_under_a_name_of_choice(accounts: Accounts, conninfo: str) -> None:
    project = (await mint(accounts)).project.id
    invite = await accounts.create_invite(
        project, kind="human", lane="api", is_admin=True, uses=1, ttl_hours=2, by="ann/lead"
    )
    redeemed = await accounts.redeem_invite(invite.code, " eve ")
    assert isinstance(redeemed, Redeemed)
    assert (redeemed.project, redeemed.project_name, redeemed.participant, redeemed.created) == (
        "bus",
        "bus",
        "eve",
        True,
    )
    grant = await accounts.authenticate(digest(redeemed.token))
    assert grant is not None
    assert (grant.principal.actor, grant.principal.is_admin) == ("ann/eve", True)
    assert query(conninfo, "select expires_at = created_at + interval '2 hours' from invites") == [(True,)]


async def test_an_invite_that_names_a_participant_lets_in_as_that_one(accounts: Accounts) -> None:
    minted = await mint(accounts, is_admin=True)
    invite = await accounts.create_invite(minted.project.id, participant_name="lead", lane="api", by="ann/lead")
    redeemed = await accounts.redeem_invite(invite.code, "somebody else")
    assert isinstance(redeemed, Redeemed)
    assert (redeemed.participant, redeemed.created) == ("lead", False)
    (row,) = await accounts.list_participants(minted.project.id)
    assert (row.lane, row.is_admin) == ("api", True)
    assert await works(accounts, minted.provisioned.token)


async def test_an_invite_says_why_it_lets_nobody_in_and_stays_usable(accounts: Accounts, conninfo: str) -> None:
    project = (await mint(accounts)).project.id
    code = (await accounts.create_invite(project, by="ann/lead")).code
    assert await accounts.redeem_invite("made-up", "eve") == "invalid"
    assert await accounts.redeem_invite(code) == "name_required"
    assert await accounts.redeem_invite(code, "  ") == "name_required"
    assert await accounts.redeem_invite(code, "lead") == "name_taken"
    query(conninfo, "update owners set suspended_at = now()")
    assert await accounts.redeem_invite(code, "eve") == "invalid"
    query(conninfo, "update owners set suspended_at = null")
    assert isinstance(await accounts.redeem_invite(code, "eve"), Redeemed)
    assert await accounts.redeem_invite(code, "bob") == "exhausted"
    query(conninfo, "update invites set expires_at = now()")
    assert await accounts.redeem_invite(code, "bob") == "expired"
    query(conninfo, "update invites set revoked_at = now()")
    assert await accounts.redeem_invite(code, "bob") == "invalid"


async def test_uses_are_counted_exactly_when_many_redeem_at_once(accounts: Accounts, conninfo: str) -> None:
    project = (await mint(accounts)).project.id
    code = (await accounts.create_invite(project, uses=3, by="ann/lead")).code
    outcomes: list[object] = []

    async def redeem(number: int) -> None:
        outcome = await accounts.redeem_invite(code, f"eve {number}")
        outcomes.append("in" if isinstance(outcome, Redeemed) else outcome)

    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(redeem, number)
    assert sorted(map(str, outcomes)) == ["exhausted"] * 5 + ["in"] * 3
    assert query(conninfo, "select uses from invites") == [(3,)]


async def test_of_two_who_want_one_name_at_once_one_gets_it(accounts: Accounts) -> None:
    project = (await mint(accounts)).project.id
    code = (await accounts.create_invite(project, uses=9, by="ann/lead")).code
    outcomes: list[object] = []

    async def redeem() -> None:
        outcome = await accounts.redeem_invite(code, "eve")
        outcomes.append("in" if isinstance(outcome, Redeemed) else outcome)

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(redeem)
    assert sorted(map(str, outcomes)) == ["in"] + ["name_taken"] * 3


async def test_deleting_a_participant_takes_its_tokens_and_leaves_the_ledger(accounts: Accounts, conninfo: str) -> None:
    minted = await mint(accounts)
    query(
        conninfo,
        "insert into events values (%s, 1, now(), 'ann/lead', %s, 'release', '{\"surface\": \"a\"}', 0)",
        (minted.project.id, minted.provisioned.participation_id),
    )
    query(conninfo, "delete from participants")
    assert not await works(accounts, minted.provisioned.token)
    assert query(conninfo, "select actor from events") == [("ann/lead",)]
