"""What the journal says when the network or PostgreSQL goes, and that it works again afterwards without being told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from engine.errors import JournalError, JournalUnavailable, OutcomeUnknown, TooSlow
from engine.lookups import EventQuery, PostQuery
from store.embedded.running import embedded_postgres
from store.ledger import searches
from store.ledger.journal import PostgresJournal
from store.opening import Store, open_store
from store.postgres.migrate import migrate
from store.postgres.pool import Pool
from tests.actors.journal_conformance import PROJECT, claim
from tests.postgres import FAST_AND_CARELESS, Server, kill_postgres, query
from tests.store.proxy import proxied

pytestmark = pytest.mark.usefixtures("bounded")


@asynccontextmanager
async def journal_at(conninfo: str) -> AsyncIterator[PostgresJournal]:
    async with open_store(conninfo) as store:
        yield store.journal


async def test_an_append_cut_off_on_its_way_there_did_not_happen(conninfo: str) -> None:
    async with proxied(conninfo) as proxy, journal_at(proxy.conninfo) as journal:
        await journal.append(PROJECT, [claim(1)], {})
        proxy.swallow_requests = True
        with pytest.raises(OutcomeUnknown):
            await journal.append(PROJECT, [claim(2)], {})
        proxy.swallow_requests = False
        assert len(await journal.tail(PROJECT, 0, 9)) == 1
        await journal.append(PROJECT, [claim(2)], {})


async def test_an_append_cut_off_on_its_way_back_happened(conninfo: str) -> None:
    async with proxied(conninfo) as proxy, journal_at(proxy.conninfo) as journal:
        await journal.append(PROJECT, [claim(1)], {})
        proxy.swallow_answers = True
        with pytest.raises(OutcomeUnknown):
            await journal.append(PROJECT, [claim(2)], {})
        proxy.swallow_answers = False
        assert [row.writer for row in await journal.tail(PROJECT, 0, 9)] == [journal.writer] * 2
        assert proxy.connections == 2


async def test_a_read_that_is_cut_off_is_unavailable(conninfo: str) -> None:
    async with proxied(conninfo) as proxy, journal_at(proxy.conninfo) as journal:
        await journal.tail(PROJECT, 0, 9)
        proxy.swallow_answers = True
        for read in (
            journal.load(PROJECT),
            journal.tail(PROJECT, 0, 9),
            journal.events(PROJECT, EventQuery(upto=9, limit=9)),
        ):
            with pytest.raises(JournalUnavailable):
                await read


async def test_a_cancelled_append_gives_its_session_up_and_the_next_one_works(conninfo: str) -> None:
    async with proxied(conninfo) as proxy, journal_at(proxy.conninfo) as journal:
        await journal.append(PROJECT, [claim(1)], {})
        proxy.stall_answers = True
        with trio.move_on_after(0.1) as scope:
            await journal.append(PROJECT, [claim(2)], {})
        assert scope.cancelled_caught
        proxy.stall_answers = False
        async with journal.turn(PROJECT, 0, 9):
            durable = await journal.tail(PROJECT, 0, 9)
        await journal.append(PROJECT, [claim(len(durable) + 1)], {})


async def test_a_turn_is_left_quietly_when_its_session_is_gone(conninfo: str) -> None:
    end = "select pg_terminate_backend(pid, 5000) from pg_locks where locktype = 'advisory' and granted"
    async with journal_at(conninfo) as journal:
        async with journal.turn(PROJECT, 0, 9):
            query(conninfo, end)
        async with journal.turn(PROJECT, 0, 9):
            query(conninfo, end)
            with pytest.raises(OutcomeUnknown):
                await journal.append(PROJECT, [claim(1)], {}, holding_turn=True)
        async with journal.turn(PROJECT, 0, 9) as durable:
            assert durable == []
            await journal.append(PROJECT, [claim(1)], {}, holding_turn=True)
        await journal.append(PROJECT, [claim(2)], {})


async def test_a_turn_waited_for_too_long_is_unavailable_and_nothing_was_written(conninfo: str) -> None:
    async with Pool(conninfo, statement_timeout_seconds=0.1) as hasty, journal_at(conninfo) as journal:
        async with journal.turn(PROJECT, 0, 9):
            with pytest.raises(JournalUnavailable):
                await PostgresJournal(hasty, hasty).append(PROJECT, [claim(1)], {})
        assert await journal.tail(PROJECT, 0, 9) == []


async def test_a_search_that_takes_too_long_ends_and_says_so(conninfo: str) -> None:
    async with (
        Pool(conninfo, statement_timeout_seconds=0.1) as hasty,
        Pool(conninfo) as pool,
        pool.connection() as blocker,
        blocker.transaction(),
    ):
        await blocker.execute("lock table events in access exclusive mode")
        journal = PostgresJournal(pool, pool, hasty)
        with pytest.raises(TooSlow, match="narrow it"):
            await journal.events(PROJECT, EventQuery(upto=9, limit=9))
        with pytest.raises(TooSlow, match="narrow it"):
            await journal.posts(PROJECT, PostQuery(upto=9, limit=9))


async def test_the_searches_of_one_project_leave_sessions_to_the_others(
    conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "QUEUE_SECONDS_MAX", 0.1)
    async with Pool(conninfo, size_max=4) as pool, trio.open_nursery() as nursery:
        lent = searches.Searches(pool)

        async def search(task_status: trio.TaskStatus[None]) -> None:
            async with lent.session(PROJECT):
                task_status.started()
                await trio.sleep_forever()

        for _ in range(2):
            await nursery.start(search)
        with pytest.raises(TooSlow, match="too many searches"):
            async with lent.session(PROJECT):
                pass
        async with lent.session(PROJECT + 1) as connection:
            assert await connection.fetch("select 1") == [(1,)]
        nursery.cancel_scope.cancel()


async def test_nothing_is_lost_and_nothing_asked_for_when_postgres_is_killed_and_started_again(
    postgres: Server, data_dir: Path
) -> None:
    async def append_one(store: Store, confirmed: list[int]) -> None:
        durable = len(await store.journal.tail(PROJECT, 0, 1000))
        await store.journal.append(PROJECT, [claim(durable + 1)], {})
        confirmed.append(durable + 1)

    async def append_on_and_on(store: Store, confirmed: list[int], broken: trio.Event, again: trio.Event) -> None:
        while True:
            try:
                await append_one(store, confirmed)
            except JournalError:
                broken.set()
                await trio.sleep(0.01)
            else:
                if broken.is_set():
                    again.set()

    settings = {**FAST_AND_CARELESS, "fsync": "on", "synchronous_commit": "on"}
    broken, again, confirmed = trio.Event(), trio.Event(), list[int]()
    async with embedded_postgres(data_dir, binaries=postgres.binaries, settings=settings) as conninfo:
        await migrate(conninfo)
        async with open_store(conninfo) as store, trio.open_nursery() as nursery:
            await append_one(store, confirmed)
            nursery.start_soon(append_on_and_on, store, confirmed, broken, again)
            kill_postgres(data_dir)
            await broken.wait()
            async with embedded_postgres(data_dir, binaries=postgres.binaries, settings=settings):
                await again.wait()
                nursery.cancel_scope.cancel()
        durable = [row[0] for row in query(conninfo, "select seq from events order by seq")]
    assert durable == list(range(1, len(durable) + 1))
    assert set(confirmed) <= set(durable)
