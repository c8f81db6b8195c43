"""Invites under a crowd, and those that only one email's owner may redeem."""

import pytest
import trio

from store import Store
from store.errors import InvalidName
from store.people import grants, invites, owners, tokens
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
