"""The journal on PostgreSQL: what an actor appends, and what it and its callers read back.

It keeps the promises of `actors.journal.Journal` without importing it: `actors` and `store` only know `engine`. What is
read to rebuild a state is here; how an append is written is in `store.ledger.appends`, searches are in
`store.ledger.history`.

Invariants: an append is in one statement, alone or with those of other projects, so one round trip and one transaction;
inside a turn it goes with the commit of the turn's transaction, in one round trip too. Errors of this package are
translated to `engine.errors` here and nowhere else.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime

import msgspec
import trio
from msgspec import Struct

from engine.errors import Contended, JournalError, JournalUnavailable, NotTogether, OutcomeUnknown
from engine.events import decode
from engine.history import EMPTY, Batch, Head, Kept, Liveness, Stored
from engine.lookups import ClaimFact, EventQuery, EventView, FinishedTask, Found, PostQuery, PostRecord, TaskQuery
from engine.vocabulary import Event
from store.errors import ConnectionLost, StatementFailed, StoreUnavailable, UniqueTaken
from store.ledger import free_text, history, losses, pruned
from store.ledger.appends import Append, Appends, Checked
from store.ledger.free_text import WordQuery
from store.ledger.peers import Peers
from store.ledger.rows import encode_rows
from store.ledger.searches import Searches
from store.postgres.advisory_locks import WRITER_LOCK, project_key
from store.postgres.clock import Clock
from store.postgres.connection import Connection, Row
from store.postgres.pool import ACQUIRE_TIMEOUT_SECONDS, Pool
from store.postgres.prepared import Parameter, Prepared

TOGETHER_BYTES_MAX = 16_000
"""A batch that is longer is not written together with others: they would wait for it."""

TURN_IDLE_TIMEOUT_MS = 10_000
"""How long a turn may be held without a statement before PostgreSQL ends it."""

_WAIT_FOR_TURN = Prepared(f"""
select set_config('idle_in_transaction_session_timeout', %(idle_ms)s, true),
       pg_advisory_xact_lock(%(lock)s::int, {project_key("%(project)s")})
""")

_LAST = "select seq, at from events where project_id = %(project)s order by seq desc limit 1"
_HEAD = Prepared(_LAST)

# A message in the write-ahead log that nobody reads. Its commit waits for the synchronous standby like any other, which
# proves that everything visible before it is there too. Without such a standby, what is visible has been flushed, which
# is all that a commit promises: nothing is written.
_CONFIRM = Prepared(f"""
with vouched as materialized (
    select case when current_setting('synchronous_standby_names') <> ''
           then pg_logical_emit_message(true, 'llm-bus', '') end
)
select last.seq, last.at from vouched left join lateral ({_LAST}) as last on true
""")  # noqa: S608  # made of literals

_SNAPSHOT = "select seq, state from snapshots where project_id = %s"

_CURSOR = Prepared("select seq from cursors where project_id = %(project)s and participation_id = %(reader)s")

_LIVENESS = """
select participation_id, actor, at from liveness where project_id = %s and at >= %s order by at desc limit %s
"""

_TAIL = Prepared("""
select seq, at, actor, participation_id, type, data::text, writer
  from events where project_id = %(project)s and seq > %(after)s order by seq limit %(limit)s
""")

# The database counts who wrote how much beside it (migration 0006). One as old is replaced: it may be unreadable.
_UPSERT_SNAPSHOT = """
insert into snapshots (project_id, seq, state, open_posts, open_posts_seq)
select %(project)s, %(seq)s, %(state)s, %(open_posts)s, %(seq)s
 where %(at)s::timestamptz is null
       or exists (select from events where project_id = %(project)s and seq = %(seq)s and at = %(at)s)
    on conflict (project_id) do update
       set seq = excluded.seq, state = excluded.state, open_posts = excluded.open_posts,
           open_posts_seq = excluded.open_posts_seq, at = now()
     where snapshots.seq <= excluded.seq
