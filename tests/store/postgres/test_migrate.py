"""Migrations: applied once, by one of many, and never on a database that is ahead."""

from collections.abc import AsyncIterator, Iterator
from importlib import import_module

import pytest
import trio
from psycopg.conninfo import make_conninfo

from store import migrate as apply
from store import pending
from store.errors import EncodingUnfit, MigrationBlocked, MigrationForbidden, SchemaTooNew, StoreUnavailable
from store.postgres.advisory_locks import MIGRATIONS_LOCK
from store.postgres.connection import Connection
from store.postgres.migrate import Migration, known
from tests.postgres import Server, query
from web.cli.doctor import Finding, check_database

pytestmark = pytest.mark.usefixtures("bounded")


@pytest.fixture
async def empty(postgres: Server) -> AsyncIterator[str]:
    query(postgres.conninfo, "create database empty template template0")
    conninfo = make_conninfo(postgres.conninfo, dbname="empty")
    yield conninfo
    postgres.drop_database(conninfo)


async def test_an_empty_database_gets_them_all_in_order(empty: str) -> None:
    names = [migration.name for migration in known()]
    assert await pending(empty) == names
    assert await apply(empty) == names
    assert query(empty, "select name from schema_migrations order by number") == [(name,) for name in names]


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
async def test_a_database_that_cannot_hold_every_text_is_refused(postgres: Server, encoding: str) -> None:
    query(postgres.conninfo, f"create database narrow template template0 encoding '{encoding}' locale 'C'")
    conninfo = make_conninfo(postgres.conninfo, dbname="narrow")
    try:
        with pytest.raises(EncodingUnfit, match=f"{encoding}.*createdb --encoding=UTF8"):
            await apply(conninfo)
        findings: list[Finding] = []
        assert not await check_database(conninfo, findings.append)
        assert [finding.verdict for finding in findings] == ["fail"]
    finally:
        postgres.drop_database(conninfo)


async def test_a_migrated_database_gets_nothing_more(conninfo: str) -> None:
    assert await pending(conninfo) == []
    assert await apply(conninfo) == []


async def test_of_many_who_migrate_at_once_one_does_it_and_all_succeed(empty: str) -> None:
    done: list[list[str]] = []

    async def one() -> None:
        done.append(await apply(empty))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(one)
    assert sorted(done) == [[]] * 7 + [[migration.name for migration in known()]]


@pytest.fixture
def guest(postgres: Server) -> Iterator[str]:
    """A user of PostgreSQL without any right."""
    query(postgres.conninfo, "create role guest login")
    yield "guest"
    query(postgres.conninfo, "drop role guest")


FORBIDDEN = {
    "not its owner": ("revoke create on schema public from public", "'grant create on schema public to guest'"),
    "no schema": ("alter database empty set search_path = nothing", "'create schema llm_bus authorization guest'"),
    "no writes": ("alter database empty set default_transaction_read_only = on", "name the primary server"),
}


@pytest.mark.parametrize("kind", FORBIDDEN)
async def test_a_user_who_may_not_create_tables_is_told_what_to_do(empty: str, guest: str, kind: str) -> None:
    statement, remedy = FORBIDDEN[kind]
    query(empty, statement)
    conninfo = make_conninfo(empty, user=guest)
    for task in (apply, pending):
        with pytest.raises(MigrationForbidden, match=remedy):
            await task(conninfo)
    findings: list[Finding] = []
    assert not await check_database(conninfo, findings.append)
    assert findings[-1].verdict == "fail"
    assert remedy in findings[-1].says


async def test_a_user_who_may_not_create_tables_may_use_those_that_are_there(conninfo: str, guest: str) -> None:
    query(conninfo, "grant select on schema_migrations to guest")
    assert await apply(make_conninfo(conninfo, user=guest)) == []
    findings: list[Finding] = []
    assert not await check_database(make_conninfo(conninfo, user=guest), findings.append)
    assert (findings[-1].check, findings[-1].verdict) == ("tables", "fail"), "and doctor tells what it may not read"
    query(conninfo, "revoke all on schema_migrations from guest")


async def test_a_database_from_the_future_is_refused_with_a_reason(conninfo: str) -> None:
    query(conninfo, "insert into schema_migrations (number, name) values (9999, '9999_flying')")
    for task in (apply, pending):
        with pytest.raises(SchemaTooNew, match="9999_flying"):
            await task(conninfo)


async def test_ledgers_from_before_people_have_their_past_counted(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = known()
    monkeypatch.setattr(import_module("store.postgres.migrate"), "known", lambda: everything[:2])
    await apply(empty)
    query(
        empty,
        "insert into events select p, n, now(), 'a', n % 3, 'release', '{}', 0"
        "  from generate_series(1, 2) as p, generate_series(1, 10) as n",
    )
    query(empty, "insert into snapshots (project_id, seq, state) values (1, 7, ''), (3, 0, '')")
    monkeypatch.undo()
    await apply(empty)
    kept = query(empty, "select project_id, written, open_posts from snapshots order by 1")
    assert kept == [(1, {"0": 2, "1": 3, "2": 2}, None), (3, {}, None)]


async def test_a_migration_that_fails_leaves_nothing_behind(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    good = Migration(1, "0001_good", b"create table good ()")
    bad = Migration(2, "0002_bad", b"create table bad (); select 1 / 0")
    monkeypatch.setattr(import_module("store.postgres.migrate"), "known", lambda: [good, bad])
    with pytest.raises(Exception, match="division by zero"):
        await apply(empty)
    assert query(empty, "select to_regclass('good') is null, to_regclass('bad') is null") == [(True, True)]
    assert await pending(empty) == ["0001_good", "0002_bad"]


async def test_a_lock_that_is_not_let_go_is_given_up_and_its_holder_named(empty: str) -> None:
    """As an older release leaves it in a pooler: held by a session that nobody uses."""
    holder = await Connection.open(empty)
    ((pid,),) = await holder.fetch("select pg_backend_pid()")
    await holder.fetch("select pg_advisory_lock(%s, 0)", (MIGRATIONS_LOCK,))
    with pytest.raises(MigrationBlocked, match=rf"process {pid} \(llm-bus\) of user \w+ on"):
        await apply(empty, lock_seconds_max=0.1)
    holder.close()
    assert await apply(empty) != []


async def test_a_database_that_does_not_answer_is_unavailable(empty: str) -> None:
    for task in (apply, pending):
        with pytest.raises(StoreUnavailable):
            await task(make_conninfo(empty, host="/nowhere"))


async def test_numbers_follow_one_another() -> None:
    assert [migration.number for migration in known()] == list(range(1, len(known()) + 1))
