"""Making appends durable: each by itself, or the small ones of several projects in one commit.

A commit costs this process and PostgreSQL much the same for one event as for many, so the actors of busy projects have
their batches written together (`actors.rounds`). The projects of a group do not depend on each other: each has its own
check and its own outcome. The statement never waits for a writer lock: a project that another server is writing to is
left out.

What an event means is not known here: events are handed to the database as one JSON document.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from store.ledger.rows import COLUMNS
from store.postgres.advisory_locks import PEERS_LOCK, WRITER_LOCK, project_key
from store.postgres.connection import Connection
from store.postgres.pool import Pool
from store.postgres.prepared import Parameter, Prepared

_INSERT_EVENTS = f"""
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %(project)s::bigint, e.seq, e.at, e.actor, e."by", e.type, e.data, %(writer)s::bigint
  from begun, jsonb_to_recordset(%(events)s::jsonb) as e ({COLUMNS})
"""  # noqa: S608  # made of literals

_UPSERT_CURSORS = """
insert into cursors (project_id, participation_id, seq)
select %(project)s::bigint, key::bigint, value::bigint from begun, jsonb_each_text(%(cursors)s::jsonb)
    on conflict (project_id, participation_id) do update set seq = excluded.seq where cursors.seq < excluded.seq
"""

# Whether this server's registration is still held, so that the lock cannot be had. Only then do the other servers know
# that somebody may write.
_REGISTERED = f"""
(%(registration)s::int is null or not pg_try_advisory_xact_lock({PEERS_LOCK}, %(registration)s::int))
""".strip()

# Every append begins with two questions: `registered`, and `follows`: is the event before the first one there, with the
# time that the writer knows? A database that lost its tail in a failover lacks it, or has another one in its place.
# What is written is joined to `begun`, so that nothing is written unless both hold and the writer lock was had.
_BEGIN = f"""
checked as materialized (
    select %(first)s::bigint is null or %(first)s::bigint = 1
           or exists (select from events
                       where project_id = %(project)s::bigint and seq = %(first)s::bigint - 1
                         and (%(predecessor_at)s::timestamptz is null or at = %(predecessor_at)s::timestamptz)
                     ) as follows,
           {_REGISTERED} as registered
),
begun as materialized (
    select case when %(locks)s::bool
           then pg_advisory_xact_lock({WRITER_LOCK}, {project_key("%(project)s")})::text end
      from checked where follows and registered
)
"""  # noqa: S608  # made of literals

_CHECKED = "select follows, registered from checked"

APPEND = {
    # (has events, has cursors)
    (True, False): Prepared(f"with {_BEGIN}, written as ({_INSERT_EVENTS}) {_CHECKED}"),
    (True, True): Prepared(f"with {_BEGIN}, written as ({_INSERT_EVENTS}), moved as ({_UPSERT_CURSORS}) {_CHECKED}"),
    (False, True): Prepared(f"with {_BEGIN}, moved as ({_UPSERT_CURSORS}) {_CHECKED}"),
}

# The same for several projects, whose events travel in one document too. It never waits for a writer lock, and tells of
# the projects for which nothing was written.
_APPEND_GROUP = Prepared(f"""
with registration as materialized (
    select {_REGISTERED} as registered
),
checked as materialized (
    select a.project, registered,
           a.first = 1
           or exists (select from events
                       where project_id = a.project and seq = a.first - 1
                         and (a.predecessor_at is null or at = a.predecessor_at)) as follows
      from registration, jsonb_to_recordset(%(appends)s::jsonb)
           as a (project bigint, first bigint, predecessor_at timestamptz)
),
begun as materialized (
    select *, case when follows and registered
              then pg_try_advisory_xact_lock({WRITER_LOCK}, {project_key("project")}) else false end as locked
      from checked
),
written as (
    insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
    select e.project, e.seq, e.at, e.actor, e."by", e.type, e.data, %(writer)s::bigint
      from begun join jsonb_to_recordset(%(events)s::jsonb) as e (project bigint, {COLUMNS}) using (project)
     where begun.locked
)
select project, follows, registered from begun where not locked
""")  # noqa: S608  # made of literals

# The same for one project, the most common append. It has no steps that pass on rows, so a lone event takes PostgreSQL
# a quarter less. The condition is a `select` of its own, which runs once for all events. If nothing was written, the
# statement of groups is asked why, or writes it.
_APPEND_BATCH = Prepared(f"""
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %(project)s::bigint, e.seq, e.at, e.actor, e."by", e.type, e.data, %(writer)s::bigint
  from jsonb_to_recordset(%(events)s::jsonb) as e ({COLUMNS})
 where (select case when (%(first)s::bigint = 1
                          or exists (select from events
                                      where project_id = %(project)s::bigint and seq = %(first)s::bigint - 1
                                        and at = %(predecessor_at)s::timestamptz))
                     and {_REGISTERED}
               then pg_try_advisory_xact_lock({WRITER_LOCK}, {project_key("%(project)s")}) end)
