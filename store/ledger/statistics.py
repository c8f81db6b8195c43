"""Counts over all projects of this database: events, posts, and how many posts were acknowledged.

A ledger only grows, and what was counted of an event never changes. So a `PublicCounter` remembers how far it has
counted every ledger and reads only what came after, in pieces of `EVENTS_PER_LOOK_MAX`. Its cost depends on what is
new, not on how long the ledgers are.
"""

from collections.abc import Iterator

from msgspec import Struct

from store.people.names import TEMPORARY_DOMAIN
from store.postgres.connection import Connection
from store.postgres.pool import Pool

EVENTS_PER_LOOK_MAX = 20_000
"""How many events one statement goes over: some 50 ms of one database core."""

_LEDGERS = """
select j.id, coalesce((select seq from events where project_id = j.id order by seq desc limit 1), 0)
  from projects j join owners o on o.id = j.owner_id
 where o.email not like '%%@' || %s
"""

_PARTICIPANTS = """
select count(*) from participants a join owners o on o.id = a.owner_id where o.email not like '%%@' || %s
"""

# A post counts as acknowledged with its first acknowledgement; later ones add nothing.
_COUNT = """
select count(*) filter (where e.type = 'post'),
       count(*) filter (where e.type = 'post' and e.data ->> 'ref' is not null),
       count(*) filter (where e.type = 'ack' and not exists (
           select from events a
            where a.project_id = e.project_id and a.type = 'ack'
              and (a.data ->> 'post_id')::bigint = (e.data ->> 'post_id')::bigint and a.seq < e.seq))
  from events e
 where e.project_id = %s and e.seq > %s and e.seq <= %s
"""


class PublicStats(Struct, frozen=True, kw_only=True):
    """All public counts at one moment. `acknowledged` and `with_ref` are how many of the `posts` are."""

    events: int
    posts: int
    acknowledged: int
    with_ref: int
    projects: int
    participants: int


class _Counted(Struct):
    """The counts of one ledger, up to its event `seq`."""

    seq: int = 0
    posts: int = 0
    with_ref: int = 0
    acknowledged: int = 0


class PublicCounter:
    """Counts the database behind `pool`; for one task at a time."""

    def __init__(self, pool: Pool, *, events_per_look_max: int = EVENTS_PER_LOOK_MAX) -> None:
        self._pool = pool
        self._events_per_look_max = events_per_look_max
        self._counted: dict[int, _Counted] = {}

    async def count(self) -> PublicStats:
        """The counts as of now, without those of temporary owners, such as demonstrations.

        Raises `StoreUnavailable`. What was counted before that, or before a cancellation, is not counted again.
        """
        async with self._pool.connection() as connection:
            ledgers: dict[int, int] = dict(await connection.fetch(_LEDGERS, (TEMPORARY_DOMAIN,)))
            ((participants,),) = await connection.fetch(_PARTICIPANTS, (TEMPORARY_DOMAIN,))
        self._counted = {project: self._counted.get(project, _Counted()) for project in ledgers}
        for project, end in ledgers.items():
            for until in self._steps(project, end):
                # A session is lent for one piece only, so that a long first count does not hold one.
                async with self._pool.connection() as connection:
                    await self._look(connection, project, until)
        counted = self._counted.values()
        return PublicStats(
            events=sum(ledgers.values()),
            posts=sum(one.posts for one in counted),
            acknowledged=sum(one.acknowledged for one in counted),
            with_ref=sum(one.with_ref for one in counted),
            projects=len(ledgers),
            participants=participants,
        )

    def _steps(self, project: int, end: int) -> Iterator[int]:
        """Up to where to look next, until the end."""
        counted = self._counted[project]
        while counted.seq < end:
            yield min(counted.seq + self._events_per_look_max, end)

    async def _look(self, connection: Connection, project: int, until: int) -> None:
        counted = self._counted[project]
        ((posts, with_ref, acknowledged),) = await connection.fetch(_COUNT, (project, counted.seq, until))
        counted.posts += posts
        counted.with_ref += with_ref
        counted.acknowledged += acknowledged
        counted.seq = until
