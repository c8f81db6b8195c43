"""Gaps in ledgers: found, shown, and closed by recording that something is missing.

An append needs the event before it, so this program makes no gaps. A database may have one from a release before that
rule, or from a change by hand. A ledger with a gap cannot be folded past it. Closing it puts a `lost` event at every
missing number, and puts one in place of every later event that does not follow without them, with that event's type and
data in it. Nothing else changes, and the audit trail keeps that it was done.
"""

from math import inf
from typing import Any

import msgspec
import structlog
import trio
from msgspec import Struct

from engine.events import decode, encode
from engine.project import apply, restore
from engine.repairs import Lost
from engine.state import State
from engine.vocabulary import Event
from store.errors import StoreUnavailable, TransferRefused
from store.ledger import pruned
from store.ledger.rows import READ_PAGE
from store.people import audit
from store.postgres.advisory_locks import lock_ledger
from store.postgres.connection import Connection
from store.postgres.records import record

log = structlog.get_logger(__name__)

LOOK_SECONDS = 3600.0
"""How often a server looks for gaps."""

PAGE_EVENTS = 5_000

REPAIRER = "llm-bus repair"
"""The actor of what a repair writes."""

# One walk along the primary key; a million events take some tenths of a second.
_GAPS = """
select w.project_id, j.owner_id, o.handle, j.slug, w.previous + 1, w.seq - 1
  from (select e.project_id, e.seq,
               lag(e.seq, 1, coalesce(p.seq, 0)) over (partition by e.project_id order by e.seq) as previous
          from events e left join pruned p on p.project_id = e.project_id
         where e.seq > coalesce(p.seq, 0)) as w
  join projects j on j.id = w.project_id
  join owners o on o.id = j.owner_id
 where w.seq > w.previous + 1
 order by w.project_id, w.seq
"""

_FILL = """
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %(project)s, n, neighbour.at, %(actor)s, 0, 'lost', %(data)s::jsonb, 0
  from generate_series(%(first)s::bigint, %(last)s::bigint) as n,
       (select at from events where project_id = %(project)s and seq in (%(first)s - 1, %(last)s + 1)
         order by seq limit 1) as neighbour
"""

_SET_ASIDE = "update events set type = 'lost', data = %s::jsonb where project_id = %s and seq = %s"

_FORGET_SNAPSHOT = "delete from snapshots where project_id = %s"


class Gap(Struct, frozen=True, kw_only=True):
    """Numbers that a project's ledger lacks, from `first` to `last`."""

    project_id: int
    owner_id: int
    handle: str
    slug: str
    first: int
    last: int


class Closed(Struct, frozen=True, kw_only=True):
    """The result of closing a project's gaps: numbers that were filled, and events that were set aside."""

    filled: int
    set_aside: tuple[int, ...]


class LedgerStatistics(Struct, frozen=True, kw_only=True):
    """How many gaps there were when a server looked last."""

    gaps: int


async def find_gaps(connection: Connection) -> list[Gap]:
    """Every gap in every project's ledger."""
    return [record(Gap, row) for row in await connection.fetch(_GAPS)]


async def close_gaps(connection: Connection, gaps: list[Gap]) -> Closed:
    """Close the gaps of one project, all of them; wants a transaction. Writers of the ledger wait for its end."""
    project_id, owner_id = gaps[0].project_id, gaps[0].owner_id
    await lock_ledger(connection, project_id)
    reason = Lost(reason="The database lost this event.")
    for gap in gaps:
        parameters = {"project": project_id, "first": gap.first, "last": gap.last}
        await connection.execute(_FILL, {**parameters, "actor": REPAIRER, "data": encode(reason).decode()})
    await connection.execute(_FORGET_SNAPSHOT, (project_id,))
    set_aside = await _set_aside(connection, project_id)
    filled = sum(gap.last - gap.first + 1 for gap in gaps)
    await audit.record(
        connection, owner_id, project_id, REPAIRER, "ledger_repair", filled=filled, set_aside=len(set_aside)
    )
    return Closed(filled=filled, set_aside=tuple(set_aside))


async def _set_aside(connection: Connection, project_id: int) -> list[int]:
    """Fold the ledger, and put a `lost` event in place of each that does not follow from those before it."""
    base, found = await pruned.base(connection, project_id), list[int]()
    state = State() if base is None else restore(base.state)
    if state is None:
        raise TransferRefused(
            "this version cannot read the state that stands for events in files; run 'llm-bus unprune'"
        )
    while page := await connection.fetch(READ_PAGE, (project_id, state.seq, PAGE_EVENTS), prepare=True):
        for row in page:
            if (lost := _folded(state, row)) is not None:
                found.append(row[0])
                await connection.execute(_SET_ASIDE, (encode(lost).decode(), project_id, row[0]))
    return found


def _folded(state: State, row: tuple[Any, ...]) -> Lost | None:
    """Fold an event, or what has to stand in its place."""
    seq, at, actor, by, type_name, data = row
    try:
        apply(state, Event(seq=seq, at=at, actor=actor, by=by, data=decode(type_name, data)))
    except (LookupError, OverflowError, ValueError, msgspec.DecodeError):
        lost = Lost(reason="Without the events that were lost this one makes no sense.", was=type_name, data=data)
        apply(state, Event(seq=seq, at=at, actor=actor, by=by, data=lost))
        return lost
    return None


class GapWatch:
    """Looks for gaps now and then, and tells the operator."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._gaps = 0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self._look()
            except StoreUnavailable as error:
                log.warning("ledgers not examined for gaps", error=str(error))
            await trio.sleep(LOOK_SECONDS)

    def statistics(self) -> LedgerStatistics:
        """The gaps that were found."""
        return LedgerStatistics(gaps=self._gaps)

    async def _look(self) -> None:
        connection = await Connection.open(self._conninfo, statement_timeout_seconds=inf)
        try:
            gaps = await find_gaps(connection)
        finally:
            connection.close()
        self._gaps = len(gaps)
        for gap in gaps:
            log.error(
                "ledger has a gap",
                project=f"{gap.handle}/{gap.slug}",
                first=gap.first,
                last=gap.last,
                todo="llm-bus repair",
            )
