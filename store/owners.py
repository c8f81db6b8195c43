"""Owners and their projects, as rows: how they are found and made.

Functions over a session that is in a transaction; `store.accounts` begins and ends it.
"""

from msgspec import Struct

from store import audit
from store.connection import Connection, Row
from store.names import TEMPORARY_DOMAIN, checked_email, checked_slug, handles_for

_FIND_OWNER = """
select id, email, handle, is_operator, suspended_at is not null from owners where lower(email) = lower(%s)
"""

_HAS_OWNERS = "select exists (select from owners where email not like '%%@' || %s)"

_ADD_OWNER = """
insert into owners (email, handle, is_operator) values (%s, %s, %s)
    on conflict do nothing returning id, email, handle, is_operator, suspended_at is not null
"""

_PROMOTE_OWNER = """
update owners set is_operator = true where id = %s
returning id, email, handle, is_operator, suspended_at is not null
"""

_FIND_PROJECT = (
    "select id, owner_id, slug, name, liveness_window_seconds from projects where owner_id = %s and slug = %s"
)

_ADD_PROJECT = """
insert into projects (owner_id, slug, name) values (%s, %s, %s)
    on conflict do nothing returning id, owner_id, slug, name, liveness_window_seconds
"""


class OwnerRow(Struct, frozen=True, kw_only=True):
    """One owner; `created` says whether this very call made it."""

    id: int
    email: str
    handle: str
    is_operator: bool
    suspended: bool
    created: bool = False


class ProjectRow(Struct, frozen=True, kw_only=True):
    """One project; `created` says whether this very call made it."""

    id: int
    owner_id: int
    slug: str
    name: str
    liveness_window_seconds: int
    created: bool = False


async def find_owner(connection: Connection, email: str) -> OwnerRow | None:
    """The owner with this email, in whatever case it is written."""
    rows = await connection.fetch(_FIND_OWNER, (email.strip(),))
    return _owner(rows[0]) if rows else None


async def has_owners(connection: Connection) -> bool:
    """Whether anybody uses this database yet, temporary owners not counted."""
    ((answer,),) = await connection.fetch(_HAS_OWNERS, (TEMPORARY_DOMAIN,))
    return bool(answer)


async def ensure_owner(connection: Connection, email: str, *, is_operator: bool, by: str) -> OwnerRow:
    """The owner with this email, made with a free handle when new, and an operator from now on if so told."""
    email = checked_email(email)
    found = await find_owner(connection, email) or await _add_owner(connection, email, is_operator=is_operator, by=by)
    if is_operator and not found.is_operator:
        (row,) = await connection.fetch(_PROMOTE_OWNER, (found.id,))
        await audit.record(connection, found.id, None, by, "owner_operator")
        return _owner(row)
    return found


async def ensure_project(connection: Connection, owner_id: int, slug: str, name: str | None, *, by: str) -> ProjectRow:
    """The owner's project with this slug, made when new; the name of one that exists is not touched."""
    slug = checked_slug(slug)
    if rows := await connection.fetch(_ADD_PROJECT, (owner_id, slug, name or slug)):
        project = _project(rows[0], created=True)
        await audit.record(connection, owner_id, project.id, by, "project_add", slug=slug, name=project.name)
        return project
    (row,) = await connection.fetch(_FIND_PROJECT, (owner_id, slug))
    return _project(row)


async def _add_owner(connection: Connection, email: str, *, is_operator: bool, by: str) -> OwnerRow:
    for handle in handles_for(email):
        if rows := await connection.fetch(_ADD_OWNER, (email, handle, is_operator)):
            await audit.record(connection, rows[0][0], None, by, "owner_add", handle=handle, is_operator=is_operator)
            return _owner(rows[0], created=True)
        # Either somebody has the handle, or somebody else has just added this owner.
        if (found := await find_owner(connection, email)) is not None:
            return found
    raise AssertionError("handles never end")


def _owner(row: Row, *, created: bool = False) -> OwnerRow:
    id_, email, handle, is_operator, suspended = row
    return OwnerRow(id=id_, email=email, handle=handle, is_operator=is_operator, suspended=suspended, created=created)


def _project(row: Row, *, created: bool = False) -> ProjectRow:
    id_, owner_id, slug, name, window = row
    return ProjectRow(id=id_, owner_id=owner_id, slug=slug, name=name, liveness_window_seconds=window, created=created)
