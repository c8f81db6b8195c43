"""One-time links that sign an owner in.

A link is found by a secret code, works once and for minutes by the database's clock, and is kept only as SHA-256.
Functions over a session; `make` wants it in a transaction.
"""

from store.people.codes import digest, new_code
from store.people.owners import COLUMNS, OwnerRow, find_owner, owner_of
from store.postgres.connection import Connection

LINK_MINUTES = 15

_SWEEP_LINKS = "delete from sign_in_links where expires_at <= now()"

_ADD_LINK = f"""
insert into sign_in_links (sha256, owner_id, expires_at)
values (%s, %s, now() + interval '{LINK_MINUTES} minutes')
"""  # noqa: S608  # made of literals

# Of many who redeem a link at once, one deletes it; the others wait for that, and find it gone.
_TAKE_LINK = f"""
delete from sign_in_links l using owners o
 where l.sha256 = %s and l.expires_at > now() and o.id = l.owner_id and o.suspended_at is null
returning {COLUMNS}
"""  # noqa: S608  # made of literals


async def make(connection: Connection, email: str) -> str | None:
    """A code that signs the owner with this email in, once; None when there is no such owner."""
    if (owner := await find_owner(connection, email)) is None:
        return None
    await connection.execute(_SWEEP_LINKS)
    code = new_code()
    await connection.execute(_ADD_LINK, (digest(code), owner.id))
    return code


async def redeem(connection: Connection, code: str) -> OwnerRow | None:
    """Use a code up and give the owner it signs in; None when it is unknown, used or old, or the owner suspended."""
    rows = await connection.fetch(_TAKE_LINK, (digest(code),))
    return owner_of(rows[0]) if rows else None
