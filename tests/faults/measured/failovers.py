"""What is lost when a standby takes over, and a clock that is wrong."""

import random
from pathlib import Path

from tests.faults import clocks
from tests.faults.catalogue import named
from tests.faults.checker import check, operations, read_ledger
from tests.faults.measured.question import question, told
from tests.faults.processes import DidNotStart
from tests.faults.run import look_through_every_server, strike
from tests.faults.workload import load
from tests.faults.world import Shape, World, world

TIMES = 20
ANSWERS = 100
AHEAD_SECONDS = 3600


@question("terminated-in-wait", "Sessions are terminated in the wait for the synchronous standby, then failover")
async def terminated_in_the_wait(directory: Path) -> str:
    lost = acknowledged = wrong = 0
    for number in range(TIMES):
        shape = Shape(servers=1 + number % 2, standby="synchronous")
        async with world(directory / str(number), shape) as here:
            await _fail_over(here, number, "sessions are terminated while they wait")
            verdict = check(operations(here.record), read_ledger(here.primary.conninfo()))
            lost += verdict.lost
            wrong += len(verdict.violations)
            acknowledged += verdict.acknowledged
    return f"{TIMES} times: {lost} of {acknowledged:,} acknowledged writes lost, {wrong - lost} other violations"


@question("asynchronous-failover", "An asynchronous standby that is behind takes over")
async def asynchronous(directory: Path) -> str:
    async with world(directory, Shape(servers=2, standby="asynchronous")) as here:
        await _fail_over(here, 0, "failover to an asynchronous")
        assert here.failover is not None
        ledger = read_ledger(here.primary.conninfo())
        verdict = check(operations(here.record), ledger, failover=here.failover)
        reported = sum("lost" in line for bus in here.buses for line in bus.said.splitlines())
        return (
            f"{verdict.excused} acknowledged writes after event {here.failover.kept} are lost, with the old primary; "
            f"{len(ledger) - here.failover.kept} events since; {told(verdict.violations)}; "
            f"{reported} lines in the servers' logs"
        )


@question("hour-ahead", "One of two servers has a clock that is an hour ahead")
async def hour_ahead(directory: Path) -> str:
    if clocks.library() is None:
        return "not measured: libfaketime is not installed here"
    try:
        async with world(directory, Shape(servers=2, seconds_ahead=AHEAD_SECONDS)) as here:
            rng = random.Random(0)
            async with load(here.clients(rng), rng):
                await here.record.progress(ANSWERS * 20)
            await look_through_every_server(here)
            verdict = check(operations(here.record), read_ledger(here.primary.conninfo()))
            return f"it serves; {verdict.acknowledged:,} acknowledged writes, {told(verdict.violations)}"
    except DidNotStart as error:
        return f"it refuses to start: {str(error).strip().splitlines()[-1]}"


async def _fail_over(here: World, seed: int, name: str) -> None:
    rng = random.Random(seed)
    [fault] = named(name)
    async with load(here.clients(rng), rng):
        await here.record.progress(ANSWERS)
        await strike(here, fault, rng)
        await here.record.progress(ANSWERS)
    await look_through_every_server(here)
