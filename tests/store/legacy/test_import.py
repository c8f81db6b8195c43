"""What the move from the TypeScript server makes of names, gaps and what its events leave out; and what it refuses."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb

from engine.history import EMPTY
from engine.lookups import PostQuery
from engine.project import apply, restore
from engine.state import State
from store import Store, migrate, open_store
from store.errors import TransferRefused
from store.legacy import Carried, import_legacy
from store.people import invites, minting, tokens
from tests.postgres import Server, fresh_database, query
from tests.store.histories import facts
from tests.store.legacy_server import LegacyServer, Member, Row, small_world


@pytest.fixture
def old() -> LegacyServer:
    return LegacyServer(Random(3))


@pytest.fixture
def lead(old: LegacyServer) -> Member:
    """The lead of ann's shop."""
    ann = old.owner("ann@example.com", "ann", username_confirmed_at=old.now)
    return old.join(old.project(ann, "shop"), "lead", is_admin=True)


@pytest.fixture
def source(postgres: Server) -> Iterator[str]:
    """A database without a table."""
    postgres.run("create database legacy")
    yield make_conninfo(postgres.conninfo, dbname="legacy")
    postgres.run("drop database legacy with (force)")


@pytest.fixture
async def target(postgres: Server) -> AsyncIterator[Store]:
    async with fresh_database(postgres) as conninfo, open_store(conninfo) as store:
        yield store


async def move(old: LegacyServer, source: str, target: Store) -> Carried:
    old.write(source)
    return await carry(source, target.conninfo)


async def carry(source: str, target: str) -> Carried:
    return await import_legacy(source, target, prepare=migrate, progress=lambda _, __: None)


def rows(store: Store, statement: str) -> list[tuple[Any, ...]]:
    return query(store.conninfo, statement)


async def state_of(store: Store, project_id: int) -> State:
    """The fold of the whole ledger, which must be what the snapshot says."""
    state = State()
    for row in await store.journal.tail(project_id, 0, 100_000):
        apply(state, row.event)
    if state.seq:
        kept = await store.journal.load(project_id)
        assert kept is not None
        restored = restore(kept.state)
        assert restored is not None
        assert facts(restored) == facts(state)
    return state


def sha256_of(token: str) -> bytes:
    return sha256(token.encode()).digest()


# People.


async def test_tokens_work_and_ids_stay(old: LegacyServer, lead: Member, source: str, target: Store) -> None:
    done = await move(old, source, target)
    assert (done.owners, done.projects, done.participants, done.tokens, done.remarks) == (1, 1, 1, 2, ())
    grant = await target.read(tokens.authenticate, sha256_of(lead.token))
    assert grant is not None
    assert (grant.principal.actor, grant.principal.project, grant.principal.is_admin) == ("ann/lead", "shop", True)
    assert (grant.participation_id, grant.principal.project_id) == (lead.id, lead.project_id)
    assert await target.read(tokens.authenticate, sha256_of(f"{lead.token}-old")) is None


async def test_new_rows_get_new_ids(old: LegacyServer, lead: Member, source: str, target: Store) -> None:
    await move(old, source, target)
    await target.write(minting.mint, "new@example.com", "shop", "agent")
    minted = await target.write(minting.mint, "ann@example.com", "shop", "agent")
    assert minted.project.id == lead.project_id
    assert minted.provisioned.participation_id > lead.id


async def test_handles_are_kept_mended_or_made(old: LegacyServer, source: str, target: Store) -> None:
    old.owner("ann@example.com", "ann", username_confirmed_at=old.now)
    old.owner("ann@elsewhere.example", None)
    old.owner("b.o.b@example.com", None)
    old.owner("cara@example.com", "Cara")
    old.owner("dan@example.com", "dan_the_man", suspended_at=old.now)
    done = await move(old, source, target)
    found = rows(
        target,
        "select email, handle, handle_confirmed_at is not null, suspended_at is not null from owners order by id",
    )
    assert found == [
        ("ann@example.com", "ann", True, False),
        ("ann@elsewhere.example", "ann-2", False, False),
        ("b.o.b@example.com", "b-o-b", False, False),
        ("cara@example.com", "cara", False, False),
        ("dan@example.com", "dan-the-man", False, True),
    ]
    assert sorted(remark.split()[1] for remark in done.remarks) == ["Cara", "dan_the_man"]


