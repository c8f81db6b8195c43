"""A primary with a synchronous standby is killed under load, and the standby promoted, as Patroni does.

Servers name both in their database URL and find the new primary themselves, by `target_session_attrs=read-write`.
"""

import random
from pathlib import Path
from statistics import median

from tests.faults.catalogue import Fault
from tests.faults.checker import check, operations, read_ledger
from tests.faults.measured.question import question, told
from tests.faults.run import look_through_every_server, strike
from tests.faults.workload import load
from tests.faults.world import Shape, World, world

TIMES = 5
ANSWERS = 200
SHAPE = Shape(servers=2, standby="synchronous", names_standby=True)


async def _kill_and_promote(here: World, _: random.Random) -> None:
    """What follows a primary's death when somebody watches; noticing it, which takes Patroni seconds, is not played."""
    here.primary.kill()
    assert here.standby is not None
    await here.standby.promote()
    here.primary, here.standby = here.standby, None


_FAULT = Fault("the primary is killed", _kill_and_promote, applies=lambda _: True, is_last=True)


@question("promoted-standby", f"The primary is killed and a synchronous standby promoted, {TIMES} times")
async def promoted(directory: Path) -> str:
    acknowledged, seconds, violations = 0, list[float](), []
    for number in range(TIMES):
        async with world(directory / str(number), SHAPE) as here:
            rng = random.Random(number)
            async with load(here.clients(rng), rng):
                await here.record.progress(ANSWERS)
                window = await strike(here, _FAULT, rng)
                await here.record.progress(ANSWERS)
            await look_through_every_server(here)
            verdict = check(operations(here.record), read_ledger(here.primary.conninfo()))
        acknowledged += verdict.acknowledged
        violations += verdict.violations
        seconds.append((window.recovered or float("inf")) - window.struck)
    return (
        f"{acknowledged:,} acknowledged writes, {told(violations)}; from the kill until every server had answered a "
        f"write: median {median(seconds):.1f} s, longest {max(seconds):.1f} s"
    )
