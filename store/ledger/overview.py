"""Figures for dashboards: an owner's projects, and for an operator all owners.

Reads only, one statement each. A ledger's last event number is its number of events, because ledgers have no gaps; so
no figure costs more for a longer ledger.
"""

from datetime import datetime

from msgspec import Struct

from store.people.names import TEMPORARY_DOMAIN
from store.postgres.connection import Connection
from store.postgres.records import record

# A project without a snapshot as new as its ledger has open posts that only its actor can count.
_PROJECTS = """
select j.id, j.slug, j.name,
       (select count(*) from participations p where p.project_id = j.id),
       (select count(*) from liveness l
         where l.project_id = j.id and l.at >= now() - make_interval(secs => j.liveness_window_seconds)),
       coalesce(e.seq, 0), e.at,
       j.liveness_window_seconds, j.stale_after_seconds,
       case when e.seq is null then 0
            else (select s.open_posts from snapshots s where s.project_id = j.id and s.seq = e.seq
                     and s.open_posts_seq = s.seq) end,
       j.archived_at is not null
  from projects j
  left join lateral (select seq, at from events where project_id = j.id order by seq desc limit 1) as e on true
 where j.owner_id = %s
"""

_OWNERS = """
select o.id, o.email, o.handle, o.is_operator, o.suspended_at, o.created_at,
       j.projects, (select count(*) from participants a where a.owner_id = o.id), j.events, j.last_event_at
  from owners o
 cross join lateral (
       select count(*) as projects, coalesce(sum(e.seq), 0)::bigint as events, max(e.at) as last_event_at
         from projects j
         left join lateral (select seq, at from events where project_id = j.id order by seq desc limit 1) as e on true
        where j.owner_id = o.id
       ) as j
 where o.email not like '%%@' || %(temporary)s and o.id = coalesce(%(owner)s, o.id)
   and (strpos(o.handle, lower(%(part)s::text)) > 0 or strpos(lower(o.email), lower(%(part)s::text)) > 0)
 order by o.handle collate "C" limit %(limit)s offset %(offset)s
"""


class ProjectOverview(Struct, frozen=True, kw_only=True):
    """A project at a glance.

    `active` called within the liveness window. `open_posts` is None when the database does not know it as of now; the
    project's actor may (`Directory.open_posts`).
    """

    id: int
    slug: str
    name: str
    participants: int
    active: int
    events: int
    last_event_at: datetime | None
    liveness_window_seconds: int
    stale_after_seconds: int
    open_posts: int | None
    archived: bool


class OwnerOverview(Struct, frozen=True, kw_only=True):
    """An owner at a glance; `events` of all the owner's projects together."""

    id: int
    email: str
    handle: str
    is_operator: bool
    suspended_at: datetime | None
    created_at: datetime
    projects: int
    participants: int
    events: int
    last_event_at: datetime | None


async def dashboard(connection: Connection, owner_id: int) -> list[ProjectOverview]:
    """The owner's projects, by name."""
    rows = await connection.fetch(_PROJECTS, (owner_id,), prepare=True)
    return sorted(
        (record(ProjectOverview, row) for row in rows), key=lambda project: (project.name.casefold(), project.slug)
    )


async def owners(
    connection: Connection, *, part: str = "", limit: int | None = None, offset: int = 0
) -> list[OwnerOverview]:
    """All owners with `part` in their handle or email, by handle, temporary ones not counted."""
    return await _owners(connection, owner_id=None, part=part, limit=limit, offset=offset)


async def owner(connection: Connection, owner_id: int) -> OwnerOverview | None:
    """One owner; None when there is none with this id, or only a temporary one."""
    return next(iter(await _owners(connection, owner_id=owner_id, part="", limit=1, offset=0)), None)


async def _owners(
    connection: Connection, *, owner_id: int | None, part: str, limit: int | None, offset: int
) -> list[OwnerOverview]:
    parameters = {
        "temporary": TEMPORARY_DOMAIN,
        "owner": owner_id,
        "part": part,
        "limit": limit,
        "offset": offset,
    }
    return [record(OwnerOverview, row) for row in await connection.fetch(_OWNERS, parameters)]
