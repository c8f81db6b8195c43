"""One-time links that sign an owner in.

A link is found by a secret code, works once and for minutes by the database's clock, and is kept only as SHA-256. It is
kept for a day after it stopped working, so that a second use can be told to its owner in the audit trail. Functions
over a session; those that write want it in a transaction.
"""

from store.people import audit
from store.people.codes import digest, new_code
from store.people.owners import COLUMNS, OwnerRow, find_owner, owner_of
from store.postgres.connection import Connection

LINK_MINUTES = 15

_SWEEP_LINKS = "delete from sign_in_links where expires_at <= now() - interval '1 day'"

_ADD_LINK = f"""
insert into sign_in_links (sha256, owner_id, expires_at)
values (%s, %s, now() + interval '{LINK_MINUTES} minutes')
"""  # noqa: S608  # made of literals

_WORKS = "l.used_at is null and l.expires_at > now() and o.suspended_at is null"

_FIND_LINK = f"""
select {COLUMNS} from sign_in_links l join owners o on o.id = l.owner_id where l.sha256 = %s and {_WORKS}
"""  # noqa: S608  # made of literals

# Of many who redeem a link at once, one marks it; the others wait for that, and find it used.
_TAKE_LINK = f"""
update sign_in_links l set used_at = now() from owners o
 where l.sha256 = %s and o.id = l.owner_id and {_WORKS}
returning {COLUMNS}
"""  # noqa: S608  # made of literals

_WHOSE_LINK = """
select l.owner_id, o.handle, l.used_at is not null
  from sign_in_links l join owners o on o.id = l.owner_id where l.sha256 = %s
"""

_DROP_LINKS = "delete from sign_in_links where owner_id = %s and used_at is null"


async def make(connection: Connection, email: str, *, by: str = "cli") -> str | None:
    """A code that signs the owner with this email in, once; None when there is no such owner."""
    if (owner := await find_owner(connection, email)) is None:
        return None
    await connection.execute(_SWEEP_LINKS)
    code = new_code()
    await connection.execute(_ADD_LINK, (digest(code), owner.id))
    await audit.record(connection, owner.id, None, by, "link_make")
    return code


async def find(connection: Connection, code: str) -> OwnerRow | None:
    """The owner that a code would sign in, without using it up; None where `redeem` gives None, noted likewise."""
    return await _owner_by(connection, _FIND_LINK, code)


async def redeem(connection: Connection, code: str) -> OwnerRow | None:
    """Use a code up and give the owner it signs in; None when it is unknown, used or old, or the owner suspended.

    A refused link is in its owner's audit trail. An unknown code belongs to no owner and is in none.
    """
    return await _owner_by(connection, _TAKE_LINK, code)


async def drop_unused(connection: Connection, owner_id: int) -> int:
    """Make every unused link of an owner worthless; how many that were."""
    return await connection.execute(_DROP_LINKS, (owner_id,))


async def _owner_by(connection: Connection, statement: str, code: str) -> OwnerRow | None:
    if rows := await connection.fetch(statement, (digest(code),)):
        return owner_of(rows[0])
    for owner_id, handle, was_used in await connection.fetch(_WHOSE_LINK, (digest(code),)):
        reason = "used already" if was_used else "too old, or the owner is suspended"
        await audit.record(connection, owner_id, None, handle, "link_refuse", reason=reason)
    return None
