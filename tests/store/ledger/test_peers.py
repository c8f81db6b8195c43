"""Who else is there, when memory may be trusted, and that nobody writes unseen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import structlog.testing
import trio

from engine.errors import JournalUnavailable
from engine.history import EMPTY
from store import Store, open_store
from store.ledger.journal import PostgresJournal
from store.ledger.peers import Peers
from store.postgres.advisory_locks import PEERS_LOCK
from store.postgres.clock import Clock
from store.postgres.pool import Pool
from tests.actors.journal_conformance import PROJECT, claim
from tests.postgres import query
from tests.store.hearing import Heard, until
from tests.store.proxy import proxied

pytestmark = pytest.mark.usefixtures("bounded")

TRUST = 0.3

END_LISTENERS = f"""
select pg_terminate_backend(pid, 5000) from pg_locks
 where locktype = 'advisory' and classid = {PEERS_LOCK} and database = (
       select oid from pg_database where datname = current_database())
"""


@asynccontextmanager
async def serving(conninfo: str, *, trust_seconds: float = TRUST) -> AsyncIterator[tuple[Store, Heard]]:
    """A server's store, registered."""
    heard = Heard()
    async with open_store(conninfo, trust_seconds=trust_seconds) as store, trio.open_nursery() as nursery:
        nursery.start_soon(store.listen, heard.listener)
        assert await heard.next() == "gap"
        yield store, heard
        nursery.cancel_scope.cancel()


async def test_a_server_is_alone_once_it_has_seen_nobody_for_long_enough(conninfo: str) -> None:
    began = trio.current_time()
    async with serving(conninfo) as (store, _):
        await until(lambda: store.journal.alone)
        assert trio.current_time() - began >= TRUST


async def test_servers_see_each_other_and_that_one_left(conninfo: str) -> None:
    async with serving(conninfo) as (first, heard):
        async with serving(conninfo) as (second, _):
            await until(lambda: first.peers.statistics().others == 1)
            assert second.peers.statistics().others == 1
            await trio.sleep(2 * TRUST)
            assert not first.journal.alone
            assert not second.journal.alone
        assert await heard.next() == "gap"
        await until(lambda: first.journal.alone)


async def test_a_servers_first_append_waits_until_the_others_know_of_it(conninfo: str) -> None:
    began = trio.current_time()
    async with serving(conninfo, trust_seconds=1) as (store, _):
        await store.journal.append(PROJECT, [claim(1)], {})
        assert trio.current_time() - began >= 1
        await store.journal.append(PROJECT, [claim(2)], {})


async def test_nothing_is_written_without_a_registration(conninfo: str) -> None:
    class Unregistered(Peers):
        registration = 17

    async with Pool(conninfo) as pool:
        journal = PostgresJournal(pool, pool, peers=Unregistered(conninfo, Clock()))
        with pytest.raises(JournalUnavailable, match="registration"):
            await journal.append(PROJECT, [claim(1)], {1: 1})
        with pytest.raises(JournalUnavailable, match="registration"):
            await journal.append(PROJECT, [], {1: 1})
        assert await journal.head(PROJECT) == EMPTY
        assert await journal.cursor(PROJECT, 1) is None


async def test_a_server_whose_session_was_ended_registers_again_and_writes_on(conninfo: str) -> None:
    async with serving(conninfo) as (store, heard):
        await store.journal.append(PROJECT, [claim(1)], {})
        await trio.to_thread.run_sync(query, conninfo, END_LISTENERS)
        assert await heard.next() == "gap"
        assert not store.journal.alone
        await store.journal.append(PROJECT, [claim(2)], {})
        await until(lambda: store.journal.alone)


async def test_a_deaf_server_knows_it_and_still_writes_under_its_old_registration(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.ledger.peers.HEARTBEAT_SECONDS_MAX", 1.0)
    heard = Heard()
    async with proxied(conninfo) as proxy, Pool(conninfo) as pool, trio.open_nursery() as nursery:
        peers = Peers(proxy.conninfo, Clock(), poll_seconds=TRUST / 2, trust_seconds=TRUST)
        journal = PostgresJournal(pool, pool, peers=peers)

        async def listen() -> None:
            await peers.run(heard.listener, own_writer=journal.writer)

        nursery.start_soon(listen)
        assert await heard.next() == "gap"
        await until(lambda: journal.alone)
        proxy.freeze()
        await until(lambda: peers.deaf)
        assert not journal.alone
        assert peers.statistics().deaf
        await journal.append(PROJECT, [claim(1)], {})
        assert await heard.next() == "gap"
        await journal.append(PROJECT, [claim(2)], {})
        await until(lambda: journal.alone)
        assert peers.statistics().opened == 2
        nursery.cancel_scope.cancel()


async def test_a_database_that_is_away_is_logged_once_and_again_when_it_is_back(conninfo: str) -> None:
    heard = Heard()
    with structlog.testing.capture_logs() as logs:
        async with proxied(conninfo) as proxy, trio.open_nursery() as nursery:
            peers = Peers(proxy.conninfo, Clock(), poll_seconds=TRUST / 2, trust_seconds=TRUST)
            nursery.start_soon(partial(peers.run, heard.listener, own_writer=1))
            assert await heard.next() == "gap"
            proxy.swallow_answers = True
            await until(lambda: proxy.connections > 4)
            proxy.swallow_answers = False
            assert await heard.next() == "gap"
            nursery.cancel_scope.cancel()
    assert [line["event"] for line in logs] == ["listening session lost", "listening session replaced"]
    assert logs[1]["after_seconds"] > 0


async def test_a_server_of_a_release_that_does_not_register_is_seen(conninfo: str) -> None:
    async with serving(conninfo) as (store, _), Pool(conninfo) as old:
        await until(lambda: store.journal.alone)
        async with old.connection() as connection:
            await connection.execute("listen llm_bus")
            await until(lambda: store.peers.statistics().others == 1)
            assert not store.journal.alone
            connection.close()
        await until(lambda: store.journal.alone)
