"""What was read is vouched for by a commit, where a synchronous standby may lack it, and for nothing elsewhere."""

import trio

from engine.history import EMPTY
from store import migrate, open_store
from tests.faults.cluster import Cluster

PROJECT = 1
TRANSACTIONS = "select pg_snapshot_xmax(pg_current_snapshot())"


async def test_what_was_read_is_vouched_for_once_the_synchronous_standby_has_it(durable: Cluster) -> None:
    await migrate(durable.conninfo())
    async with open_store(durable.conninfo()) as store:
        before = durable.query(TRANSACTIONS)
        assert await store.journal.confirm(PROJECT) == EMPTY
        assert durable.query(TRANSACTIONS) == before, "there is no standby, so nothing was written"
        durable.follow_synchronously(on=True)
        with trio.move_on_after(1) as waited:
            await store.journal.confirm(PROJECT)
        assert waited.cancelled_caught, "the standby is away"
        durable.follow_synchronously(on=False)
        assert await store.journal.confirm(PROJECT) == EMPTY
