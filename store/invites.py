"""Invites: codes with which others join a project by themselves, so many times and so long.

As with tokens, only a code's SHA-256 is stored. An invite's row is locked while it is redeemed, so that uses are
counted exactly. Time is the database's. Functions over a session that is in a transaction.
"""

import secrets
from datetime import datetime
from hashlib import sha256
from typing import Literal

from msgspec import Struct

from store import audit, grants, tokens
from store.connection import Connection
from store.grants import Kind, Project
from store.names import checked_label

CODE_BYTES = 24

_ADD = """
insert into invites (project_id, sha256, label, kind, lane, is_admin, uses_max, expires_at)
values (%s, %s, %s, %s, %s, %s, %s, now() + make_interval(hours => %s))
returning expires_at
"""

_LOCK = """
select id, project_id, label, kind, lane, is_admin, uses >= uses_max, expires_at <= now()
  from invites where sha256 = %s and revoked_at is null for update
"""

_COUNT_USE = "update invites set uses = uses + 1 where id = %s"

RedeemRefusal = Literal["invalid", "expired", "exhausted", "name_required", "name_taken"]
"""Why a code let nobody in; none of them uses it up."""


class Invite(Struct, frozen=True, kw_only=True):
    """A new invite; the code in clear for the only time."""

    code: str
    expires_at: datetime


class Redeemed(Struct, frozen=True, kw_only=True):
    """A place in a project, and a token for it in clear for the only time."""

    project_id: int
    project: str
    project_name: str
    handle: str
    participant: str
    created: bool
    token: str


class _Row(Struct, frozen=True):
    id: int
    project_id: int
    label: str | None
    kind: Kind
    lane: str | None
    is_admin: bool
    is_exhausted: bool
    is_expired: bool


async def create(
    connection: Connection,
    project: Project,
    *,
    label: str | None,
    kind: Kind | None,
    lane: str | None,
    is_admin: bool,
    uses: int,
    ttl_hours: int,
    by: str,
) -> Invite:
    """A code that lets `uses` holders into the project, as the participant `label` or under names of their choice."""
    label = None if label is None else checked_label(label)
    code = secrets.token_urlsafe(CODE_BYTES)
    parameters = (project.id, _digest(code), label, kind or "agent", lane, is_admin, uses, ttl_hours)
    ((expires_at,),) = await connection.fetch(_ADD, parameters)
    detail = {"participant": label, "lane": lane, "is_admin": is_admin, "uses": uses, "ttl_hours": ttl_hours}
    await audit.record(connection, project.owner_id, project.id, by, "invite", **detail)
    return Invite(code=code, expires_at=expires_at)


async def redeem(connection: Connection, code: str, name: str | None) -> Redeemed | RedeemRefusal:
    """Let the holder of a code in.

    An invite that names a participant lets in as that one, existing or not. Otherwise `name` must be given, and be new:
    raises `InvalidName` when it cannot be one.
    """
    rows = await connection.fetch(_LOCK, (_digest(code),))
    if not rows:
        return "invalid"
    invite = _Row(*rows[0])
    project = await grants.find_project(connection, invite.project_id)
    if project.owner_suspended:
        return "invalid"
    if invite.is_expired:
        return "expired"
    if invite.is_exhausted:
        return "exhausted"
    label = invite.label
    if label is None:
        if name is None or not name.strip():
            return "name_required"
        label = checked_label(name)
        if not await grants.add_participant(connection, project.owner_id, label, invite.kind):
            return "name_taken"
    return await _let_in(connection, invite, project, label)


async def _let_in(connection: Connection, invite: _Row, project: Project, label: str) -> Redeemed:
    actor = f"{project.handle}/{label}"
    granted = await grants.grant(
        connection,
        project,
        label,
        kind=invite.kind,
        lane=invite.lane,
        # An invite may make a lead, but never takes that away from somebody who is one.
        is_admin=invite.is_admin or None,
        by=actor,
    )
    token = await tokens.mint(connection, granted.id)
    await connection.execute(_COUNT_USE, (invite.id,))
    await audit.record(
        connection, project.owner_id, project.id, actor, "redeem", participant=label, invite_id=invite.id
    )
    return Redeemed(
        project_id=project.id,
        project=project.slug,
        project_name=project.name,
        handle=project.handle,
        participant=label,
        created=granted.created,
        token=token,
    )


def _digest(code: str) -> bytes:
    return sha256(code.encode()).digest()
