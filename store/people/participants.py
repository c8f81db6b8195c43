"""An owner's participants and their places in projects, as the owner sees and changes them.

Functions over a session; those that write want it in a transaction. Every query names the owner, so another owner's
row answers exactly as a missing one. Granting a place is in `store.people.grants`.
"""

from collections import Counter
from datetime import datetime
from itertools import groupby
from typing import Literal

import msgspec
from msgspec import Struct

from store.errors import NameTaken
from store.people import audit, owners, tokens
from store.people.grants import Kind, find_like, new_label
from store.people.names import checked_lane
from store.postgres.connection import Connection, Row
from store.postgres.records import record

Sort = Literal["presence", "name", "events", "newest"]

_PERSONS = f"""
select a.id, a.label, a.kind, a.created_at, j.id, j.slug, j.name, p.id, p.lane, p.is_admin,
       exists (select from tokens t where t.participation_id = p.id and {tokens.WORKS})
  from (select * from participants
         where owner_id = %(owner)s and id = coalesce(%(participant)s, id)
           and strpos(lower(label), lower(%(part)s::text)) > 0
         order by label collate "C", id limit %(limit)s offset %(offset)s) as a
  left join participations p on p.participant_id = a.id
  left join projects j on j.id = p.project_id
"""  # noqa: S608  # made of literals

# The members of the page are chosen before their tokens are looked up, so a page costs no more in a large project.
_MEMBERS = f"""
with project as materialized (select id from projects where owner_id = %(owner)s and id = %(project)s),
matching as materialized (
    select p.id, p.participant_id, a.label, a.kind, p.lane, p.is_admin, p.created_at, l.at as seen_at,
           coalesce((%(written)s::jsonb ->> p.id::text)::bigint, 0) as events
      from project
      join participations p on p.project_id = project.id
      join participants a on a.id = p.participant_id
      left join liveness l on l.project_id = project.id and l.participation_id = p.id
     where p.id = coalesce(%(participation)s, p.id)
       and (strpos(lower(a.label), lower(%(part)s::text)) > 0 or strpos(lower(p.lane), lower(%(part)s::text)) > 0))
select (select count(*) from matching), m.id, m.participant_id, m.label, m.kind, m.lane, m.is_admin, m.created_at,
       t.tokens, t.newest, m.seen_at, m.events
  from project
  left join (select *, row_number() over (order by {{order}}, label collate "C") as place
               from matching order by place limit %(limit)s offset %(offset)s) as m on true
  left join lateral (select count(*) as tokens, max(created_at) as newest
                       from tokens t where t.participation_id = m.id and {tokens.WORKS}) as t on true
 order by m.place
"""  # noqa: S608  # made of literals

_ORDERS: dict[Sort, str] = {
    "presence": "seen_at desc nulls last",
    "name": 'label collate "C"',
    "events": "events desc",
    "newest": "id desc",
}

# How many events everybody wrote: counted up to the snapshot already (docs/decisions/0009), after it by _WRITTEN,
# which gets the snapshot's number as a value: for one that it has to guess PostgreSQL reads the whole ledger.
_COUNTED = """
select coalesce(s.counted_seq, 0), case when s.counted_seq is null then '{}' else s.written::text end
  from projects j left join snapshots s on s.project_id = j.id
 where j.owner_id = %(owner)s and j.id = %(project)s
"""

_WRITTEN = """
select participation_id, count(*) from events where project_id = %(project)s and seq > %(counted)s
 group by participation_id
"""

_LOCK_PARTICIPANT = "select label, kind from participants where owner_id = %s and id = %s for update"

FORMER_LABELS_MAX = 5
"""Former labels that a participant is still known by, the latest ones: each is one search more."""

_CHANGE_PARTICIPANT = f"""
update participants
   set label = %(label)s, kind = %(kind)s,
       former_labels = case when label = %(label)s then former_labels
                            else (label || array_remove(former_labels, %(label)s))[1:{FORMER_LABELS_MAX}] end
 where id = %(id)s
"""  # noqa: S608  # made of literals

