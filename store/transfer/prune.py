"""Retention: old events of a project move out of the database into its export, and can be brought back.

The export is written and read through first; by SHA-256 it holds what was there. Then events up to a moment are
deleted. What is still at work stays: posts that somebody has not acknowledged, with their acknowledgements, and all
that was done to tasks. The last event of that time stays, too, because the next one is written only after it. In
place of what is gone stand its SHA-256 and the state that it led to, from which a state can be rebuilt.

The numbers of events go on, so nothing that refers to one changes its meaning. Servers need not stop: a state in memory
is never older than `DAYS_MIN`.
"""

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from math import inf
from pathlib import Path

from msgspec import Struct

from engine.state import State
from engine.vocabulary import Event
from store.errors import TransferRefused
from store.ledger import pruned
from store.ledger.pruned import Pruned
from store.ledger.rows import COLUMNS, encode_rows
from store.people import audit
from store.postgres.advisory_locks import lock_ledger
from store.postgres.connection import Connection
from store.transfer.export import Found, Progress, find_project, write_files
from store.transfer.files import open_ledger
from store.transfer.format import LEDGER_FILE, LINE_BYTES_MAX, from_line

DAYS_MIN = 1
"""Younger events stay: a server may hold a state that is some minutes old, and continues it with what came after."""

PAGE_EVENTS = 1_000

_ONE_MOMENT = "set transaction isolation level repeatable read, read only"

_LAST_OLD = (
    "select seq from events where project_id = %s and at < now() - %s::interval order by at desc, seq desc limit 1"
)

# Of posts to one reader, those that the reader has not acknowledged stay even if they have left the state.
_OPEN = """
select seq from events p
 where project_id = %(project)s and type = 'post' and seq < %(seq)s
   and (seq = any(%(open)s)
        or (data ->> 'to_id')::bigint is not null and not exists (
               select from events a
                where a.project_id = p.project_id and a.type = 'ack' and (a.data ->> 'post_id')::bigint = p.seq
                  and a.participation_id = (p.data ->> 'to_id')::bigint))
"""

_DELETE = f"""
with staying as materialized ({_OPEN})
delete from events e
 where project_id = %(project)s and seq < %(seq)s and not starts_with(type, 'task_')
   and seq not in (select seq from staying)
   and not (type = 'ack' and (data ->> 'post_id')::bigint in (select seq from staying))
returning seq
"""  # noqa: S608 - made of constants

_KEEP = """
insert into pruned (project_id, seq, state, written, length, sha256)
select %(project)s, %(seq)s, %(state)s, coalesce(jsonb_object_agg(reader, events), '{}'), %(length)s, %(sha256)s
  from (select reader, sum(events) as events
          from (select key as reader, value::bigint as events
                  from pruned, jsonb_each_text(written) where project_id = %(project)s
                 union all
                select participation_id::text, count(*) from events
                 where project_id = %(project)s and seq > %(before)s and seq <= %(seq)s group by 1) as parts
         group by reader) as summed
    on conflict (project_id) do update
       set seq = excluded.seq, state = excluded.state, written = excluded.written, length = excluded.length,
           sha256 = excluded.sha256, at = now()
"""

_PUT_BACK = f"""
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %s, e.seq, e.at, e.actor, e."by", e.type, e.data, 0
  from jsonb_to_recordset(%s::jsonb) as e ({COLUMNS})
    on conflict do nothing
"""  # noqa: S608 - made of constants

_ALL_THERE = "select count(*) from events where project_id = %s and seq <= %s"


class PrunedNow(Struct, frozen=True, kw_only=True):
    """The result of a prune: `moved` events up to number `upto` are only in files now; `kept` older ones stayed."""

    handle: str
    slug: str
    upto: int
    moved: int
    kept: int


async def prune(conninfo: str, wanted: str, directory: Path, *, days: float, progress: Progress) -> PrunedNow:
    """Export the project that is `wanted` into `directory`, and delete what is older than so many days.

    Raises `TransferRefused`, as an export does; `StoreUnavailable`; `OSError`. Then nothing was deleted.
    """
    if days < DAYS_MIN:
        raise TransferRefused(f"events of less than {DAYS_MIN} day stay in the database.")
    connection = await Connection.open(conninfo, statement_timeout_seconds=inf)
    try:
        with open_ledger(directory) as file:
            async with connection.transaction():
                await connection.execute(_ONE_MOMENT)
                found = await find_project(connection, wanted)
                before = await pruned.find(connection, found.id)
                last = await _last_old(connection, found, timedelta(days=days))
                state, beginning = await write_files(connection, found, directory, file, progress, mark=last)
            if beginning is None:
                return _told(found, 0 if before is None else before.seq, 0, 0)
            _verify(directory / LEDGER_FILE, beginning)
            async with connection.transaction():
                return await _delete(connection, found, before, beginning, state)
    finally:
        connection.close()


