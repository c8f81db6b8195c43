"""Invites: codes that let their holders join a project, with a limit of uses and an end.

As with tokens, only a code's SHA-256 is stored. An invite's row is locked while it is redeemed, so that uses are
counted exactly. Time is the database's. Functions over a session that is in a transaction.

An invite ends with the rights of its maker: it works while the maker is a lead and still holds a token from before it.
So revoking a lead, taking the right away or deleting the participant ends the invites that the lead made; rotating a
token that leaked ends those that a thief made with it.
"""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from store.people import audit, grants, tokens
from store.people.codes import digest, new_code
from store.people.grants import Kind, Project
from store.people.names import checked_email, checked_lane, is_placeholder, labels_for
from store.postgres.connection import Connection
from store.postgres.records import record

LISTED_MAX = 200
"""How many invites of a project are listed."""

_ADD = """
insert into invites (project_id, sha256, email, label, kind, lane, is_admin, uses_max, expires_at, made_by)
values (%s, %s, %s, %s, %s, %s, %s, %s, now() + make_interval(hours => %s), %s)
returning expires_at
"""

_MAKER_MAY = f"""
(i.made_by is null
 or exists (select from participations p
             where p.id = i.made_by and p.is_admin
               and exists (select from tokens t
                            where t.participation_id = p.id and {tokens.WORKS} and t.created_at <= i.created_at)))
"""  # noqa: S608  # made of literals

_LOCK = f"""
select i.id, i.project_id, i.label, i.kind, i.lane, i.is_admin, i.uses >= i.uses_max, i.expires_at <= now()
  from invites i
 where i.sha256 = %s and i.revoked_at is null and {_MAKER_MAY}
   and lower(i.email collate "C") is not distinct from lower(%s::text collate "C")
   for update of i
"""  # noqa: S608  # made of literals

_PROJECT_OF = "select project_id from invites where sha256 = %s"

_FIND_BOUND = f"""
select i.email, i.project_id, j.name, o.handle, i.label
  from invites i join projects j on j.id = i.project_id join owners o on o.id = j.owner_id
 where i.sha256 = %s and i.revoked_at is null and i.email is not null and o.suspended_at is null
   and j.archived_at is null
   and {_MAKER_MAY}
"""  # noqa: S608  # made of literals

_ROW = f"""
i.id, i.label, i.email, i.kind, i.lane, i.is_admin, i.uses, i.uses_max, i.created_at, i.expires_at, i.revoked_at,
i.made_by, {_MAKER_MAY}
"""

_LIST = f"""
select {_ROW}
  from projects j
  left join invites i on i.project_id = j.id and i.id < coalesce(%(before)s::bigint, i.id + 1)
                     and i.id = coalesce(%(invite)s, i.id)
 where j.owner_id = %(owner)s and j.id = %(project)s
 order by i.id desc limit %(limit)s
"""  # noqa: S608  # made of literals

_LIST_OPEN = f"""
select {_ROW}
  from invites i
 where i.project_id = %s and i.revoked_at is null and i.uses < i.uses_max and i.expires_at > now() and {_MAKER_MAY}
 order by i.id desc limit %s
"""  # noqa: S608  # made of literals

_LAPSING = f"""
select j.id, j.name, {_ROW}
  from invites i join projects j on j.id = i.project_id
 where j.owner_id = %s and i.revoked_at is null and i.uses < i.uses_max and {_MAKER_MAY}
   and i.expires_at > now() and i.expires_at < now() + make_interval(hours => %s)
   and i.expires_at - now() < now() - i.created_at
 order by i.expires_at limit %s
"""  # noqa: S608  # made of literals

_FIND_TO_REVOKE = """
select i.label, i.revoked_at is not null
  from invites i join projects j on j.id = i.project_id
 where j.owner_id = %s and j.id = %s and i.id = %s
   for update of i
"""

_REVOKE = "update invites set revoked_at = now() where id = %s"

_COUNT_USE = "update invites set uses = uses + 1 where id = %s"

