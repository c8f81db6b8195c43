"""What an owner sees and changes, and that nobody else does."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from store import Store
from store.errors import InvalidName, NameTaken
from store.ledger import overview, projects, webhooks
from store.people import audit, grants, invites, minting, owners, participants, tokens
from store.people.codes import digest
from store.people.invites import Redeemed
from tests.postgres import query
from tests.store.estate import Estate, audited, everything, settle

pytestmark = pytest.mark.usefixtures("bounded")

MISSING = 10**9

Ids = dict[str, int]


@pytest.fixture
async def ann(store: Store) -> Estate:
    return await settle(store, "ann@example.com")


@pytest.fixture
async def bob(store: Store) -> Estate:
    return await settle(store, "bob@example.com")


OWNED = (projects, participants, invites, audit, webhooks)

WITH_IDS: dict[str, Callable[[Store, int, Ids], Awaitable[Any]]] = {
    "projects.find": lambda store, owner, ids: store.read(projects.find, owner, ids["project_id"]),
    "participants.members": lambda store, owner, ids: store.read(participants.members, owner, ids["project_id"]),
    "participants.member": lambda store, owner, ids: store.read(
        participants.member, owner, ids["project_id"], ids["participation_id"]
    ),
    "participants.find_members": lambda store, owner, ids: store.read(
        participants.find_members, owner, ids["project_id"], limit=9
    ),
    "participants.person": lambda store, owner, ids: store.read(participants.person, owner, ids["participant_id"]),
    "invites.list_all": lambda store, owner, ids: store.read(invites.list_all, owner, ids["project_id"]),
    "invites.find_one": lambda store, owner, ids: store.read(
        invites.find_one, owner, ids["project_id"], ids["invite_id"]
    ),
    "audit.page": lambda store, owner, ids: store.read(audit.page, owner, project_id=ids["project_id"], limit=9),
    "projects.change": lambda store, owner, ids: store.write(
        projects.change, owner, ids["project_id"], slug="bees", name="Bees", liveness_window_seconds=60, by="x"
    ),
    "projects.archive": lambda store, owner, ids: store.write(
        projects.archive, owner, ids["project_id"], archived=True, by="x"
    ),
    "webhooks.find": lambda store, owner, ids: store.read(webhooks.find, owner, ids["project_id"]),
    "webhooks.save": lambda store, owner, ids: store.write(
        webhooks.save, owner, ids["project_id"], url="https://b.example", shape="ntfy", by="x"
    ),
    "webhooks.take_for_test": lambda store, owner, ids: store.write(
        webhooks.take_for_test, owner, ids["project_id"], by="x"
    ),
    "webhooks.remove": lambda store, owner, ids: store.write(webhooks.remove, owner, ids["project_id"], by="x"),
    "projects.delete": lambda store, owner, ids: store.write(projects.delete, owner, ids["project_id"], by="x"),
    "participants.change_participant": lambda store, owner, ids: store.write(
        participants.change_participant, owner, ids["participant_id"], label="boss", kind="human", by="x"
    ),
    "participants.delete_participant": lambda store, owner, ids: store.write(
        participants.delete_participant, owner, ids["participant_id"], by="x"
    ),
    "participants.change_member": lambda store, owner, ids: store.write(
        participants.change_member,
        owner,
        ids["project_id"],
        ids["participation_id"],
        lane="web",
        is_admin=False,
        by="x",
    ),
    "invites.revoke": lambda store, owner, ids: store.write(
        invites.revoke, owner, ids["project_id"], ids["invite_id"], by="x"
    ),
}


def ids_of(estate: Estate) -> Ids:
    return {name: getattr(estate, name) for name in ("project_id", "participation_id", "participant_id", "invite_id")}


async def test_the_table_has_every_owners_function_that_takes_ids() -> None:
    taking_ids = set()
    for module in OWNED:
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction):
            parameters = list(inspect.signature(function).parameters)
            is_owners = function.__module__ == module.__name__ and parameters[:2] == ["connection", "owner_id"]
            is_public = not name.startswith("_") and function is not audit.record  # writes only beside what was found
            if is_owners and is_public and any(each.endswith("_id") for each in parameters[2:]):
                taking_ids.add(f"{module.__name__.rpartition('.')[2]}.{name}")
    assert taking_ids == set(WITH_IDS)


@pytest.mark.parametrize("name", WITH_IDS)
async def test_somebody_elses_ids_are_as_good_as_missing_ones(
    store: Store, ann: Estate, bob: Estate, conninfo: str, name: str
) -> None:
    await store.write(webhooks.save, ann.owner.id, ann.project_id, url="https://a.example", shape="json", by="x")
    call, before = WITH_IDS[name], everything(conninfo)
    missing = await call(store, bob.owner.id, dict.fromkeys(ids_of(ann), MISSING))
    assert missing in (None, False, [])
    assert await call(store, bob.owner.id, ids_of(ann)) == missing
    assert everything(conninfo) == before
    assert await call(store, ann.owner.id, ids_of(ann)) != missing, "the owner's own are found"


@pytest.mark.parametrize("name", ["participants.member", "participants.change_member", "invites.revoke"])
async def test_what_is_in_another_project_of_the_same_owner_is_missing_too(
    store: Store, ann: Estate, conninfo: str, name: str
) -> None:
    other = await store.write(projects.ensure, ann.owner.id, "other")
    before = everything(conninfo)
    assert await WITH_IDS[name](store, ann.owner.id, ids_of(ann) | {"project_id": other.id}) in (None, False)
    assert everything(conninfo) == before


async def test_lists_show_only_what_is_the_owners(store: Store, ann: Estate, bob: Estate) -> None:
    assert [row.id for row in await store.read(overview.dashboard, ann.owner.id)] == [ann.project_id]
    assert [row.id for row in await store.read(participants.persons, bob.owner.id)] == [bob.participant_id]
    assert {row.project_id for row in await store.read(audit.page, bob.owner.id, limit=99)} == {None, bob.project_id}
    assert await store.read(overview.dashboard, MISSING) == []
    assert await store.read(participants.persons, MISSING) == []
    assert await store.read(audit.page, MISSING, limit=9) == []


async def test_a_project_is_created_and_changed(store: Store, ann: Estate) -> None:
    created = await store.write(projects.add, ann.owner.id, "web", " The web ", by="ann")
    assert (created.slug, created.name, created.liveness_window_seconds, created.created) == (
        "web",
        "The web",
        900,
        True,
    )
    assert (await store.write(projects.add, ann.owner.id, "plain", "", by="ann")).name == "plain"
    changed = await store.write(
        projects.change, ann.owner.id, created.id, slug="www", name="Web", liveness_window_seconds=60, by="ann"
    )
    assert changed == await store.read(projects.find, ann.owner.id, created.id)
    assert changed is not None
    assert (changed.slug, changed.name, changed.liveness_window_seconds) == ("www", "Web", 60)


async def test_names_that_are_taken_are_told_by_name_and_change_nothing(
    store: Store, ann: Estate, bob: Estate, conninfo: str
) -> None:
    other = await store.write(projects.add, ann.owner.id, "web", by="ann")
    await store.write(grants.provision, ann.project_id, participant_name="carl", by="ann")
    before = everything(conninfo)
    attempts: list[tuple[str, Awaitable[object]]] = [
        ("slug", store.write(projects.add, ann.owner.id, "bus", by="ann")),
        (
            "slug",
            store.write(
                projects.change, ann.owner.id, other.id, slug="bus", name="x", liveness_window_seconds=9, by="ann"
            ),
        ),
        (
            "label",
            store.write(
                participants.change_participant, ann.owner.id, ann.participant_id, label="carl", kind="agent", by="ann"
            ),
        ),
        ("handle", store.write(owners.rename, ann.owner.id, "BOB", by="ann")),
    ]
    for field, attempt in attempts:
        with pytest.raises(NameTaken, match="choose another") as refused:
            await attempt
        assert refused.value.field == field
    assert everything(conninfo) == before


async def test_what_cannot_be_a_name_is_refused_with_the_field_it_was_typed_in(
    store: Store, ann: Estate, conninfo: str
) -> None:
    before = everything(conninfo)
    owner, project = ann.owner.id, ann.project_id
    attempts: list[tuple[str, Awaitable[object]]] = [
        ("slug", store.write(projects.add, owner, "No Slug", by="ann")),
        ("name", store.write(projects.add, owner, "web", "x" * 101, by="ann")),
        (
            "slug",
            store.write(projects.change, owner, project, slug="", name="x", by="ann", liveness_window_seconds=900),
        ),
        (
            "name",
            store.write(projects.change, owner, project, slug="bus", name=" ", by="ann", liveness_window_seconds=900),
        ),
        (
            "liveness_window_seconds",
            store.write(projects.change, owner, project, slug="bus", name="x", by="ann", liveness_window_seconds=0),
        ),
        (
            "label",
            store.write(
                participants.change_participant, owner, ann.participant_id, label="a/b", kind="agent", by="ann"
            ),
        ),
        (
            "lane",
            store.write(
                participants.change_member, owner, project, ann.participation_id, lane="\x00", is_admin=True, by="ann"
            ),
        ),
        ("handle", store.write(owners.rename, owner, "-ann", by="ann")),
        ("handle", store.write(owners.rename, owner, "a", by="ann")),
    ]
    for field, attempt in attempts:
        with pytest.raises(InvalidName) as refused:
            await attempt
        assert (refused.value.field, type(refused.value)) == (field, InvalidName)
    assert everything(conninfo) == before


async def test_of_many_who_want_one_name_at_once_one_gets_it(store: Store, ann: Estate, conninfo: str) -> None:
    people = [await store.write(owners.ensure_owner, f"carl-{number}@example.com") for number in range(5)]
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
            nursery.start_soon(attempt, store.write(owners.rename, person.id, "zoe", by="x"))
            nursery.start_soon(attempt, store.write(projects.add, ann.owner.id, "web", by="ann"))
    assert sorted(outcomes) == ["got it"] * 2 + ["taken"] * 8


async def test_a_handle_is_confirmed_by_choosing_it_also_the_one_there_was(
    store: Store, ann: Estate, conninfo: str
) -> None:
    assert not ann.owner.handle_confirmed
    kept = await store.write(owners.rename, ann.owner.id, " Ann ", by="ann")
    assert (kept.handle, kept.handle_confirmed) == ("ann", True)
    assert "handle_change" not in audited(conninfo)
    renamed = await store.write(owners.rename, ann.owner.id, "annie", by="ann")
    assert renamed == await store.read(owners.find_owner, "ann@example.com")
    grant = await store.read(tokens.authenticate, digest(ann.token))
    assert grant is not None
    assert grant.principal.actor == "annie/lead"


async def test_a_participant_is_renamed_everywhere_and_keeps_its_token(store: Store, ann: Estate) -> None:
    await store.write(minting.mint, "ann@example.com", "also", "lead")
    changed = await store.write(
        participants.change_participant, ann.owner.id, ann.participant_id, label=" boss ", kind="human", by="ann"
    )
    assert changed == await store.read(participants.person, ann.owner.id, ann.participant_id)
    assert changed is not None
    assert (changed.label, changed.kind, [place.slug for place in changed.projects]) == (
        "boss",
        "human",
        ["also", "bus"],
    )
    assert [
        (row.name, row.kind) for row in await store.read(participants.members, ann.owner.id, ann.project_id) or ()
    ] == [("boss", "human")]
    grant = await store.read(tokens.authenticate, digest(ann.token))
    assert grant is not None
    assert grant.principal.label == "boss"


async def test_a_deleted_participant_is_gone_from_every_project_with_its_tokens(store: Store, ann: Estate) -> None:
    also = await store.write(minting.mint, "ann@example.com", "also", "lead")
    assert await store.write(participants.delete_participant, ann.owner.id, ann.participant_id, by="ann")
    assert not await store.write(participants.delete_participant, ann.owner.id, ann.participant_id, by="ann")
    assert await store.read(participants.members, ann.owner.id, ann.project_id) == []
    assert await store.read(tokens.still_valid, [digest(ann.token), digest(also.provisioned.token)]) == set()


async def test_a_member_gets_a_lane_and_loses_it_and_the_lead(store: Store, ann: Estate) -> None:
    async def changed(lane: str | None, *, is_admin: bool) -> tuple[str | None, bool]:
        row = await store.write(
            participants.change_member,
            ann.owner.id,
            ann.project_id,
            ann.participation_id,
            lane=lane,
            is_admin=is_admin,
            by="ann",
        )
        assert row == await store.read(participants.member, ann.owner.id, ann.project_id, ann.participation_id)
        assert row is not None
        return row.lane, row.is_admin

    assert await changed(" api ", is_admin=True) == ("api", True)
    assert await changed("api", is_admin=False) == ("api", False)
    assert await changed("", is_admin=False) == (None, False)


async def test_invites_are_listed_newest_first_without_their_codes(store: Store, ann: Estate) -> None:
    bound = await store.write(invites.create, ann.project_id, email="Eve@example.com", lane="api", uses=2, by="ann")
    rows = await store.read(invites.list_all, ann.owner.id, ann.project_id)
    assert rows is not None
    assert [(row.label, row.email, row.kind, row.lane, row.uses, row.uses_max) for row in rows] == [
        (None, "Eve@example.com", "human", "api", 0, 2),
        ("guest", None, "agent", None, 0, 3),
    ]
    assert rows[0].expires_at == bound.expires_at


async def test_a_revoked_invite_lets_nobody_in(store: Store, ann: Estate, conninfo: str) -> None:
    for _ in range(2):
        assert await store.write(invites.revoke, ann.owner.id, ann.project_id, ann.invite_id, by="ann")
    assert await store.write(invites.redeem, ann.invite.code) == "invalid"
    rows = await store.read(invites.list_all, ann.owner.id, ann.project_id)
    assert rows is not None
    assert rows[0].revoked_at is not None
    assert audited(conninfo).count("invite_revoke") == 1


async def test_a_suspended_owners_tokens_are_no_longer_good_until_restored(
    store: Store, ann: Estate, bob: Estate, conninfo: str
) -> None:
    hashes = {digest(ann.token), digest(bob.token), digest("made up")}
    assert await store.read(tokens.still_valid, hashes) == {digest(ann.token), digest(bob.token)}
    for _ in range(2):
        assert await store.write(owners.suspend, ann.owner.id, by="root")
    assert await store.read(tokens.still_valid, hashes) == {digest(bob.token)}
    grant = await store.read(tokens.authenticate, digest(ann.token))
    assert grant is not None
    assert grant.suspended
    for _ in range(2):
        assert await store.write(owners.restore, ann.owner.id, by="root")
    assert await store.read(tokens.still_valid, hashes) == {digest(ann.token), digest(bob.token)}
    assert not await store.write(owners.suspend, MISSING, by="root")
    assert not await store.write(owners.restore, MISSING, by="root")
    assert audited(conninfo)[-2:] == ["owner_suspend", "owner_restore"]
    await store.write(grants.revoke, ann.project_id, "lead", by="ann")
    assert await store.read(tokens.still_valid, hashes) == {digest(bob.token)}


async def test_every_change_is_audited_once_with_who_made_it(store: Store, ann: Estate, conninfo: str) -> None:
    owner, project = ann.owner.id, ann.project_id
    before = len(audited(conninfo))
    for _ in range(2):  # what is so already is no change
        await store.write(owners.rename, owner, "annie", by="ann")
        await store.write(
            projects.change, owner, project, slug="bees", name="Bees", liveness_window_seconds=60, by="ann"
        )
        await store.write(
            participants.change_participant, owner, ann.participant_id, label="boss", kind="human", by="ann"
        )
        await store.write(
            participants.change_member, owner, project, ann.participation_id, lane="web", is_admin=False, by="ann"
        )
        await store.write(invites.revoke, owner, project, ann.invite_id, by="ann")
    await store.write(participants.delete_participant, owner, ann.participant_id, by="ann")
    await store.write(projects.delete, owner, project, by="ann")
    await store.write(projects.add, owner, "bus", by="ann")
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


async def test_the_audit_trail_is_read_in_pages_newest_first(store: Store, ann: Estate) -> None:
    rows = await store.read(audit.page, ann.owner.id, limit=99)
    assert [row.action for row in rows] == ["invite", "token_mint", "grant", "project_add", "owner_add"]
    assert rows[0].detail["participant"] == "guest"
    assert [row.project_slug for row in rows] == ["bus"] * 4 + [None]
    assert await store.read(audit.page, ann.owner.id, limit=2) == rows[:2]
    assert await store.read(audit.page, ann.owner.id, before=rows[1].id, limit=2) == rows[2:4]
    assert await store.read(audit.page, ann.owner.id, project_id=ann.project_id, limit=99) == rows[:4]
    await store.write(projects.delete, ann.owner.id, ann.project_id, by="ann")
    gone = await store.read(audit.page, ann.owner.id, project_id=ann.project_id, limit=1)
    assert [(row.action, row.project_slug, row.detail["slug"]) for row in gone] == [("project_delete", None, "bus")]


async def test_no_secret_is_in_clear_in_any_table(store: Store, ann: Estate, conninfo: str) -> None:
    rotated = await store.write(grants.rotate, ann.project_id, "lead", by="ann")
    redeemed = await store.write(invites.redeem, ann.invite.code)
    bound = await store.write(invites.create, ann.project_id, email="eve@example.com", by="ann")
    assert rotated is not None
    assert isinstance(redeemed, Redeemed)
    written = str(everything(conninfo))
    secrets = [ann.token, ann.invite.code, rotated.token, redeemed.token, bound.code]
    assert not [secret for secret in secrets if secret[-43:] in written]
