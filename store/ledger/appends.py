"""Making appends durable: each by itself, or the small ones of several projects in one commit.

A commit costs this process and PostgreSQL much the same for one event as for many. So an append is sent at once while
fewer than `GROUPS_MAX` are under way; those that are asked for meanwhile are sent together by the next one that ends.
The projects of a group do not depend on each other: each has its own check and its own outcome. A project whose
writer lock another server has is left out, and so is every project of a group that PostgreSQL refused because of one
of them; they are written alone, where waiting holds up nobody else.

There is no background task: the task of a group's first append sends the group, and the others wait for it. An append
is handed to the database's JSON as it is; what an event means is not known here.
"""

from collections import deque
from datetime import datetime

import msgspec
import trio
from msgspec import Struct

from store.errors import ConnectionLost, StatementFailed, StoreError, UniqueTaken
from store.ledger.rows import COLUMNS
from store.postgres.advisory_locks import PEERS_LOCK, WRITER_LOCK
from store.postgres.connection import Connection
from store.postgres.pool import Pool
from store.postgres.prepared import Parameter, Prepared

GROUPS_MAX = 2
"""Commits of groups under way at once: PostgreSQL works on the one while the next gathers."""

GROUP_APPENDS_MAX = 64
"""Appends in one commit: past some dozens it does not get cheaper."""

GROUPED_BYTES_MAX = 16_000
"""A longer append is written alone: the others would wait for it."""

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

# Every append begins with two questions. `follows`: is the event before the first one there, with the time that the
# writer knows? A database that lost its tail in a failover lacks it, or has another one in its place. `registered`: is
# this server's registration still held, so that the lock cannot be had? Only then do the other servers know that
# somebody may write. What is written is joined to `begun`, so that nothing is written unless both hold and the writer
# lock was had.
_BEGIN = """
checked as materialized (
    select %(first)s::bigint is null or %(first)s::bigint = 1
           or exists (select from events
                       where project_id = %(project)s::bigint and seq = %(first)s::bigint - 1
                         and (%(predecessor_at)s::timestamptz is null or at = %(predecessor_at)s::timestamptz)
                     ) as follows,
           %(registration)s::int is null
           or not pg_try_advisory_xact_lock(%(peers)s::int, %(registration)s::int) as registered
),
begun as materialized (
    select case when %(lock)s::int is not null
           then pg_advisory_xact_lock(%(lock)s::int, (%(project)s::bigint & 2147483647)::int)::text end
      from checked where follows and registered
)
"""

_CHECKED = "select follows, registered from checked"

APPEND = {
    # (has events, has cursors)
    (True, False): Prepared(f"with {_BEGIN}, written as ({_INSERT_EVENTS}) {_CHECKED}"),
    (True, True): Prepared(f"with {_BEGIN}, written as ({_INSERT_EVENTS}), moved as ({_UPSERT_CURSORS}) {_CHECKED}"),
    (False, True): Prepared(f"with {_BEGIN}, moved as ({_UPSERT_CURSORS}) {_CHECKED}"),
}

