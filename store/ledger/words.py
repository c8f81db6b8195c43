"""Words instead of numbers: the names of what a ledger's events mention, and what it is made of.

Functions over a session with PostgreSQL; reads only, each by an index of migration 0001 or 0007.
"""

from collections.abc import Collection
from datetime import datetime

from msgspec import Struct

from store.postgres.connection import Connection

COUNTED_MAX = 2_000
"""Events whose types and actors are counted, the newest: some 2 ms."""

FACETS_MAX = 12

_TITLES = """
select (data ->> 'task_id')::bigint, data ->> 'title' from events
 where project_id = %s and type = 'task_create' and (data ->> 'task_id')::bigint = any(%s)
"""

_SUBJECTS = "select seq, data ->> 'subject' from events where project_id = %s and seq = any(%s) and type = 'post'"

# Numbers grow with times and have no gaps, so the number of events is the difference of two.
_FACETS = """
with first as materialized (
    select seq from events where project_id = %(project)s and at >= %(since)s order by at, seq limit 1),
counted as materialized (
    select type, actor from events where project_id = %(project)s and seq >= (select seq from first)
     order by seq desc limit %(counted_max)s)
(select 'all', '', (select seq from events where project_id = %(project)s order by seq desc limit 1) - seq + 1
   from first)
 union all
(select 'type', type, count(*) from counted group by type order by 3 desc limit %(facets_max)s)
 union all
(select 'actor', actor, count(*) from counted group by actor order by 3 desc limit %(facets_max)s)
"""

_LAST_CALLERS = "select actor from liveness where project_id = %s order by at desc limit %s"


class Names(Struct, frozen=True, kw_only=True):
    """Titles of tasks and subjects of posts, by id; what has none is not there."""

    tasks: dict[int, str]
    posts: dict[int, str]


class Facets(Struct, frozen=True, kw_only=True):
    """How many events there are; and of the `counted` newest how many of each type and actor, the most first."""

    total: int
    counted: int
    types: list[tuple[str, int]]
    actors: list[tuple[str, int]]


async def names_of(connection: Connection, project_id: int, tasks: Collection[int], posts: Collection[int]) -> Names:
    """The titles of these tasks and the subjects of these posts."""
    titles = await connection.fetch(_TITLES, (project_id, list(tasks))) if tasks else []
    subjects = await connection.fetch(_SUBJECTS, (project_id, list(posts))) if posts else []
    return Names(tasks=dict(titles), posts={post_id: subject for post_id, subject in subjects if subject})


async def facets(connection: Connection, project_id: int, since: datetime) -> Facets:
    """The number of events since then, by type and actor."""
    parameters = {"project": project_id, "since": since, "counted_max": COUNTED_MAX, "facets_max": FACETS_MAX}
    rows = await connection.fetch(_FACETS, parameters)
    types = [(name, count) for kind, name, count in rows if kind == "type"]
    actors = [(name, count) for kind, name, count in rows if kind == "actor"]
    total = sum(count for kind, _, count in rows if kind == "all")
    return Facets(total=total, counted=min(total, COUNTED_MAX), types=types, actors=actors)


async def last_callers(connection: Connection, project_id: int, limit: int) -> list[str]:
    """The names of those who called last."""
    return [actor for (actor,) in await connection.fetch(_LAST_CALLERS, (project_id, limit))]
