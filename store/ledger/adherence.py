"""How well a project's agents keep to the protocol: by participant and week, each figure with what it is a part of.

Everything is counted from the ledger: commits from the reports of the commit hook, the rest from what agents did. A
week begins on Monday, UTC. A session is a row of events of one participant without a pause of `PAUSE_HOURS`. Only the
weeks that are asked for are read, by number, so an old ledger costs no more than a young one.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from msgspec import Struct

from store.postgres.connection import Connection

WEEKS_MAX = 26
PAUSE_HOURS = 2
"""A longer silence ends a session."""

OVERDUE_HOURS = 24.0
"""When a handoff is overdue, unless somebody says otherwise."""


class Adherence(Struct, kw_only=True):
    """One participant's week; 0 is the owner in person.

    `commits` were reported; those `bypassed` went around the guard, those `unchecked` were made while the bus could not
    be asked. `numbers` are new numbered files: `numbers_claimed` by the agent before, `numbers_by_hook` at the last
    moment. `paths` were changed by commits: `paths_leased` under the agent's own lease, `paths_by_hook` under one that
    its hook took. `handoffs` are those written to the participant by name in that week. `leases` were taken by the
    agent, the hook's not counted, and `leases_expired` neither released nor renewed.
    """

    participation_id: int
    participant: str
    week: date
    commits: int = 0
    commits_bypassed: int = 0
    commits_unchecked: int = 0
    numbers: int = 0
    numbers_claimed: int = 0
    numbers_by_hook: int = 0
    paths: int = 0
    paths_leased: int = 0
    paths_by_hook: int = 0
    handoffs: int = 0
    handoffs_overdue: int = 0
    acks: int = 0
    ack_seconds_median: float | None = None
    leases: int = 0
    leases_expired: int = 0
    sessions: int = 0
    sessions_unregistered: int = 0

    @property
    def commits_covered(self) -> int:
        """How many commits the guard looked at."""
        return self.commits - self.commits_bypassed - self.commits_unchecked


# The first event of the weeks, or of the newest so many: times grow with numbers, so everything else is bounded by
# number.
_BEGIN = """
select greatest(seq, (select max(seq) from events where project_id = %(project)s) - %(events_max)s::bigint + 1)
  from events
 where project_id = %(project)s and at >= date_trunc('week', now(), 'UTC') - make_interval(weeks => %(weeks)s - 1)
 order by at, seq limit 1
"""

_WEEK = "(date_trunc('week', {at}, 'UTC') at time zone 'UTC')::date"
_OF = "e.project_id = %(project)s and e.seq >= %(begin)s"

_SESSIONS = f"""
with marked as (
    select e.participation_id, e.seq, e.at, e.type, e.actor,
           coalesce(e.at - lag(e.at) over mine > make_interval(hours => {PAUSE_HOURS}), true) as begins
      from events e where {_OF} window mine as (partition by e.participation_id order by e.seq)),
numbered as (
    select *, count(*) filter (where begins) over (partition by participation_id order by seq) as session from marked),
sessions as (
    select participation_id, session, min(at) as at, bool_or(type = 'register') as registered,
           (array_agg(actor order by seq desc))[1] as actor
      from numbered group by participation_id, session)
select participation_id, {_WEEK.format(at="at")}, count(*) as sessions,
       count(*) filter (where not registered) as sessions_unregistered,
       (array_agg(actor order by session desc))[1] as participant
  from sessions group by 1, 2
"""  # noqa: S608 - put together from constants

# A commit is reported once; a ledger that was put together from several may have a report twice.
_COMMITS = f"""
with reports as (
    select distinct on (e.participation_id, e.data ->> 'commit') e.participation_id, e.at, e.data,
           e.data -> 'numbers' as numbers, e.data -> 'paths' as paths
      from events e where {_OF} and e.type = 'commit_check'
     order by e.participation_id, e.data ->> 'commit', e.seq)
select participation_id, {_WEEK.format(at="at")}, count(*) as commits,
       count(*) filter (where data ? 'bypassed') as commits_bypassed,
       count(*) filter (where data ? 'unchecked' and not data ? 'bypassed') as commits_unchecked,
       sum((numbers ->> 'claimed')::int + (numbers ->> 'by_hook')::int + (numbers ->> 'unclaimed')::int) as numbers,
       sum((numbers ->> 'claimed')::int) as numbers_claimed, sum((numbers ->> 'by_hook')::int) as numbers_by_hook,
       sum((paths ->> 'own')::int + (paths ->> 'by_hook')::int + (paths ->> 'other')::int + (paths ->> 'none')::int)
           as paths,
       sum((paths ->> 'own')::int) as paths_leased, sum((paths ->> 'by_hook')::int) as paths_by_hook
  from reports group by 1, 2
