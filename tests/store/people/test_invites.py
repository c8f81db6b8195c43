"""Invites under a crowd, and those that only one email's owner may redeem."""

import pytest
import trio

from store import Store
from store.errors import InvalidName
from store.people import grants, invites, owners, participants, tokens
from store.people.codes import digest
from store.people.invites import BoundInvite, Redeemed
from tests.postgres import query
from tests.store.estate import Estate, everything, settle

pytestmark = pytest.mark.usefixtures("bounded")

CROWD = 50


@pytest.fixture
async def ann(store: Store) -> Estate:
    return await settle(store, "ann@example.com")


async def test_fifty_at_once_redeem_an_invite_for_three_three_times(store: Store, ann: Estate, conninfo: str) -> None:
    code = (await store.write(invites.create, ann.project_id, uses=3, by="ann")).code
    outcomes: list[Redeemed | str] = []

    async def redeem(number: int) -> None:
        outcomes.append(await store.write(invites.redeem, code, f"eve {number}"))

    async with trio.open_nursery() as nursery:
        for number in range(CROWD):
            nursery.start_soon(redeem, number)
    let_in = [outcome for outcome in outcomes if isinstance(outcome, Redeemed)]
    assert [outcome for outcome in outcomes if not isinstance(outcome, Redeemed)] == ["exhausted"] * (CROWD - 3)
    assert await store.read(tokens.still_valid, [digest(each.token) for each in let_in]) == {
        digest(each.token) for each in let_in
    }
    assert len(let_in) == 3
    assert query(conninfo, "select count(*) from participants where label like 'eve %'") == [(3,)]


async def bound_to_eve(store: Store, project_id: int, name: str | None = None) -> str:
    invite = await store.write(invites.create, project_id, participant_name=name, email="Eve@example.com", by="ann")
    return invite.code


async def test_a_bound_invite_lets_in_who_has_the_email_as_a_human_named_after_it(store: Store, ann: Estate) -> None:
    code = await bound_to_eve(store, ann.project_id)
    assert await store.read(invites.find_bound, code) == BoundInvite(
        email="Eve@example.com", project_id=ann.project_id, project_name="bus", handle="ann", label=None
    )
    redeemed = await store.write(invites.redeem_bound, code, "EVE@EXAMPLE.com")
    assert isinstance(redeemed, Redeemed)
    assert (redeemed.participant, redeemed.created) == ("EVE", True)
    grant = await store.read(tokens.authenticate, digest(redeemed.token))
    assert grant is not None
    assert grant.principal.actor == "ann/EVE"
    kinds = {row.name: row.kind for row in await store.read(grants.list_participants, ann.project_id)}
    assert kinds["EVE"] == "human"
    assert await store.write(invites.redeem_bound, code, "eve@example.com") == "exhausted"


async def test_a_bound_invite_is_worth_nothing_to_anybody_else(store: Store, ann: Estate, conninfo: str) -> None:
    code, unbound = await bound_to_eve(store, ann.project_id, "eve"), ann.invite.code
    before = everything(conninfo)
    assert await store.write(invites.redeem, code, "mallory") == "invalid"
    assert await store.write(invites.redeem, code) == "invalid"
    assert await store.write(invites.redeem_bound, code, "mallory@example.com") == "invalid"
    assert await store.write(invites.redeem_bound, unbound, "eve@example.com") == "invalid"
    assert await store.read(invites.find_bound, unbound) is None
    assert await store.read(invites.find_bound, "made-up") is None
    assert everything(conninfo) == before


async def test_a_bound_invite_that_names_a_participant_lets_in_as_that_one(store: Store, ann: Estate) -> None:
    code = await bound_to_eve(store, ann.project_id, "lead")
    redeemed = await store.write(invites.redeem_bound, code, "eve@example.com")
    assert isinstance(redeemed, Redeemed)
    assert (redeemed.participant, redeemed.created) == ("lead", False)


async def test_a_participant_named_after_an_email_is_numbered_when_the_name_is_taken(store: Store, ann: Estate) -> None:
    await store.write(grants.provision, ann.project_id, participant_name="eve", by="ann")
    for expected in ("eve-2", "eve-3"):
        code = await bound_to_eve(store, ann.project_id)
        redeemed = await store.write(invites.redeem_bound, code, "eve@example.com")
        assert isinstance(redeemed, Redeemed)
        assert redeemed.participant == expected


