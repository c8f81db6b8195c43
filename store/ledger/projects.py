"""An owner's projects, as rows: how they are found, made, changed, and deleted with their ledgers.

Functions over a session; those that write want it in a transaction. Every query names the owner, so another owner's
project answers exactly as a missing one.
"""

from typing import Literal

from msgspec import Struct

from store.errors import InvalidName, NameTaken, UniqueTaken
from store.people import audit
from store.people.names import (
    checked_liveness_window,
    checked_project_name,
    checked_ref_url,
    checked_slug,
    checked_stale_after,
    checked_time_zone,
)
from store.postgres.advisory_locks import lock_ledger
from store.postgres.connection import Connection, Row
from store.postgres.records import record

DELETE_CHUNK_EVENTS = 50_000
"""Events deleted by one statement: a fraction of a second's work, so a ledger of any length meets no time limit."""

_COLUMNS = """
id, owner_id, slug, name, liveness_window_seconds, stale_after_seconds, ref_url, time_zone, archived_at is not null
"""

_FIND = f"select {_COLUMNS} from projects where owner_id = %s and id = %s"  # noqa: S608  # made of literals

_FIND_TO_CHANGE = f"{_FIND} for update"

_FIND_BY_SLUG = f"select {_COLUMNS} from projects where owner_id = %s and slug = %s"  # noqa: S608  # made of literals

_ADD = f"""
insert into projects (owner_id, slug, name) values (%s, %s, %s) on conflict do nothing returning {_COLUMNS}
"""  # noqa: S608  # made of literals

_CHANGE = f"""
update projects
   set slug = %s, name = %s, liveness_window_seconds = %s, stale_after_seconds = %s, ref_url = %s, time_zone = %s
 where id = %s returning {_COLUMNS}
"""  # noqa: S608  # made of literals

# Python may know more of them, such as `localtime` and `posix/Europe/Berlin`; insights are counted by PostgreSQL.
_KNOWS_ZONE = "select from pg_timezone_names where name = %s"

_ARCHIVE = "update projects set archived_at = now() where id = %s and archived_at is null"

_UNARCHIVE = "update projects set archived_at = null where id = %s and archived_at is not null"

_DELETE = "delete from projects where id = %s"

# A call that was under way in another process may write once more to a ledger just deleted. Nothing reads that, and
# its project's id is never used again; it goes with the owner's next deletion.
_DELETED = "select project_id from audit where owner_id = %s and action = 'project_delete'"

_DELETE_EVENTS = "delete from events where project_id = %s and seq <= %s"

_LEFT = """
select d.id, e.seq
  from unnest(%s::bigint[]) as d (id)
 cross join lateral (select seq from events where project_id = d.id order by seq desc limit 1) as e
"""

_DELETE_FOLD = (
    "delete from snapshots where project_id = any(%s)",
    "delete from cursors where project_id = any(%s)",
    "delete from liveness where project_id = any(%s)",
    "delete from pruned where project_id = any(%s)",
)


class ProjectRow(Struct, frozen=True, kw_only=True):
    """One project; `created` says whether this very call made it.

    A post's ref leads to `ref_url`, with the ref in the place of `{ref}`. `time_zone` has an IANA name.
    """

    id: int
    owner_id: int
    slug: str
    name: str
    liveness_window_seconds: int
    stale_after_seconds: int
    ref_url: str | None = None
    time_zone: str = "UTC"
    archived: bool = False
    created: bool = False


async def find(connection: Connection, owner_id: int, project_id: int) -> ProjectRow | None:
    """The owner's project with this id."""
    rows = await connection.fetch(_FIND, (owner_id, project_id))
    return _project(rows[0]) if rows else None


async def add(connection: Connection, owner_id: int, slug: str, name: str | None = None, *, by: str) -> ProjectRow:
    """A new project of this owner, whose name is the slug unless given; raises `NameTaken` when the slug is taken."""
    if (added := await _add(connection, owner_id, slug, name, by=by)) is None:
        raise _taken(slug)
    return added


async def ensure(
    connection: Connection, owner_id: int, slug: str, name: str | None = None, *, by: str = "cli"
) -> ProjectRow:
    """The owner's project with this slug, made when new; the name of one that exists is not touched."""
    if (added := await _add(connection, owner_id, slug, name, by=by)) is not None:
        return added
    (row,) = await connection.fetch(_FIND_BY_SLUG, (owner_id, slug))
    return _project(row)


