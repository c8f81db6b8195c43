"""Connections that died without a word, and sessions that turned useless: noticed in seconds, together, once."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.errors import JournalUnavailable
from store.errors import ConnectionLost, StoreUnavailable
from store.ledger.journal import PostgresJournal
from store.postgres.connection import Connection
from store.postgres.pool import POOL_SIZE_MAX, Pool
from tests.actors.journal_conformance import PROJECT, claim
from tests.faults.patience import patient
from tests.postgres import query
from tests.store.proxy import proxied

pytestmark = pytest.mark.usefixtures("bounded")

RECOVERY_SECONDS_MAX = 5


async def open_all(pool: Pool) -> None:
    """Have every session of the pool open and idle."""

    async def use(together: trio.Event) -> None:
        async with pool.connection() as connection:
            await connection.fetch("select 1")
            await together.wait()

    together = trio.Event()
    async with trio.open_nursery() as nursery:
        for _ in range(POOL_SIZE_MAX):
            nursery.start_soon(use, together)
        while pool.statistics().lent < POOL_SIZE_MAX:  # noqa: ASYNC110 - it can only be asked
            await trio.sleep(0.01)
        together.set()
    assert pool.statistics().idle == POOL_SIZE_MAX


async def at_once(work: Callable[[], Awaitable[object]], tasks: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(tasks):
            nursery.start_soon(work)


@pytest.mark.parametrize("callers", [1, 24])
async def test_sessions_that_died_while_idle_cost_one_wait_together(
    conninfo: str, callers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.postgres.pool.REST_SECONDS", 0.0)
    async with proxied(conninfo) as proxy, Pool(proxy.conninfo) as pool:
        await open_all(pool)
        proxy.freeze()

        async def use() -> None:
            async with pool.connection() as connection:
                await connection.fetch("select 1")

        with trio.fail_after(patient(RECOVERY_SECONDS_MAX)):
            await at_once(use, callers)
        assert pool.statistics().discarded >= POOL_SIZE_MAX - callers + 1


async def test_a_statement_whose_connection_died_is_given_up_before_its_time_limit(conninfo: str) -> None:
    async with proxied(conninfo) as proxy, Pool(proxy.conninfo) as pool:

        async def lose() -> None:
            with pytest.raises(ConnectionLost, match="dead"):
                async with pool.connection() as connection:
                    await connection.fetch("select pg_sleep(1)")

        async with trio.open_nursery() as nursery:
            for _ in range(POOL_SIZE_MAX):
                nursery.start_soon(lose)
            while pool.statistics().opened < POOL_SIZE_MAX:  # noqa: ASYNC110 - it can only be asked
                await trio.sleep(0.01)
            proxy.freeze()
            nursery.cancel_scope.deadline = trio.current_time() + 3 * RECOVERY_SECONDS_MAX
        assert not nursery.cancel_scope.cancelled_caught


async def test_a_statement_that_is_only_slow_is_waited_for(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.postgres.driver.DOUBT_SECONDS", 0.3)
    connection = await Connection.open(conninfo)
    await connection.fetch("select pg_sleep(1.5)")
    connection.close()


async def test_a_statement_on_a_server_that_cannot_be_asked_is_waited_for(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.postgres.driver.DOUBT_SECONDS", 0.3)
    async with proxied(conninfo) as proxy:
        connection = await Connection.open(proxy.conninfo)
        connection._conninfo = make_conninfo(conninfo, dbname="there_is_none")
        await connection.fetch("select pg_sleep(1)")
        connection.close()


async def test_sessions_that_turned_read_only_are_replaced_together(conninfo: str) -> None:
    database = conninfo_to_dict(conninfo)["dbname"]
    async with Pool(conninfo) as pool:
        journal = PostgresJournal(pool, pool)
        query(conninfo, f"alter database {database} set default_transaction_read_only = on")
        await open_all(pool)
        writable = make_conninfo(conninfo, options="-c default_transaction_read_only=off")
        query(writable, f"alter database {database} reset default_transaction_read_only")
        with pytest.raises(JournalUnavailable, match="read-only"):
            await journal.append(PROJECT, [claim(1)], {})
        assert pool.statistics().idle == 0
        await journal.append(PROJECT, [claim(1)], {})


async def test_sessions_that_lost_their_rights_are_replaced_together(conninfo: str) -> None:
    query(conninfo, "drop role if exists poor; create role poor login; grant select on events to poor")
    try:
        async with Pool(make_conninfo(conninfo, user="poor")) as pool:
            await open_all(pool)
            with pytest.raises(StoreUnavailable, match="permission denied"):
                async with pool.connection() as connection:
                    await connection.fetch("select * from owners")
            assert pool.statistics().idle == 0
    finally:
        query(conninfo, "drop owned by poor; drop role poor")


async def test_sessions_that_no_longer_find_the_tables_are_replaced_together(conninfo: str) -> None:
    database = conninfo_to_dict(conninfo)["dbname"]
    async with Pool(conninfo) as pool:
        journal = PostgresJournal(pool, pool)
        query(conninfo, f"alter database {database} set search_path = nowhere")
        await open_all(pool)
        query(conninfo, f"alter database {database} reset search_path")
        with pytest.raises(JournalUnavailable, match="does not exist"):
            await journal.append(PROJECT, [claim(1)], {})
        assert pool.statistics().idle == 0
        await journal.append(PROJECT, [claim(1)], {})
