"""Pauses double up to a bound, and stop at the deadline."""

from math import inf

import trio
from trio.testing import MockClock

from actors import Limits
from actors.retrying import Backoff, doubled

LIMITS = Limits(backoff_seconds_min=1, backoff_seconds_max=4, retry_seconds_max=12)


async def test_pauses_double_until_no_time_is_left(autojump_clock: MockClock) -> None:
    backoff, began, moments = Backoff(LIMITS), trio.current_time(), []
    while backoff.too_late_for == -inf:
        await backoff.pause()
        moments.append(trio.current_time() - began)
    assert moments == [1, 3, 7, 11]
    assert backoff.too_late_for == began + 11 + 4 - 12


async def test_failures_are_told_whenever_the_tries_have_doubled(autojump_clock: MockClock) -> None:
    backoff, told = Backoff(LIMITS), []
    for _ in range(17):
        await backoff.pause()
        if backoff.tell():
            told.append(backoff.tries)
    assert told == [1, 2, 4, 8, 16]


async def test_a_try_that_need_not_wait_does_not(autojump_clock: MockClock) -> None:
    backoff, began = Backoff(LIMITS), trio.current_time()
    await backoff.pause(immediately=True)
    assert trio.current_time() == began
    assert backoff.tries == 1


def test_doubling_ends_at_its_bound_however_often() -> None:
    assert [doubled(1, times, seconds_max=5) for times in (0, 1, 2, 3)] == [1, 2, 4, 5]
    assert doubled(1, 100_000, seconds_max=5) == 5
