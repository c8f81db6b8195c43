"""Sessions: what they promise about errors, cancellation, time and addresses."""

import traceback
from datetime import UTC, datetime, timedelta
from math import inf

import pytest
import trio
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from store.errors import ConnectionLost, StatementFailed, StoreUnavailable, UniqueTaken
from store.postgres.connection import ROWS_AT_ONCE, Connection
from store.postgres.prepared import Prepared
from tests.postgres import query
from tests.store.proxy import proxied

pytestmark = pytest.mark.usefixtures("bounded")

INSERT_CURSOR = "insert into cursors values (1, 1, %s)"


async def test_values_come_back_as_they_went(conninfo: str) -> None:
    connection = await Connection.open(conninfo)
    when = datetime(2026, 3, 29, 2, 30, 0, 123000, tzinfo=UTC)
    ((number, text, raw, at, nothing),) = await connection.fetch(
        "select %s::bigint, %s::text, %s::bytea, %s::timestamptz, null", (2**53, "é🦆", bytes(range(256)), when)
    )
    assert (number, text, raw, at, nothing) == (2**53, "é🦆", bytes(range(256)), when, None)
    assert at.utcoffset() == timedelta(0)
    connection.close()


async def test_text_is_utf_8_whatever_the_database_and_the_address_say(conninfo: str) -> None:
    query(conninfo, f"alter database {conninfo_to_dict(conninfo)['dbname']} set client_encoding = 'LATIN1'")
    for address in (conninfo, f"{conninfo} client_encoding=LATIN1"):
        connection = await Connection.open(address)
        assert await connection.fetch("select %s::text, octet_length(%s)", ("é🦆", "é🦆")) == [("é🦆", 6)]
        connection.close()


LIMITS = (
    "idle_session_timeout = '1ms'",
    "idle_in_transaction_session_timeout = '1ms'",
    "transaction_timeout = '1ms'",
    "client_min_messages = 'debug1'",
)


@pytest.mark.parametrize("limit", LIMITS)
async def test_limits_of_the_database_for_people_do_not_end_a_session(conninfo: str, limit: str) -> None:
    name = limit.partition(" ")[0]
    if not query(conninfo, "select from pg_settings where name = %s", (name,)):
        pytest.skip(f"this PostgreSQL has no {name}")
    query(conninfo, f"alter database {conninfo_to_dict(conninfo)['dbname']} set {limit}")
    connection = await Connection.open(conninfo)
    async with connection.transaction():
        await connection.fetch("select pg_sleep(0.01)")
        await trio.sleep(0.01)  # longer than the limit
    ((value,),) = await connection.fetch("select current_setting(%s)", (name,))
    assert value in ("0", "15s", "warning")
    connection.close()


async def test_a_long_limit_of_the_database_for_idle_transactions_stays(conninfo: str) -> None:
    name = conninfo_to_dict(conninfo)["dbname"]
    query(conninfo, f"alter database {name} set idle_in_transaction_session_timeout = '5min'")
    connection = await Connection.open(conninfo)
    assert await connection.fetch("select current_setting('idle_in_transaction_session_timeout')") == [("5min",)]
    connection.close()


async def test_a_unique_violation_leaves_the_session_usable(conninfo: str) -> None:
    connection = await Connection.open(conninfo)
    await connection.execute(INSERT_CURSOR, (1,))
    with pytest.raises(UniqueTaken):
        await connection.execute(INSERT_CURSOR, (2,))
    assert connection.idle
    assert await connection.fetch("select seq from cursors") == [(1,)]
    connection.close()


async def test_a_statement_that_makes_no_sense_is_our_fault(conninfo: str) -> None:
    connection = await Connection.open(conninfo)
    with pytest.raises(StatementFailed):
        await connection.fetch("select nonsense")
    assert connection.looks_alive()
    connection.close()


async def test_the_server_gives_up_a_slow_statement(conninfo: str) -> None:
    connection = await Connection.open(conninfo, statement_timeout_seconds=0.05)
    with pytest.raises(StoreUnavailable) as caught:
        await connection.fetch("select pg_sleep(60)")
    assert not isinstance(caught.value, ConnectionLost)
    assert connection.idle
    connection.close()


async def test_a_silent_server_is_given_up(conninfo: str, autojump_clock: trio.testing.MockClock) -> None:
    # On the mock clock real I/O looks like silence, which is what is wanted here once the session is open.
    autojump_clock.autojump_threshold = inf
    connection = await Connection.open(conninfo)
    autojump_clock.autojump_threshold = 0.2
    with pytest.raises(ConnectionLost):
        await connection.fetch("select pg_sleep(60)")
    assert connection.closed