RedeemRefusal = Literal["invalid", "expired", "exhausted", "name_required", "name_taken"]
"""Why a code was refused; a refusal does not use the code up."""


class Invite(Struct, frozen=True, kw_only=True):
    """A new invite; the code in clear for the only time."""

    code: str
    expires_at: datetime


class BoundInvite(Struct, frozen=True, kw_only=True):
    """An invite bound to an email: its project, and the participant if the invite names one."""

    email: str
    project_id: int
    project_name: str
    handle: str
    label: str | None


class InviteRow(Struct, frozen=True, kw_only=True):
    """One invite, as its owner sees it: everything but the code.

    `made_by` is the participation that made it, None for the owner. `maker_may`: the maker still has the right to.
    """

    id: int
    label: str | None
    email: str | None
    kind: Kind
    lane: str | None
    is_admin: bool
    uses: int
    uses_max: int
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    made_by: int | None
    maker_may: bool


class Redeemed(Struct, frozen=True, kw_only=True):
    """A place in a project, and a token for it in clear for the only time."""

    project_id: int
    project: str
    project_name: str
    handle: str
    participant: str
    created: bool
    is_admin: bool
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
    project_id: int,
    *,
    participant_name: str | None = None,
    email: str | None = None,
    kind: Kind | None = None,
    lane: str | None = None,
    is_admin: bool = False,
    uses: int = 1,
    ttl_hours: int = 24,
    by: str,
    made_by: int | None = None,
) -> Invite:
    """A code that lets `uses` holders into the project, as `participant_name` or under names of their choice.

    `made_by` is the participation with whose rights the invite ends; None for the owner in person.

    With an `email` only its owner may redeem it, by `redeem_bound`; the invite is then for a human unless `kind` is
    given.
    """
    project = await grants.find_project(connection, project_id)
    label = (
        None if participant_name is None else await grants.label_to_be(connection, project.owner_id, participant_name)
    )
    email = None if email is None else checked_email(email)
    lane = checked_lane(lane)
    kind = kind or ("agent" if email is None else "human")
    code = new_code()
    parameters = (project.id, digest(code), email, label, kind, lane, is_admin, uses, ttl_hours, made_by)
    ((expires_at,),) = await connection.fetch(_ADD, parameters)
    detail = {
        "participant": label,
        "email": email,
        "lane": lane,
        "is_admin": is_admin,
        "uses": uses,
        "ttl_hours": ttl_hours,
    }
    await audit.record(connection, project.owner_id, project.id, by, "invite", **detail)
    return Invite(code=code, expires_at=expires_at)


async def redeem(connection: Connection, code: str, name: str | None = None) -> Redeemed | RedeemRefusal:
    """Let the holder of a code in.

    An invite that names a participant lets in as that one, existing or not. Otherwise `name` must be given, and be new:
    raises `InvalidName` when it cannot be one.
    """
    opened = await _open(connection, code, None)
    if isinstance(opened, str):
        return opened
    invite, project = opened
    label = invite.label
    if label is None:
        if name is None or is_placeholder(name):
            return "name_required"
        label = await grants.new_label(connection, project.owner_id, name)
        if not await grants.add_participant(connection, project.owner_id, label, invite.kind):
            return "name_taken"
    return await _let_in(connection, invite, project, label)


async def find_bound(connection: Connection, code: str) -> BoundInvite | None:
    """What a code that is bound to an email is for; None when it is not bound, not known or revoked.

    It may be used up or have expired: `redeem_bound` says so.
    """
    rows = await connection.fetch(_FIND_BOUND, (digest(code),))
    if not rows:
        return None
    email, project_id, project_name, handle, label = rows[0]
    return BoundInvite(email=email, project_id=project_id, project_name=project_name, handle=handle, label=label)


