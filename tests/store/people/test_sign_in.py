"""Links, sign-ins under way and identities: each opens once, in time, and for the right owner."""

import pytest
import trio

from store import Store
from store.errors import InvalidName
from store.people import identities, links, owners
from store.people.identities import AttemptData
from store.people.owners import OwnerRow
from tests.postgres import query
from tests.store.estate import audited, everything

pytestmark = pytest.mark.usefixtures("bounded")

ATTEMPT = AttemptData(provider="google", nonce="n", verifier="v", next_path="/admin/projects/3")


@pytest.fixture
async def ann(store: Store) -> OwnerRow:
    await store.write(owners.ensure_owner, "ann@example.com")
    owner = await store.read(owners.find_owner, "ann@example.com")
    assert owner is not None
    return owner


async def made_link(store: Store) -> str:
    code = await store.write(links.make, "ANN@example.com ")
    assert code is not None
    return code


async def test_a_link_signs_its_owner_in_once(store: Store, ann: OwnerRow) -> None:
    first, second = await made_link(store), await made_link(store)
    assert await store.write(links.redeem, first) == ann
    assert await store.write(links.redeem, first) is None
    assert await store.write(links.redeem, second) == ann
    assert await store.write(links.redeem, "made-up") is None


async def test_nobody_gets_a_link_who_is_no_owner(store: Store, ann: OwnerRow, conninfo: str) -> None:
    assert await store.write(links.make, "bob@example.com") is None
    assert query(conninfo, "select count(*) from sign_in_links") == [(0,)]


async def test_of_many_who_redeem_a_link_at_once_one_is_signed_in(store: Store, ann: OwnerRow) -> None:
    code = await made_link(store)
    outcomes: list[OwnerRow | None] = []

    async def redeem() -> None:
        outcomes.append(await store.write(links.redeem, code))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(redeem)
    assert [outcome for outcome in outcomes if outcome is not None] == [ann]
    assert len(outcomes) == 20


async def test_a_link_works_for_fifteen_minutes(store: Store, ann: OwnerRow, conninfo: str) -> None:
    code = await made_link(store)
    minutes_left = "select extract(epoch from expires_at - now()) / 60 from sign_in_links"
    assert 14 < float(str(query(conninfo, minutes_left)[0][0])) <= 15
    query(conninfo, "update sign_in_links set expires_at = now()")
    assert await store.write(links.redeem, code) is None


async def test_a_suspended_owners_link_works_only_once_the_owner_is_restored(store: Store, ann: OwnerRow) -> None:
    code = await made_link(store)
    await store.write(owners.suspend, ann.id, by="root")
    assert await store.write(links.redeem, code) is None
    await store.write(owners.restore, ann.id, by="root")
    assert await store.write(links.redeem, code) == ann


async def test_the_database_has_no_code_in_clear_and_keeps_none_that_is_old(
    store: Store, ann: OwnerRow, conninfo: str
) -> None:
    codes = [await made_link(store), await store.write(identities.keep_attempt, ATTEMPT)]
    written = str(everything(conninfo))
    assert not [code for code in codes if code in written]
    query(conninfo, "update sign_in_links set expires_at = now() - interval '24 hours'")
    query(conninfo, "update sign_in_attempts set expires_at = now()")
    await made_link(store)
    await store.write(identities.keep_attempt, ATTEMPT)
    counts = "select (select count(*) from sign_in_links), (select count(*) from sign_in_attempts)"
    assert query(conninfo, counts) == [(1, 1)]


async def test_a_sign_in_is_taken_up_again_once_within_ten_minutes(store: Store, conninfo: str) -> None:
    code, late = (
        await store.write(identities.keep_attempt, ATTEMPT),
        await store.write(identities.keep_attempt, ATTEMPT),
    )
    assert await store.write(identities.take_attempt, code) == ATTEMPT
    assert await store.write(identities.take_attempt, code) is None
    assert await store.write(identities.take_attempt, "made-up") is None
    minutes_left = "select extract(epoch from expires_at - now()) / 60 from sign_in_attempts"
    assert 9 < float(str(query(conninfo, minutes_left)[0][0])) <= 10
    query(conninfo, "update sign_in_attempts set expires_at = now()")
    assert await store.write(identities.take_attempt, late) is None


async def test_an_owner_is_linked_by_email_and_known_by_the_subject_from_then_on(
    store: Store, ann: OwnerRow, conninfo: str
) -> None:
    assert await store.write(identities.link_identity, "google", "g-1", "Ann@Example.com", may_sign_up=False) == ann
    assert await store.write(identities.link_identity, "google", "g-1", "new@example.com", may_sign_up=False) == ann
    assert await store.write(identities.link_identity, "github", "g-1", "ann@example.com", may_sign_up=False) == ann
    assert audited(conninfo) == ["owner_add", "identity_link", "identity_link"]


async def test_an_email_that_changed_hands_at_its_provider_opens_nothing(
    store: Store, ann: OwnerRow, conninfo: str
) -> None:
    await store.write(identities.link_identity, "google", "g-1", "ann@example.com", may_sign_up=True)
    before = everything(conninfo)
    assert await store.write(identities.link_identity, "google", "g-2", "ann@example.com", may_sign_up=True) is None
    assert everything(conninfo) == before


async def test_a_stranger_becomes_an_owner_only_where_that_is_allowed(
    store: Store, ann: OwnerRow, conninfo: str
) -> None:
    before = everything(conninfo)
    assert await store.write(identities.link_identity, "google", "g-2", "bob@example.com", may_sign_up=False) is None
    assert everything(conninfo) == before
    bob = await store.write(identities.link_identity, "google", "g-2", "bob@example.com", may_sign_up=True)
    assert bob is not None
    assert (bob.handle, bob.handle_confirmed, bob.is_operator, bob.created) == ("bob", False, False, True)
    assert audited(conninfo)[-2:] == ["owner_add", "identity_link"]
    with pytest.raises(InvalidName):
        await store.write(identities.link_identity, "google", "g-3", "no email", may_sign_up=True)


async def test_a_stranger_who_arrives_many_times_at_once_becomes_one_owner(store: Store, conninfo: str) -> None:
    arrived: list[OwnerRow | None] = []

    async def arrive() -> None:
        arrived.append(
            await store.write(identities.link_identity, "google", "g-1", "ann@example.com", may_sign_up=True)
        )

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(arrive)
    assert {None if owner is None else owner.handle for owner in arrived} == {"ann"}
    assert audited(conninfo) == ["owner_add", "identity_link"]