"""

_UPSERT_LIVENESS = """
insert into liveness (project_id, participation_id, actor, at)
select %(project)s, e."by", e.actor, e.at
  from jsonb_to_recordset(%(seen)s::jsonb) as e ("by" bigint, actor text, at timestamptz)
    on conflict (project_id, participation_id) do update set actor = excluded.actor, at = excluded.at
    where liveness.at < excluded.at
"""


class _LivenessRow(Struct, frozen=True):
    by: int
    actor: str
    at: datetime


class PostgresJournal:
    """A journal in the database that `pool` is connected to.

    Three pools, so that none waits for another: commits and short reads use `pool`; `turns` lends the sessions that
    wait for the writer lock and write under it; `history` is for searches, which may be slow. Without `peers` it serves
    as a tool's journal, which nobody reads from memory.
    """

    def __init__(
        self,
        pool: Pool,
        turns: Pool,
        history: Pool | None = None,
        *,
        clock: Clock | None = None,
        peers: Peers | None = None,
    ) -> None:
        self._pool = pool
        self._turns = turns
        self._searches = Searches(history or pool)
        self._clock = clock or Clock()
        self._peers = peers
        self._writer = secrets.randbits(63)
        self._appends = Appends(pool, self._writer)
        self._turn_of: dict[int, Connection] = {}  # the session that holds the writer lock, by project
        self.tell: Callable[[int], None] = lambda project_id: None
        """Called with each project that was written to; must not block."""

    @property
    def writer(self) -> int:
        """A random number that marks every event this journal object appends."""
        return self._writer

    @property
    def alone(self) -> bool:
        """Whether no other process can have appended to this database; false when in doubt."""
        return self._peers is not None and self._peers.alone

    async def head(self, project_id: int) -> Head:
        """The project's last event."""
        with _translating():
            async with self._pool.connection() as connection:
                rows = await connection.run(_HEAD, {"project": project_id})
        return Head(*rows[0]) if rows else EMPTY

    async def confirm(self, project_id: int) -> Head:
        """The project's last event, once it and all before it are as durable as a commit makes them.

        An event of unknown outcome that is found in the ledger may be durable on the primary only; this commits once
        more on the same database where there is a synchronous standby, and waits for it.
        """
        with _translating():
            async with self._pool.connection() as connection:
                ((seq, at),) = await connection.run(_CONFIRM, {"project": project_id})
        return EMPTY if seq is None else Head(seq, at)

    async def load(self, project_id: int) -> Kept | None:
        """The newest snapshot of a project."""
        with _translating():
            async with self._pool.connection() as connection:
                snapshots = await connection.fetch(_SNAPSHOT, (project_id,))
        return Kept(*snapshots[0]) if snapshots else None

    async def base(self, project_id: int) -> Kept | None:
        """The state to begin with where `llm-bus prune` has moved the first events away."""
        with _translating():
            async with self._pool.connection() as connection:
                return await pruned.base(connection, project_id)

    async def cursor(self, project_id: int, reader: int) -> int | None:
        """The last event that `whats_new` has shown to this reader; None for a newcomer."""
        with _translating():
            async with self._pool.connection() as connection:
                rows = await connection.run(_CURSOR, {"project": project_id, "reader": reader})
        return rows[0][0] if rows else None

    async def liveness(self, project_id: int, since: datetime, limit: int) -> dict[int, Liveness]:
        """The readers who called since then, as far as it was written: at most `limit`, those that called last."""
        with _translating():
            async with self._pool.connection() as connection:
                rows = await connection.fetch(_LIVENESS, (project_id, since, limit))
        return {by: Liveness(actor, at) for by, actor, at in rows}

    async def tail(self, project_id: int, after: int, limit: int) -> list[Stored]:
        """At most `limit` events with numbers above `after`, in order."""
        with _translating():
            async with self._pool.connection() as connection:
                rows = await connection.run(_TAIL, {"project": project_id, "after": after, "limit": limit})
        return _stored(rows)

    async def append(
        self,
        project_id: int,
        events: Sequence[Event],
        cursors: Mapping[int, int],
        *,
        predecessor: Head | None = None,
        holding_turn: bool = False,
    ) -> None:
        """Write events and cursors (reader id to event number) in one commit: all of it, or nothing.

        Events are written only after the event before the first of them, which `predecessor` names with its time.
        Returns once it is durable. A cursor never moves backwards. `holding_turn`: the caller is inside `turn`, which
        this ends; otherwise the append waits while somebody else is. Cancelled, it may or may not have happened.

        Raises:
            Contended: one of the numbers is taken, or the event before the first one is not there; nothing was written.
            JournalUnavailable: nothing was written.
            OutcomeUnknown: the connection was lost after the write was sent.
        """
        if not events and not cursors:
            return
        await self._admitted()
        append = Append(
            project=project_id,
            first=events[0].seq if events else None,
            predecessor_at=None if predecessor is None else predecessor.at,
            events=encode_rows(events) if events else None,
        )
        turn = self._turn_of[project_id] if holding_turn else None
        encoded = msgspec.json.encode(cursors).decode() if cursors else None
        try:
            checked = await self._appends.alone(append, self._registration, cursors=encoded, turn=turn)
        except UniqueTaken as error:
            raise Contended(str(error)) from error
        except ConnectionLost as error:
            self.tell(project_id)
            raise OutcomeUnknown(str(error)) from error
        except StoreUnavailable as error:
            raise JournalUnavailable(str(error)) from error
        if (refused := _refusal(append, checked)) is not None:
            raise refused
        self.tell(project_id)

    async def append_together(self, batches: Sequence[Batch]) -> list[JournalError | None]:
        """Write batches of different projects in one commit, without waiting for other writers of these projects.

        Gives what came of each batch, in order: None once it is durable, otherwise what `append` would have raised. It
        is `NotTogether` for a batch that is large, whose project another server is writing to, or that shared a
        statement with one that failed. Raises `JournalUnavailable` when nothing was written. Cancelled, any of them may
        or may not have happened.
        """
        await self._admitted()
        appends = [_append_of(batch) for batch in batches]
        if len(appends) > 1:
            appends = [append for append in appends if len(append.events or b"") <= TOGETHER_BYTES_MAX]
        outcomes: dict[int, JournalError | None] = {batch.project_id: NotTogether() for batch in batches}
        try:
            left_out = await self._appends.together(appends, self._registration) if appends else {}
        except (UniqueTaken, StatementFailed):  # the fault of one of them
            return list(outcomes.values())
        except ConnectionLost as error:
            for append in appends:
                self.tell(append.project)
                outcomes[append.project] = OutcomeUnknown(str(error))
            return list(outcomes.values())
        except StoreUnavailable as error:
            raise JournalUnavailable(str(error)) from error
        for append in appends:
            if (checked := left_out.get(append.project)) is None:
                self.tell(append.project)
                outcomes[append.project] = None
            else:
                outcomes[append.project] = _refusal(append, checked) or NotTogether()
        return list(outcomes.values())

    @property
    def _registration(self) -> int | None:
        return None if self._peers is None else self._peers.registration

    async def _admitted(self) -> None:
        """Return once appending is allowed: the time is known, and the other servers know of this one."""
        if (trouble := self._clock.trouble) is not None:
            raise JournalUnavailable(trouble)
        if self._peers is not None and not self._peers.is_admitted:
            with trio.move_on_after(ACQUIRE_TIMEOUT_SECONDS) as patience:
                await self._peers.admitted()
            if patience.cancelled_caught:
                raise JournalUnavailable("this server is not registered in the database yet")

    @asynccontextmanager
    async def turn(self, project_id: int, after: int, limit: int) -> AsyncIterator[list[Stored]]:
        """Keep other writers of the project waiting, so that one who met others can read and write undisturbed.

        Gives the tail as it is then. PostgreSQL gives the lock in the order in which it was asked for. The append
        inside commits, which ends the turn. For fairness only: numbers stay distinct without it. Given up when the
        connection is lost, and after `TURN_IDLE_TIMEOUT_MS`.
        """
        wait: dict[str, Parameter] = {"idle_ms": TURN_IDLE_TIMEOUT_MS, "lock": WRITER_LOCK, "project": project_id}
        read: dict[str, Parameter] = {"project": project_id, "after": after, "limit": limit}
        with _translating():
            async with self._turns.connection() as connection:
                rows = await connection.begin_and_run((_WAIT_FOR_TURN, wait), (_TAIL, read))
                self._turn_of[project_id] = connection
                try:
                    yield _stored(rows)
                finally:
                    del self._turn_of[project_id]
                    # What was written under the turn stands, whether or not the turn can still be handed back.
                    if not connection.idle:
                        with suppress(StoreUnavailable):
                            await connection.execute("rollback")

    async def note_loss(self, project_id: int, had: Head, has: Head) -> None:
        """Keep that the ledger does not hold event `had` any more; the owner's pages and `doctor` tell of it."""
        with _translating():
            async with self._pool.connection() as connection:
                await losses.note(connection, project_id, had, has)

    async def write_snapshot(
        self, project_id: int, seq: int, state: bytes, *, open_posts: int, at: datetime | None = None
    ) -> None:
        """Keep `state`, the fold of all events up to `seq`, with `open_posts` open ones.

        Ignored when there is a snapshot of a later event, and when the last event did not happen `at` that time in this
        ledger: the database lost what was folded.
        """
        parameters = {"project": project_id, "seq": seq, "state": state, "open_posts": open_posts, "at": at}
        with _translating():
            async with self._pool.connection() as connection:
                await connection.execute(_UPSERT_SNAPSHOT, parameters)

    async def write_liveness(self, project_id: int, seen: Mapping[int, Liveness]) -> None:
        """Keep when readers last called, and tell other processes; a time never moves backwards."""
        rows = [_LivenessRow(by, liveness.actor, liveness.at) for by, liveness in seen.items()]
        parameters = {"project": project_id, "seen": msgspec.json.encode(rows).decode()}
        with _translating():
            async with self._pool.connection() as connection:
                await connection.execute(_UPSERT_LIVENESS, parameters, prepare=True)
        self.tell(project_id)

    async def events(self, project_id: int, query: EventQuery, said: WordQuery | None = None) -> Found[EventView]:
        """The events that match, without post bodies, read by index; raises `TooSlow` also.

        With `said` the newest that have these words.
        """
        async with self._searches.session(project_id) as connection:
            if said is not None:
                return await free_text.find(connection, project_id, query, said)
            return await history.find_events(connection, project_id, query)

    async def posts(self, project_id: int, query: PostQuery) -> Found[PostRecord]:
        """The posts that match, newest first, with bodies and acknowledgements; raises `TooSlow` also."""
        async with self._searches.session(project_id) as connection:
            return await history.find_posts(connection, project_id, query)

    async def claim(self, project_id: int, sequence: str, number: int) -> ClaimFact | None:
        """The claim of this number of the sequence; None when nobody claimed it."""
        async with self._searches.session(project_id) as connection:
            return await history.find_claim(connection, project_id, sequence, number)

    async def finished_tasks(self, project_id: int, query: TaskQuery) -> Found[FinishedTask]:
        """The finished tasks that match, newest first; raises `TooSlow` also."""
        async with self._searches.session(project_id) as connection:
            return await history.find_finished_tasks(connection, project_id, query)


def _stored(rows: Iterable[Row]) -> list[Stored]:
    return [
        Stored(Event(seq=seq, at=at, actor=actor, by=by, data=decode(type_name, data)), writer)
        for seq, at, actor, by, type_name, data, writer in rows
    ]


def _append_of(batch: Batch) -> Append:
    return Append(
        project=batch.project_id,
        first=batch.events[0].seq,
        predecessor_at=batch.predecessor.at,
        events=encode_rows(batch.events, batch.project_id),
    )


def _refusal(append: Append, checked: Checked) -> JournalError | None:
    """Why nothing was written, as far as the check tells."""
    if not checked.follows:
        before = 0 if append.first is None else append.first - 1
        return Contended(f"project {append.project} does not have event {before} as its writer knows it")
    if not checked.registered:
        return JournalUnavailable("this server's registration in the database is gone; it is being renewed")
    return None


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except StoreUnavailable as error:
        raise JournalUnavailable(str(error)) from error
