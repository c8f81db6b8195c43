"""`make faults`: runs by seed, and the page that they are for.

A run that finds something prints its seed; `python -m tests.faults --seed N` repeats it. Results are kept in
`build/faults`, and `--report` writes docs/explanation/reliability.md from all that are there.
"""

import random
import shutil
import sys
import tempfile
from pathlib import Path

import click
import msgspec
import trio

from tests.faults.plan import Plan
from tests.faults.run import Result, run

RESULTS = Path("build", "faults")
SHOWN_MAX = 10


@click.command()
@click.option("--seed", type=int, default=lambda: random.randrange(1_000_000), help="The first; default: any.")
@click.option("--runs", type=int, default=1, help="How many runs, with one seed after the other.")
@click.option("--keep", is_flag=True, help="Keep the directory of a run that finds something.")
def main(seed: int, runs: int, *, keep: bool) -> None:
    """Strike worlds with faults; fails when any run finds something."""
    found = 0
    for plan in map(Plan.draw, range(seed, seed + runs)):
        click.echo(f"seed {plan.seed}: {plan.shape}; {'; '.join(fault.name for fault in plan.faults)}")
        result = run_kept(plan, keep=keep)
        click.echo(f"  {summary(result)}")
        for rule, said in result.violations[:SHOWN_MAX]:
            click.echo(f"  {rule}: {said}")
        found += bool(result.violations)
    click.echo(f"{runs - found} of {runs} runs found nothing")
    sys.exit(min(found, 1))


def run_kept(plan: Plan, *, keep: bool = False) -> Result:
    """Run a plan in a directory of its own and keep its result."""
    directory = Path(tempfile.mkdtemp(prefix="llm-bus-faults-"))
    directory.chmod(0o711)
    result = trio.run(run, plan, directory)
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{plan.seed}.json").write_bytes(msgspec.json.encode(result))
    if keep and result.violations:
        click.echo(f"  kept: {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    return result


def summary(result: Result) -> str:
    """One line about a run."""
    slowest = max((strike.recovery_seconds or 0.0 for strike in result.strikes), default=0.0)
    said = f"{result.operations} operations, {result.acknowledged} acknowledged writes, {result.events} events"
    excused = f", {result.excused} lost with the old primary" if result.excused else ""
    return f"{said}{excused}; slowest recovery {slowest:.1f} s; {len(result.violations)} violations"


if __name__ == "__main__":
    main()