async def test_labels_that_cannot_be_are_mended_and_valid_ones_kept(
    old: LegacyServer, lead: Member, source: str, target: Store
) -> None:
    project = old.rows("projects")[0]
    for name in ("ci/bot", "tab\tbot", "ci-bot", "żółw 🚌", "x" * 80):
        old.join(project, name)
    done = await move(old, source, target)
    labels = [label for (label,) in rows(target, "select label from participants order by id")]
    assert labels == ["lead", "ci-bot-2", "tab-bot", "ci-bot", "żółw 🚌", "x" * 64]
    assert len(done.remarks) == 3
    grant = await target.read(tokens.authenticate, sha256_of(old.members[1].token))
    assert grant is not None
    assert grant.principal.actor == "ann/ci-bot-2"


async def test_codes_and_identities_come_along(old: LegacyServer, lead: Member, source: str, target: Store) -> None:
    project = old.rows("projects")[0]
    old.invite(project, "GOOD", "named")
    old.invite(project, "USED", uses=5, max_uses=5)
    old.invite(project, "LATE", expires_at=old.now)
    old.invite(project, "GONE", revoked_at=old.now)
    owner_id = old.rows("owners")[0]["id"]
    for provider, subject in (("google", "1"), ("github", "2")):
        old.add(
            "owner_identities",
            provider=provider,
            provider_subject=subject,
            owner_id=owner_id,
            email="ann@example.com",
            created_at=old.now,
        )
    await move(old, source, target)
    assert [await target.write(invites.redeem, code, "new") for code in ("USED", "LATE", "GONE", "NONE")] == [
        "exhausted",
        "expired",
        "invalid",
        "invalid",
    ]
    redeemed = await target.write(invites.redeem, "GOOD")
    assert not isinstance(redeemed, str)
    assert redeemed.participant == "named"
    identities = rows(target, "select provider, subject, owner_id from identities order by provider")
    assert identities == [("github", "2", owner_id), ("google", "1", owner_id)]


async def test_the_audit_trail_tells_of_the_move(old: LegacyServer, lead: Member, source: str, target: Store) -> None:
    await move(old, source, target)
    assert rows(target, "select actor, action from audit order by id") == [
        ("import-legacy", "owner_add"),
        ("import-legacy", "project_add"),
    ]


# Histories.


@pytest.mark.parametrize("seed", range(3))
async def test_a_random_past_folds_to_what_the_tables_say(seed: int, source: str, target: Store) -> None:
    old = small_world(seed, 800)
    await move(old, source, target)
    for project in old.rows("projects"):
        state = await state_of(target, project["id"])
        here = [row for row in old.rows("sequences") if row["project_id"] == project["id"]]
        assert {one.name: (one.current, one.prefix, one.pad) for one in state.sequences.dump()} == {
            row["name"]: (row["current"], row["prefix"], row["pad"]) for row in here
        }
        present = [row for row in old.rows("presence") if row["project_id"] == project["id"]]
        assert {one.reader: (one.lane, one.status) for one in state.presence.dump()} == {
            row["participation_id"]: (row["lane"], row["status"]) for row in present if row["lane"] != "(unset)"
        }
        assert _held(state) == _leased(old, project)
        liveness = await target.journal.liveness(project["id"], EMPTY.at, 1_000_000)
        assert {by: one.at for by, one in liveness.items()} == {
            row["participation_id"]: row["last_seen"] for row in present
        }
        times = [row.event.at for row in await target.journal.tail(project["id"], 0, 100_000)]
        assert times == sorted(times)


def _held(state: State) -> dict[tuple[int, str], tuple[datetime, str | None]]:
    now = datetime.now(UTC)
    return {(one.by, one.surface): (one.expires_at, one.note) for one in state.leases.dump() if one.expires_at > now}


