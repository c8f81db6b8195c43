"""Places of participants in projects: granted, with a lane and rights, and with tokens.

Functions over a session; those that write want it in a transaction. A participation's row is locked while its tokens
change: the second of two concurrent rotations waits, and then revokes the first one's token.
"""

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from engine.identity import Roster
from engine.names import likeness, tidied
from store.errors import InvalidName, NameTaken
from store.people import audit, owners, tokens
from store.people.names import checked_label, checked_lane
from store.postgres.connection import Connection

Kind = Literal["agent", "human"]

_PROJECT = """
select j.id, j.owner_id, j.slug, j.name, o.handle, o.suspended_at is not null or j.archived_at is not null
  from projects j join owners o on o.id = j.owner_id where j.id = %s
"""

# A change in a project keeps the project from being deleted until the transaction ends.
_PROJECT_TO_CHANGE = f"{_PROJECT} for key share of j"

_HANDLES = "select o.handle, o.former_handles from projects j join owners o on o.id = j.owner_id where j.id = %s"

_ROSTER = """
select a.label, p.id from participations p join participants a on a.id = p.participant_id where p.project_id = %s
"""

_RENAMED = f"""
select a.label, {tokens.FORMER_LABELS}
  from participations p join participants a on a.id = p.participant_id
 where p.project_id = %s and a.former_labels <> '{{}}'
"""  # noqa: S608  # made of literals

_LIST = f"""
select a.label, a.kind, p.lane, p.is_admin,
       exists (select from tokens t where t.participation_id = p.id and {tokens.WORKS})
  from participations p join participants a on a.id = p.participant_id
 where p.project_id = %s
"""  # noqa: S608  # made of literals

_ADD_PARTICIPANT = """
insert into participants (owner_id, label, kind) values (%s, %s, %s) on conflict do nothing returning id
"""

_LABELS = "select id, label from participants where owner_id = %s"

_IS_HANDLE = "select from owners where id = %s and handle = %s"

_FIND_PARTICIPANT = "select id from participants where owner_id = %s and label = %s for key share"

_ADD_PARTICIPATION = """
insert into participations (participant_id, project_id, lane, is_admin) values (%s, %s, %s, %s)
    on conflict do nothing returning id
"""

_FIND_PARTICIPATION = """
select p.id, a.label, a.kind, p.lane, p.is_admin
  from participations p join participants a on a.id = p.participant_id
 where p.project_id = %s and a.label = %s
   for update of p
"""

_LABEL = """
select a.label from participations p join participants a on a.id = p.participant_id
 where p.project_id = %s and p.id = %s for update of p
"""

_CHANGE_PARTICIPATION = """
update participations set lane = coalesce(%s, lane), is_admin = coalesce(%s, is_admin) where id = %s
"""


class Project(Struct, frozen=True, kw_only=True):
    """A project and its owner."""

    id: int
    owner_id: int
    slug: str
    name: str
    handle: str
    is_closed: bool


class ParticipantRow(Struct, frozen=True, kw_only=True):
    """One participant of a project; `token_active`: it has a token that works."""

    name: str
    kind: Kind
    lane: str | None
    is_admin: bool
    token_active: bool


class Participation(Struct, frozen=True, kw_only=True):
    """A participant's place in a project; `created`: it did not have one before."""

    id: int
    participant: str
    kind: Kind
    lane: str | None
    is_admin: bool
    created: bool = False


class Provisioned(Struct, frozen=True, kw_only=True):
    """A participation and a token for it, in clear for the only time; `revoked_hashes` are tokens it replaces."""

    participation_id: int
    participant: str
    kind: Kind
    lane: str | None
    is_admin: bool
    token: str
    created: bool
    revoked_hashes: tuple[bytes, ...] = ()


async def find_project(connection: Connection, project_id: int) -> Project:
    """The project, kept from deletion until the transaction ends; raises `InvalidName` when it is gone."""
    rows = await connection.fetch(_PROJECT_TO_CHANGE, (project_id,))
    if not rows:
        raise InvalidName("this project no longer exists.")
    id_, owner_id, slug, name, handle, is_closed = rows[0]
    return Project(id=id_, owner_id=owner_id, slug=slug, name=name, handle=handle, is_closed=is_closed)


