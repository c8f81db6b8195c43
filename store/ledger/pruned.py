"""Events that were moved from ledgers into files: kept for each project, with the state that those events led to."""

from msgspec import Struct

from engine.history import Kept
from store.postgres.connection import Connection
from store.postgres.records import record

_FIND = "select seq, state, length, sha256 from pruned where project_id = %s"


class Pruned(Struct, frozen=True, kw_only=True):
    """A ledger's beginning that is in files: up to event `seq`, which stays in the database too.

    `state` is the fold of all these events; they take `length` bytes of `ledger.jsonl`, whose SHA-256 is `sha256`.
    """

    seq: int
    state: bytes
    length: int
    sha256: bytes


async def find(connection: Connection, project_id: int) -> Pruned | None:
    """The moved events of this project; None when all are in the database."""
    rows = await connection.fetch(_FIND, (project_id,))
    return record(Pruned, rows[0]) if rows else None


async def base(connection: Connection, project_id: int) -> Kept | None:
    """The state to begin with where the ledger no longer has its first event."""
    found = await find(connection, project_id)
    return None if found is None else Kept(found.seq, found.state)