def _leased(old: LegacyServer, project: Row) -> dict[tuple[int, str], tuple[datetime, str | None]]:
    now = datetime.now(UTC)
    return {
        (row["participation_id"], row["surface"]): (row["expires_at"], row["note"])
        for row in old.rows("leases")
        if row["project_id"] == project["id"] and row["released_at"] is None and row["expires_at"] > now
    }


async def test_who_is_gone_keeps_the_name_and_gets_an_id_of_nobody(
    old: LegacyServer, lead: Member, source: str, target: Store
) -> None:
    project = old.rows("projects")[0]
    leaver, other = old.join(project, "leaver"), old.join(project, "other")
    old.register(leaver)
    for _ in range(20):
        old.now += timedelta(seconds=1)
        old.post(leaver)
        old.lease(leaver)
        old.claim(leaver)
        old.ack(other)
        old.ack(leaver)
        old.create(other)
    owner = old.event(lead, "claim", sequence="adr", number=999, formatted="999", note=None)
    owner.update(participation_id=None, actor_name="ann")
    old.write(source)
    query(source, f"delete from participations where id = {leaver.id}")
    done = await carry(source, target.conninfo)
    state = await state_of(target, project["id"])
    ids = rows(target, "select distinct participation_id from events where actor = 'ann/leaver'")
    assert len(ids) == 1
    assert ids[0][0] > max(member.id for member in old.members)
    assert rows(target, "select participation_id from events where data ->> 'number' = '999'") == [(0,)]
    assert [row for row in done.remarks if "Left out" in row] == []
    assert {post.by for post in state.posts.dump() if post.sender == "ann/leaver"} <= {ids[0][0]}
    minted = await target.write(minting.mint, "ann@example.com", "shop", "newcomer")
    assert minted.provisioned.participation_id > ids[0][0]


async def test_repeated_acks_and_empty_releases_stay_in_the_ledger(
    old: LegacyServer, lead: Member, source: str, target: Store
) -> None:
    old.post(lead)
    while not old.rows("posts"):
        old.post(lead)
    for _ in range(3):
        old.now += timedelta(seconds=1)
        old.ack(lead)
        old.event(lead, "release", surface="nobody/holds/it")
    done = await move(old, source, target)
    assert done.remarks == ()
    assert rows(target, "select type from events where seq > 1 order by seq") == [("ack",), ("release",)] * 3
    ((record,),) = [await _acks(target, lead)]
    assert len(record) == 1


async def _acks(store: Store, member: Member) -> list[Any]:
    found = await store.journal.posts(member.project_id, PostQuery(upto=100, limit=5))
    return [record.acks for record in found]


async def test_times_that_ran_backwards_stand_still_instead(
    old: LegacyServer, lead: Member, source: str, target: Store
) -> None:
    began = old.now
    for seconds in (5, 3, 9, 8.0004, 9.0009):
        old.now = began + timedelta(seconds=seconds)
        old.claim(lead)
    await move(old, source, target)
    times = [row[0] - began for row in rows(target, "select at from events order by seq")]
    assert times == [timedelta(seconds=seconds) for seconds in (5, 5, 9, 9, 9)]


async def test_what_no_event_told_is_added_so_that_the_fold_says_it(
    old: LegacyServer, lead: Member, source: str, target: Store
) -> None:
    """Tables without any event: the state is there all the same."""
    other = old.join(old.rows("projects")[0], "other")
    for acting in (old.claim, old.seed, old.register, old.lease, old.create, old.create, old.work, old.work, old.work):
        acting(lead)
    old.lease(other)
    for row in old.rows("leases"):
        row["expires_at"] = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=7)
    old.tables["events"] = []
    done = await move(old, source, target)
    state = await state_of(target, lead.project_id)
    assert _held(state) == _leased(old, old.rows("projects")[0])
    unshipped = [row["status"] for row in old.rows("tasks") if row["status"] != "done"]
    assert sorted(task.status for task in state.tasks.dump()) == sorted(unshipped)
    assert [(one.reader, one.lane) for one in state.presence.dump()] == [(lead.id, old.presence(lead)["lane"])]
    assert {(one.name, one.current) for one in state.sequences.dump()} == {
        (row["name"], row["current"]) for row in old.rows("sequences")
    }
    assert any("were added" in remark for remark in done.remarks)


