"""What was read is vouched for by a commit, where a synchronous standby may lack it, and for nothing elsewhere."""

import trio

from engine.history import EMPTY
from store import Store, migrate, open_store
from tests.faults.cluster import Cluster
from tests.faults.patience import patient

PROJECT = 1
WAIT_SECONDS = 1
HEARD_SECONDS_MAX = 20
TRANSACTIONS = "select pg_snapshot_xmax(pg_current_snapshot())"


async def test_what_was_read_is_vouched_for_once_the_synchronous_standby_has_it(durable: Cluster) -> None:
    await migrate(durable.conninfo())
    async with open_store(durable.conninfo()) as store:
        before = durable.query(TRANSACTIONS)
        assert await store.journal.confirm(PROJECT) == EMPTY
        assert durable.query(TRANSACTIONS) == before, "there is no standby, so nothing was written"
        durable.follow_synchronously(on=True)
        with trio.fail_after(patient(HEARD_SECONDS_MAX)):
            while not await waits_for_the_standby(store):  # PostgreSQL reads its settings when it comes to it
                pass
        durable.follow_synchronously(on=False)
        assert await store.journal.confirm(PROJECT) == EMPTY


async def waits_for_the_standby(store: Store) -> bool:
    """Whether a commit waits for the standby, which is away."""
    with trio.move_on_after(WAIT_SECONDS) as waited:
        await store.journal.confirm(PROJECT)
    return waited.cancelled_caught
