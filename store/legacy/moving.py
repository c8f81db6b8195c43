"""Moving in from the TypeScript server: its whole database, into an empty one of ours; all of it or nothing.

The old database is read in one moment and never changed; the new one is written in one transaction. People go first
(`store.legacy.people`), then each project's ledger (`store.legacy.history`), so memory grows with a project's tasks and
what is open in it, not with its history.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from math import inf

from msgspec import Struct

from store.errors import TransferRefused
from store.legacy.history import MAKE_POSTS, History
from store.legacy.people import People
from store.legacy.source import Source, is_legacy
from store.postgres.connection import Connection
from store.transfer.export import Progress
from store.transfer.ledger import claim_empty, reserve_ids

_PROJECTS = "select id from projects order by id"
_LAST_ID = "select greatest(max(id), %s::bigint, 0) from participations"


class Carried(Struct, frozen=True, kw_only=True):
    """The counts of what was carried over, and remarks for the operator."""

    owners: int
    projects: int
    participants: int
    tokens: int
    events: int
    remarks: tuple[str, ...]


async def import_legacy(
    source: str, target: str, *, prepare: Callable[[str], Awaitable[object]], progress: Progress
) -> Carried:
    """Carry everything over from the database of `source` into the one of `target`, which `prepare` migrates first.

    Raises `TransferRefused` when one is not the TypeScript server's or the other is not empty, and `StoreUnavailable`;
    then nothing was changed but the schema.
    """
    async with _session(source) as old, old.transaction():
        reading = await Source.begin(old)
        async with _session(target) as new:
            # Migrating the old server's own database would change it.
            if await is_legacy(new):
                raise TransferRefused("that is the TypeScript server's own database: give another one to import into.")
            await prepare(target)
            async with new.transaction():
                await claim_empty(new)
                return await _carry_over(reading, new, progress)


@asynccontextmanager
async def _session(conninfo: str) -> AsyncIterator[Connection]:
    connection = await Connection.open(conninfo, statement_timeout_seconds=inf)
    try:
        yield connection
    finally:
        connection.close()


async def _carry_over(source: Source, target: Connection, progress: Progress) -> Carried:
    people = People(source, target)
    await people.carry_over()
    await target.execute(MAKE_POSTS)
    ((last_id,),) = await target.fetch(_LAST_ID, (source.last_reader,))
    nobody = count(last_id + 1)
    left_out: Counter[str] = Counter()
    read = events = added = 0

    def advance(more: int) -> None:
        nonlocal read
        read += more
        progress(read, source.events)

    advance(0)
    for (project_id,) in await target.fetch(_PROJECTS):
        history = await History.of(source, target, project_id, nobody)
        events += await history.carry_over(advance)
        left_out += history.left_out
        added += history.added
    await reserve_ids(target, next(nobody))
    return Carried(
        owners=people.counts["owners"],
        projects=people.counts["projects"],
        participants=people.counts["participants"],
        tokens=people.counts["tokens"],
        events=events,
        remarks=(*people.remarks, *_remarks(added, left_out)),
    )


def _remarks(added: int, left_out: Counter[str]) -> list[str]:
    remarks = []
    if added:
        remarks.append(f"{added:,} events were added, because the old tables said what no old event did.")
    if left_out:
        types = ", ".join(f"{number:,} {type_name}" for type_name, number in sorted(left_out.items()))
        remarks.append(f"Left out, because they name nothing that exists or cannot have happened: {types}.")
    return remarks