async def test_cancelling_a_statement_closes_the_session(conninfo: str) -> None:
    connection = await Connection.open(conninfo)
    with trio.move_on_after(0.05) as scope:
        await connection.fetch("select pg_sleep(60)")
    assert scope.cancelled_caught
    assert connection.closed
    with pytest.raises(StoreUnavailable):
        await connection.fetch("select 1")


async def test_a_statement_cancelled_before_it_began_leaves_the_session_idle_or_closed(conninfo: str) -> None:
    connection = await Connection.open(conninfo)
    with trio.CancelScope() as scope:
        scope.cancel()
        await connection.execute(INSERT_CURSOR, (1,))
    assert connection.idle or connection.closed
    connection.close()


async def test_a_transaction_commits_all_of_it(conninfo: str) -> None:
    connection = await Connection.open(conninfo)
    async with connection.transaction():
        await connection.execute(INSERT_CURSOR, (1,))
        assert query(conninfo, "select count(*) from cursors") == [(0,)]
    assert query(conninfo, "select count(*) from cursors") == [(1,)]
    connection.close()


async def test_an_error_in_a_transaction_undoes_it_and_keeps_the_session(conninfo: str) -> None:
    connection = await Connection.open(conninfo)

    async def fail() -> None:
        async with connection.transaction():
            await connection.execute(INSERT_CURSOR, (1,))
            await connection.execute(INSERT_CURSOR, (2,))

    with pytest.raises(UniqueTaken):
        await fail()
    assert connection.idle
    assert await connection.fetch("select * from cursors") == []
    connection.close()


async def test_a_prepared_statement_runs_also_after_a_rollback(conninfo: str) -> None:
    connection, prepared = await Connection.open(conninfo), Prepared("select %(value)s::bigint")
    assert await connection.run(prepared, {"value": 1}) == [(1,)]
    await connection.fetch("select 1", prepare=True)  # psycopg removes all statements if it prepared one itself
    with pytest.raises(KeyError):
        async with connection.transaction():
            raise KeyError
    await connection.fetch("select 2", prepare=True)
    assert await connection.run(prepared, {"value": 2}) == [(2,)]
    connection.close()


async def test_statements_run_together_end_with_their_transaction(conninfo: str) -> None:
    connection = await Connection.open(conninfo)
    insert = Prepared("insert into cursors values (1, 1, %(seq)s) returning seq")
    count = Prepared("select count(*), repeat('x', %(size)s) from cursors")
    assert await connection.begin_and_run((count, {"size": 100_000}), (count, {"size": 1})) == [(0, "x")]
    assert await connection.run_and_commit(insert, {"seq": 7}) == [(7,)]
    assert connection.idle
    await connection.begin_and_run((count, {"size": 1}))
    with pytest.raises(UniqueTaken):
        await connection.run_and_commit(insert, {"seq": 8})
    await connection.execute("rollback")
    assert await connection.begin_and_run((count, {"size": 2})) == [(1, "xx")]
    await connection.execute("rollback")
    assert await connection.fetch("select seq from cursors") == [(7,)]
    connection.close()


