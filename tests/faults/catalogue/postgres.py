"""PostgreSQL dies, stands still, or refuses."""

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import trio

from tests.faults.catalogue.fault import fault
from tests.faults.world import World

REFUSING_SECONDS = (0.2, 3.0)
FROZEN_SECONDS = (0.5, 6.0)
LOCKED_SECONDS = (1.0, 8.0)
FULL_DISK = "the disk is full for a while"
_SESSIONS = "from pg_stat_activity where usename = 'bus'"
_TERMINATE = f"select pg_terminate_backend(pid) {_SESSIONS}"  # made of literals


@fault("PostgreSQL is killed (-9)")
async def kill(world: World, _: random.Random) -> None:
    world.primary.kill()
    await world.primary.start()


@fault("PostgreSQL aborts (immediate stop)")
async def abort(world: World, _: random.Random) -> None:
    await world.primary.stop("immediate")
    await world.primary.start()


@fault("PostgreSQL is restarted (fast stop)")
async def restart(world: World, _: random.Random) -> None:
    await world.primary.stop("fast")
    await world.primary.start()


@fault("a session's process is killed, and PostgreSQL recovers")
async def crash_a_backend(world: World, rng: random.Random) -> None:
    pids = world.primary.query(f"select pid {_SESSIONS}")  # made of literals
    if pids:
        os.kill(rng.choice(pids)[0], signal.SIGKILL)
    await world.primary.start()


@fault("all sessions are terminated")
async def terminate_all(world: World, _: random.Random) -> None:
    world.primary.query(_TERMINATE)


@fault("PostgreSQL stands still (SIGSTOP, SIGCONT)")
async def freeze(world: World, rng: random.Random) -> None:
    world.primary.signal(signal.SIGSTOP)
    await trio.sleep(rng.uniform(*FROZEN_SECONDS))
    world.primary.signal(signal.SIGCONT)


@fault("the database is read-only for a while")
async def read_only(world: World, rng: random.Random) -> None:
    with _altered(world, "alter database bus set default_transaction_read_only = on"):
        await trio.sleep(rng.uniform(*REFUSING_SECONDS))
    world.primary.query("alter database bus reset default_transaction_read_only", "postgres")


@fault("PostgreSQL has no slot for a session")
async def no_slots(world: World, rng: random.Random) -> None:
    with _altered(world, "alter role bus connection limit 0"):
        await trio.sleep(rng.uniform(*REFUSING_SECONDS))
    world.primary.query("alter role bus connection limit -1")


@fault("the right to write is revoked for a while")
async def no_rights(world: World, rng: random.Random) -> None:
    world.primary.query("revoke insert on events from bus")
    await trio.sleep(rng.uniform(*REFUSING_SECONDS))
    world.primary.query("grant insert on events to bus")


@fault("the right to read is revoked for a while")
async def no_reading(world: World, rng: random.Random) -> None:
    world.primary.query("revoke select on events from bus")
    await trio.sleep(rng.uniform(*REFUSING_SECONDS))
    world.primary.query("grant select on events to bus")


@fault("statements time out, because somebody has locked the ledger")
async def lock(world: World, rng: random.Random) -> None:
    with psycopg.connect(world.primary.conninfo()) as session:
        await trio.to_thread.run_sync(session.execute, "lock table events in exclusive mode")
        await trio.sleep(rng.uniform(*LOCKED_SECONDS))


@fault(FULL_DISK, applies=lambda shape: shape.has_small_disk)
async def full_disk(world: World, rng: random.Random) -> None:
    filler = world.primary.directory / "filler"
    free = os.statvfs(world.primary.directory)
    with filler.open("wb") as file, suppress(OSError):  # PostgreSQL may take the last page meanwhile
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)
    await trio.sleep(rng.uniform(*REFUSING_SECONDS))
    filler.unlink()
    await world.primary.start()


@contextmanager
def _altered(world: World, statement: str) -> Iterator[None]:
    """With a setting that new sessions have, and no old ones."""
    world.primary.query(statement)
    world.primary.query(_TERMINATE)
    yield
