"""A rolling upgrade from an older version, under load."""

import random
import subprocess
import sys
from pathlib import Path

from tests.faults.checker import Operation
from tests.faults.checker.evidence import MARKS
from tests.faults.measured.question import question, told, violations
from tests.faults.processes import LLM_BUS
from tests.faults.run import look_through_every_server
from tests.faults.workload import load
from tests.faults.world import Shape, world

OLDER = "9c51a69"
"""A commit of an early version."""

ANSWERS = 400
_MAIN = "from web.cli.entry import main; main()"

_WRONG_COUNTS = """
select count(*) from snapshots s, jsonb_each_text(s.written) as counted (reader, events)
 where events::bigint <> (select count(*) from events e where e.project_id = s.project_id
                            and e.participation_id = reader::bigint and e.seq <= s.seq)
"""


@question("rolling-upgrade", "Three servers are upgraded one after the other, from an early version")
async def rolling(directory: Path) -> str:
    older = directory / "older"
    if not _check_out(older):
        return f"not measured: commit {OLDER} is not in this clone"
    shape = Shape(servers=3).with_command(sys.executable, "-P", "-c", _MAIN, PYTHONPATH=str(older))
    async with world(directory / "world", shape) as here:
        rng = random.Random(0)
        async with load(here.clients(rng), rng):
            for bus in here.buses:
                await here.record.progress(ANSWERS)
                await bus.terminate()
                bus.command, bus.environment = LLM_BUS, {}
                await bus.start()
            await here.record.progress(ANSWERS)
        await look_through_every_server(here)
        for bus in here.buses:
            await bus.terminate()
        [(wrong,)] = here.primary.query(_WRONG_COUNTS)
        found = [each for each in violations(here, judged=_is_write) if each.rule not in OLDER_RULES]
        calls, counts = len(here.record.attempts), f"{wrong} wrong counts beside snapshots"
        return f"{calls:,} calls: {told(found)} of what both promise; {counts}"


OLDER_RULES = {"lease untold"}
"""What the older version does not promise, and so nobody can while it is among the servers."""


def _is_write(operation: Operation) -> bool:
    """Answers to reads differ by version; one that is taken for another moment's makes later writes look wrong."""
    released_nothing = operation.answer is not None and operation.answer.get("released") == 0
    return operation.tool in MARKS and operation.refusal is None and not released_nothing


def _check_out(directory: Path) -> bool:
    """Put the older version's files there; False when this clone does not have them."""
    directory.mkdir()
    archive = subprocess.run(["git", "archive", OLDER], capture_output=True, check=False)
    if archive.returncode != 0:
        return False
    subprocess.run(["tar", "-x", "-C", str(directory)], input=archive.stdout, check=True)
    return True