# A label means the last one who had it: one who had it before is not known by it again.
_LEAVE_LABEL = """
update participants set former_labels = array_remove(former_labels, %(label)s)
 where owner_id = %(owner)s and id <> %(id)s and %(label)s = any(former_labels)
"""

_DELETE_PARTICIPANT = "delete from participants where id = %s"

_LOCK_MEMBER = """
select a.label, p.lane, p.is_admin
  from participations p
  join participants a on a.id = p.participant_id
  join projects j on j.id = p.project_id
 where j.owner_id = %s and j.id = %s and p.id = %s
   for update of p
"""

_CHANGE_MEMBER = "update participations set lane = %s, is_admin = %s where id = %s"


class Place(Struct, frozen=True, kw_only=True):
    """A participant's place in one project; `token_active`: it has a token that works."""

    project_id: int
    slug: str
    name: str
    participation_id: int
    lane: str | None
    is_admin: bool
    token_active: bool


class PersonRow(Struct, frozen=True, kw_only=True):
    """A participant, and the projects it has a place in, by slug."""

    id: int
    label: str
    kind: Kind
    created_at: datetime
    projects: tuple[Place, ...]


class MemberRow(Struct, frozen=True, kw_only=True):
    """A participant's place in a project, and what it did there.

    `tokens` counts those that work, the newest of which was made at `token_created_at`. `last_seen` is written behind,
    so it may be some seconds old.
    """

    participation_id: int
    participant_id: int
    name: str
    kind: Kind
    lane: str | None
    is_admin: bool
    created_at: datetime
    tokens: int
    token_created_at: datetime | None
    last_seen: datetime | None
    events: int


class Members(Struct, frozen=True, kw_only=True):
    """Some of a project's members, and how many match in all."""

    shown: list[MemberRow]
    matching: int


async def persons(
    connection: Connection, owner_id: int, *, part: str = "", limit: int | None = None, offset: int = 0
) -> list[PersonRow]:
    """The owner's participants with `part` in their label, by label, with their places."""
    return await _find_persons(connection, owner_id, part=part, limit=limit, offset=offset)


async def person(connection: Connection, owner_id: int, participant_id: int) -> PersonRow | None:
    """One of the owner's participants, with its places."""
    return next(iter(await _find_persons(connection, owner_id, participant_id=participant_id)), None)


async def _find_persons(
    connection: Connection,
    owner_id: int,
    *,
    participant_id: int | None = None,
    part: str = "",
    limit: int | None = None,
    offset: int = 0,
) -> list[PersonRow]:
    parameters = {"owner": owner_id, "participant": participant_id, "part": part, "limit": limit, "offset": offset}
    rows = await connection.fetch(_PERSONS, parameters)
    rows.sort(key=lambda row: (row[1], row[0], row[5] or ""))
    return [_person(list(group)) for _, group in groupby(rows, key=lambda row: row[0])]


async def members(connection: Connection, owner_id: int, project_id: int) -> list[MemberRow] | None:
    """Everybody in the owner's project, by name; None when there is no such project."""
    found = await find_members(connection, owner_id, project_id)
    return None if found is None else found.shown


async def member(connection: Connection, owner_id: int, project_id: int, participation_id: int) -> MemberRow | None:
    """One member of the owner's project."""
    found = await find_members(connection, owner_id, project_id, participation_id=participation_id)
    return next(iter(found.shown), None) if found is not None else None


async def find_members(
    connection: Connection,
    owner_id: int,
    project_id: int,
    *,
    participation_id: int | None = None,
    part: str = "",
    sort: Sort = "name",
    limit: int | None = None,
    offset: int = 0,
) -> Members | None:
    """The members with `part` in their name or lane; None when the owner has no such project."""
    if (written := await _written(connection, owner_id, project_id)) is None:
        return None
    parameters = {
        "owner": owner_id,
        "project": project_id,
        "participation": participation_id,
        "written": msgspec.json.encode(written).decode(),
        "part": part,
        "limit": limit,
        "offset": offset,
    }
    rows = await connection.fetch(_MEMBERS.format(order=_ORDERS[sort]), parameters)
    shown = [record(MemberRow, row[1:]) for row in rows if row[1] is not None]
    return Members(shown=shown, matching=rows[0][0] if rows else 0)


