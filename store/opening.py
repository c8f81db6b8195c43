"""Everything that one process needs of one database, opened and closed together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from store.accounts import Accounts
from store.ledger.journal import PostgresJournal
from store.ledger.notifier import Listener, listen
from store.owned import Owned
from store.postgres.pool import POOL_SIZE_MAX, Pool
from store.sign_in import SignIn

TURNS_MAX = 4
"""How many projects of one process may hold a turn at once; the others wait for a session."""


class Store(Struct, frozen=True, kw_only=True):
    """An open database, already migrated by `store.postgres.migrate`."""

    conninfo: str
    pool: Pool
    journal: PostgresJournal
    accounts: Accounts
    owned: Owned
    sign_in: SignIn

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
        yield Store(
            conninfo=conninfo,
            pool=pool,
            journal=PostgresJournal(pool, turns),
            accounts=Accounts(pool),
            owned=Owned(pool),
            sign_in=SignIn(pool),
        )
