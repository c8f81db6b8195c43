"""Everything that one process needs of one database, opened and closed together."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Concatenate, ParamSpec, TypeVar

from msgspec import Struct

from store.ledger.journal import PostgresJournal
from store.ledger.notifier import Listener, listen
from store.postgres.connection import Connection
from store.postgres.pool import POOL_SIZE_MAX, Pool

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

TURNS_MAX = 4
"""How many projects of one process may hold a turn at once; the others wait for a session."""


class Store(Struct, frozen=True, kw_only=True):
    """An open database, already migrated by `store.migrate`.

    The queries are functions over a session, in `store.people` and `store.ledger`; `read` and `write` run one of them,
    `transaction` runs several together. All raise `StoreUnavailable` when the database cannot be reached in time, and
    can be cancelled; a write that was cancelled, or raised `ConnectionLost`, may or may not have happened.
    """

    conninfo: str
    pool: Pool
    journal: PostgresJournal

    async def read(
        self,
        query: Callable[Concatenate[Connection, Arguments], Awaitable[Result]],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Run a query on a session without a transaction, which saves two round trips."""
        async with self.pool.connection() as connection:
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
        async with self.pool.connection() as connection, connection.transaction():
            yield connection

    async def ping(self) -> None:
        """Return when the database answers a query; raises `StoreUnavailable` when it does not."""
        async with self.pool.connection() as connection:
            await connection.fetch("select 1")

    async def listen(self, listener: Listener) -> None:
        """Pass on what other processes write here, until cancelled."""
        await listen(self.conninfo, listener, own_writer=self.journal.writer)


@asynccontextmanager
async def open_store(conninfo: str, *, pool_size_max: int = POOL_SIZE_MAX) -> AsyncIterator[Store]:
    """Open the database of `conninfo`; connects when first used, so it succeeds also while PostgreSQL is down.

    Leaving closes every session that is not in use, and those that are as they come back.
    """
    async with Pool(conninfo, size_max=pool_size_max) as pool, Pool(conninfo, size_max=TURNS_MAX) as turns:
        yield Store(conninfo=conninfo, pool=pool, journal=PostgresJournal(pool, turns))