async def _written(connection: Connection, owner_id: int, project_id: int) -> Counter[int] | None:
    """How many events everybody wrote, by participation; None when the owner has no such project."""
    rows = await connection.fetch(_COUNTED, {"owner": owner_id, "project": project_id})
    if not rows:
        return None
    ((counted, known),) = rows
    written = Counter(msgspec.json.decode(known, type=dict[int, int]))
    for reader, events in await connection.fetch(_WRITTEN, {"project": project_id, "counted": counted}):
        written[reader] += events
    return written


async def change_participant(
    connection: Connection, owner_id: int, participant_id: int, *, label: str, kind: Kind, by: str
) -> PersonRow | None:
    """Give a participant this name and kind; None when the owner has none with this id.

    Raises `NameTaken` when another of the owner's participants has the name.
    """
    like = await find_like(connection, owner_id, label)
    rows = await connection.fetch(_LOCK_PARTICIPANT, (owner_id, participant_id))
    if not rows:
        return None
    ((label_before, kind_before),) = rows
    if label != label_before:
        label = await new_label(connection, owner_id, label)
        if taken := [other for other, id_ in like.items() if id_ != participant_id]:
            raise NameTaken(f"you have a participant '{taken[0]}' already: choose another name.", field="label")
        await _leave_label(connection, owner_id, participant_id, label_before)
    if (label, kind) != (label_before, kind_before):
        await connection.execute(_CHANGE_PARTICIPANT, {"label": label, "kind": kind, "id": participant_id})
        detail = {"participant": label, "kind": kind, "before": label_before}
        await audit.record(connection, owner_id, None, by, "participant_change", **detail)
    return await person(connection, owner_id, participant_id)


async def delete_participant(connection: Connection, owner_id: int, participant_id: int, *, by: str) -> bool:
    """Delete a participant with its places and tokens; False when the owner has none with this id."""
    await owners.lock(connection, owner_id)
    rows = await connection.fetch(_LOCK_PARTICIPANT, (owner_id, participant_id))
    if not rows:
        return False
    await _leave_label(connection, owner_id, participant_id, rows[0][0])
    await connection.execute(_DELETE_PARTICIPANT, (participant_id,))
    await audit.record(connection, owner_id, None, by, "participant_delete", participant=rows[0][0])
    return True


async def change_member(
    connection: Connection,
    owner_id: int,
    project_id: int,
    participation_id: int,
    *,
    lane: str | None,
    is_admin: bool,
    by: str,
) -> MemberRow | None:
    """Give a member exactly this lane, or none, and this right; None when the owner's project has no such member."""
    lane = checked_lane(lane)
    await owners.lock(connection, owner_id)
    rows = await connection.fetch(_LOCK_MEMBER, (owner_id, project_id, participation_id))
    if not rows:
        return None
    ((label, lane_before, was_admin),) = rows
    if (lane, is_admin) != (lane_before, was_admin):
        await connection.execute(_CHANGE_MEMBER, (lane, is_admin, participation_id))
        detail = {"participant": label, "lane": lane, "is_admin": is_admin}
        await audit.record(connection, owner_id, project_id, by, "member_change", **detail)
    return await member(connection, owner_id, project_id, participation_id)


async def _leave_label(connection: Connection, owner_id: int, participant_id: int, label: str) -> None:
    await connection.execute(_LEAVE_LABEL, {"owner": owner_id, "id": participant_id, "label": label})


def _person(rows: list[Row]) -> PersonRow:
    id_, label, kind, created_at = rows[0][:4]
    places = tuple(record(Place, row[4:]) for row in rows if row[4] is not None)
    return PersonRow(id=id_, label=label, kind=kind, created_at=created_at, projects=places)
