"""Bearer tokens: making one, keeping only its SHA-256, finding the grant behind it, taking it back.

A token is `llmbus_`, its project's routing tag, `_`, and 32 random bytes, URL-safe; tokens of earlier versions have no
tag. It exists in clear only in the answer that hands it out. Functions over a session; those that write want it in a
transaction.
"""

from collections.abc import Collection
from datetime import datetime
from hashlib import sha256

from msgspec import Struct

from engine.identity import Principal
from store.people.codes import digest, new_code
from store.postgres.connection import Connection
from store.postgres.records import record

TOKEN_PREFIX = "llmbus_"  # noqa: S105  # what every token begins with, not one

TAG_CHARACTERS = 8

LISTED_MAX = 100
"""How many of a participation's tokens are listed, the newest."""

NAME_LENGTH_MAX = 64
DAYS_MAX = 3650

WORKS = "t.revoked_at is null and (t.expires_at is null or t.expires_at > now())"
"""Whether the token `t` of a statement lets its holder in."""

FORMER_LABELS = """
array(select f.label from unnest(a.former_labels) with ordinality as f (label, place)
       where not exists (select from participants n where n.owner_id = a.owner_id and n.label = f.label)
       order by f.place)
"""
"""Those of the participant `a` of a statement. One that another participant of the owner has now means that one."""

_AUTHENTICATE = f"""
select p.id, p.project_id, o.handle, a.label, j.slug, p.is_admin, j.liveness_window_seconds, j.stale_after_seconds,
       o.former_handles, {FORMER_LABELS},
       o.id, a.id, o.suspended_at is not null, j.archived_at is not null
  from tokens t
  join participations p on p.id = t.participation_id
  join participants a on a.id = p.participant_id
  join projects j on j.id = p.project_id
  join owners o on o.id = j.owner_id
 where t.sha256 = %s and {WORKS}
"""  # noqa: S608  # made of literals

_STILL_VALID = f"""
select t.sha256
  from tokens t
  join participations p on p.id = t.participation_id
  join projects j on j.id = p.project_id
  join owners o on o.id = j.owner_id
 where t.sha256 = any(%s) and {WORKS} and o.suspended_at is null and j.archived_at is null
"""  # noqa: S608  # made of literals

# `now()` is when the transaction began: before an invite that it then waited for, and that must end with the old token.
_MINT = """
insert into tokens (participation_id, sha256, name, created_at, expires_at)
values (%s, %s, %s, clock_timestamp(), now() + make_interval(days => %s))
"""

# Written at most once a minute for each token, however often it is used.
_NOTE_USE = """
update tokens set last_used_at = now()
 where sha256 = any(%s) and (last_used_at is null or last_used_at < now() - interval '1 minute')
"""

_LAST_USED = "select last_used_at from tokens where sha256 = %s"

_LIST = f"""
select t.id, t.name, t.created_at, t.expires_at, t.last_used_at from tokens t
 where t.participation_id = %s and {WORKS}
 order by t.id desc limit {LISTED_MAX}
"""  # noqa: S608  # made of literals

_REVOKE_ONE = f"""
update tokens t set revoked_at = now() where t.participation_id = %s and t.id = %s and {WORKS} returning t.sha256
"""  # noqa: S608  # made of literals


_REVOKE = """
update tokens set revoked_at = now()
 where participation_id = %s and revoked_at is null and sha256 <> %s
returning sha256
"""


class TokenRow(Struct, frozen=True, kw_only=True):
    """A token that works, as its owner sees it; `id` names it and opens nothing. The use is told to the minute."""

    id: int
    name: str | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class Grant(Struct, frozen=True, kw_only=True):
    """The principal of a valid token. Calls are refused unless it `admits` them."""

    principal: Principal
    owner_id: int
    participant_id: int
    participation_id: int
    suspended: bool
    archived: bool = False

    @property
    def admits(self) -> bool:
        """Whether calls are served: the owner is not suspended, and the project not archived."""
        return not (self.suspended or self.archived)


async def authenticate(connection: Connection, token_hash: bytes) -> Grant | None:
    """The grant behind a token's SHA-256; None when it is unknown or revoked."""
    rows = await connection.fetch(_AUTHENTICATE, (token_hash,), prepare=True)
    if not rows:
        return None
    participation_id, project_id, handle, label, slug, is_admin, window, stale_after, *of_whom = rows[0]
    former_handles, former_labels, owner_id, participant_id, suspended, archived = of_whom
    principal = Principal(
        id=participation_id,
        project_id=project_id,
        handle=handle,
        label=label,
        project=slug,
        is_admin=is_admin,
        liveness_window_seconds=window,
        stale_after_seconds=stale_after,
        former_handles=tuple(former_handles),
        former_labels=tuple(former_labels),
    )
    return Grant(
        principal=principal,
        owner_id=owner_id,
        participant_id=participant_id,
        participation_id=participation_id,
        suspended=suspended,
        archived=archived,
    )


async def still_valid(connection: Connection, token_hashes: Collection[bytes]) -> set[bytes]:
    """Which of these tokens work now: not revoked, nor of a suspended owner or an archived project."""
    return {row[0] for row in await connection.fetch(_STILL_VALID, (list(token_hashes),))}


def routing_tag(project_id: int) -> str:
    """The characters that all tokens of a project share, so that a proxy can send them to the same server.

    Neither secret nor trusted: it is hashed with the rest of the token, and decides nothing here.
    """
    return sha256(f"project {project_id}".encode()).hexdigest()[:TAG_CHARACTERS]


async def mint(
    connection: Connection,
    project_id: int,
    participation_id: int,
    *,
    name: str | None = None,
    days: int | None = None,
) -> str:
    """A new token of this participation, which is one in this project.

    It has a name for people if one is given, and works for so many `days` or for good.
    """
    token = f"{TOKEN_PREFIX}{routing_tag(project_id)}_{new_code()}"
    await connection.execute(_MINT, (participation_id, digest(token), name, days))
    return token


async def note_use(connection: Connection, token_hashes: Collection[bytes]) -> None:
    """Note that these tokens have just been used."""
    await connection.execute(_NOTE_USE, (list(token_hashes),))


async def last_used(connection: Connection, token: str) -> datetime | None:
    """When this token was last used; None when it never was, or is none."""
    rows = await connection.fetch(_LAST_USED, (digest(token),))
    return rows[0][0] if rows else None


async def list_working(connection: Connection, participation_id: int) -> list[TokenRow]:
    """The tokens of a participation that work, newest first."""
    return [record(TokenRow, row) for row in await connection.fetch(_LIST, (participation_id,))]


async def revoke_one(connection: Connection, participation_id: int, token_id: int) -> bytes | None:
    """Take back one token of this participation; the hash of it, None when there is no such one that works."""
    rows = await connection.fetch(_REVOKE_ONE, (participation_id, token_id))
    return bytes(rows[0][0]) if rows else None


async def revoke_all(connection: Connection, participation_id: int, *, but: str | None = None) -> tuple[bytes, ...]:
    """Take back every token of this participation, but one; gives the hashes of those that were valid until now."""
    kept = b"" if but is None else digest(but)
    return tuple(row[0] for row in await connection.fetch(_REVOKE, (participation_id, kept)))
