"""The pool: bounded, patient for so long, and never lending a dead session."""

from collections.abc import Iterator

import pytest
import trio
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from trio.testing import wait_all_tasks_blocked

from store.errors import ConnectionLost, StoreUnavailable
from store.opening import open_store
from store.postgres.connection import Connection
from store.postgres.pool import Pool
from tests.bounds import HANG_SECONDS
from tests.postgres import query

pytestmark = pytest.mark.usefixtures("bounded")


async def test_a_session_is_used_again(conninfo: str) -> None:
    async with Pool(conninfo) as pool:
        for _ in range(3):
            async with pool.connection() as connection:
                await connection.fetch("select 1")
        assert (pool.statistics().opened, pool.statistics().idle, pool.statistics().lent) == (1, 1, 0)


async def test_at_most_so_many_sessions_exist_and_the_next_task_waits(conninfo: str) -> None:
    served = 0

    async def use(pool: Pool) -> None:
        nonlocal served
        async with pool.connection() as connection:
            await connection.fetch("select pg_sleep(0.01)")
            assert pool.statistics().lent <= 2
            served += 1

    async with Pool(conninfo, size_max=2) as pool:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(use, pool)
        assert served == 10
        assert pool.statistics().opened == 2


async def test_waiting_for_a_session_ends(conninfo: str) -> None:
    async with Pool(conninfo, size_max=1) as pool, pool.connection():
        pool._acquire_timeout_seconds = 0.05  # not before: the first session takes as long as it takes
        with pytest.raises(StoreUnavailable):
            async with pool.connection():
                raise AssertionError("lent twice")
    assert pool.statistics().lent == 0


async def test_cancelling_who_waits_costs_no_session(conninfo: str) -> None:
    async with Pool(conninfo, size_max=1) as pool:
        async with pool.connection(), trio.open_nursery() as nursery:
            nursery.start_soon(pool.connection().__aenter__)
            await wait_all_tasks_blocked()
            assert pool.statistics().waiting == 1
            nursery.cancel_scope.cancel()
        async with pool.connection() as connection:
            assert connection.idle


async def test_a_session_left_in_a_transaction_is_not_lent_again(conninfo: str) -> None:
    async with Pool(conninfo) as pool:
        async with pool.connection() as connection:
            await connection.execute("begin")
        assert connection.closed
        assert pool.statistics().discarded == 1


async def test_a_session_that_died_while_idle_is_replaced_unnoticed(conninfo: str) -> None:
    async with Pool(conninfo) as pool:
        async with pool.connection() as connection:
            ((pid,),) = await connection.fetch("select pg_backend_pid()")
        query(conninfo, "select pg_terminate_backend(%s, 5000)", (pid,))
        async with pool.connection() as connection:
            assert await connection.fetch("select 1") == [(1,)]
        assert (pool.statistics().opened, pool.statistics().discarded) == (2, 1)


async def test_a_session_that_dies_in_use_is_reported_and_replaced(conninfo: str) -> None:
    async def die(pool: Pool) -> None:
        async with pool.connection() as connection:
            await connection.fetch("select pg_terminate_backend(pg_backend_pid())")

    async with Pool(conninfo, size_max=1) as pool:
        with pytest.raises(ConnectionLost):
            await die(pool)
        async with pool.connection() as connection:
            assert await connection.fetch("select 1") == [(1,)]


async def test_a_closed_pool_lends_nothing_and_keeps_nothing(conninfo: str) -> None:
    pool = Pool(conninfo)
    async with pool.connection() as connection:
        pool.close()
        in_use = not connection.closed
    assert (in_use, connection.closed) == (True, True)
    with pytest.raises(StoreUnavailable):
        async with pool.connection():
            raise AssertionError("lent after closing")


async def test_a_server_that_refuses_is_tried_again_until_it_accepts(conninfo: str) -> None:
    database = conninfo_to_dict(conninfo)["dbname"]
    elsewhere = make_conninfo(conninfo, dbname="postgres")
    query(elsewhere, f"alter database {database} allow_connections false")
    async with Pool(conninfo) as pool, trio.open_nursery() as nursery:
        served = trio.Event()

        async def use() -> None:
            async with pool.connection(within_seconds=60):
                served.set()

        nursery.start_soon(use)
        await wait_all_tasks_blocked(0.05)
        assert not served.is_set()
        query(elsewhere, f"alter database {database} allow_connections true")
        await served.wait()


@pytest.fixture
def limited(conninfo: str) -> Iterator[str]:
    """The conninfo of a role that may have one session."""
    query(conninfo, "drop role if exists limited")
    query(conninfo, "create role limited login connection limit 1")
    yield make_conninfo(conninfo, user="limited")
    query(conninfo, "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'limited'")
    query(conninfo, "drop role limited")


async def test_pools_beside_each_other_take_turns_with_the_only_session_there_is(limited: str) -> None:
    beside: list[Pool] = []
    async with Pool(limited, beside=beside) as pool, Pool(limited, beside=beside) as history:
        for each in (pool, history, pool):
            async with each.connection(within_seconds=HANG_SECONDS) as connection:
                assert await connection.fetch("select 1") == [(1,)]


async def test_a_pool_in_use_gives_its_only_session_to_the_one_beside_it(limited: str) -> None:
    beside: list[Pool] = []
    async with (
        Pool(limited, beside=beside) as pool,
        Pool(limited, beside=beside) as history,
        trio.open_nursery() as nursery,
    ):

        async def keep_using() -> None:
            while True:
                async with pool.connection(within_seconds=HANG_SECONDS) as connection:
                    await connection.fetch("select 1")

        for _ in range(3):
            nursery.start_soon(keep_using)
        while not pool.statistics().opened:
            await trio.lowlevel.checkpoint()
        async with history.connection(within_seconds=HANG_SECONDS) as connection:
            assert await connection.fetch("select 1") == [(1,)]
        nursery.cancel_scope.cancel()


async def test_tasks_wait_for_the_only_session_to_come_back(limited: str) -> None:
    served = 0

    async def use(pool: Pool) -> None:
        nonlocal served
        async with pool.connection(within_seconds=HANG_SECONDS) as connection:
            await connection.fetch("select 1")
            served += 1

    async with Pool(limited) as pool:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(use, pool)
        assert (served, pool.statistics().opened) == (10, 1)


async def test_a_server_that_goes_on_refusing_is_named_in_the_end(conninfo: str) -> None:
    async with Pool(make_conninfo(conninfo, dbname="there_is_none")) as pool:
        with pytest.raises(StoreUnavailable, match=r"within 0.2 s: .*there_is_none"):
            async with pool.connection(within_seconds=0.2):
                raise AssertionError("lent")
        assert pool.statistics().lent == 0


async def test_a_read_whose_session_is_lost_is_read_again(conninfo: str) -> None:
    lost = [False, True]

    async def read(connection: Connection) -> str:
        if lost.pop():
            await connection.fetch("select pg_terminate_backend(pg_backend_pid())")
        return "read"

    async with open_store(conninfo) as store:
        assert await store.read(read) == "read"
