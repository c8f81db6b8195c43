"""The TypeScript server's database, read: one moment of it, in pages, and never changed.

The tables are described in the project's notes on that server (docs/decisions/0011 tells what is made of them). Here is
the SQL that knows their columns, and the rows as it gives them; what they mean is for `store.legacy.people`,
`store.legacy.history` and `store.legacy.tasks`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from msgspec import Struct

from store.errors import TransferRefused
from store.postgres.connection import Connection, Row

PAGE_ROWS = 1_000

TABLES = (
    "owners",
    "projects",
    "participants",
    "participations",
    "tokens",
    "sequences",
    "presence",
    "events",
    "posts",
    "post_acks",
    "leases",
    "tasks",
    "task_blockers",
    "actor_cursors",
    "join_codes",
    "owner_identities",
)

# Its joins are of many rows with many, and need the sorting that sessions of ours do without.
_ONE_MOMENT = "set transaction isolation level repeatable read, read only"
_PLAN_FREELY = "select set_config('enable_sort', 'on', true), set_config('search_path', 'public', true)"

_MISSING = "select name from unnest(%s::text[]) as wanted (name) where to_regclass('public.' || name) is null"

_HAS_TABLES = "select to_regclass('public.actor_cursors') is not null and to_regclass('public.post_acks') is not null"

_SIZE = "select count(*), coalesce(max(participation_id), 0), now() from events"

# An event's id was taken before its transaction ended, so its time may be a moment before that of the event above it;
# here time never runs backwards. An acknowledgement that left no event is told as one, at its time. Which of a holder's
# leases of a surface an event granted is told by their order; a grant and its event are of about the same moment.
_HISTORY = """
with told as (
    select id, max(date_trunc('milliseconds', ts)) over (order by id) as at, participation_id, actor_name, type,
           payload
      from events where project_id = %(project)s
), silent as (
    select null::bigint as id, date_trunc('milliseconds', a.acked_at) as at, a.participation_id, a.actor_name,
           'ack' as type, jsonb_build_object('post_id', a.post_id) as payload
      from post_acks a join posts p on p.id = a.post_id
     where p.project_id = %(project)s
       and not exists (
           select from events e
            where e.project_id = %(project)s and e.type = 'ack' and e.payload ->> 'post_id' = a.post_id::text
              and e.participation_id = a.participation_id)
), grants as (
    select id, null::bigint as lease, null as note, actor_name, payload ->> 'surface' as surface, ts as at
      from events where project_id = %(project)s and type = 'lease'
     union all
    select null, id, note, actor_name, surface, acquired_at - interval '100 milliseconds'
      from leases where project_id = %(project)s
), turns as (
    select *, count(lease) over (
                  partition by actor_name, surface order by at, lease nulls last rows unbounded preceding) as turn
      from grants
), noted as (
    select id, max(note) over (partition by actor_name, surface, turn) as note from turns
)
select t.id, t.at, t.participation_id, coalesce(t.actor_name, ''), coalesce(t.type, ''), t.payload, n.note,
       p.id, p.to_lane, p.to_participation_id, p.subject, coalesce(p.body, ''), p.ref, p.tag
  from (select * from told union all select * from silent) as t
  left join posts p on p.event_id = t.id
  left join noted n on n.id = t.id
 order by t.at, t.id nulls last
"""

_TASK_EVENTS = """
select id, ts, type, payload, participation_id, coalesce(actor_name, '')
  from events where project_id = %s and type like 'task\\_%%' order by id
"""

_TASKS = """
select id, coalesce(title, ''), detail, lane, owner_participation_id, owner_name, status,
       coalesce(created_at, updated_at, now()), coalesce(updated_at, created_at, now())
  from tasks where project_id = %s order by id
"""

_BLOCKERS = """
select b.task_id, b.blocked_on_task_id, coalesce(b.reason, ''), b.created_at, b.resolved_at
  from task_blockers b join tasks t on t.id = b.task_id where t.project_id = %s order by b.created_at, b.task_id
"""


class ToldPost(Struct, frozen=True):
    """What the posts' table adds to the event."""

    id: int
    to_lane: str | None
    to_participation_id: int | None
    subject: str | None
    body: str
    ref: str | None
    tag: str | None