async def test_a_server_that_hangs_up_among_statements_run_together_is_lost(conninfo: str) -> None:
    connection = await Connection.open(conninfo)
    end_ourselves = Prepared("select pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(ConnectionLost):
        await connection.begin_and_run((end_ourselves, {}), (end_ourselves, {}))
    assert connection.closed


async def test_a_cancelled_transaction_is_undone(conninfo: str) -> None:
    connection = await Connection.open(conninfo)
    with trio.CancelScope() as scope:
        async with connection.transaction():
            await connection.execute(INSERT_CURSOR, (1,))
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert connection.closed
    assert query(conninfo, "select count(*) from cursors") == [(0,)]


async def test_a_statement_larger_than_any_buffer_arrives_whole(conninfo: str) -> None:
    connection = await Connection.open(conninfo)
    large = "x" * 20_000_000
    assert await connection.fetch("select length(%s::text)", (large,)) == [(len(large),)]
    length = Prepared("select length(%(text)s::text)")
    assert await connection.begin_and_run((length, {"text": large}), (length, {"text": large})) == [(len(large),)]
    connection.close()


async def test_others_run_while_many_rows_are_read(conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("store.postgres.connection.SLICE_SECONDS", 0)
    connection = await Connection.open(conninfo)
    seen_by_others = set[int]()
    made: list[int] = []

    async def watch() -> None:
        while True:
            seen_by_others.add(len(made))
            await trio.lowlevel.checkpoint()

    def make(row: tuple[int]) -> int:
        made.append(row[0])
        return row[0]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        found = await connection.fetch_each("select generate_series(1, 1000)", {}, make)
        nursery.cancel_scope.cancel()
    assert found == list(range(1, 1001))
    assert len(seen_by_others) >= 1000 // ROWS_AT_ONCE
    connection.close()


async def test_a_session_that_the_server_ended_no_longer_looks_alive(conninfo: str) -> None:
    connection = await Connection.open(conninfo)
    ((pid,),) = await connection.fetch("select pg_backend_pid()")
    assert connection.looks_alive()
    query(conninfo, "select pg_terminate_backend(%s, 5000)", (pid,))
    assert not connection.looks_alive()
    with pytest.raises(ConnectionLost):
        await connection.fetch("select 1")
    assert connection.closed


async def test_an_address_that_answers_is_found_among_those_that_do_not(conninfo: str) -> None:
    there = conninfo_to_dict(conninfo)["host"]
    several = make_conninfo(conninfo, host=f"/nowhere,127.0.0.1,{there}", port="1,1,5432")
    connection = await Connection.open(several)
    assert connection.idle
    connection.close()


async def test_a_name_is_resolved_and_its_addresses_tried(conninfo: str) -> None:
    async with proxied(conninfo) as proxy:
        connection = await Connection.open(make_conninfo(proxy.conninfo, host="localhost"))
        assert await connection.fetch("select 1") == [(1,)]
        connection.close()


@pytest.mark.parametrize("host", ["/nowhere", "127.0.0.1", "no-such-host.invalid"])
async def test_nobody_there_is_unavailable(conninfo: str, host: str) -> None:
    with pytest.raises(StoreUnavailable):
        await Connection.open(make_conninfo(conninfo, host=host, port=1))


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("postgresql://.../bus", "cannot resolve '...'"),
        ("postgresql://user:a/b@host/bus", "%2F"),
        ("host=/nowhere connect_timeout=soon", "connect_timeout is 'soon'"),
    ],
)
async def test_an_address_that_cannot_be_is_a_sentence(address: str, said: str) -> None:
    with pytest.raises(StoreUnavailable) as refused:
        await Connection.open(address)
    assert said in str(refused.value)


@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_connect_timeout_that_is_no_limit_for_libpq_is_none_here(conninfo: str, seconds: int) -> None:
    (await Connection.open(f"{conninfo} connect_timeout={seconds}")).close()


async def test_a_server_that_never_answers_is_unavailable_in_time(conninfo: str) -> None:
    async with proxied(conninfo) as proxy:
        proxy.stall_answers = True
        with pytest.raises(StoreUnavailable, match="no answer"):
            await Connection.open(proxy.conninfo, connect_timeout_seconds=0.1)


async def test_connecting_can_be_cancelled(conninfo: str) -> None:
    async with proxied(conninfo) as proxy:
        proxy.stall_answers = True
        with trio.move_on_after(0.1) as scope:
            await Connection.open(proxy.conninfo)
        assert scope.cancelled_caught


async def test_a_database_url_that_cannot_be_read_is_refused_without_repeating_it() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await Connection.open("postgresql://user:secret word@[host/db")
    assert "secret" not in str(caught.value)


async def test_news_arrives(conninfo: str) -> None:
    connection = await Connection.open(conninfo, statement_timeout_seconds=inf)
    await connection.execute("listen gossip")
    query(conninfo, "select pg_notify('gossip', 'hear')")
    assert await connection.notified(within_seconds=10) == ["hear"]
    connection.close()


@pytest.mark.parametrize(
    "conninfo",
    [
        "postgresql://ann:hun%ter2@127.0.0.1/bus",
        "host=127.0.0.1 password=a hun%ter2",
        "postgresql://ann:p@hun%25ter2@127.0.0.1/bus",
    ],
)
async def test_a_database_url_that_makes_no_sense_does_not_tell_its_password(conninfo: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        await Connection.open(conninfo)
    assert "hun%ter2" not in "".join(traceback.format_exception(caught.value))


async def test_a_prepared_statement_whose_session_is_ended_by_the_server_is_lost(conninfo: str) -> None:
    connection = await Connection.open(conninfo)
    sleep = Prepared("select pg_backend_pid(), pg_sleep(%(seconds)s)")
    ((pid, _),) = await connection.run(sleep, {"seconds": 0})
    async with trio.open_nursery() as nursery:

        async def end_it_once_it_sleeps() -> None:
            ask = "select pid from pg_stat_activity where pid = %s and wait_event = 'PgSleep'"
            while not await trio.to_thread.run_sync(query, conninfo, ask, (pid,)):
                pass
            await trio.to_thread.run_sync(query, conninfo, "select pg_terminate_backend(%s)", (pid,))

        nursery.start_soon(end_it_once_it_sleeps)
        with pytest.raises(ConnectionLost, match="administrator"):
            await connection.run(sleep, {"seconds": 60})
    assert connection.closed
