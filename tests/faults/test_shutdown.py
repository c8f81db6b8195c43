"""SIGTERM under load: everything that was accepted is answered, everything else is not done at all."""

import random

import trio

from tests.faults.checker import check, operations, read_ledger
from tests.faults.cluster import Cluster
from tests.faults.processes import Bus, let_in
from tests.load import Answered, Broken, Client, Lost, Team

CLIENTS = [f"client-{number}" for number in range(48)]
ANSWERS_BEFORE_MAX = 500


async def test_a_server_that_is_told_to_stop_answers_what_it_did_and_does_nothing_else(
    bus: Bus, durable: Cluster, rng: random.Random
) -> None:
    team = Team(await let_in(bus, CLIENTS))
    exit_codes = list[int]()

    async def claim_until_it_is_gone(client: Client) -> None:
        async with client:
            number = 0
            while not isinstance(await client.call("claim", sequence="adr", note=f"{client.name}/{number}"), Lost):
                number += 1

    async def stop_under_load() -> None:
        await team.record.progress(rng.randint(len(CLIENTS), ANSWERS_BEFORE_MAX))
        exit_codes.append(await bus.terminate())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop_under_load)
        for client in team.clients(bus.port):
            nursery.start_soon(claim_until_it_is_gone, client)
    assert exit_codes == [0]
    assert "cut off" not in bus.said
    assert team.record.unexpected(lost=True) == []
    ledger = read_ledger(durable.conninfo())
    assert check(operations(team.record), ledger).violations == []
    told = {attempt.arguments["note"] for attempt, _ in team.record.answered("claim")}
    assert {row.data["note"] for row in ledger} == told


async def test_a_wait_is_answered_with_what_there_is_when_the_server_is_told_to_stop(
    bus: Bus, team: Team, nursery: trio.Nursery
) -> None:
    waiter = team.client("planner", bus.port)

    async def wait() -> None:
        async with waiter:
            await waiter.call("read_posts", to_me=True, wait_seconds=55)

    nursery.start_soon(wait)
    async with team.client("builder", bus.port) as other:
        while not await is_active(other, "planner"):
            pass
    assert await bus.terminate() == 0
    assert [value for attempt, value in team.record.answered("read_posts")] == [{"posts": []}]


async def is_active(client: Client, label: str) -> bool:
    outcome = await client.call("who_is_active")
    assert isinstance(outcome, Answered)
    return any(row["actor"].endswith(f"/{label}") for row in outcome.value["active"])


async def test_a_connection_that_is_open_when_the_server_stops_is_closed_and_not_left_hanging(
    bus: Bus, team: Team
) -> None:
    async with team.client("planner", bus.port) as idle:
        assert isinstance(await idle.call("whoami"), Answered)
        assert await bus.terminate() == 0
        assert not isinstance(await idle.call("whoami"), Answered | Broken)
