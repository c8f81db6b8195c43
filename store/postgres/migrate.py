"""Bring a database to the schema that this version of the program needs.

The migrations are the files `store/migrations/NNNN_*.sql`. What is missing is applied in the order of their numbers, in
one transaction with the rows that record it: all of it, or nothing. Any number of processes may try at once. A lock of
that transaction lets one work while the others wait and then find nothing to do; it cannot outlive its transaction, so
not even a pooler keeps it. A migration that was released is never edited; the next one corrects it.
"""

from collections.abc import Iterable
from importlib import resources
from math import inf

from msgspec import Struct

from store.errors import LockTimeout, MigrationBlocked, MigrationForbidden, SchemaTooNew
from store.postgres.advisory_locks import MIGRATIONS_LOCK
from store.postgres.connection import Connection
from store.postgres.poolers import check_sessions
from store.postgres.vitals import check_encoding

LOCK_SECONDS_MAX = 60.0
"""How long another process may migrate before we give up waiting."""

_LOCK_TIMEOUT = "select set_config('lock_timeout', %s, true)"

_LOCK = "select pg_advisory_xact_lock(%s, 0)"

_HOLDER = """
select a.pid, a.application_name, coalesce(host(a.client_addr), 'this machine'), a.usename,
       coalesce(a.xact_start, a.backend_start)
  from pg_locks l join pg_stat_activity a using (pid)
 where l.locktype = 'advisory' and l.granted and l.classid = %s::bigint::oid and l.objid = 0 and l.objsubid = 2
   and l.database = (select oid from pg_database where datname = current_database())
"""

_CREATE_RECORD = """
create table schema_migrations (
    number     integer     primary key,
    name       text        not null,
    applied_at timestamptz not null default now()
)
"""

_HAS_RECORD = "select to_regclass('schema_migrations') is not null"

_RIGHTS = """
select current_user, current_schema(), coalesce(has_schema_privilege(current_schema(), 'create'), false),
       current_setting('transaction_read_only') = 'on'
"""

_APPLIED = "select number, name from schema_migrations order by number"

_RECORD = "insert into schema_migrations (number, name) values (%s, %s)"


class Migration(Struct, frozen=True):
    """One numbered step; `name` is the file's, without its ending."""

    number: int
    name: str
    script: bytes


def known() -> list[Migration]:
    """The migrations that come with this version of the program, in order."""
    files = (file for file in resources.files("store.migrations").iterdir() if file.name.endswith(".sql"))
    found = [Migration(int(file.name[:4]), file.name.removesuffix(".sql"), file.read_bytes()) for file in files]
    return sorted(found, key=lambda migration: migration.number)


async def migrate(conninfo: str, *, lock_seconds_max: float = LOCK_SECONDS_MAX) -> list[str]:
    """Apply what is missing, and give the names of what was applied. Cancelling it undoes everything.

    Raises:
        StoreUnavailable: the database cannot be reached.
        SchemaTooNew: a newer version of the program has been here.
        MigrationForbidden: the database's user may not create tables, and some are missing.
        MigrationBlocked: another process migrated for longer than `lock_seconds_max`.
        PoolerUnfit: a pooler in between does not leave us sessions of our own.
        EncodingUnfit: the database cannot hold every text.
    """
    await check_sessions(conninfo)
    connection = await Connection.open(conninfo, statement_timeout_seconds=inf)
    try:
        await check_encoding(connection)
        async with connection.transaction():
            await _lock(connection, lock_seconds_max)
            missing = await _missing(connection)
            if missing and not await _has_record(connection):
                await connection.execute(_CREATE_RECORD)
            for migration in missing:
                await connection.run_script(migration.script)
                await connection.execute(_RECORD, (migration.number, migration.name))
        return [migration.name for migration in missing]
    finally:
        connection.close()


async def _lock(connection: Connection, seconds_max: float) -> None:
    """Be the only one who migrates until the transaction ends."""
    await connection.fetch(_LOCK_TIMEOUT, (f"{round(seconds_max * 1000)}ms",))
    await connection.execute("savepoint unlocked")
    try:
        await connection.fetch(_LOCK, (MIGRATIONS_LOCK,))
    except LockTimeout as error:
        await connection.execute("rollback to savepoint unlocked")
        holders = [
            f"process {pid} ({application or 'unnamed'}) of user {user} on {host}, since {since:%Y-%m-%d %H:%M:%S} UTC"
            for pid, application, host, user, since in await connection.fetch(_HOLDER, (MIGRATIONS_LOCK,))
        ]
        raise MigrationBlocked(
            f"another process has held the migrations' lock for over {seconds_max:g} s: "
            f"{', '.join(holders) or 'it ended just now'}. Wait for it; if it hangs, end it with "
            "'select pg_terminate_backend(PROCESS)'."
        ) from error
    await connection.fetch(_LOCK_TIMEOUT, ("0",))


async def pending(conninfo: str) -> list[str]:
    """The names of the migrations that `migrate` would apply; changes nothing.

    Raises the same errors.
    """
    connection = await Connection.open(conninfo)
    try:
        return [migration.name for migration in await _missing(connection)]
    finally:
        connection.close()


async def _has_record(connection: Connection) -> bool:
    ((has_record,),) = await connection.fetch(_HAS_RECORD)
    return bool(has_record)


async def _missing(connection: Connection) -> list[Migration]:
    """The migrations to apply; raises `MigrationForbidden` where they cannot be.

    A user without that right is good enough where none is missing.
    """
    applied: dict[int, str] = dict(await connection.fetch(_APPLIED)) if await _has_record(connection) else {}
    if unknown := unknown_of(applied):
        raise SchemaTooNew(
            f"the database has migration {applied[max(unknown)]}, which this version does not know: "
            "a newer version of llm-bus has used it. Upgrade llm-bus, or give it another database."
        )
    missing = [migration for migration in known() if migration.number not in applied]
    if missing:
        await _check_rights(connection)
    return missing


async def _check_rights(connection: Connection) -> None:
    ((user, schema, may_create, is_read_only),) = await connection.fetch(_RIGHTS)
    if is_read_only:
        raise MigrationForbidden(
            "the database has no tables of this version yet, and takes no writes: name the primary server in "
            "DATABASE_URL, or set default_transaction_read_only to off."
        )
    if schema is None:
        raise MigrationForbidden(
            f"no schema of {user}'s search_path exists: have an administrator run "
            f"'create schema llm_bus authorization {user}' and 'alter role {user} set search_path = llm_bus'."
        )
    if not may_create:
        raise MigrationForbidden(
            f"{user} may not create tables in the schema {schema}: have an administrator run "
            f"'grant create on schema {schema} to {user}', or 'llm-bus migrate' as a user who may."
        )


def unknown_of(applied: Iterable[int]) -> set[int]:
    """The numbers of applied migrations that only a newer version of the program knows."""
    return set(applied) - {migration.number for migration in known()}
