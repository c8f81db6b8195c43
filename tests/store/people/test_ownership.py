"""What an owner sees and changes, and that nobody else does."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from store import Store
from store.accounts import Redeemed
from store.errors import InvalidName, NameTaken
from store.owned import Owned
from store.people.codes import digest
from tests.postgres import query
from tests.store.estate import Estate, audited, everything, settle

pytestmark = pytest.mark.usefixtures("bounded")

MISSING = 10**9

Ids = dict[str, int]


@pytest.fixture
def owned(store: Store) -> Owned:
    return store.owned


@pytest.fixture
async def ann(store: Store) -> Estate:
    return await settle(store, "ann@example.com")


@pytest.fixture
async def bob(store: Store) -> Estate:
    return await settle(store, "bob@example.com")


WITH_IDS: dict[str, Callable[[Owned, int, Ids], Awaitable[Any]]] = {
    "project": lambda owned, owner, ids: owned.project(owner, ids["project_id"]),
    "members": lambda owned, owner, ids: owned.members(owner, ids["project_id"]),
    "member": lambda owned, owner, ids: owned.member(owner, ids["project_id"], ids["participation_id"]),
    "participant": lambda owned, owner, ids: owned.participant(owner, ids["participant_id"]),
    "invites": lambda owned, owner, ids: owned.invites(owner, ids["project_id"]),
    "audit": lambda owned, owner, ids: owned.audit(owner, project_id=ids["project_id"], limit=9),
    "change_project": lambda owned, owner, ids: owned.change_project(
        owner, ids["project_id"], slug="bees", name="Bees", liveness_window_seconds=60, by="x"
    ),
    "delete_project": lambda owned, owner, ids: owned.delete_project(owner, ids["project_id"], by="x"),
    "change_participant": lambda owned, owner, ids: owned.change_participant(
        owner, ids["participant_id"], label="boss", kind="human", by="x"
    ),
    "delete_participant": lambda owned, owner, ids: owned.delete_participant(owner, ids["participant_id"], by="x"),
    "change_member": lambda owned, owner, ids: owned.change_member(
        owner, ids["project_id"], ids["participation_id"], lane="web", is_admin=False, by="x"
    ),
    "revoke_invite": lambda owned, owner, ids: owned.revoke_invite(owner, ids["project_id"], ids["invite_id"], by="x"),
}


def ids_of(estate: Estate) -> Ids:
    return {name: getattr(estate, name) for name in ("project_id", "participation_id", "participant_id", "invite_id")}


async def test_the_table_has_every_method_that_takes_ids() -> None:
    methods = inspect.getmembers(Owned, inspect.iscoroutinefunction)
    taking_ids = {
        name
        for name, method in methods
        if any(each.endswith("_id") and each != "owner_id" for each in inspect.signature(method).parameters)
    }
    assert taking_ids == set(WITH_IDS)


@pytest.mark.parametrize("name", WITH_IDS)
async def test_somebody_elses_ids_are_as_good_as_missing_ones(
    owned: Owned, ann: Estate, bob: Estate, conninfo: str, name: str
) -> None:
    call, before = WITH_IDS[name], everything(conninfo)
    missing = await call(owned, bob.owner.id, dict.fromkeys(ids_of(ann), MISSING))
    assert missing in (None, False, [])
    assert await call(owned, bob.owner.id, ids_of(ann)) == missing
    assert everything(conninfo) == before
    assert await call(owned, ann.owner.id, ids_of(ann)) != missing, "the owner's own are found"


@pytest.mark.parametrize("name", ["member", "change_member", "revoke_invite"])
async def test_what_is_in_another_project_of_the_same_owner_is_missing_too(
    store: Store, owned: Owned, ann: Estate, conninfo: str, name: str
) -> None:
    other = await store.accounts.ensure_project(ann.owner.id, "other")
    before = everything(conninfo)
    assert await WITH_IDS[name](owned, ann.owner.id, ids_of(ann) | {"project_id": other.id}) in (None, False)
    assert everything(conninfo) == before


async def test_lists_show_only_what_is_the_owners(owned: Owned, ann: Estate, bob: Estate) -> None:
    assert [row.id for row in await owned.dashboard(ann.owner.id)] == [ann.project_id]
    assert [row.id for row in await owned.participants(bob.owner.id)] == [bob.participant_id]
    assert {row.project_id for row in await owned.audit(bob.owner.id, limit=99)} == {None, bob.project_id}
    assert await owned.dashboard(MISSING) == []
    assert await owned.participants(MISSING) == []
    assert await owned.audit(MISSING, limit=9) == []


async def test_a_project_is_created_and_changed(owned: Owned, ann: Estate) -> None:
    created = await owned.create_project(ann.owner.id, "web", " The web ", by="ann")
    assert (created.slug, created.name, created.liveness_window_seconds, created.created) == (
        "web",
        "The web",
        900,
        True,
    )
    assert (await owned.create_project(ann.owner.id, "plain", "", by="ann")).name == "plain"
    changed = await owned.change_project(
        ann.owner.id, created.id, slug="www", name="Web", liveness_window_seconds=60, by="ann"
    )
    assert changed == await owned.project(ann.owner.id, created.id)
    assert changed is not None
    assert (changed.slug, changed.name, changed.liveness_window_seconds) == ("www", "Web", 60)


async def test_names_that_are_taken_are_told_by_name_and_change_nothing(
    store: Store, owned: Owned, ann: Estate, bob: Estate, conninfo: str
) -> None:
    other = await owned.create_project(ann.owner.id, "web", by="ann")
    await store.accounts.provision(ann.project_id, participant_name="carl", by="ann")
    before = everything(conninfo)
    attempts: list[tuple[str, Awaitable[object]]] = [
        ("slug", owned.create_project(ann.owner.id, "bus", by="ann")),
        (
            "slug",
            owned.change_project(ann.owner.id, other.id, slug="bus", name="x", liveness_window_seconds=9, by="ann"),
        ),
        ("label", owned.change_participant(ann.owner.id, ann.participant_id, label="carl", kind="agent", by="ann")),
        ("handle", owned.rename_handle(ann.owner.id, "BOB", by="ann")),
    ]
    for field, attempt in attempts:
        with pytest.raises(NameTaken, match="choose another") as refused:
            await attempt
        assert refused.value.field == field
    assert everything(conninfo) == before


async def test_what_cannot_be_a_name_is_refused_with_the_field_it_was_typed_in(
    owned: Owned, ann: Estate, conninfo: str
) -> None:
    before = everything(conninfo)
    owner, project, window = ann.owner.id, ann.project_id, {"liveness_window_seconds": 900}
    attempts: list[tuple[str, Awaitable[object]]] = [
        ("slug", owned.create_project(owner, "No Slug", by="ann")),
        ("name", owned.create_project(owner, "web", "x" * 101, by="ann")),
        ("slug", owned.change_project(owner, project, slug="", name="x", by="ann", **window)),
        ("name", owned.change_project(owner, project, slug="bus", name=" ", by="ann", **window)),
        (
            "liveness_window_seconds",
            owned.change_project(owner, project, slug="bus", name="x", by="ann", liveness_window_seconds=0),
        ),
        ("label", owned.change_participant(owner, ann.participant_id, label="a/b", kind="agent", by="ann")),
        ("lane", owned.change_member(owner, project, ann.participation_id, lane="\x00", is_admin=True, by="ann")),
        ("handle", owned.rename_handle(owner, "-ann", by="ann")),
        ("handle", owned.rename_handle(owner, "a", by="ann")),
    ]
    for field, attempt in attempts:
        with pytest.raises(InvalidName) as refused:
            await attempt
        assert (refused.value.field, type(refused.value)) == (field, InvalidName)
    assert everything(conninfo) == before


async def test_of_many_who_want_one_name_at_once_one_gets_it(
    store: Store, owned: Owned, ann: Estate, conninfo: str
) -> None:
    people = [await store.accounts.add_owner(f"carl-{number}@example.com") for number in range(5)]
    outcomes: list[str] = []

    async def attempt(what: Awaitable[object]) -> None:
        try:
            await what
        except NameTaken:
            outcomes.append("taken")
        else:
            outcomes.append("got it")

    async with trio.open_nursery() as nursery:
        for person in people:
            nursery.start_soon(attempt, owned.rename_handle(person.id, "zoe", by="x"))
            nursery.start_soon(attempt, owned.create_project(ann.owner.id, "web", by="ann"))
    assert sorted(outcomes) == ["got it"] * 2 + ["taken"] * 8


async def test_a_handle_is_confirmed_by_choosing_it_also_the_one_there_was(
    store: Store, owned: Owned, ann: Estate, conninfo: str
) -> None:
    assert not ann.owner.handle_confirmed
    kept = await owned.rename_handle(ann.owner.id, " Ann ", by="ann")
    assert (kept.handle, kept.handle_confirmed) == ("ann", True)
    assert "handle_change" not in audited(conninfo)
    renamed = await owned.rename_handle(ann.owner.id, "annie", by="ann")
    assert renamed == await store.accounts.find_owner("ann@example.com")
    grant = await store.accounts.authenticate(digest(ann.token))
    assert grant is not None
    assert grant.principal.actor == "annie/lead"


async def test_a_participant_is_renamed_everywhere_and_keeps_its_token(store: Store, owned: Owned, ann: Estate) -> None:
    await store.accounts.mint("ann@example.com", "also", "lead")
    changed = await owned.change_participant(ann.owner.id, ann.participant_id, label=" boss ", kind="human", by="ann")
    assert changed == await owned.participant(ann.owner.id, ann.participant_id)
    assert changed is not None
    assert (changed.label, changed.kind, [place.slug for place in changed.projects]) == (
        "boss",
        "human",
        ["also", "bus"],
    )
    assert [(row.name, row.kind) for row in await owned.members(ann.owner.id, ann.project_id) or ()] == [
        ("boss", "human")
    ]
    grant = await store.accounts.authenticate(digest(ann.token))
    assert grant is not None
    assert grant.principal.label == "boss"


async def test_a_deleted_participant_is_gone_from_every_project_with_its_tokens(
    store: Store, owned: Owned, ann: Estate
) -> None:
    also = await store.accounts.mint("ann@example.com", "also", "lead")
    assert await owned.delete_participant(ann.owner.id, ann.participant_id, by="ann")
    assert not await owned.delete_participant(ann.owner.id, ann.participant_id, by="ann")
    assert await owned.members(ann.owner.id, ann.project_id) == []
    assert await store.accounts.still_valid([digest(ann.token), digest(also.provisioned.token)]) == set()


async def test_a_member_gets_a_lane_and_loses_it_and_the_lead(owned: Owned, ann: Estate) -> None:
    async def changed(lane: str | None, *, is_admin: bool) -> tuple[str | None, bool]:
        row = await owned.change_member(
            ann.owner.id, ann.project_id, ann.participation_id, lane=lane, is_admin=is_admin, by="ann"
        )
        assert row == await owned.member(ann.owner.id, ann.project_id, ann.participation_id)
        assert row is not None
        return row.lane, row.is_admin

    assert await changed(" api ", is_admin=True) == ("api", True)
    assert await changed("api", is_admin=False) == ("api", False)
    assert await changed("", is_admin=False) == (None, False)


async def test_invites_are_listed_newest_first_without_their_codes(store: Store, owned: Owned, ann: Estate) -> None:
    bound = await store.accounts.create_invite(ann.project_id, email="Eve@example.com", lane="api", uses=2, by="ann")
    rows = await owned.invites(ann.owner.id, ann.project_id)
    assert rows is not None
    assert [(row.label, row.email, row.kind, row.lane, row.uses, row.uses_max) for row in rows] == [
        (None, "Eve@example.com", "human", "api", 0, 2),
        ("guest", None, "agent", None, 0, 3),
    ]
    assert rows[0].expires_at == bound.expires_at


async def test_a_revoked_invite_lets_nobody_in(store: Store, owned: Owned, ann: Estate, conninfo: str) -> None:
    for _ in range(2):
        assert await owned.revoke_invite(ann.owner.id, ann.project_id, ann.invite_id, by="ann")
    assert await store.accounts.redeem_invite(ann.invite.code) == "invalid"
    rows = await owned.invites(ann.owner.id, ann.project_id)
    assert rows is not None
    assert rows[0].revoked_at is not None
    assert audited(conninfo).count("invite_revoke") == 1


async def test_a_suspended_owners_tokens_are_no_longer_good_until_restored(
    store: Store, owned: Owned, ann: Estate, bob: Estate, conninfo: str
) -> None:
    hashes = {digest(ann.token), digest(bob.token), digest("made up")}
    assert await store.accounts.still_valid(hashes) == {digest(ann.token), digest(bob.token)}
    for _ in range(2):
        assert await owned.suspend(ann.owner.id, by="root")
    assert await store.accounts.still_valid(hashes) == {digest(bob.token)}
    grant = await store.accounts.authenticate(digest(ann.token))
    assert grant is not None
    assert grant.suspended
    for _ in range(2):
        assert await owned.restore(ann.owner.id, by="root")
    assert await store.accounts.still_valid(hashes) == {digest(ann.token), digest(bob.token)}
    assert not await owned.suspend(MISSING, by="root")
    assert not await owned.restore(MISSING, by="root")
    assert audited(conninfo)[-2:] == ["owner_suspend", "owner_restore"]
    await store.accounts.revoke(ann.project_id, "lead", by="ann")
    assert await store.accounts.still_valid(hashes) == {digest(bob.token)}


async def test_every_change_is_audited_once_with_who_made_it(owned: Owned, ann: Estate, conninfo: str) -> None:
    owner, project = ann.owner.id, ann.project_id
    before = len(audited(conninfo))
    for _ in range(2):  # what is so already is no change
        await owned.rename_handle(owner, "annie", by="ann")
        await owned.change_project(owner, project, slug="bees", name="Bees", liveness_window_seconds=60, by="ann")
        await owned.change_participant(owner, ann.participant_id, label="boss", kind="human", by="ann")
        await owned.change_member(owner, project, ann.participation_id, lane="web", is_admin=False, by="ann")
        await owned.revoke_invite(owner, project, ann.invite_id, by="ann")
    await owned.delete_participant(owner, ann.participant_id, by="ann")
    await owned.delete_project(owner, project, by="ann")
    await owned.create_project(owner, "bus", by="ann")
    rows = query(conninfo, "select action, actor from audit order by id offset %s", (before,))
    assert [action for action, _ in rows] == [
        "handle_change",
        "project_change",
        "participant_change",
        "member_change",
        "invite_revoke",
        "participant_delete",
        "project_delete",
        "project_add",
    ]
    assert {actor for _, actor in rows} == {"ann"}


async def test_the_audit_trail_is_read_in_pages_newest_first(owned: Owned, ann: Estate) -> None:
    rows = await owned.audit(ann.owner.id, limit=99)
    assert [row.action for row in rows] == ["invite", "token_mint", "grant", "project_add", "owner_add"]
    assert rows[0].detail["participant"] == "guest"
    assert [row.project_slug for row in rows] == ["bus"] * 4 + [None]
    assert await owned.audit(ann.owner.id, limit=2) == rows[:2]
    assert await owned.audit(ann.owner.id, before=rows[1].id, limit=2) == rows[2:4]
    assert await owned.audit(ann.owner.id, project_id=ann.project_id, limit=99) == rows[:4]
    await owned.delete_project(ann.owner.id, ann.project_id, by="ann")
    gone = await owned.audit(ann.owner.id, project_id=ann.project_id, limit=1)
    assert [(row.action, row.project_slug, row.detail["slug"]) for row in gone] == [("project_delete", None, "bus")]


async def test_no_secret_is_in_clear_in_any_table(store: Store, ann: Estate, conninfo: str) -> None:
    rotated = await store.accounts.rotate(ann.project_id, "lead", by="ann")
    redeemed = await store.accounts.redeem_invite(ann.invite.code)
    bound = await store.accounts.create_invite(ann.project_id, email="eve@example.com", by="ann")
    assert rotated is not None
    assert isinstance(redeemed, Redeemed)
    written = str(everything(conninfo))
    secrets = [ann.token, ann.invite.code, rotated.token, redeemed.token, bound.code]
    assert not [secret for secret in secrets if secret.removeprefix("llmbus_") in written]
