"""When counts are made, and what readers get meanwhile."""

import pytest
import trio
from trio.testing import MockClock

from store.errors import StoreUnavailable
from store.ledger.statistics import PublicStats
from web.landing import live_counts
from web.landing.live_counts import FRESH_SECONDS, LiveCounts


class Counting:
    """Counts one more event every time, in no time unless told how long."""

    def __init__(self) -> None:
        self.times = 0
        self.seconds = 0.0
        self.broken = False

    async def count(self) -> PublicStats:
        self.times += 1
        await trio.sleep(self.seconds)
        if self.broken:
            raise StoreUnavailable("silent")
        return PublicStats(events=self.times, posts=3, acknowledged=2, with_ref=1, projects=1, participants=1)


async def events(counts: LiveCounts) -> int | None:
    latest = await counts.latest()
    return None if latest is None else latest.events


async def test_nothing_is_counted_while_nobody_looks(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    counting = Counting()
    nursery.start_soon(LiveCounts(counting.count).run)
    await trio.sleep(10 * FRESH_SECONDS)
    assert counting.times == 0


async def test_counts_are_shared_for_a_minute(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    counts = LiveCounts(Counting().count)
    nursery.start_soon(counts.run)
    latest = await counts.latest()
    assert latest is not None
    assert (latest.acknowledged_share, latest.ref_share) == (0.667, 0.333)
    await trio.sleep(FRESH_SECONDS - 1)
    assert await events(counts) == 1
    await trio.sleep(1)
    assert await events(counts) == 2


async def test_a_slow_count_keeps_nobody_waiting_long(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_counts, "PATIENCE_SECONDS", 1.0)
    counting = Counting()
    counts = LiveCounts(counting.count)
    nursery.start_soon(counts.run)
    counting.seconds = 30.0
    assert await events(counts) is None
    await trio.sleep(30)
    assert await events(counts) == 1
    await trio.sleep(FRESH_SECONDS)
    assert await events(counts) == 1  # the old one, while a new one is made
    await trio.sleep(30)
    assert await events(counts) == 2
    assert counting.times == 2


async def test_old_counts_do_while_the_database_is_silent(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    counting = Counting()
    counts = LiveCounts(counting.count)
    nursery.start_soon(counts.run)
    assert await events(counts) == 1
    await trio.sleep(FRESH_SECONDS)
    counting.broken = True
    assert await events(counts) == 1
    counting.broken = False
    assert await events(counts) == 3
