"""Bring a database to the schema that this version of the program needs.

The migrations are the files `store/migrations/NNNN_*.sql`, applied in the order of their numbers, each in a transaction
with the row that records it. Any number of processes may try at once: an advisory lock lets one work while the others
wait and then find nothing to do. A migration that was released is never edited; the next one corrects it.
"""

from importlib import resources
from math import inf

from msgspec import Struct

from store.errors import SchemaTooNew
from store.postgres.advisory_locks import MIGRATIONS_LOCK
from store.postgres.connection import Connection

_LOCK = "select pg_advisory_lock(%s, 0)"

_CREATE_RECORD = """
create table if not exists schema_migrations (
    number     integer     primary key,
    name       text        not null,
    applied_at timestamptz not null default now()
)
"""

_HAS_RECORD = "select to_regclass('schema_migrations') is not null"

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


async def migrate(conninfo: str) -> list[str]:
    """Apply what is missing, and give the names of what was applied.

    Waits as long as another process migrates. Cancelling it undoes the migration under way and keeps the ones before.

    Raises:
        StoreUnavailable: the database cannot be reached.
        SchemaTooNew: a newer version of the program has been here.
    """
    connection = await Connection.open(conninfo, statement_timeout_seconds=inf)
    try:
        await connection.fetch(_LOCK, (MIGRATIONS_LOCK,))
        await connection.execute(_CREATE_RECORD)
        missing = await _missing(connection)
        for migration in missing:
            async with connection.transaction():
                await connection.run_script(migration.script)
                await connection.execute(_RECORD, (migration.number, migration.name))
        return [migration.name for migration in missing]
    finally:
        connection.close()


async def pending(conninfo: str) -> list[str]:
    """The names of the migrations that `migrate` would apply; changes nothing.

    Raises the same errors.
    """
    connection = await Connection.open(conninfo)
    try:
        ((has_record,),) = await connection.fetch(_HAS_RECORD)
        missing = await _missing(connection) if has_record else known()
        return [migration.name for migration in missing]
    finally:
        connection.close()


async def _missing(connection: Connection) -> list[Migration]:
    migrations = known()
    applied: dict[int, str] = dict(await connection.fetch(_APPLIED))
    if unknown := applied.keys() - {migration.number for migration in migrations}:
        raise SchemaTooNew(
            f"the database has migration {applied[max(unknown)]}, which this version does not know: "
            "a newer version of llm-bus has used it. Upgrade llm-bus, or give it another database."
        )
    return [migration for migration in migrations if migration.number not in applied]