async def test_an_acknowledgement_that_left_no_event_is_told_at_its_time(
    old: LegacyServer, lead: Member, source: str, target: Store
) -> None:
    while not old.rows("posts"):
        old.post(lead)
    old.now += timedelta(seconds=7)
    old.ack(lead)
    acked_at = old.now
    old.rows("events").pop()
    old.now += timedelta(seconds=7)
    old.claim(lead)
    await move(old, source, target)
    assert rows(target, "select at from events where type = 'ack'") == [(acked_at,)]
    assert rows(target, "select type from events order by seq") == [("post",), ("ack",), ("claim",)]


async def test_a_lease_that_the_table_says_is_released_is_not_held(
    old: LegacyServer, lead: Member, source: str, target: Store
) -> None:
    old.event(lead, "lease", surface="./src//a", ttl_seconds=86_400)
    old.event(lead, "lease", surface="b", ttl_seconds=86_400)
    old.event(lead, "release", surface="src/a/")
    await move(old, source, target)
    assert _held(await state_of(target, lead.project_id)) == {}


async def test_what_cannot_be_told_is_left_out_and_said(
    old: LegacyServer, lead: Member, source: str, target: Store
) -> None:
    impossible: tuple[tuple[str, Row], ...] = (
        ("vote", {"for": 1}),
        ("ack", {"post_id": 4711}),
        ("ack", {}),
        ("claim", {"sequence": "adr"}),
        ("lease", {"surface": "a", "ttl_seconds": None}),
        ("post", {"subject": "without a row"}),
        ("task_ship", {}),
    )
    old.claim(lead)
    for type_name, payload in impossible:
        old.event(lead, type_name, **payload)
    old.claim(lead)
    done = await move(old, source, target)
    assert rows(target, "select seq, type from events order by seq") == [(1, "claim"), (2, "claim")]
    assert done.remarks[-1].endswith(": 2 ack, 1 claim, 1 lease, 1 post, 1 task_ship, 1 vote.")


async def test_projects_are_numbered_each_for_itself(source: str, target: Store) -> None:
    old = small_world(5, 400)
    await move(old, source, target)
    found = rows(target, "select project_id, count(*), min(seq), max(seq) from events group by 1")
    events = {project["id"]: 0 for project in old.rows("projects")}
    for row in old.rows("events"):
        events[row["project_id"]] += 1
    assert {project: (1, number) for project, number in events.items()} == {
        project: (first, last) for project, number, first, last in found if number == last
    }


async def test_progress_ends_where_it_said(old: LegacyServer, lead: Member, source: str, target: Store) -> None:
    for _ in range(30):
        old.claim(lead)
    old.write(source)
    told: list[tuple[int, int]] = []
    await import_legacy(source, target.conninfo, prepare=migrate, progress=lambda *both: told.append(both))
    assert (told[0], told[-1]) == ((0, 30), (30, 30))


# Refusals.


def _everything(conninfo: str) -> list[tuple[object, ...]]:
    tables = ("owners", "projects", "participants", "participations", "tokens", "events", "audit")
    return [query(conninfo, f"select count(*) from {table}")[0] for table in tables]


async def test_a_database_in_use_is_refused(old: LegacyServer, lead: Member, source: str, target: Store) -> None:
    await target.write(minting.mint, "zoe@example.com", "zoo", "keeper")
    before = _everything(target.conninfo)
    with pytest.raises(TransferRefused, match="not empty"):
        await move(old, source, target)
    assert _everything(target.conninfo) == before


