"""Invites under a crowd, and those that only one email's owner may redeem."""

import pytest
import trio

from store import Store
from store.accounts import Accounts, BoundInvite, Redeemed
from store.errors import InvalidName
from store.people.codes import digest
from tests.postgres import query
from tests.store.estate import Estate, everything, settle

pytestmark = pytest.mark.usefixtures("bounded")

CROWD = 50


@pytest.fixture
def accounts(store: Store) -> Accounts:
    return store.accounts


@pytest.fixture
async def ann(store: Store) -> Estate:
    return await settle(store, "ann@example.com")


async def test_fifty_at_once_redeem_an_invite_for_three_three_times(
    accounts: Accounts, ann: Estate, conninfo: str
) -> None:
    code = (await accounts.create_invite(ann.project_id, uses=3, by="ann")).code
    outcomes: list[Redeemed | str] = []

    async def redeem(number: int) -> None:
        outcomes.append(await accounts.redeem_invite(code, f"eve {number}"))

    async with trio.open_nursery() as nursery:
        for number in range(CROWD):
            nursery.start_soon(redeem, number)
    let_in = [outcome for outcome in outcomes if isinstance(outcome, Redeemed)]
    assert [outcome for outcome in outcomes if not isinstance(outcome, Redeemed)] == ["exhausted"] * (CROWD - 3)
    assert await accounts.still_valid([digest(each.token) for each in let_in]) == {
        digest(each.token) for each in let_in
    }
    assert len(let_in) == 3
    assert query(conninfo, "select count(*) from participants where label like 'eve %'") == [(3,)]


async def bound_to_eve(accounts: Accounts, project_id: int, name: str | None = None) -> str:
    invite = await accounts.create_invite(project_id, participant_name=name, email="Eve@example.com", by="ann")
    return invite.code


async def test_a_bound_invite_lets_in_who_has_the_email_as_a_human_named_after_it(
    accounts: Accounts, ann: Estate
) -> None:
    code = await bound_to_eve(accounts, ann.project_id)
    assert await accounts.find_bound_invite(code) == BoundInvite(
        email="Eve@example.com", project_id=ann.project_id, project_name="bus", handle="ann", label=None
    )
    redeemed = await accounts.redeem_bound_invite(code, "EVE@EXAMPLE.com")
    assert isinstance(redeemed, Redeemed)
    assert (redeemed.participant, redeemed.created) == ("EVE", True)
    grant = await accounts.authenticate(digest(redeemed.token))
    assert grant is not None
    assert grant.principal.actor == "ann/EVE"
    kinds = {row.name: row.kind for row in await accounts.list_participants(ann.project_id)}
    assert kinds["EVE"] == "human"
    assert await accounts.redeem_bound_invite(code, "eve@example.com") == "exhausted"


async def test_a_bound_invite_is_worth_nothing_to_anybody_else(accounts: Accounts, ann: Estate, conninfo: str) -> None:
    code, unbound = await bound_to_eve(accounts, ann.project_id, "eve"), ann.invite.code
    before = everything(conninfo)
    assert await accounts.redeem_invite(code, "mallory") == "invalid"
    assert await accounts.redeem_invite(code) == "invalid"
    assert await accounts.redeem_bound_invite(code, "mallory@example.com") == "invalid"
    assert await accounts.redeem_bound_invite(unbound, "eve@example.com") == "invalid"
    assert await accounts.find_bound_invite(unbound) is None
    assert await accounts.find_bound_invite("made-up") is None
    assert everything(conninfo) == before


async def test_a_bound_invite_that_names_a_participant_lets_in_as_that_one(accounts: Accounts, ann: Estate) -> None:
    code = await bound_to_eve(accounts, ann.project_id, "lead")
    redeemed = await accounts.redeem_bound_invite(code, "eve@example.com")
    assert isinstance(redeemed, Redeemed)
    assert (redeemed.participant, redeemed.created) == ("lead", False)


async def test_a_participant_named_after_an_email_is_numbered_when_the_name_is_taken(
    accounts: Accounts, ann: Estate
) -> None:
    await accounts.provision(ann.project_id, participant_name="eve", by="ann")
    for expected in ("eve-2", "eve-3"):
        code = await bound_to_eve(accounts, ann.project_id)
        redeemed = await accounts.redeem_bound_invite(code, "eve@example.com")
        assert isinstance(redeemed, Redeemed)
        assert redeemed.participant == expected


async def test_a_bound_invite_says_why_it_lets_nobody_in(
    store: Store, accounts: Accounts, ann: Estate, conninfo: str
) -> None:
    code = await bound_to_eve(accounts, ann.project_id)
    await store.owned.suspend(ann.owner.id, by="root")
    assert await accounts.find_bound_invite(code) is None
    assert await accounts.redeem_bound_invite(code, "eve@example.com") == "invalid"
    await store.owned.restore(ann.owner.id, by="root")
    query(conninfo, "update invites set expires_at = now()")
    assert await accounts.find_bound_invite(code) is not None
    assert await accounts.redeem_bound_invite(code, "eve@example.com") == "expired"
    query(conninfo, "update invites set revoked_at = now()")
    assert await accounts.find_bound_invite(code) is None
    assert await accounts.redeem_bound_invite(code, "eve@example.com") == "invalid"


async def test_an_invite_is_bound_to_an_email_only(accounts: Accounts, ann: Estate) -> None:
    with pytest.raises(InvalidName):
        await accounts.create_invite(ann.project_id, email="eve", by="ann")
    with pytest.raises(InvalidName):
        await accounts.create_invite(ann.project_id, lane="x" * 65, by="ann")
