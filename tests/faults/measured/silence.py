"""Sessions that fall silent, and servers that hear no news."""

import random
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from statistics import median

import trio

from tests.faults.measured.question import question, told, violations
from tests.faults.processes import Bus, let_in
from tests.faults.wire import Cut
from tests.faults.workload import load
from tests.faults.world import Shape, World, world
from tests.load import Answered, Client, Record, now

PROJECTS = (1, 24)
ROUNDS = 3
IDLE_SECONDS = 1.0
DEPENDENT_CALLS = 2000


@question("idle-silence", "All idle sessions of a server fall silent without a reset")
async def idle_sessions(directory: Path) -> str:
    async with world(directory, Shape()) as here:
        bus, wire = here.buses[0], here.wires[0]
        seen = list[str]()
        for projects in PROJECTS:
            tokens = [(await let_in(bus, ["lead"], project=f"p{projects}-{n}"))["lead"] for n in range(projects)]
            seconds, saw = list[float](), list[str]()
            for _ in range(ROUNDS):
                await _claim_everywhere(bus, tokens)
                await trio.sleep(IDLE_SECONDS)
                wire.cut(Cut.SILENCE)
                took, kinds = await _claim_everywhere(bus, tokens)
                seconds.append(took)
                saw += kinds
            others = len(saw) - saw.count("answered")
            seen.append(f"{projects} calling: {median(seconds):.1f} s, at most {max(seconds):.1f} s, {others} refused")
        return "; ".join(seen)


async def _claim_everywhere(bus: Bus, tokens: list[str]) -> tuple[float, list[str]]:
    """Claim in every project at once; how long it took until all were answered, and what they were told meanwhile."""
    began, record = now(), Record()

    async def claim(token: str) -> None:
        async with Client("lead", (bus.port,), token, record) as client:
            assert isinstance(await client.insist("claim", sequence="adr"), Answered)

    async with trio.open_nursery() as nursery:
        for token in tokens:
            nursery.start_soon(claim, token)
    return now() - began, [attempt.kind for attempt in record.attempts]


@question("alternating", "Dependent calls alternate between two healthy servers")
async def alternating(directory: Path) -> str:
    async with world(directory, Shape(servers=2, clients=6)) as here:
        await _alternate(here)
        return f"{len(here.record.attempts):,} calls: {told(violations(here))}"


@question("deaf", "The same while the session that listens for news falls silent, again and again")
async def deaf(directory: Path) -> str:
    times = 0
    async with world(directory, Shape(servers=2, clients=6)) as here:

        async def deafen() -> None:
            nonlocal times
            for wire in cycle(here.wires):
                await here.record.progress(DEPENDENT_CALLS // 10)
                wire.cut(Cut.SILENCE, listening_only=True)
                times += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(deafen)
            await _alternate(here)
            nursery.cancel_scope.cancel()
        return f"{len(here.record.attempts):,} calls, {times} times deaf: {told(violations(here))}"


async def _alternate(here: World) -> None:
    rng, ports = random.Random(0), [bus.port for bus in here.buses]
    crowd = [
        Client(client.name, ports, here.team.tokens[client.name], here.record, choose=_in_turn(ports))
        for client in here.clients(rng)
    ]
    async with load(crowd, rng):
        await here.record.progress(DEPENDENT_CALLS)


def _in_turn(ports: list[int]) -> Callable[[Sequence[int]], int]:
    turns = cycle(ports)
    return lambda _: next(turns)
