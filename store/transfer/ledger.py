"""Writing whole ledgers into a database that nobody uses yet: by pages, folded on the way, with the fold as snapshot.

Shared by `restore` and `store.legacy`. All of it happens in the caller's transaction; readers of the database see
everything or nothing.

Invariant: what is written folds. An event that does not follow from those before it is refused, and with it everything.
"""

from engine.errors import LedgerGap
from engine.project import apply, snapshot
from engine.state import State
from engine.vocabulary import Event
from store.errors import StatementFailed, TransferRefused
from store.ledger.rows import COLUMNS, encode_rows
from store.postgres.connection import Connection

PAGE_EVENTS = 1_000
"""Events written at once."""

_NOBODY = 0
"""The writer of events that no process appended."""

_BEGIN = "lock table owners, projects, events in share row exclusive mode"

_IN_USE = "select exists (select from owners) or exists (select from projects) or exists (select from events)"

_WRITE = f"""
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %s, e.seq, e.at, e.actor, e."by", e.type, e.data, %s
  from jsonb_to_recordset(%s::jsonb) as e ({COLUMNS})
"""  # noqa: S608 - made of constants

_KEEP = "insert into snapshots (project_id, seq, state, open_posts, open_posts_seq) values (%s, %s, %s, %s, %s)"

# Ids were given by the import; the next ones come after them, and after those that only ledgers still name.
_NEXT_IDS = """
select setval(pg_get_serial_sequence('owners', 'id'), coalesce((select max(id) from owners), 1)),
       setval(pg_get_serial_sequence('projects', 'id'), coalesce((select max(id) from projects), 1)),
       setval(pg_get_serial_sequence('participants', 'id'), coalesce((select max(id) from participants), 1)),
       setval(pg_get_serial_sequence('participations', 'id'),
              greatest(%s::bigint, (select max(id) from participations), 1)),
       setval(pg_get_serial_sequence('tokens', 'id'), coalesce((select max(id) from tokens), 1)),
       setval(pg_get_serial_sequence('invites', 'id'), coalesce((select max(id) from invites), 1))
"""


class LedgerWriter:
    """One project's ledger, written from its first event; `state` is the fold of what was added."""

    def __init__(self, connection: Connection, project_id: int) -> None:
        self.state = State()
        self._connection = connection
        self._project_id = project_id
        self._page: list[Event] = []

    async def add(self, event: Event) -> None:
        """Add the next event; raises `TransferRefused` when it does not follow from those before it."""
        try:
            apply(self.state, event)
        except (LedgerGap, KeyError, OverflowError) as wrong:  # a key that misses is a task, or a move of one
            raise TransferRefused(f"event {event.seq} does not follow from those before it.") from wrong
        self._page.append(event)
        if len(self._page) == PAGE_EVENTS:
            await self._write()

    async def finish(self) -> None:
        """Write the last page, and the snapshot from which the project's actor will start."""
        await self._write()
        state = self.state
        if state.seq:
            kept = (self._project_id, state.seq, snapshot(state), len(state.posts), state.seq)
            await self._connection.execute(_KEEP, kept)

    async def _write(self) -> None:
        if self._page:
            page = encode_rows(self._page).decode()
            try:
                await self._connection.execute(_WRITE, (self._project_id, _NOBODY, page), prepare=True)
            except StatementFailed as wrong:  # a NUL in a text, or a number that no column holds
                first, last = self._page[0].seq, self._page[-1].seq
                raise TransferRefused(f"one of the events {first} to {last} cannot be kept: {wrong}") from wrong
            self._page.clear()


async def claim_empty(connection: Connection) -> None:
    """Keep everybody else from writing until the transaction ends.

    Raises `TransferRefused` when somebody has written before.
    """
    await connection.execute(_BEGIN)
    ((in_use,),) = await connection.fetch(_IN_USE)
    if in_use:
        raise TransferRefused(
            "the database to import into is not empty; name another one with --database-url or --data-dir."
        )


async def reserve_ids(connection: Connection, participation_id_max: int) -> None:
    """Let new rows get ids above those that were imported, and above every reader that a ledger names."""
    await connection.fetch(_NEXT_IDS, (participation_id_max,))
