"""Servers that die, stand still or are restarted."""

import random

import trio

from tests.faults.catalogue.fault import fault
from tests.faults.world import World

FROZEN_SECONDS = (0.5, 4.0)
"""From hardly noticed to longer than any heartbeat."""


@fault("a server is killed (-9)")
async def kill(world: World, rng: random.Random) -> None:
    bus = rng.choice(world.buses)
    await bus.kill()
    await bus.start()


@fault("a server stands still (SIGSTOP, SIGCONT)")
async def freeze(world: World, rng: random.Random) -> None:
    bus = rng.choice(world.buses)
    bus.freeze()
    await trio.sleep(rng.uniform(*FROZEN_SECONDS))
    bus.thaw()


@fault("rolling restart (SIGTERM, one server after the other)")
async def restart_in_turn(world: World, _: random.Random) -> None:
    for bus in world.buses:
        code = await bus.terminate()
        assert code == 0, f"a server that was told to stop left with {code}"
        await bus.start()
