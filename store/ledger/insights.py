"""Figures of a project's last days: when what happens, how fast handoffs are acknowledged, where people meet.

Each statement reads a bounded number of events by index, the newest, so that a ledger of any length costs the same.
Numbers grow with times: the time asked for is looked up once, as a number.
"""

from datetime import date, datetime

from msgspec import Struct

from engine.terms import LeaseMode
from store.postgres.connection import Connection

EVENTS_MAX = 5_000
"""Events that are counted, the newest of the days asked for."""

ACKS_MAX = 2_000
POSTS_MAX = 2_000
LEASES_MAX = 500

_NEWEST = """project_id = %(project)s
       and seq >= (select seq from events where project_id = %(project)s and at >= %(since)s order by at, seq limit 1)
     order by seq desc limit %(limit)s"""
"""The newest events of the days asked for; a condition on their type goes before."""

_HOURS = f"""
with counted as materialized (select at, type from events where {_NEWEST})
select extract(hour from at at time zone %(zone)s)::int, type, count(*) from counted group by 1, 2
"""  # noqa: S608 - put together from constants

# The first acknowledgement of a post counts; later ones add nothing.
_ACKS = f"""
with acked as materialized (
    select at, (data ->> 'post_id')::bigint as post_id, seq from events where type = 'ack' and {_NEWEST}),
first as (select post_id, min(at) as at from acked group by post_id)
select (first.at at time zone %(zone)s)::date, count(*),
       percentile_cont(0.5) within group (order by extract(epoch from first.at - p.at)),
       percentile_cont(0.9) within group (order by extract(epoch from first.at - p.at))
  from first join events p on p.project_id = %(project)s and p.seq = first.post_id and p.type = 'post'
 group by grouping sets ((1), ()) order by 1 desc nulls first
"""  # noqa: S608 - put together from constants

_POSTS = f"""
with written as materialized (
    select seq, data ->> 'to_lane' as lane, data ->> 'ref' as ref from events where type = 'post' and {_NEWEST})
select lane, count(*), count(ref),
       count(*) filter (where exists (
           select from events a where a.project_id = %(project)s and a.type = 'ack'
              and (a.data ->> 'post_id')::bigint = written.seq))
  from written group by lane
"""  # noqa: S608 - put together from constants

_LEASES = f"""
select seq, at, participation_id, data ->> 'surface', coalesce(data ->> 'mode', 'exclusive'),
       (data ->> 'ttl_seconds')::int
  from events where type = 'lease' and {_NEWEST}
"""  # noqa: S608 - put together from constants


class Delay(Struct, frozen=True, kw_only=True):
    """How long handoffs waited that were first acknowledged on a day; on any, when it is None."""

    day: date | None
    posts: int
    median_seconds: float
    p90_seconds: float


class Posts(Struct, frozen=True, kw_only=True):
    """Handoffs to a lane, to nobody's lane when it is None: all, those with a ref, those that were acknowledged."""

    lane: str | None
    posts: int
    anchored: int
    acknowledged: int


class Taken(Struct, frozen=True, kw_only=True):
    """A lease that was taken."""

    id: int
    at: datetime
    by: int
    surface: str
    mode: LeaseMode
    ttl_seconds: int


async def by_hour(connection: Connection, project_id: int, since: datetime, zone: str) -> list[tuple[int, str, int]]:
    """How many events of each type there were in each hour of the day, in a time zone."""
    parameters = {"project": project_id, "since": since, "zone": zone, "limit": EVENTS_MAX}
    return [(hour, type_name, count) for hour, type_name, count in await connection.fetch(_HOURS, parameters)]


async def delays(connection: Connection, project_id: int, since: datetime, zone: str) -> list[Delay]:
    """How long handoffs waited: all of them first, then by day, the newest first."""
    parameters = {"project": project_id, "since": since, "zone": zone, "limit": ACKS_MAX}
    return [
        Delay(day=day, posts=posts, median_seconds=median, p90_seconds=p90)
        for day, posts, median, p90 in await connection.fetch(_ACKS, parameters)
        if posts
    ]


async def posts_by_lane(connection: Connection, project_id: int, since: datetime) -> list[Posts]:
    """The handoffs to each lane."""
    parameters = {"project": project_id, "since": since, "limit": POSTS_MAX}
    return [
        Posts(lane=lane, posts=posts, anchored=anchored, acknowledged=acknowledged)
        for lane, posts, anchored, acknowledged in await connection.fetch(_POSTS, parameters)
    ]


async def leases_taken(connection: Connection, project_id: int, since: datetime) -> list[Taken]:
    """The leases that were taken, oldest first."""
    parameters = {"project": project_id, "since": since, "limit": LEASES_MAX}
    rows = await connection.fetch(_LEASES, parameters)
    return [
        Taken(id=seq, at=at, by=by, surface=surface, mode=mode, ttl_seconds=ttl)
        for seq, at, by, surface, mode, ttl in reversed(rows)
    ]
