"""Calls that wait: they end with news, with the client, or with the server."""

import json

import trio

from tests.web.bus import Bus
from web.identity.waits import WAITS_MAX


async def is_waiting(bus: Bus, count: int) -> None:
    """Return once so many callers wait."""
    wanted = f"llm_bus_actors_waiting {count}.0\n".encode()
    with trio.fail_after(50):
        while wanted not in (await bus.http.get("/metrics")).content:
            pass


async def test_the_wait_of_a_client_that_leaves_ends(bus: Bus, token: str) -> None:
    with trio.fail_after(50):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: bus.call(token, "read_posts", to_me=True, wait_seconds=55))
            await is_waiting(bus, 1)
            nursery.cancel_scope.cancel()
        await is_waiting(bus, 0)


async def test_a_lease_waits_until_nobody_is_in_the_way(bus: Bus, token: str) -> None:
    scout = await bus.mint("scout", is_admin=False)
    await bus.call(token, "lease", surface="src/**")
    answers = []

    async def wait() -> None:
        answers.append(await bus.call(scout, "lease", surface="src/auth.py", wait_seconds=55))

    with trio.fail_after(50):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await is_waiting(bus, 1)
            await bus.call(token, "release", surface="src/**")
    assert answers[0]["others"] == []


async def test_waits_end_with_what_there_is_when_the_server_stops(bus: Bus, token: str) -> None:
    """The last thing a stopping server does for whoever waits is to answer."""
    answers: list[object] = []

    async def wait() -> None:
        answers.append(await bus.call(token, "whats_new", wait_seconds=55))

    await bus.call(token, "whats_new")
    with trio.fail_after(50):
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(wait)
            await is_waiting(bus, 3)
            bus.stopping.set()
    assert [json.dumps(answer)[:20] for answer in answers] == ['{"since_event_id": 0'] * 3


async def test_one_wait_too_many_is_refused_and_every_one_that_ends_makes_room(bus: Bus, token: str) -> None:
    scout = await bus.mint("scout", is_admin=False)

    async def wait(whose: str) -> None:
        await bus.call(whose, "read_posts", to_me=True, wait_seconds=55)

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for _ in range(WAITS_MAX):
                nursery.start_soon(wait, scout)
            await is_waiting(bus, WAITS_MAX)
            refusal = await bus.refusal(scout, "read_posts", to_me=True, wait_seconds=55)
            assert refusal.startswith("busy: 64 of your calls already wait; ")
            assert await bus.call(scout, "read_posts", to_me=True) == {"posts": []}
            nursery.start_soon(wait, token)
            await is_waiting(bus, WAITS_MAX + 1)
            nursery.cancel_scope.cancel()
        await is_waiting(bus, 0)
        async with trio.open_nursery() as nursery:
            for _ in range(WAITS_MAX):
                nursery.start_soon(wait, scout)
            await is_waiting(bus, WAITS_MAX)
            await bus.call(token, "post", to_actor="scout", body="News.")
        assert (await bus.call(scout, "read_posts", to_me=True, unacked_only=True, wait_seconds=1))["posts"]
