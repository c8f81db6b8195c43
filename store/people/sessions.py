"""Browser sessions of owners: opened, found by their secret id, listed, and closed.

The id is in the owner's cookie, and here only as SHA-256. The CSRF token is made of it, so that it need not be stored
and dies with it. A session ends when it was idle for `IDLE_HOURS` or is `AGE_DAYS_MAX` old, by the database's clock.
Functions over a session with PostgreSQL; those that write want it in a transaction.
"""

import base64
from collections.abc import Collection
from datetime import datetime
from hashlib import sha256

from msgspec import Struct

from store.people import audit
from store.people.codes import digest, new_code
from store.people.owners import COLUMNS, OwnerRow, owner_of
from store.postgres.connection import Connection

IDLE_HOURS = 8
AGE_DAYS_MAX = 30
"""A session ends then however much it is used: a stolen one does not live for ever."""

PER_OWNER_MAX = 20
"""The oldest session of an owner goes when one more is opened."""

USER_AGENT_LENGTH_MAX = 200

_LIVE = (
    f"(last_seen_at > now() - interval '{IDLE_HOURS} hours' and created_at > now() - interval '{AGE_DAYS_MAX} days')"
)

# Concurrent openings for one owner wait here for each other, so that each counts the others.
_LOCK_OWNER = "select handle from owners where id = %s for no key update"

_OPEN = "insert into sessions (sha256, owner_id, user_agent) values (%s, %s, %s)"

_CLOSE_SURPLUS = f"""
delete from sessions
 where owner_id = %(owner)s
   and (not {_LIVE} or id not in (select id from sessions where owner_id = %(owner)s and {_LIVE}
                                   order by id desc limit %(kept)s))
"""  # noqa: S608  # made of literals

# Found and noted in one round trip; the second part touches nothing in all but one call a minute.
_FIND = f"""
with live as (
    select * from sessions where sha256 = %(sha256)s and {_LIVE}
), noted as (
    update sessions set last_seen_at = now() from live
     where sessions.id = live.id and live.last_seen_at <= now() - interval '1 minute'
)
select s.id, s.created_at, s.last_seen_at, {COLUMNS} from live s join owners o on o.id = s.owner_id
"""  # noqa: S608  # made of literals

_STILL_OPEN = f"""
select sha256 from sessions
 where sha256 = any(%s) and {_LIVE}
   and exists (select from owners o where o.id = owner_id and o.suspended_at is null)
"""  # noqa: S608  # made of literals

_CLOSE = "delete from sessions where sha256 = %s"

_CLOSE_ALL = "delete from sessions where owner_id = %s"

_CLOSE_BY_KEY = "delete from sessions where owner_id = %s and id = %s"

_LIST = f"""
select id, user_agent, created_at, last_seen_at from sessions where owner_id = %s and {_LIVE}
"""  # noqa: S608  # made of literals


class OpenedSession(Struct, frozen=True, kw_only=True):
    """A new session: its secret id for the cookie, in clear for the only time, and the token its forms carry."""

    id: str
    csrf: str


class Session(Struct, frozen=True, kw_only=True):
    """An open session and whose it is. A suspended owner's is found too; the caller must refuse it."""

    key: int
    owner: OwnerRow
    csrf: str
    created_at: datetime
    last_seen_at: datetime


class SessionRow(Struct, frozen=True, kw_only=True):
    """A session as its owner sees it; `key` names it and opens nothing."""

    key: int
    user_agent: str
    created_at: datetime
    last_seen_at: datetime


async def open_session(
    connection: Connection, owner_id: int, *, user_agent: str, replacing: str | None = None, way: str = "link"
) -> OpenedSession:
    """A new session of this owner in place of the one with the id `replacing`; surplus and ended ones go.

    `way` names how the owner signed in, for the audit trail.
    """
    ((handle,),) = await connection.fetch(_LOCK_OWNER, (owner_id,))
    if replacing is not None:
        await connection.execute(_CLOSE, (digest(replacing),))
    await connection.execute(_CLOSE_SURPLUS, {"owner": owner_id, "kept": PER_OWNER_MAX - 1})
    session_id = new_code()
    shown = "".join(filter(str.isprintable, user_agent))[:USER_AGENT_LENGTH_MAX]
    await connection.execute(_OPEN, (digest(session_id), owner_id, shown))
    await audit.record(connection, owner_id, None, handle, "sign_in", way=way)
    return OpenedSession(id=session_id, csrf=_csrf(session_id))


async def find_session(connection: Connection, session_id: str) -> Session | None:
    """The session with this id, noted as in use; None when there is none or it was idle for too long."""
    rows = await connection.fetch(_FIND, {"sha256": digest(session_id)}, prepare=True)
    if not rows:
        return None
    key, created_at, last_seen_at, *owner = rows[0]
    return Session(
        key=key,
        owner=owner_of(tuple(owner)),
        csrf=_csrf(session_id),
        created_at=created_at,
        last_seen_at=last_seen_at,
    )


async def still_open(connection: Connection, session_hashes: Collection[bytes]) -> set[bytes]:
    """Which sessions are open, of these by the SHA-256 of their ids; those of a suspended owner are not."""
    return {row[0] for row in await connection.fetch(_STILL_OPEN, (list(session_hashes),))}


async def close_session(connection: Connection, session_id: str) -> None:
    """End the session with this id, if there is one."""
    await connection.execute(_CLOSE, (digest(session_id),))


async def close_all_sessions(connection: Connection, owner_id: int) -> int:
    """End every session of an owner; how many that were."""
    return await connection.execute(_CLOSE_ALL, (owner_id,))


async def close_session_by_key(connection: Connection, owner_id: int, key: int) -> bool:
    """End one session of an owner; False when the owner has none with this key."""
    return bool(await connection.execute(_CLOSE_BY_KEY, (owner_id, key)))


async def list_sessions(connection: Connection, owner_id: int) -> list[SessionRow]:
    """An owner's open sessions, the one used last first."""
    found = [
        SessionRow(key=key, user_agent=user_agent, created_at=created_at, last_seen_at=last_seen_at)
        for key, user_agent, created_at, last_seen_at in await connection.fetch(_LIST, (owner_id,))
    ]
    return sorted(found, key=lambda session: (session.last_seen_at, session.key), reverse=True)


def _csrf(session_id: str) -> str:
    return base64.urlsafe_b64encode(sha256(b"csrf " + session_id.encode()).digest()).decode().rstrip("=")