""")  # noqa: S608  # made of literals


class Append(Struct, frozen=True, kw_only=True):
    """Events of one project, as one JSON array of rows; or none, to move cursors. `first` is the first event's number.

    `predecessor_at` is the time of the event before, or None for any.
    """

    project: int
    first: int | None = None
    predecessor_at: datetime | None = None
    events: bytes | None = None


class Checked(Struct, frozen=True):
    """What PostgreSQL found; the append was written if both hold."""

    follows: bool
    registered: bool


class _Head(Struct, frozen=True):
    project: int
    first: int | None
    predecessor_at: datetime | None


class Appends:
    """The appends of one writer, a number that marks every event it writes."""

    def __init__(self, pool: Pool, writer: int) -> None:
        self._pool = pool
        self._writer = writer

    async def alone(
        self,
        append: Append,
        registration: int | None,
        *,
        cursors: str | None = None,
        turn: Connection | None = None,
    ) -> Checked:
        """Write an append and cursors (a JSON object: reader id to event number) in a commit of their own.

        It waits for the writer lock, or has it already by the `turn`, which it ends. Raises `UniqueTaken` when the
        first number is taken, and what a `Connection` raises.
        """
        parameters: dict[str, Parameter] = {
            "project": append.project,
            "first": append.first,
            "predecessor_at": append.predecessor_at,
            "locks": append.events is not None and turn is None,
            "registration": registration,
            "writer": self._writer,
            "events": append.events,
            "cursors": cursors,
        }
        statement = APPEND[append.events is not None, cursors is not None]
        if turn is not None:
            return Checked(*(await turn.run_and_commit(statement, parameters))[0])
        async with self._pool.connection() as connection:
            return Checked(*(await connection.run(statement, parameters))[0])

    async def together(self, appends: Sequence[Append], registration: int | None) -> dict[int, Checked]:
        """Write the events of different projects in one commit; gives the projects of which nothing was written.

        If both questions about such a project were answered with yes, another server is writing to it. Raises what a
        `Connection` raises. `UniqueTaken` and `StatementFailed` are the fault of one append; nothing was written then.
        """
        common: dict[str, Parameter] = {"writer": self._writer, "registration": registration}
        async with self._pool.connection() as connection:
            if len(appends) == 1 and await connection.write(_APPEND_BATCH, common | _batch(appends[0])):
                return {}
            left_out = await connection.run(_APPEND_GROUP, common | _group(appends))
        return {project: Checked(follows, registered) for project, follows, registered in left_out}


def _batch(append: Append) -> dict[str, Parameter]:
    return {
        "project": append.project,
        "first": append.first,
        "predecessor_at": append.predecessor_at,
        "events": append.events,
    }


def _group(appends: Sequence[Append]) -> dict[str, Parameter]:
    heads = [_Head(append.project, append.first, append.predecessor_at) for append in appends]
    rows = b",".join([append.events[1:-1] for append in appends if append.events])
    return {"appends": msgspec.json.encode(heads), "events": b"[%b]" % rows}