"""  # noqa: S608 - put together from constants

_ACKS = f"""
select e.participation_id, {_WEEK.format(at="e.at")}, count(*) as acks,
       percentile_cont(0.5) within group (order by extract(epoch from e.at - p.at)) as ack_seconds_median
  from events e
 cross join lateral (select p.at from events p
                      where p.project_id = e.project_id and p.seq = (e.data ->> 'post_id')::bigint limit 1) as p
 where {_OF} and e.type = 'ack' group by 1, 2
"""  # noqa: S608 - put together from constants

_HANDOFFS = f"""
select (e.data ->> 'to_id')::bigint, {_WEEK.format(at="e.at")}, count(*) as handoffs,
       count(*) filter (where coalesce(a.at, now()) - e.at > make_interval(secs => %(overdue_seconds)s))
           as handoffs_overdue
  from events e
  left join lateral (select min(a.at) as at from events a
                      where a.project_id = e.project_id and a.type = 'ack'
                        and (a.data ->> 'post_id')::bigint = e.seq
                        and a.participation_id = (e.data ->> 'to_id')::bigint offset 0) as a on true
 where {_OF} and e.type = 'post' and e.data ->> 'to_id' is not null group by 1, 2
"""  # noqa: S608 - put together from constants

_LEASES = f"""
with held as (
    select e.participation_id, e.at, e.type, e.data ->> 'by' as by,
           coalesce((e.data ->> 'expires_at')::timestamptz,
                    e.at + make_interval(secs => (e.data ->> 'ttl_seconds')::int)) as ends_at,
           lead(e.at) over (partition by e.participation_id, e.data ->> 'surface' order by e.seq) as next_at
      from events e where {_OF} and e.type in ('lease', 'release'))
select participation_id, {_WEEK.format(at="at")}, count(*) as leases,
       count(*) filter (where ends_at < coalesce(next_at, now())) as leases_expired
  from held where type = 'lease' and by is null group by 1, 2
"""  # noqa: S608 - put together from constants

_FIGURES = {
    _SESSIONS: ("sessions", "sessions_unregistered", "participant"),
    _COMMITS: (
        *("commits", "commits_bypassed", "commits_unchecked", "numbers", "numbers_claimed", "numbers_by_hook"),
        *("paths", "paths_leased", "paths_by_hook"),
    ),
    _ACKS: ("acks", "ack_seconds_median"),
    _HANDOFFS: ("handoffs", "handoffs_overdue"),
    _LEASES: ("leases", "leases_expired"),
}


async def adherence(
    connection: Connection,
    project_id: int,
    *,
    weeks: int = 4,
    overdue_hours: float = OVERDUE_HOURS,
    events_max: int | None = None,
) -> list[Adherence]:
    """A row for each participant and week in which anything happened, newest week first, then by name.

    `weeks` counts this one, and is at most `WEEKS_MAX`. With `events_max`, no more of the newest events count. A
    handoff that waits for longer than `overdue_hours` is overdue. A participant who owes acknowledgements and did
    nothing in these weeks has the last name that the ledger knows.
    """
    parameters: dict[str, Any] = {"project": project_id, "weeks": min(weeks, WEEKS_MAX), "events_max": events_max}
    if not (begin := await connection.fetch(_BEGIN, parameters)):
        return []
    parameters |= {"begin": begin[0][0], "overdue_seconds": timedelta(hours=overdue_hours).total_seconds()}
    found: dict[tuple[int, date], Adherence] = {}
    for statement, names in _FIGURES.items():
        for reader, week, *figures in await connection.fetch(statement, parameters):
            row = found.setdefault((reader, week), Adherence(participation_id=reader, participant="", week=week))
            for name, figure in zip(names, figures, strict=True):
                setattr(row, name, figure)
    await _name(connection, project_id, found.values())
    return sorted(found.values(), key=lambda row: (-row.week.toordinal(), row.participant))


_LAST_NAMES = """
select wanted.id, coalesce(
       (select o.handle || '/' || a.label from participations p join participants a on a.id = p.participant_id
          join owners o on o.id = a.owner_id where p.id = wanted.id and p.project_id = %(project)s),
       (select e.data ->> 'to_actor' from events e
         where e.project_id = %(project)s and e.type = 'post' and (e.data ->> 'to_id')::bigint = wanted.id
         order by e.seq desc limit 1))
  from unnest(%(ids)s::bigint[]) as wanted (id)
"""


async def _name(connection: Connection, project_id: int, rows: Iterable[Adherence]) -> None:
    """Give everybody one name: the newest that these weeks have, or the one that they are known by."""
    names: dict[int, str] = {}
    for row in sorted(rows, key=lambda row: row.week):
        names[row.participation_id] = row.participant or names.get(row.participation_id, "")
    unnamed = [reader for reader, name in names.items() if not name]
    if unnamed:
        named = await connection.fetch(_LAST_NAMES, {"project": project_id, "ids": unnamed})
        names |= {reader: name or f"#{reader}" for reader, name in named}
    for row in rows:
        row.participant = names[row.participation_id]
