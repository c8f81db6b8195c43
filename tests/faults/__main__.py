"""`python -m tests.faults`: runs by seed, measurements, and the page that is written from both.

A run that finds something prints its seed; `python -m tests.faults run --seed N` repeats it.
"""

import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import click
import trio

from tests.faults import report
from tests.faults.measured import QUESTIONS
from tests.faults.plan import Plan
from tests.faults.run import Result, run

SHOWN_MAX = 10


@click.group()
def main() -> None:
    """Strike real servers with faults, and judge what their clients were told."""


@main.command("run")
@click.option("--seed", type=int, default=lambda: random.randrange(1_000_000), help="The first; default: any.")
@click.option("--runs", type=int, default=1, help="How many runs, with one seed after the other.")
@click.option("--keep", is_flag=True, help="Keep the directory of a run that finds something.")
def run_seeds(seed: int, runs: int, *, keep: bool) -> None:
    """Make worlds by seed and strike them; fails when any run finds something."""
    found = 0
    for plan in map(Plan.draw, range(seed, seed + runs)):
        click.echo(f"seed {plan.seed}: {plan.shape}; {'; '.join(fault.name for fault in plan.faults)}")
        with _directory() as directory:
            result = trio.run(run, plan, directory)
            if keep and result.violations:
                click.echo(f"  kept: {directory.rename(directory.with_name(f'{directory.name}-kept'))}")
        report.keep(result)
        click.echo(f"  {summary(result)}")
        for rule, said in result.violations[:SHOWN_MAX]:
            click.echo(f"  {rule}: {said}")
        found += bool(result.violations)
    click.echo(f"{runs - found} of {runs} runs found nothing")
    sys.exit(min(found, 1))


@main.command("measure")
@click.argument("names", nargs=-1)
def measure(names: tuple[str, ...]) -> None:
    """Make measurements: those named, or all."""
    if unknown := set(names) - {question.name for question in QUESTIONS}:
        known = ", ".join(question.name for question in QUESTIONS)
        raise click.UsageError(f"No measurement is called {', '.join(sorted(unknown))}: choose among {known}.")
    for order, question in enumerate(QUESTIONS):
        if not names or question.name in names:
            began = monotonic()
            with _directory() as directory:
                seen = trio.run(question.measure, directory)
            click.echo(f"{question.asks}: {seen} ({monotonic() - began:.0f} s)")
            answer = report.Measurement(name=question.name, question=question.asks, seen=seen, order=order)
            report.keep_measurement(answer)


@main.command("report")
def write_report() -> None:
    """Write docs/explanation/reliability.md from everything in build/faults."""
    report.write()


def summary(result: Result) -> str:
    """One line about a run."""
    slowest = max((strike.recovery_seconds or 0.0 for strike in result.strikes), default=0.0)
    said = f"{result.operations} operations, {result.acknowledged} acknowledged writes, {result.events} events"
    excused = f", {result.excused} lost with the old primary" if result.excused else ""
    return f"{said}{excused}; slowest recovery {slowest:.1f} s; {len(result.violations)} violations"


@contextmanager
def _directory() -> Iterator[Path]:
    """An empty directory that PostgreSQL's account may enter."""
    directory = Path(tempfile.mkdtemp(prefix="llm-bus-faults-"))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