async def lock_project(connection: Connection, project_id: int) -> Project:
    """`find_project`, and nobody else changes its owner's people until the transaction ends."""
    project = await find_project(connection, project_id)
    await owners.lock(connection, project.owner_id)
    return project


async def roster(connection: Connection, project_id: int) -> Roster | None:
    """The members of a project; None when there is no such project."""
    rows = await connection.fetch(_HANDLES, (project_id,))
    if not rows:
        return None
    handle, former_handles = rows[0]
    labels: dict[str, int] = dict(await connection.fetch(_ROSTER, (project_id,)))
    former_labels = {label: tuple(former) for label, former in await connection.fetch(_RENAMED, (project_id,))}
    return Roster(handle=handle, labels=labels, former_handles=tuple(former_handles), former_labels=former_labels)


async def list_participants(connection: Connection, project_id: int) -> list[ParticipantRow]:
    """Everybody in the project, by name."""
    rows = [
        ParticipantRow(name=name, kind=kind, lane=lane, is_admin=is_admin, token_active=token_active)
        for name, kind, lane, is_admin, token_active in await connection.fetch(_LIST, (project_id,))
    ]
    return sorted(rows, key=lambda row: row.name)


async def add_participant(connection: Connection, owner_id: int, label: str, kind: Kind) -> bool:
    """Make a participant of this owner; False when the owner has one whose name is this or looks the same."""
    if await find_like(connection, owner_id, label):
        return False
    return bool(await connection.fetch(_ADD_PARTICIPANT, (owner_id, label, kind)))


async def find_like(connection: Connection, owner_id: int, label: str) -> dict[str, int]:
    """The owner's participants whose label is this one or looks the same: more than one only of earlier versions.

    Until the transaction ends, nobody else can add or change a label of this owner.
    """
    await owners.lock(connection, owner_id)
    rows = await connection.fetch(_LABELS, (owner_id,))
    return {other: id_ for id_, other in rows if likeness(other) == likeness(label)}


async def grant(
    connection: Connection,
    project: Project,
    label: str,
    *,
    kind: Kind | None,
    lane: str | None,
    is_admin: bool | None,
    by: str,
) -> Participation:
    """A place in the project for the participant with this label; both are made when new.

    What is None is left as it is, or at its default when new. The kind of a participant that exists stays.
    """
    lane = checked_lane(lane)
    participant_id, label = await _ensure_participant(connection, project.owner_id, label, kind or "agent")
    added = await connection.fetch(_ADD_PARTICIPATION, (participant_id, project.id, lane, bool(is_admin)))
    before = await find_participation(connection, project.id, label)
    assert before is not None  # noqa: S101  # just made, or in the way of being made
    if not added:
        await connection.execute(_CHANGE_PARTICIPATION, (lane, is_admin, before.id))
    after = Participation(
        id=before.id,
        participant=label,
        kind=before.kind,
        lane=before.lane if lane is None else lane,
        is_admin=before.is_admin if is_admin is None else is_admin,
        created=bool(added),
    )
    if added or (before.lane, before.is_admin) != (after.lane, after.is_admin):
        detail = {"participant": label, "kind": after.kind, "lane": after.lane, "is_admin": after.is_admin}
        await audit.record(connection, project.owner_id, project.id, by, "grant", **detail)
    return after


async def _ensure_participant(connection: Connection, owner_id: int, label: str, kind: Kind) -> tuple[int, str]:
    """The participant of this label, and the label as it is kept; made when there is none."""
    while True:
        kept = await label_to_be(connection, owner_id, label)
        await connection.fetch(_ADD_PARTICIPANT, (owner_id, kept, kind))
        if rows := await connection.fetch(_FIND_PARTICIPANT, (owner_id, kept)):
            return int(rows[0][0]), kept
        # It was there, and was deleted in between.


async def label_to_be(connection: Connection, owner_id: int, label: str) -> str:
    """The label of the owner's participant of this name, or the one that a new participant gets.

    Raises `InvalidName` when it cannot be one, and `NameTaken` when another only looks the same.
    """
    like = await find_like(connection, owner_id, label)
    if (known := _spelled(label, like)) is not None:
        return known
    if like:
        taken = next(iter(like))
        raise NameTaken(f"there is a participant '{taken}', who looks the same: take another name.", field="label")
    return await new_label(connection, owner_id, label)