async def test_a_bound_invite_says_why_it_lets_nobody_in(store: Store, ann: Estate, conninfo: str) -> None:
    code = await bound_to_eve(store, ann.project_id)
    await store.write(owners.suspend, ann.owner.id, by="root")
    assert await store.read(invites.find_bound, code) is None
    assert await store.write(invites.redeem_bound, code, "eve@example.com") == "invalid"
    await store.write(owners.restore, ann.owner.id, by="root")
    query(conninfo, "update invites set expires_at = now()")
    assert await store.read(invites.find_bound, code) is not None
    assert await store.write(invites.redeem_bound, code, "eve@example.com") == "expired"
    query(conninfo, "update invites set revoked_at = now()")
    assert await store.read(invites.find_bound, code) is None
    assert await store.write(invites.redeem_bound, code, "eve@example.com") == "invalid"


async def test_an_invite_is_bound_to_an_email_only(store: Store, ann: Estate) -> None:
    with pytest.raises(InvalidName):
        await store.write(invites.create, ann.project_id, email="eve", by="ann")
    with pytest.raises(InvalidName):
        await store.write(invites.create, ann.project_id, lane="x" * 65, by="ann")


async def invited_by_a_lead(store: Store, ann: Estate) -> tuple[str, str]:
    """A lead's label, and the code of an invite for leads that they made."""
    lead = await store.write(grants.provision, ann.project_id, "chief", is_admin=True, by="ann")
    made_by = lead.participation_id
    invite = await store.write(invites.create, ann.project_id, is_admin=True, uses=50, by="ann/chief", made_by=made_by)
    return "chief", invite.code


async def test_an_invite_of_a_lead_works_while_they_are_one(store: Store, ann: Estate) -> None:
    _, code = await invited_by_a_lead(store, ann)
    assert isinstance(await store.write(invites.redeem, code, "first"), Redeemed)


async def test_an_invite_ends_when_its_makers_tokens_are_revoked(store: Store, ann: Estate) -> None:
    label, code = await invited_by_a_lead(store, ann)
    await store.write(grants.revoke, ann.project_id, label, by="ann")
    assert await store.write(invites.redeem, code, "chief again") == "invalid"
    await store.write(grants.provision, ann.project_id, label, by="ann")
    assert await store.write(invites.redeem, code, "chief again") == "invalid", "a new token is no right from before"


async def test_an_invite_ends_when_its_makers_token_is_rotated(store: Store, ann: Estate) -> None:
    label, code = await invited_by_a_lead(store, ann)
    await store.write(grants.rotate, ann.project_id, label, by="ann")
    assert await store.write(invites.redeem, code, "thief") == "invalid"


async def test_an_invite_ends_when_its_maker_is_no_lead_any_more(store: Store, ann: Estate) -> None:
    label, code = await invited_by_a_lead(store, ann)
    await store.write(grants.provision, ann.project_id, label, is_admin=False, by="ann")
    assert await store.write(invites.redeem, code, "chief again") == "invalid"


async def test_an_invite_ends_when_its_maker_is_deleted(store: Store, ann: Estate) -> None:
    label, code = await invited_by_a_lead(store, ann)
    (chief,) = [each for each in await store.read(participants.persons, ann.owner.id) if each.label == label]
    await store.write(participants.delete_participant, ann.owner.id, chief.id, by="ann")
    assert await store.write(invites.redeem, code, "chief again") == "invalid"


async def test_an_invite_that_ended_with_its_maker_is_listed_as_such_and_not_as_open(store: Store, ann: Estate) -> None:
    label, _ = await invited_by_a_lead(store, ann)
    before = len(await store.read(invites.list_open, ann.project_id))
    await store.write(grants.revoke, ann.project_id, label, by="ann")
    assert len(await store.read(invites.list_open, ann.project_id)) == before - 1
    listed = await store.read(invites.list_all, ann.owner.id, ann.project_id)
    assert listed is not None
    assert [row.maker_may for row in listed if row.uses_max == 50] == [False]
