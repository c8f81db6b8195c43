"""Poolers: session pooling works, transaction pooling is refused with a sentence, and too few sessions are noticed."""

from contextlib import suppress

import pytest
import trio
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.errors import JournalUnavailable
from store import migrate, open_store
from store.errors import PoolerUnfit
from store.ledger.journal import PostgresJournal
from store.postgres.pool import Pool
from store.postgres.poolers import check_sessions, count_sessions
from tests.actors.journal_conformance import PROJECT, claim
from tests.postgres import Server, query
from tests.store.hearing import Heard, until
from tests.store.pgbouncer import needs_pgbouncer, pooled

pytestmark = pytest.mark.usefixtures("bounded")


async def test_a_direct_connection_is_fine(conninfo: str) -> None:
    assert not (await check_sessions(conninfo)).is_there


@needs_pgbouncer
async def test_session_pooling_works(postgres: Server, conninfo: str) -> None:
    async with pooled(postgres, conninfo, "session") as behind:
        assert (await check_sessions(behind)).is_there
        assert await migrate(behind) == []
        heard = Heard()
        async with open_store(behind, trust_seconds=0.2) as store, trio.open_nursery() as nursery:
            nursery.start_soon(store.listen, heard.listener)
            assert await heard.next() == "gap"
            for seq in range(1, 301):
                await store.journal.append(PROJECT, [claim(seq)], {})
            assert (await store.journal.head(PROJECT)).seq == 300
            await until(lambda: store.journal.alone)
            nursery.cancel_scope.cancel()


@needs_pgbouncer
@pytest.mark.parametrize("size", [1, 20])
async def test_transaction_pooling_is_refused_with_a_sentence(postgres: Server, conninfo: str, size: int) -> None:
    async with pooled(postgres, conninfo, "transaction", size=size) as behind:
        for refuse in (check_sessions, migrate):
            with pytest.raises(PoolerUnfit, match="transaction pooling") as refused:
                await refuse(behind)
            assert "pool_mode = session" in str(refused.value)


@needs_pgbouncer
async def test_sessions_are_counted(postgres: Server, conninfo: str) -> None:
    async with pooled(postgres, conninfo, "session", size=5) as behind:
        assert await count_sessions(behind, 8) == 5
    assert await count_sessions(conninfo, 8) == 8


@needs_pgbouncer
async def test_a_pooler_does_not_lend_a_session_again_that_had_turned_read_only(
    postgres: Server, conninfo: str
) -> None:
    database = conninfo_to_dict(conninfo)["dbname"]
    async with pooled(postgres, conninfo, "session") as behind, Pool(behind) as pool:
        journal = PostgresJournal(pool, pool)
        query(conninfo, f"alter database {database} set default_transaction_read_only = on")
        others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        query(conninfo, f"select pg_terminate_backend(pid, 5000) {others}")
        async with pool.connection(), pool.connection():
            pass
        writable = make_conninfo(conninfo, options="-c default_transaction_read_only=off")
        query(writable, f"alter database {database} reset default_transaction_read_only")
        with pytest.raises(JournalUnavailable, match="read-only"):
            await journal.append(PROJECT, [claim(1)], {})
        for _ in range(100):  # PgBouncer needs a moment to drop what lies behind a session that we ended
            with suppress(JournalUnavailable):
                await journal.append(PROJECT, [claim(1)], {})
                break
            await trio.sleep(0.1)
        assert (await journal.head(PROJECT)).seq == 1
