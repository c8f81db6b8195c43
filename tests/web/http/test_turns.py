"""Turns among clients: who sends many requests at once waits, who sends one after the other does not."""

from itertools import pairwise

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from web.http.turns import (
    ALONE_SECONDS,
    AT_ONCE_MAX,
    AT_ONCE_SECONDS,
    OTHERS_TURNS_MIN,
    REST_SECONDS_MAX,
    REST_SECONDS_MIN,
    Turns,
)


class Processor:
    """Its time goes on when a test says so."""

    def __init__(self) -> None:
        self.used = 0.0

    def time(self) -> float:
        return self.used


@pytest.fixture
def processor() -> Processor:
    return Processor()


@pytest.fixture
async def turns(processor: Processor, nursery: trio.Nursery) -> Turns:
    turns = Turns(processor.time, trio.current_time)
    nursery.start_soon(turns.run)
    return turns


async def ask_once(turns: Turns, client: str, connection: object = None) -> None:
    """One request, which has ended, on a connection of its own if none is named."""
    await turns.take(client, connection or object())
    turns.end(client)


async def begun(turns: Turns, *clients: str) -> list[tuple[str, float]]:
    """When each of these requests began, in the order of their beginnings."""
    found = []
    asked = trio.current_time()

    async def ask(client: str) -> None:
        await ask_once(turns, client)
        found.append((client, trio.current_time() - asked))

    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(ask, client)
    return found


async def test_a_client_that_is_alone_begins_as_many_as_it_likes(autojump_clock: MockClock, turns: Turns) -> None:
    assert await begun(turns, *["busy"] * 32) == [("busy", 0)] * 32


async def test_a_busy_client_begins_one_at_a_time_while_another_asks(autojump_clock: MockClock, turns: Turns) -> None:
    await ask_once(turns, "other")
    times = [time for _, time in await begun(turns, *["busy"] * 16)]
    rests = [number * REST_SECONDS_MIN for number in range(16)]
    assert times == pytest.approx([0.0] * (AT_ONCE_MAX - 1) + rests[: 17 - AT_ONCE_MAX])


async def test_a_few_of_one_client_that_come_together_do_not_wait(autojump_clock: MockClock, turns: Turns) -> None:
    await ask_once(turns, "other")
    for _ in range(10):
        assert await begun(turns, *["calm"] * AT_ONCE_MAX) == [("calm", 0)] * AT_ONCE_MAX
        await trio.sleep(1.01 * AT_ONCE_SECONDS)


async def test_who_asks_once_does_not_wait_for_those_in_line(autojump_clock: MockClock, turns: Turns) -> None:
    await ask_once(turns, "other")
    found = await begun(turns, *["busy"] * 16, "third")
    assert ("third", 0) in found


async def test_who_sends_one_after_the_other_never_waits(autojump_clock: MockClock, turns: Turns) -> None:
    await ask_once(turns, "other")
    for _ in range(10):
        assert await begun(turns, "calm") == [("calm", 0)]
        await trio.sleep(REST_SECONDS_MIN)


async def test_a_connection_never_waits_for_itself(autojump_clock: MockClock, turns: Turns) -> None:
    # Answers within half a millisecond brought a client into line; beside heavy requests of others it stayed there.
    await ask_once(turns, "other")
    began = trio.current_time()
    for _ in range(100):
        await ask_once(turns, "fast", "its connection")
        await ask_once(turns, "faster", "one connection")
        await ask_once(turns, "faster", "another")
    assert trio.current_time() == began


async def test_a_connection_that_comes_last_waits_with_the_others(autojump_clock: MockClock, turns: Turns) -> None:
    await ask_once(turns, "other")
    await begun(turns, *["busy"] * AT_ONCE_MAX)
    began = trio.current_time()
    await ask_once(turns, "busy", "one more")
    assert trio.current_time() > began