async def new_label(connection: Connection, owner_id: int, label: str) -> str:
    """The label of a new participant in its one spelling; raises `InvalidName` when it cannot be one.

    Whether it looks like another's is `find_like`'s to say.
    """
    label = checked_label(label)
    if await connection.fetch(_IS_HANDLE, (owner_id, likeness(label))):
        raise InvalidName(f"'{label}' is the owner's own handle: choose another name.", field="label")
    return label


def _spelled(label: str, labels: Iterable[str]) -> str | None:
    """Which of these labels is this one; earlier versions kept labels as they were typed."""
    if label in labels:
        return label
    return next((known for known in labels if tidied(known) == tidied(label)), None)


async def find_participation(connection: Connection, project_id: int, label: str) -> Participation | None:
    """The place of a participant in a project, locked until the transaction ends."""
    known = _spelled(label, dict(await connection.fetch(_ROSTER, (project_id,))))
    rows = [] if known is None else await connection.fetch(_FIND_PARTICIPATION, (project_id, known))
    if not rows:
        return None
    id_, participant, kind, lane, is_admin = rows[0]
    return Participation(id=id_, participant=participant, kind=kind, lane=lane, is_admin=is_admin)


async def provision(
    connection: Connection,
    project_id: int,
    participant_name: str,
    *,
    kind: Kind | None = None,
    lane: str | None = None,
    is_admin: bool | None = None,
    token_name: str | None = None,
    token_days: int | None = None,
    by: str,
) -> Provisioned:
    """A token for a participant, who is created and granted a place when new.

    The token has a name if one is given, and works for so many days or for good. One that has a place gets a further
    token, and the lane and rights that are given; None leaves them.
    """
    project = await find_project(connection, project_id)
    granted = await grant(connection, project, participant_name, kind=kind, lane=lane, is_admin=is_admin, by=by)
    token = await tokens.mint(connection, project.id, granted.id, name=token_name, days=token_days)
    await audit.record(connection, project.owner_id, project.id, by, "token_mint", participant=granted.participant)
    return provisioned(granted, token)


async def rotate(connection: Connection, project_id: int, label: str, *, by: str) -> Provisioned | None:
    """A new token in place of all old ones; None when the participant has no place in the project."""
    project = await lock_project(connection, project_id)
    if (found := await find_participation(connection, project.id, label)) is None:
        return None
    token = await tokens.mint(connection, project.id, found.id)
    revoked = await tokens.revoke_all(connection, found.id, but=token)
    await audit.record(
        connection, project.owner_id, project.id, by, "rotate", participant=found.participant, revoked=len(revoked)
    )
    return provisioned(found, token, revoked)


async def revoke(connection: Connection, project_id: int, label: str, *, by: str) -> tuple[bytes, ...]:
    """Take back all tokens of a participant in this project; gives the SHA-256 of those that stopped working."""
    project = await lock_project(connection, project_id)
    if (found := await find_participation(connection, project.id, label)) is None:
        return ()
    revoked = await tokens.revoke_all(connection, found.id)
    if revoked:
        await audit.record(
            connection, project.owner_id, project.id, by, "revoke", participant=found.participant, revoked=len(revoked)
        )
    return revoked


async def revoke_token(
    connection: Connection, project_id: int, participation_id: int, token_id: int, *, by: str
) -> bytes | None:
    """Take back one token; its SHA-256. None when this participation of the project has no such token that works."""
    project = await lock_project(connection, project_id)
    rows = await connection.fetch(_LABEL, (project.id, participation_id))
    revoked = await tokens.revoke_one(connection, participation_id, token_id) if rows else None
    if revoked is not None:
        await audit.record(connection, project.owner_id, project.id, by, "revoke", participant=rows[0][0], revoked=1)
    return revoked


def provisioned(granted: Participation, token: str, revoked_hashes: tuple[bytes, ...] = ()) -> Provisioned:
    """A participation with its token."""
    return Provisioned(
        participation_id=granted.id,
        participant=granted.participant,
        kind=granted.kind,
        lane=granted.lane,
        is_admin=granted.is_admin,
        token=token,
        created=granted.created,
        revoked_hashes=revoked_hashes,
    )
