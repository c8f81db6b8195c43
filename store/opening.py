"""The store: all that one process needs of one database, opened and closed together."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Concatenate, ParamSpec, TypeVar

import trio
from msgspec import Struct

from store.errors import ClockUnsteady, ConnectionLost, PoolerUnfit
from store.ledger.journal import PostgresJournal
from store.ledger.notifier import Listener, Notifier
from store.ledger.peers import TRUST_SECONDS, Peers
from store.ledger.repair import GapWatch
from store.postgres.clock import Clock
from store.postgres.connection import Connection
from store.postgres.pool import POOL_SIZE_MAX, Pool
from store.postgres.poolers import check_sessions, count_sessions

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

TURNS_MAX = 4
"""How many projects of one process may hold a turn at once; the others wait for a session."""

HISTORY_SESSIONS_MAX = 4
"""Sessions for searches of old events: however slow those are, commits have sessions of their own."""

OTHER_SESSIONS = TURNS_MAX + HISTORY_SESSIONS_MAX + 4
"""Sessions besides the pool: for turns, searches, news heard and told, and questions about silent ones."""

SESSIONS_MIN = OTHER_SESSIONS + 4
"""With fewer sessions than this a server does not start."""

HISTORY_SECONDS_MAX = 3.0
"""How long one search of old events may take."""


PATIENCE_SECONDS = 12.0
"""How long somebody who waits for an answer waits for a session: PostgreSQL restarts in less."""

READY_SECONDS = 2.0
"""How long the question whether this server can serve may wait for a session."""


class Store(Struct, frozen=True, kw_only=True):
    """An open database, already migrated by `store.migrate`.

    The queries are functions over a session, in `store.people` and `store.ledger`; `read` and `write` run one of them,
    `transaction` runs several together. All raise `StoreUnavailable` when the database cannot be reached in time, and
    can be cancelled; a write that was cancelled, or raised `ConnectionLost`, may or may not have happened.
    """

    conninfo: str
    pool: Pool
    history: Pool
    journal: PostgresJournal
    clock: Clock
    peers: Peers
    notifier: Notifier
    gap_watch: GapWatch
    patience_seconds: float

    async def read(
        self,
        query: Callable[Concatenate[Connection, Arguments], Awaitable[Result]],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Run a query on a session without a transaction, which saves two round trips.

        A query whose session is lost is run once more: PostgreSQL may just have been restarted.
        """
        try:
            async with self.pool.connection(within_seconds=self.patience_seconds) as connection:
                return await query(connection, *arguments, **named)
        except ConnectionLost:
            async with self.pool.connection(within_seconds=self.patience_seconds) as connection:
                return await query(connection, *arguments, **named)

    async def write(
        self,
        change: Callable[Concatenate[Connection, Arguments], Awaitable[Result]],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Run a change in a transaction of its own."""
        async with self.transaction() as connection:
            return await change(connection, *arguments, **named)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Commit what is done inside, or nothing of it."""
        async with (
            self.pool.connection(within_seconds=self.patience_seconds) as connection,
            connection.transaction(),
        ):
            yield connection

    async def ping(self) -> None:
        """Return when this server can serve; raises `ClockUnsteady` or `StoreUnavailable` when it cannot."""
        async with self.pool.connection(within_seconds=READY_SECONDS) as connection:
            await connection.fetch("select 1")
        if (trouble := self.clock.trouble) is not None:
            raise ClockUnsteady(trouble)

    async def listen(self, listener: Listener) -> None:
        """Be one of the servers of this database until cancelled: tell the others, and pass on what they tell."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.notifier.run)
            nursery.start_soon(self.gap_watch.run)
            await self.peers.run(listener, own_writer=self.journal.writer)


async def affordable_pool_size(conninfo: str) -> int:
    """How many sessions a server may pool here; fewer than `POOL_SIZE_MAX` when a pooler does not give that many.

    Raises `PoolerUnfit` when it gives too few to serve with.
    """
    if not (await check_sessions(conninfo)).is_there:
        return POOL_SIZE_MAX
    wanted = POOL_SIZE_MAX + OTHER_SESSIONS
    found = await count_sessions(conninfo, wanted)
    if found < SESSIONS_MIN:
        raise PoolerUnfit(
            f"the pooler gives {found} sessions at once, a server needs {SESSIONS_MIN} and uses up to {wanted}. "
            f"Raise its pool size (PgBouncer: default_pool_size = {wanted})."
        )
    return min(POOL_SIZE_MAX, found - OTHER_SESSIONS)


@asynccontextmanager
async def open_store(
    conninfo: str,
    *,
    pool_size_max: int = POOL_SIZE_MAX,
    trust_seconds: float = TRUST_SECONDS,
    patience_seconds: float = PATIENCE_SECONDS,
) -> AsyncIterator[Store]:
    """Open the database of `conninfo`; connects when first used, so it succeeds also while PostgreSQL is down.

    `trust_seconds` is for tests, as is `patience_seconds`: the servers of one database must agree on it. Leaving closes
    every session that is not in use, and those that are as they come back.
    """
    clock = Clock()
    peers = Peers(conninfo, clock, poll_seconds=trust_seconds / 2, trust_seconds=trust_seconds)
    beside: list[Pool] = []
    async with (
        Pool(conninfo, clock=clock, size_max=pool_size_max, beside=beside) as pool,
        Pool(conninfo, clock=clock, size_max=TURNS_MAX, beside=beside) as turns,
        Pool(
            conninfo,
            clock=clock,
            size_max=HISTORY_SESSIONS_MAX,
            statement_timeout_seconds=HISTORY_SECONDS_MAX,
            beside=beside,
        ) as history,
    ):
        journal = PostgresJournal(pool, turns, history, clock=clock, peers=peers)
        notifier = Notifier(conninfo, journal.writer, is_alone=lambda: peers.alone)
        journal.tell = notifier.tell
        yield Store(
            conninfo=conninfo,
            pool=pool,
            history=history,
            journal=journal,
            clock=clock,
            peers=peers,
            notifier=notifier,
            gap_watch=GapWatch(conninfo),
            patience_seconds=patience_seconds,
        )
