"""Outages are logged when they begin, at growing intervals, and when they are over."""

import trio
from trio.testing import MockClock

from store.outages import TELL_SECONDS_MIN, Outage


async def test_an_outage_is_told_at_growing_intervals_and_once_it_is_over(autojump_clock: MockClock) -> None:
    outage, began, told = Outage(), trio.current_time(), []
    while outage.seconds < 2_000:
        if outage.failed():
            told.append(trio.current_time() - began)
        await trio.sleep(1)
    assert told == [0, 10, 30, 70, 150, 310, 630, 1230, 1830]
    assert outage.over() == 2_000
    assert outage.over() is None
    assert outage.seconds == 0


async def test_what_fails_again_and_again_is_told_of_now_and_then(autojump_clock: MockClock) -> None:
    outage, told = Outage(), 0
    for _ in range(40):
        told += outage.failed()
        await trio.sleep(0.5)
        outage.over()
        await trio.sleep(0.5)
    assert told == 40 / TELL_SECONDS_MIN


async def test_an_outage_that_nobody_was_told_of_ends_in_silence(autojump_clock: MockClock) -> None:
    outage = Outage()
    assert outage.failed()
    assert outage.over() == 0
    assert not outage.failed()
    assert outage.over() is None
