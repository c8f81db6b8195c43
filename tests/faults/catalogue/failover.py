"""A standby becomes the primary, under load."""

import random
from collections.abc import Callable

import trio

from store.ledger.peers import TRUST_SECONDS
from tests.faults.catalogue.fault import fault
from tests.faults.checker import Failover
from tests.faults.patience import patient
from tests.faults.wire import Cut
from tests.faults.world import World
from tests.load import now

WAITING_SECONDS_MAX = 20.0
APART_SECONDS = (0.1, 1.0)
APART_ANSWERS = (20, 100)
"""What the standby lacks is counted in answers: on a slow machine little is written in a second."""

LOOK_SECONDS = 0.01
_WAITING = "from pg_stat_activity where usename = 'bus' and wait_event = 'SyncRep'"


@fault(
    "failover to a synchronous standby",
    applies=lambda shape: shape.standby == "synchronous",
    is_last=True,
)
async def synchronous(world: World, _: random.Random) -> None:
    await _promote(world)


@fault(
    "sessions are terminated while they wait for the synchronous standby, then failover",
    applies=lambda shape: shape.standby == "synchronous",
    is_last=True,
)
async def terminated_in_the_wait(world: World, rng: random.Random) -> None:
    await _detach_standby(world)
    await _until(lambda: bool(world.primary.query(f"select pid {_WAITING}")))
    world.primary.query(f"select pg_terminate_backend(pid) {_WAITING}")  # made of literals
    await trio.sleep(rng.uniform(*APART_SECONDS))  # for a server that takes what it finds there for durable
    await _promote(world)


@fault(
    "failover to an asynchronous standby that is behind",
    applies=lambda shape: shape.standby == "asynchronous",
    is_last=True,
)
async def asynchronous(world: World, rng: random.Random) -> None:
    await _detach_standby(world)
    await world.record.progress(rng.randint(*APART_ANSWERS))
    await _promote(world)


@fault(
    "failover to an asynchronous standby that is behind, while nobody calls",
    applies=lambda shape: shape.standby == "asynchronous",
    is_last=True,
)
async def asynchronous_in_silence(world: World, rng: random.Random) -> None:
    """No call fails in the failover, so servers learn of it only when they look, or write."""
    await _detach_standby(world)
    await world.record.progress(rng.randint(*APART_ANSWERS))
    await world.gate.close(world.shape.clients)
    await _promote(world)
    world.gate.open()


async def _detach_standby(world: World) -> None:
    """Have the standby hear no more of the primary, and wait until it does not."""
    standby = world.standby
    assert standby is not None
    standby.query("alter system set primary_conninfo = ''")
    standby.query("select pg_reload_conf()")
    await _until(lambda: not standby.query("select pid from pg_stat_wal_receiver"))


async def _promote(world: World) -> None:
    """The primary's machine is gone; the standby takes over, with what it has."""
    for wire in world.wires:
        wire.is_down = True
    world.primary.kill()
    assert world.standby is not None
    await world.standby.promote()
    [(kept,)] = world.standby.query("select coalesce(max(seq), 0) from events")
    if world.shape.standby == "asynchronous":
        is_alone = world.shape.servers == 1
        world.failover = Failover(at=now(), kept=kept, trusted_seconds=TRUST_SECONDS if is_alone else 0.0)
    world.fail_over()
    for wire in world.wires:
        wire.is_down = False
        wire.cut(Cut.RESET)


async def _until(so: Callable[[], bool]) -> None:
    """Look again and again: PostgreSQL tells nobody."""
    with trio.fail_after(patient(WAITING_SECONDS_MAX)):
        while not so():  # noqa: ASYNC110 - it can only be asked
            await trio.sleep(LOOK_SECONDS)
