"""How busy projects were lately: events by spans of time, for pictures of a few pixels.

Events are numbered in the order of their times and without gaps, so a span's count is the difference of two numbers,
and each is one look into an index: the cost does not grow with the ledger.
"""

from collections.abc import Collection
from itertools import pairwise

from store.postgres.connection import Connection

SPANS = 24

_PULSE = """
select p.id, s.number, coalesce(
           (select e.seq from events e
             where e.project_id = p.id and e.at < now() - make_interval(hours => (%(spans)s - s.number) * %(hours)s)
             order by e.at desc, e.seq desc limit 1), 0)
  from unnest(%(projects)s::bigint[]) as p (id)
 cross join generate_series(0, %(spans)s) as s (number)
 order by 1, 2
"""


async def pulse(connection: Connection, project_ids: Collection[int], *, hours: int = 1) -> dict[int, list[int]]:
    """Events in each of the last `SPANS` spans of so many hours, the oldest span first, by project."""
    if not project_ids:
        return {}
    ends: dict[int, list[int]] = {}
    parameters = {"projects": list(project_ids), "spans": SPANS, "hours": hours}
    for project_id, _, seq in await connection.fetch(_PULSE, parameters):
        ends.setdefault(project_id, []).append(seq)
    return {project_id: [later - earlier for earlier, later in pairwise(seqs)] for project_id, seqs in ends.items()}