async def unprune(conninfo: str, wanted: str, directory: Path) -> int:
    """Bring back what was moved into the export in `directory`; gives how many events came.

    Raises `TransferRefused` when nothing was moved, or the files are not those that it was moved into.
    """
    connection = await Connection.open(conninfo, statement_timeout_seconds=inf)
    try:
        async with connection.transaction():
            found = await find_project(connection, wanted)
            await lock_ledger(connection, found.id)
            if (moved := await pruned.find(connection, found.id)) is None:
                raise TransferRefused(f"all events of '{wanted}' are in the database.")
            path = directory / LEDGER_FILE
            _verify(path, moved)
            ((there,),) = await connection.fetch(_ALL_THERE, (found.id, moved.seq))
            for page in _pages(path, moved):
                await connection.execute(_PUT_BACK, (found.id, page), prepare=True)
            ((events,),) = await connection.fetch(_ALL_THERE, (found.id, moved.seq))
            if events != moved.seq:
                raise TransferRefused(f"{path} has {events} events of {moved.seq}.")
            await connection.execute("delete from pruned where project_id = %s", (found.id,))
            await _record(connection, found, "ledger_unprune", events=events - there)
            return int(events - there)
    finally:
        connection.close()


async def _last_old(connection: Connection, found: Found, age: timedelta) -> int:
    """The newest event of that age; 0 when there is none."""
    rows = await connection.fetch(_LAST_OLD, (found.id, age))
    return rows[0][0] if rows else 0


async def _delete(
    connection: Connection, found: Found, before: Pruned | None, beginning: Pruned, state: State
) -> PrunedNow:
    await lock_ledger(connection, found.id)
    if await pruned.find(connection, found.id) != before:
        raise TransferRefused("another prune of this project has just ended; nothing was deleted.")
    parameters = {
        "project": found.id,
        "seq": beginning.seq,
        "before": 0 if before is None else before.seq,
        "state": beginning.state,
        "length": beginning.length,
        "sha256": beginning.sha256,
    }
    await connection.execute(_KEEP, parameters)
    still_open = [post.id for post in state.posts.dump()]
    gone = await connection.fetch(_DELETE, {"project": found.id, "seq": beginning.seq, "open": still_open})
    ((stayed,),) = await connection.fetch(_ALL_THERE, (found.id, beginning.seq))
    await _record(connection, found, "ledger_prune", events=len(gone), upto=beginning.seq)
    return _told(found, beginning.seq, len(gone), stayed)


async def _record(connection: Connection, found: Found, action: audit.Action, **detail: int) -> None:
    ((owner_id,),) = await connection.fetch("select owner_id from projects where id = %s", (found.id,))
    await audit.record(connection, owner_id, found.id, "cli", action, **detail)


def _told(found: Found, upto: int, moved: int, kept: int) -> PrunedNow:
    return PrunedNow(handle=found.project.handle, slug=found.project.slug, upto=upto, moved=moved, kept=kept)


def _verify(path: Path, beginning: Pruned) -> None:
    """Read the file again; raises `TransferRefused` unless it begins with these bytes."""
    digest = sha256()
    for line in _lines(path, beginning):
        digest.update(line)
    if digest.digest() != beginning.sha256:
        raise TransferRefused(f"{path} does not begin with the events up to {beginning.seq}; nothing was changed.")


def _lines(path: Path, beginning: Pruned) -> Iterator[bytes]:
    left = beginning.length
    with path.open("rb") as file:
        while left > 0 and (line := file.readline(LINE_BYTES_MAX)):
            left -= len(line)
            yield line


def _pages(path: Path, moved: Pruned) -> Iterator[str]:
    page: list[Event] = []
    for line in _lines(path, moved):
        page.append(from_line(line))
        if len(page) == PAGE_EVENTS:
            yield encode_rows(page).decode()
            page.clear()
    yield encode_rows(page).decode()