async def test_a_line_ends_when_the_others_have_stopped(autojump_clock: MockClock, turns: Turns) -> None:
    await ask_once(turns, "other")
    times = [time for _, time in await begun(turns, *["busy"] * 2_000)]
    assert max(times) <= ALONE_SECONDS + 2 * REST_SECONDS_MIN


@pytest.mark.parametrize(("work", "rest"), [(0.004, 0.008), (1.0, REST_SECONDS_MAX)])
async def test_a_line_leaves_half_of_the_time_to_others_but_does_not_starve(
    autojump_clock: MockClock, turns: Turns, processor: Processor, work: float, rest: float
) -> None:
    await ask_once(turns, "other")
    times = []

    async def ask() -> None:
        await turns.take("busy", object())
        times.append(trio.current_time())
        processor.used += work

    async with trio.open_nursery() as clients:
        for _ in range(AT_ONCE_MAX + 8):
            clients.start_soon(ask)
    assert [later - earlier for earlier, later in pairwise(times)][-3:] == pytest.approx([rest] * 3)


@pytest.mark.parametrize(("others", "turns_between"), [(OTHERS_TURNS_MIN // 2, OTHERS_TURNS_MIN), (64, 64)])
async def test_a_client_in_line_has_as_many_turns_as_each_of_many_others(
    mock_clock: MockClock,
    turns: Turns,
    processor: Processor,
    nursery: trio.Nursery,
    *,
    others: int,
    turns_between: int,
) -> None:
    in_line = AT_ONCE_MAX + 8

    async def ask() -> None:
        nonlocal in_line
        await turns.take("busy", object())
        in_line -= 1

    async def a_turn_of_each_other() -> None:
        mock_clock.jump(AT_ONCE_SECONDS)
        for number in range(others):
            await turns.take(number, object())
        await trio.testing.wait_all_tasks_blocked()

    await a_turn_of_each_other()
    for _ in range(in_line):
        nursery.start_soon(ask)
    await trio.testing.wait_all_tasks_blocked()
    processor.used += 1.0
    mock_clock.jump(REST_SECONDS_MIN)  # from now on it rests for as long as it may
    await trio.testing.wait_all_tasks_blocked()
    waited = in_line
    for _ in range(4 * turns_between // others):
        await a_turn_of_each_other()
    assert waited - in_line == 4


async def test_who_leaves_the_line_holds_nobody_up(autojump_clock: MockClock, turns: Turns) -> None:
    await ask_once(turns, "other")
    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(turns.take, "busy", object())
        nursery.cancel_scope.cancel()
    found = await begun(turns, "busy", "busy")
    assert [client for client, _ in found] == ["busy", "busy"]
    assert await begun(turns, "other") == [("other", 0)]


async def test_another_client_counts_for_a_second(autojump_clock: MockClock, turns: Turns) -> None:
    await ask_once(turns, "other")
    await trio.sleep(ALONE_SECONDS + 0.1)
    assert await begun(turns, *["busy"] * 8) == [("busy", 0)] * 8
    await ask_once(turns, "other")
    assert max(time for _, time in await begun(turns, *["busy"] * (AT_ONCE_MAX + 1))) > 0


async def test_a_client_whose_request_takes_long_counts_until_it_ends(autojump_clock: MockClock, turns: Turns) -> None:
    await turns.take("other", object())
    await trio.sleep(10 * ALONE_SECONDS)
    assert max(time for _, time in await begun(turns, *["busy"] * 8)) > 0
    turns.end("other")
    await trio.sleep(ALONE_SECONDS)
    assert await begun(turns, *["busy"] * 8) == [("busy", 0)] * 8


async def test_a_line_does_not_end_while_another_request_is_under_way(autojump_clock: MockClock, turns: Turns) -> None:
    await turns.take("other", object())
    requests = int(3 * ALONE_SECONDS / REST_SECONDS_MIN)
    times = [time for _, time in await begun(turns, *["busy"] * requests)]
    assert max(times) > 2 * ALONE_SECONDS