async def redeem_bound(connection: Connection, code: str, email: str) -> Redeemed | RedeemRefusal:
    """Let in the verified owner of the email that a code is bound to; the case of the email does not matter.

    An invite that names no participant lets in under a new name made of the email.
    """
    opened = await _open(connection, code, email)
    if isinstance(opened, str):
        return opened
    invite, project = opened
    label = invite.label or await _add_named_after(connection, project, email, invite.kind)
    return await _let_in(connection, invite, project, label)


async def list_all(
    connection: Connection, owner_id: int, project_id: int, *, before: int | None = None, limit: int = LISTED_MAX
) -> list[InviteRow] | None:
    """The newest invites of the owner's project, newest first; None when there is no such project.

    `before`: only those with a smaller id.
    """
    return await _listed(connection, owner_id, project_id, before=before, invite_id=None, limit=limit)


async def find_one(connection: Connection, owner_id: int, project_id: int, invite_id: int) -> InviteRow | None:
    """One invite of the owner's project; None when there is none with this id."""
    found = await _listed(connection, owner_id, project_id, before=None, invite_id=invite_id, limit=1)
    return next(iter(found or ()), None)


async def list_open(connection: Connection, project_id: int) -> list[InviteRow]:
    """The project's newest invites that still let somebody in, newest first."""
    return [record(InviteRow, row) for row in await connection.fetch(_LIST_OPEN, (project_id, LISTED_MAX))]


async def lapsing(connection: Connection, owner_id: int, *, hours: int) -> list[tuple[int, str, InviteRow]]:
    """The owner's invites that still let somebody in and end soon, with their projects.

    Soon: within so many hours, and most of an invite's time is over. One that was just made needs nobody.
    """
    rows = await connection.fetch(_LAPSING, (owner_id, hours, LISTED_MAX))
    return [(project_id, name, record(InviteRow, row)) for project_id, name, *row in rows]


async def revoke(connection: Connection, owner_id: int, project_id: int, invite_id: int, *, by: str) -> bool:
    """Stop an invite from working; False when the owner's project has none with this id."""
    rows = await connection.fetch(_FIND_TO_REVOKE, (owner_id, project_id, invite_id))
    if not rows:
        return False
    ((label, was_revoked),) = rows
    if not was_revoked:
        await connection.execute(_REVOKE, (invite_id,))
        detail = {"participant": label, "invite_id": invite_id}
        await audit.record(connection, owner_id, project_id, by, "invite_revoke", **detail)
    return True


async def revoke_in(connection: Connection, project_id: int, invite_id: int, *, by: str) -> bool:
    """`revoke` for a lead, whose token says which project it is."""
    project = await grants.find_project(connection, project_id)
    return await revoke(connection, project.owner_id, project.id, invite_id, by=by)


async def _listed(
    connection: Connection, owner_id: int, project_id: int, *, before: int | None, invite_id: int | None, limit: int
) -> list[InviteRow] | None:
    parameters = {"owner": owner_id, "project": project_id, "before": before, "invite": invite_id, "limit": limit}
    rows = await connection.fetch(_LIST, parameters)
    return [record(InviteRow, row) for row in rows if row[0] is not None] if rows else None


async def _open(connection: Connection, code: str, email: str | None) -> tuple[_Row, Project] | RedeemRefusal:
    """The invite, locked, with its project; or why it is refused for this email."""
    known = await connection.fetch(_PROJECT_OF, (digest(code),))
    project = await grants.lock_project(connection, known[0][0]) if known else None
    rows = await connection.fetch(_LOCK, (digest(code), email))
    if project is None or not rows:
        return "invalid"
    invite = _Row(*rows[0])
    if project.is_closed:
        return "invalid"
    if invite.is_expired:
        return "expired"
    if invite.is_exhausted:
        return "exhausted"
    return invite, project


async def _add_named_after(connection: Connection, project: Project, email: str, kind: Kind) -> str:
    for label in labels_for(email):
        if label != project.handle and await grants.add_participant(connection, project.owner_id, label, kind):
            return label
    raise AssertionError("labels never end")


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
    token = await tokens.mint(connection, project.id, granted.id)
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
        is_admin=granted.is_admin,
        token=token,
    )
