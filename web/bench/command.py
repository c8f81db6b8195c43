"""`llm-bus bench`: measure the bus on this machine, against what it stands on.

Only the command is here: what to measure is `web.bench.run`'s, what it means `web.bench.report`'s. Everything happens
on the loopback, in databases that are made for it and dropped.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import msgspec
import trio
from rich.markdown import Markdown
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from store import embedded_postgres
from web.bench.report import page
from web.bench.results import Results
from web.bench.run import PARTS, SMALL_EVENTS, Advance, Plan, open_run
from web.cli.options import Number, WholeNumber
from web.cli.terminal import NOTES, RESULTS, note, say
from web.config import Settings, read_settings

PAGE = Path("docs", "benchmarks.md")

QUICK = Plan(
    history_events=2 * SMALL_EVENTS,
    projects=3,
    rounds=1,
    seconds=0.2,
    attack_seconds=0.2,
    attack_scale=0.01,
    held_scale=0.001,
    held_rounds=2,
)

_EPILOG = """\b
Takes about twelve minutes; --quick takes a minute and only shows that it works.
It makes a PostgreSQL for itself and removes it again. With --database-url it makes two
databases on that server and drops them; with --data-dir it uses the embedded one there.
Needs pgbench, and uses wrk where that is installed. The numbers mean little while the
machine does something else.
\b
  llm-bus bench
  llm-bus bench --rounds 3 --seconds 1 --output /tmp/benchmarks.md
  llm-bus bench --quick --json | jq .rows
  llm-bus bench --only throngs
  llm-bus bench --only beside --beside ../before/.venv/bin/llm-bus
"""


@click.command(epilog=_EPILOG, short_help="Measure the bus, and what it is measured against.")
@click.option("--quick", is_flag=True, help="A short history and short measurements; writes no page.")
@click.option(
    "--only",
    "parts",
    metavar="PART",
    type=click.Choice(PARTS),
    multiple=True,
    help=f"Measure only this, and write no page: {', '.join(PARTS)}. May be given again.",
)
@click.option(
    "--beside",
    metavar="PROGRAM",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="The llm-bus of another version, measured in turns with this one.",
)
@click.option(
    "--history",
    metavar="EVENTS",
    type=WholeNumber(SMALL_EVENTS + 1, 10_000_000),
    help="The large history. [1,000,000]",
)
@click.option("--rounds", type=WholeNumber(1, 100), help="How often everything is measured. [5]")
@click.option("--seconds", type=Number(0.1, 60), help="How long each measurement takes. [1]")
@click.option(
    "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help=f"Where the page goes. [{PAGE}]"
)
@click.option("--json", "as_json", is_flag=True, help="Print every sample as one JSON object instead of the page.")
@click.option("--database-url", metavar="URL", help="A PostgreSQL 15 to 18 on which two databases may be made.")
@click.option(
    "--data-dir", metavar="DIR", type=click.Path(file_okay=False), help="An embedded PostgreSQL to use and keep."
)
def bench(
    database_url: str | None,
    data_dir: str | None,
    output: Path | None,
    parts: tuple[str, ...],
    beside: str | None,
    *,
    quick: bool,
    history: int | None,
    rounds: int | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Measure the bus on this machine, against a bare echo and plain SQL."""
    if "beside" in parts and beside is None:
        raise click.UsageError("--only beside needs --beside PROGRAM.")
    given = {"history_events": history, "rounds": rounds, "seconds": seconds, "parts": parts or None, "beside": beside}
    changes = {name: value for name, value in given.items() if value is not None}
    plan = msgspec.structs.replace(QUICK if quick else Plan(), **changes)
    # Not the environment's: nobody wants the databases of a benchmark on the server that DATABASE_URL names.
    settings = read_settings({}, database_url=database_url, data_dir=data_dir)
    results = trio.run(_run, plan, settings, data_dir is not None)
    if output is not None or not (quick or parts):
        _write(results, output or PAGE)
    if as_json:
        say(msgspec.json.encode(results).decode())
    else:
        RESULTS.print(Markdown(page(results)), soft_wrap=False)


def _write(results: Results, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(results), encoding="utf-8")
    note(f"Written to {path}.")


async def _run(plan: Plan, settings: Settings, keep: bool) -> Results:
    with tempfile.TemporaryDirectory(prefix="llm-bus-bench-") as name, _progress() as progress:
        workspace = Path(name)
        data_dir = settings.data_dir if keep else workspace
        async with _postgres(settings, data_dir) as conninfo, open_run(plan, conninfo, workspace) as run:
            await run.seed(_stage(progress, "Writing and folding history", plan.seeding_steps))
            return await run.measure(_stage(progress, "Measuring", plan.measuring_steps))


@asynccontextmanager
async def _postgres(settings: Settings, data_dir: Path) -> AsyncIterator[str]:
    if settings.database_url is not None:
        yield settings.database_url
    else:
        async with embedded_postgres(data_dir) as conninfo:
            yield conninfo


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    # Twice a second: drawing more often would be measured too.
    return Progress(*columns, console=NOTES, refresh_per_second=2, disable=not NOTES.is_terminal)


def _stage(progress: Progress, doing: str, steps: int) -> Advance:
    """A line of progress, and how to move it on."""
    task = progress.add_task(doing, total=steps)
    if progress.disable:
        note(f"{doing} …")
    return lambda step: progress.advance(task, step)
