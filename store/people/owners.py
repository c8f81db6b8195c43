"""Owners, as rows: how they are found, made, renamed, suspended and restored.

Functions over a session; those that write want it in a transaction.
"""

from msgspec import Struct

from store.errors import NameTaken, UniqueTaken
from store.people import audit
from store.people.names import TEMPORARY_DOMAIN, checked_email, checked_handle, handles_for
from store.postgres.connection import Connection, Row

COLUMNS = """
o.id, o.email, o.handle, o.is_operator, o.suspended_at is not null, o.handle_confirmed_at is not null
"""
"""The columns of an owner `o` for `owner_of`."""

_FIND_OWNER = f"""
select {COLUMNS} from owners o where lower(o.email collate "C") = lower(%s::text collate "C")
"""  # noqa: S608  # made of literals

_HAS_OWNERS = "select exists (select from owners where email not like '%%@' || %s)"

_ADD_OWNER = f"""
insert into owners as o (email, handle, is_operator) values (%s, %s, %s) on conflict do nothing returning {COLUMNS}
"""  # noqa: S608  # made of literals

_PROMOTE_OWNER = f"update owners o set is_operator = true where o.id = %s returning {COLUMNS}"  # noqa: S608  # the same

_LOCK = "select from owners where id = %s for no key update"

_LOCK_HANDLE = "select handle from owners where id = %s for update"

FORMER_HANDLES_MAX = 1
"""Former handles that an owner is still known by, the latest ones: each is one search more for each name of a label."""

_RENAME = f"""
update owners o
   set handle = %(handle)s, handle_confirmed_at = coalesce(handle_confirmed_at, now()),
       former_handles = case when handle = %(handle)s then former_handles
                             else (handle || array_remove(former_handles, %(handle)s))[1:{FORMER_HANDLES_MAX}] end
 where o.id = %(id)s returning {COLUMNS}
"""  # noqa: S608  # made of literals

_IS_OWNER = "select exists (select from owners where id = %s)"

_SUSPEND = "update owners set suspended_at = now() where id = %s and suspended_at is null"

_RESTORE = "update owners set suspended_at = null where id = %s and suspended_at is not null"


class OwnerRow(Struct, frozen=True, kw_only=True):
    """One owner; `created` says whether this very call made it."""

    id: int
    email: str
    handle: str
    is_operator: bool
    suspended: bool
    handle_confirmed: bool
    created: bool = False


async def find_owner(connection: Connection, email: str) -> OwnerRow | None:
    """The owner with this email; the case of ASCII letters does not matter."""
    rows = await connection.fetch(_FIND_OWNER, (email.strip(),))
    return owner_of(rows[0]) if rows else None


async def has_owners(connection: Connection) -> bool:
    """Whether anybody uses this database yet, temporary owners not counted."""
    ((answer,),) = await connection.fetch(_HAS_OWNERS, (TEMPORARY_DOMAIN,))
    return bool(answer)


async def ensure_owner(connection: Connection, email: str, *, is_operator: bool = False, by: str = "cli") -> OwnerRow:
    """The owner with this email, made with a free handle when new, and an operator from now on if so told."""
    email = checked_email(email)
    found = await find_owner(connection, email) or await _add_owner(connection, email, is_operator=is_operator, by=by)
    if is_operator and not found.is_operator:
        (row,) = await connection.fetch(_PROMOTE_OWNER, (found.id,))
        await audit.record(connection, found.id, None, by, "owner_operator")
        return owner_of(row)
    return found


async def lock(connection: Connection, owner_id: int) -> None:
    """Let nobody else change this owner's participants, their places, tokens and sessions until the transaction ends.

    What only refers to the owner can still be added. Taken before the lock of any such row, so that two changes never
    wait for each other.
    """
    await connection.execute(_LOCK, (owner_id,))


async def rename(connection: Connection, owner_id: int, handle: str, *, by: str) -> OwnerRow:
    """Give an owner this handle, which the owner has thereby confirmed; raises `NameTaken` when another one has it."""
    handle = checked_handle(handle)
    ((before,),) = await connection.fetch(_LOCK_HANDLE, (owner_id,))
    try:
        (row,) = await connection.fetch(_RENAME, {"handle": handle, "id": owner_id})
    except UniqueTaken as taken:
        raise NameTaken(f"somebody has the handle '{handle}' already: choose another one.", field="handle") from taken
    if handle != before:
        await audit.record(connection, owner_id, None, by, "handle_change", handle=handle, before=before)
    return owner_of(row)


async def suspend(connection: Connection, owner_id: int, *, by: str) -> bool:
    """Refuse an owner's tokens from now on; nothing is deleted. False when there is no such owner."""
    if await connection.execute(_SUSPEND, (owner_id,)):
        await audit.record(connection, owner_id, None, by, "owner_suspend")
        return True
    return await _exists(connection, owner_id)


async def restore(connection: Connection, owner_id: int, *, by: str) -> bool:
    """Let a suspended owner's tokens work again; False when there is no such owner."""
    if await connection.execute(_RESTORE, (owner_id,)):
        await audit.record(connection, owner_id, None, by, "owner_restore")
        return True
    return await _exists(connection, owner_id)


def owner_of(row: Row, *, created: bool = False) -> OwnerRow:
    """The owner in a row of `COLUMNS`."""
    id_, email, handle, is_operator, suspended, handle_confirmed = row
    return OwnerRow(
        id=id_,
        email=email,
        handle=handle,
        is_operator=is_operator,
        suspended=suspended,
        handle_confirmed=handle_confirmed,
        created=created,
    )


async def _add_owner(connection: Connection, email: str, *, is_operator: bool, by: str) -> OwnerRow:
    for handle in handles_for(email):
        if rows := await connection.fetch(_ADD_OWNER, (email, handle, is_operator)):
            await audit.record(connection, rows[0][0], None, by, "owner_add", handle=handle, is_operator=is_operator)
            return owner_of(rows[0], created=True)
        # Either somebody has the handle, or somebody else has just added this owner.
        if (found := await find_owner(connection, email)) is not None:
            return found
    raise AssertionError("handles never end")


async def _exists(connection: Connection, owner_id: int) -> bool:
    ((answer,),) = await connection.fetch(_IS_OWNER, (owner_id,))
    return bool(answer)