async def change(
    connection: Connection,
    owner_id: int,
    project_id: int,
    *,
    slug: str,
    name: str,
    liveness_window_seconds: int,
    stale_after_seconds: int | None = None,
    ref_url: str | None = None,
    time_zone: str | None = None,
    by: str,
) -> ProjectRow | None:
    """Give the owner's project all of this; None when there is none with this id.

    What is None stays; an empty `ref_url` takes the pattern away.
    """
    rows = await connection.fetch(_FIND_TO_CHANGE, (owner_id, project_id))
    if not rows:
        return None
    before = _project(rows[0])
    wanted: dict[str, str | int | None] = {
        "slug": checked_slug(slug),
        "name": checked_project_name(name),
        "liveness_window_seconds": checked_liveness_window(liveness_window_seconds),
        "stale_after_seconds": before.stale_after_seconds
        if stale_after_seconds is None
        else checked_stale_after(stale_after_seconds),
        "ref_url": before.ref_url if ref_url is None else checked_ref_url(ref_url),
        "time_zone": before.time_zone if time_zone is None else checked_time_zone(time_zone),
    }
    if all(getattr(before, field) == value for field, value in wanted.items()):
        return before
    if wanted["time_zone"] != before.time_zone and not await connection.fetch(_KNOWS_ZONE, (wanted["time_zone"],)):
        raise InvalidName("PostgreSQL knows no time zone of this name.", field="time_zone")
    try:
        (row,) = await connection.fetch(_CHANGE, (*wanted.values(), project_id))
    except UniqueTaken as taken:
        raise _taken(slug) from taken
    await audit.record(connection, owner_id, project_id, by, "project_change", **wanted, before=before.slug)
    return _project(row)


async def delete(connection: Connection, owner_id: int, project_id: int, *, by: str) -> bool:
    """Delete the owner's project with its ledger, places, tokens and invites; False when there is none with this id.

    Writers of the ledger wait until the transaction has ended; a million events take some seconds. The audit trail
    stays. A caller that runs actors keeps this project's away meanwhile (`Directory.forgetting`).
    """
    rows = await connection.fetch(_FIND_TO_CHANGE, (owner_id, project_id))
    if not rows:
        return False
    project = _project(rows[0])
    await lock_ledger(connection, project_id)
    await connection.execute(_DELETE, (project_id,))
    await audit.record(connection, owner_id, project_id, by, "project_delete", slug=project.slug, name=project.name)
    deleted = [row[0] for row in await connection.fetch(_DELETED, (owner_id,))]
    for deleted_id, last in await connection.fetch(_LEFT, (deleted,)):
        for first in range(1, last + 1, DELETE_CHUNK_EVENTS):
            await connection.execute(_DELETE_EVENTS, (deleted_id, first + DELETE_CHUNK_EVENTS - 1))
    for statement in _DELETE_FOLD:
        await connection.execute(statement, (deleted,))
    return True


async def archive(connection: Connection, owner_id: int, project_id: int, *, archived: bool, by: str) -> bool:
    """Archive the owner's project, or open it again; its data stays. False when there is none."""
    rows = await connection.fetch(_FIND_TO_CHANGE, (owner_id, project_id))
    if not rows:
        return False
    if await connection.execute(_ARCHIVE if archived else _UNARCHIVE, (project_id,)):
        action: Literal["project_archive", "project_unarchive"] = "project_archive" if archived else "project_unarchive"
        await audit.record(connection, owner_id, project_id, by, action, slug=_project(rows[0]).slug)
    return True


async def _add(connection: Connection, owner_id: int, slug: str, name: str | None, *, by: str) -> ProjectRow | None:
    slug = checked_slug(slug)
    name = checked_project_name(name) if name and name.strip() else slug
    rows = await connection.fetch(_ADD, (owner_id, slug, name))
    if not rows:
        return None
    project = _project(rows[0], created=True)
    await audit.record(connection, owner_id, project.id, by, "project_add", slug=slug, name=project.name)
    return project


def _taken(slug: str) -> NameTaken:
    return NameTaken(f"you have a project '{slug}' already: choose another slug.", field="slug")


def _project(row: Row, *, created: bool = False) -> ProjectRow:
    return record(ProjectRow, (*row, created))