class Told(Struct, frozen=True):
    """One event of the old ledger; `id` is None for what happened there without one."""

    id: int | None
    at: datetime
    participation_id: int | None
    actor: str
    type: str
    payload: Mapping[str, Any]
    lease_note: str | None
    post: ToldPost | None


class TaskEvent(Struct, frozen=True):
    """An event about some task."""

    id: int
    at: datetime
    type: str
    payload: Mapping[str, Any]
    participation_id: int | None
    actor: str


class TaskFact(Struct, frozen=True):
    """A task as it stands in the end."""

    id: int
    title: str
    detail: str | None
    lane: str | None
    owner_participation_id: int | None
    owner: str | None
    status: str
    created_at: datetime
    updated_at: datetime


class BlockerFact(Struct, frozen=True):
    """A blocker of a task, resolved or not."""

    task_id: int
    on: int | None
    reason: str
    created_at: datetime
    resolved_at: datetime | None


class Rows:
    """The rows of one query, page by page; one at a time in a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    async def of(
        cls, connection: Connection, query: LiteralString, parameters: Sequence[Any] | Mapping[str, Any] = ()
    ) -> "Rows":
        """Begin to read; the query before is done with."""
        await connection.execute("close all")
        await connection.execute(f"declare legacy no scroll cursor for {query}", parameters)
        return cls(connection)

    async def page(self) -> list[Row]:
        """The next rows; none at the end."""
        return await self._connection.fetch(f"fetch {PAGE_ROWS} from legacy")


async def is_legacy(connection: Connection) -> bool:
    """Whether this is the TypeScript server's own database."""
    ((answer,),) = await connection.fetch(_HAS_TABLES)
    return bool(answer)


class Source:
    """The old database at one moment, in the transaction that `begin` made of the caller's.

    `events` is how many it has, `last_reader` the greatest id of a participation that they name, `now` the moment.
    """

    def __init__(self, connection: Connection, *, events: int, last_reader: int, now: datetime) -> None:
        self.connection = connection
        self.events = events
        self.last_reader = last_reader
        self.now = now

    @classmethod
    async def begin(cls, connection: Connection) -> "Source":
        """Hold the moment; raises `TransferRefused` when this is not the TypeScript server's database."""
        await connection.execute(_ONE_MOMENT)
        await connection.fetch(_PLAN_FREELY)
        if missing := await connection.fetch(_MISSING, (list(TABLES),)):
            raise TransferRefused(
                f"the database given with --from is not the TypeScript server's: it has no table {missing[0][0]}."
            )
        ((events, last_reader, now),) = await connection.fetch(_SIZE)
        return cls(connection, events=events, last_reader=last_reader, now=now)

    async def rows(self, query: LiteralString, parameters: Sequence[Any] = ()) -> Rows:
        """Any other query's rows."""
        return await Rows.of(self.connection, query, parameters)

    async def fetch(self, query: LiteralString, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query that has few."""
        return await self.connection.fetch(query, parameters)

    async def history(self, project_id: int) -> Rows:
        """The events of a project, in order; `told` understands the rows."""
        return await Rows.of(self.connection, _HISTORY, {"project": project_id})

    async def tasks(self, project_id: int) -> tuple[list[TaskEvent], list[TaskFact], list[BlockerFact]]:
        """The events, rows and blockers of a project's tasks."""
        events = await self.fetch(_TASK_EVENTS, (project_id,))
        facts = await self.fetch(_TASKS, (project_id,))
        blockers = await self.fetch(_BLOCKERS, (project_id,))
        return (
            [TaskEvent(id_, at, name, _plain(payload), *who) for id_, at, name, payload, *who in events],
            [TaskFact(*row) for row in facts],
            [BlockerFact(*row) for row in blockers],
        )


def told(row: Row) -> Told:
    """A row of `Source.history`."""
    id_, at, by, actor, type_name, payload, note, post_id, *post = row
    about = None if post_id is None else ToldPost(post_id, *post)
    return Told(id_, at, by, actor, type_name, _plain(payload), note, about)


def _plain(payload: object) -> dict[str, Any]:
    """What a payload says in plain values; no event of that server says more, and its column would hold anything."""
    if not isinstance(payload, dict):
        return {}
    return {name: value for name, value in payload.items() if not isinstance(value, dict | list)}