async def test_the_old_database_is_no_target_and_stays_as_it_is(old: LegacyServer, lead: Member, source: str) -> None:
    old.write(source)
    tables = "select count(*) from pg_class where relkind = 'r'"
    before = query(source, tables)
    with pytest.raises(TransferRefused, match="own database"):
        await carry(source, source)
    assert query(source, tables) == before


async def test_a_source_that_is_something_else_is_refused(source: str, target: Store) -> None:
    with pytest.raises(TransferRefused, match="no table owners"):
        await carry(source, target.conninfo)
    with pytest.raises(TransferRefused, match="no table sequences"):
        await carry(target.conninfo, target.conninfo)


@pytest.mark.parametrize("token_hash", ["zz", "ab"])
async def test_what_cannot_be_carried_over_leaves_nothing_behind(
    old: LegacyServer, lead: Member, source: str, target: Store, token_hash: str
) -> None:
    old.rows("tokens")[0]["token_hash"] = token_hash
    with pytest.raises(TransferRefused, match="no SHA-256"):
        await move(old, source, target)
    assert _everything(target.conninfo) == [(0,)] * 7


async def test_emails_that_differ_by_case_are_named(old: LegacyServer, source: str, target: Store) -> None:
    old.owner("ann@example.com", "ann")
    old.owner("Ann@Example.com", "ann-too")
    with pytest.raises(TransferRefused, match=r"ann@example\.com"):
        await move(old, source, target)
    assert _everything(target.conninfo) == [(0,)] * 7


async def test_what_the_old_tables_allowed_is_carried_over_or_left_out_but_breaks_nothing(
    old: LegacyServer, lead: Member, source: str, target: Store
) -> None:
    """Nulls, payloads that are no objects, ends that are never, slugs and windows that cannot be here."""
    (project,) = old.rows("projects")
    project.update(slug="My Shop", liveness_window_sec=10_000_000)
    spaced, bob = old.join(project, " bob"), old.join(project, "bob")
    for code, uses_max in (("NEVER", 3), ("NONE-LEFT", 0), ("ENDLESS", None)):
        old.invite(project, code, max_uses=uses_max, uses=None)
    for payload in (None, [1], "text", 7):
        for type_name in ("claim", "ack", "post", "task_start"):
            old.event(lead, type_name)["payload"] = Jsonb(payload)
    old.event(lead, "register", lane="api", status=None).update(actor_name=None)
    old.create(lead)
    old.rows("tasks")[0].update(created_at=None, updated_at=None)
    old.event(lead, "task_block", on=[1], reason={})
    old.event(lead, "claim", sequence="adr", number=7, formatted="7", note=None)
    old.add("sequences", project_id=project["id"], name="adr", current=5, prefix=None, pad=None, created_at=old.now)
    while not old.rows("posts"):
        old.post(bob)
    old.rows("posts")[0]["body"] = None
    old.lease(bob)
    old.look(bob)
    old.rows("actor_cursors")[0]["last_event_id"] = None
    old.write(source)
    query(source, "update leases set expires_at = 'infinity'")
    query(
        source, "update join_codes set expires_at = case code when 'ENDLESS' then null else 'infinity'::timestamptz end"
    )
    done = await carry(source, target.conninfo)
    state = await state_of(target, project["id"])
    assert state.sequences.get("adr").current == 5
    assert [held.expires_at.year for held in state.leases.dump()] == [9999]
    assert rows(target, "select slug, liveness_window_seconds from projects") == [("my-shop", 86_400)]
    assert rows(target, "select label from participants order by id") == [("lead",), ("bob-2",), ("bob",)]
    for code in ("NEVER", "ENDLESS"):
        assert not isinstance(await target.write(invites.redeem, code, f"with {code}"), str)
    assert await target.write(invites.redeem, "NONE-LEFT", "late") == "exhausted"
    assert rows(target, "select data ->> 'body' from events where type = 'post'") == [("",)]
    assert done.remarks[-1].endswith("4 ack, 4 claim, 4 post, 1 task_block, 4 task_start.")
    assert await target.read(tokens.authenticate, sha256_of(spaced.token)) is not None
