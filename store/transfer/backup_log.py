"""The outcomes of backups: stored in the database that is backed up, and shown to its operators.

A backup does not fail because its outcome cannot be stored: a standby is read-only, a role may lack the right, and the
database of an older version has no such table.
"""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from store.errors import StoreUnavailable
from store.postgres.connection import Connection

KEPT_MAX = 100
"""Rows that are kept, beside the one of the last backup that succeeded."""

_FILE_LENGTH_MAX = 500

_CAN_WRITE = """
select coalesce(has_table_privilege(to_regclass('backups')::oid, 'insert, delete'), false)
   and not current_setting('transaction_read_only')::bool
"""

_ADD = "insert into backups (file, events, projects, size_bytes, failure) values (%s, %s, %s, %s, %s)"

_SWEEP = """
delete from backups
 where id not in (select id from backups order by id desc limit %s)
   and id is distinct from (select max(id) from backups where failure is null)
"""

_LAST = """
select at, file, coalesce(events, 0), coalesce(projects, 0), coalesce(size_bytes, 0), failure from backups
 where id in ((select max(id) from backups), (select max(id) from backups where failure is null)) order by id desc
"""


class BackedUp(Struct, frozen=True, kw_only=True):
    """The content of a backup."""

    events: int
    projects: int
    size_bytes: int


class BackupRow(BackedUp, frozen=True, kw_only=True):
    """A backup that was tried; `failure` is None when it succeeded."""

    at: datetime
    file: str
    failure: str | None


async def note(conninfo: str, file: Path, outcome: BackedUp | str) -> None:
    """Store that a backup succeeded, or why it failed; do nothing where that cannot be stored."""
    name = str(file).encode(errors="replace").decode()[:_FILE_LENGTH_MAX]
    with suppress(StoreUnavailable):
        connection = await Connection.open(conninfo)
        try:
            ((can_write,),) = await connection.fetch(_CAN_WRITE)
            if can_write:
                async with connection.transaction():
                    await connection.execute(_ADD, (name, *_figures(outcome)))
                    await connection.execute(_SWEEP, (KEPT_MAX,))
        finally:
            connection.close()


async def last(connection: Connection) -> list[BackupRow]:
    """The last backup that was tried; when it failed, then also the last one that succeeded, if any did."""
    rows = await connection.fetch(_LAST)
    fields = ("at", "file", "events", "projects", "size_bytes", "failure")
    return [BackupRow(**dict(zip(fields, row, strict=True))) for row in rows]


def _figures(outcome: BackedUp | str) -> tuple[int | None, int | None, int | None, str | None]:
    if isinstance(outcome, str):
        return None, None, None, outcome
    return outcome.events, outcome.projects, outcome.size_bytes, None
