"""What a network does between a server and PostgreSQL."""

import random

import trio

from tests.faults.catalogue.fault import Strike, fault
from tests.faults.wire import Cut, Moment
from tests.faults.world import World

WRITE_SECONDS_MAX = 10.0
"""How long a trap waits for a write that it can break."""

DOWN_SECONDS = (0.5, 8.0)
DELAYED_SECONDS = (0.5, 4.0)
DELAY_SECONDS = (0.005, 0.1)


def _ends(how: Cut) -> Strike:
    async def strike(world: World, rng: random.Random) -> None:
        rng.choice(world.wires).cut(how)

    return strike


def _breaks_a_write(moment: Moment, how: Cut) -> Strike:
    async def strike(world: World, rng: random.Random) -> None:
        wire = rng.choice(world.wires)
        with trio.move_on_after(WRITE_SECONDS_MAX):
            await wire.cut_next_write(moment, how)
        wire.give_up()

    return strike


fault("all connections are closed")(_ends(Cut.CLOSE))
fault("all connections are reset")(_ends(Cut.RESET))
fault("all connections are half closed")(_ends(Cut.HALF))
fault("all connections fall silent for good; new ones work")(_ends(Cut.SILENCE))

fault("a connection is closed before a commit")(_breaks_a_write(Moment.BEFORE, Cut.CLOSE))
fault("a connection is reset during a commit")(_breaks_a_write(Moment.DURING, Cut.RESET))
fault("a connection is closed after a commit, before its answer")(_breaks_a_write(Moment.AFTER, Cut.CLOSE))
fault("a connection falls silent before a commit")(_breaks_a_write(Moment.BEFORE, Cut.SILENCE))
fault("a connection falls silent during a commit")(_breaks_a_write(Moment.DURING, Cut.SILENCE))
fault("a connection falls silent after a commit, before its answer")(_breaks_a_write(Moment.AFTER, Cut.SILENCE))


@fault("the network is down: nothing is carried, nobody is told")
async def down(world: World, rng: random.Random) -> None:
    wire = rng.choice(world.wires)
    wire.is_down = True
    await trio.sleep(rng.uniform(*DOWN_SECONDS))
    wire.is_down = False


@fault("the network is slow")
async def slow(world: World, rng: random.Random) -> None:
    wire = rng.choice(world.wires)
    wire.delay_seconds = rng.uniform(*DELAY_SECONDS)
    await trio.sleep(rng.uniform(*DELAYED_SECONDS))
    wire.delay_seconds = 0.0


@fault("every session that searches the ledger is cut, for a while")
async def break_searches(world: World, rng: random.Random) -> None:
    wire = rng.choice(world.wires)
    wire.breaks_searches = True
    await trio.sleep(rng.uniform(*DELAYED_SECONDS))
    wire.breaks_searches = False


@fault("the same, and the server is killed meanwhile")
async def break_searches_and_kill(world: World, rng: random.Random) -> None:
    """Calls that search are under way as the server dies: what they were to show must be shown again."""
    wire, bus = rng.choice(list(zip(world.wires, world.buses, strict=True)))
    wire.breaks_searches = True
    await trio.sleep(rng.uniform(*DELAYED_SECONDS))
    await bus.kill()
    wire.breaks_searches = False
    await bus.start()


@fault("the session that listens for news falls silent", applies=lambda shape: shape.servers > 1)
async def deafen(world: World, rng: random.Random) -> None:
    rng.choice(world.wires).cut(Cut.SILENCE, listening_only=True)