# The same for several projects. It never waits for a writer lock: `locked` says for which project it was had.
_APPEND_GROUP = Prepared(f"""
with registration as materialized (
    select %(registration)s::int is null
           or not pg_try_advisory_xact_lock(%(peers)s::int, %(registration)s::int) as registered
),
checked as materialized (
    select a.project, a.place, a.events, registered,
           a.first = 1
           or exists (select from events
                       where project_id = a.project and seq = a.first - 1
                         and (a.predecessor_at is null or at = a.predecessor_at)) as follows
      from registration, jsonb_to_recordset(%(appends)s::jsonb)
           as a (place int, project bigint, first bigint, predecessor_at timestamptz, events jsonb)
),
begun as materialized (
    select *, case when follows and registered
              then pg_try_advisory_xact_lock(%(lock)s::int, (project & 2147483647)::int) else false end as locked
      from checked
),
written as (
    insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
    select begun.project, e.seq, e.at, e.actor, e."by", e.type, e.data, %(writer)s::bigint
      from begun, jsonb_to_recordset(begun.events) as e ({COLUMNS})
     where begun.locked
)
select place, follows, registered, locked from begun
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


class _Placed(Struct, frozen=True):
    place: int
    project: int
    first: int | None
    predecessor_at: datetime | None
    events: msgspec.Raw


class _Waiting:
    """An append that is to be written in a group. `leads` is the group that its own task is to send."""

    __slots__ = ("append", "checked", "error", "leads", "stirred")

    def __init__(self, append: Append) -> None:
        self.append = append
        self.stirred = trio.Event()
        self.leads: list[_Waiting] | None = None
        self.checked: Checked | None = None
        self.error: StoreError | None = None


class Appends:
    """The appends of one writer, a number that marks every event it writes."""

    def __init__(self, pool: Pool, writer: int) -> None:
        self._pool = pool
        self._writer = writer
        self._under_way = 0
        self._waiting: deque[_Waiting] = deque()

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
            "lock": None if append.events is None or turn is not None else WRITER_LOCK,
            "peers": PEERS_LOCK,
            "registration": registration,
            "writer": self._writer,
            "events": None if append.events is None else append.events.decode(),
            "cursors": cursors,
        }
        statement = APPEND[append.events is not None, cursors is not None]
        if turn is not None:
            return Checked(*(await turn.run_and_commit(statement, parameters))[0])
        async with self._pool.connection() as connection:
            return Checked(*(await connection.run(statement, parameters))[0])

    async def together(self, append: Append, registration: int | None) -> Checked | None:
        """Write an append's events in one commit with those of other projects; None when it must be written alone.

        A task that is cancelled before it sent the group that it leads leaves the rest to the next one. Raises what a
        `Connection` raises, but for `UniqueTaken`. Cancelled, it may or may not have happened.
        """
        own = _Waiting(append)
        if self._under_way < GROUPS_MAX:
            self._under_way += 1
            own.leads = [own]
        else:
            self._waiting.append(own)
        try:
            if own.leads is None:
                await own.stirred.wait()
            if own.leads is not None:
                await self._send(own.leads, registration)
        finally:
            own.stirred.set()  # this task is over, also for the leader of a group that it may be in
            if own in self._waiting:
                self._waiting.remove(own)
            if own.leads is not None:
                self._waiting.extendleft(each for each in reversed(own.leads[1:]) if not each.stirred.is_set())
                self._send_next()
        if own.error is not None:
            raise type(own.error)(*own.error.args) from own.error
        return own.checked

    async def _send(self, group: list[_Waiting], registration: int | None) -> None:
        """Write a group, and tell the tasks of its appends what came of it."""
        error: StoreError | None = ConnectionLost("the task that wrote this append was cancelled")
        try:
            await self._write(group, registration)
            error = None
        except (UniqueTaken, StatementFailed):
            error = None  # nothing was written, because of one of them: each is written alone
        except StoreError as failure:
            error = failure
        finally:
            for each in group:
                each.error = error
                each.stirred.set()

    async def _write(self, group: list[_Waiting], registration: int | None) -> None:
        placed = [
            _Placed(place, each.append.project, each.append.first, each.append.predecessor_at, _raw(each.append))
            for place, each in enumerate(group)
        ]
        parameters: dict[str, Parameter] = {
            "appends": msgspec.json.encode(placed).decode(),
            "writer": self._writer,
            "lock": WRITER_LOCK,
            "peers": PEERS_LOCK,
            "registration": registration,
        }
        async with self._pool.connection() as connection:
            rows = await connection.run(_APPEND_GROUP, parameters)
        for place, follows, registered, locked in rows:
            if locked or not (follows and registered):
                group[place].checked = Checked(follows, registered)

    def _send_next(self) -> None:
        """Hand what waits to the task of its first append, or end this way of sending."""
        if not self._waiting:
            self._under_way -= 1
            return
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_APPENDS_MAX))]
        group[0].leads = group
        group[0].stirred.set()


def _raw(append: Append) -> msgspec.Raw:
    return msgspec.Raw(append.events or b"[]")
