"""`llm-bus prune` and `unprune`: a project's old events out of the database into files, and back."""

from pathlib import Path

import click
import trio

from store.transfer.prune import DAYS_MIN, PrunedNow, prune, unprune
from web.cli.database import ready_database
from web.cli.options import Number, data_options, json_option
from web.cli.terminal import counted, note, say, say_json
from web.cli.transfer import progress_bar
from web.config import Settings, read_settings

DAYS = 90
DAYS_MAX = 36_500

_PRUNE_EPILOG = """\b
Exports the PROJECT into DIR, reads that through, and deletes from the database what is
older than --days. Posts that somebody has not acknowledged and all about tasks stay; so
do numbers, and servers work on meanwhile. DIR is then the only place with the older
events: keep it, and give it to every later prune and export of this project.
\b
  llm-bus prune shop /srv/ledgers/shop
  llm-bus prune shop /srv/ledgers/shop --days 30
"""

_UNPRUNE_EPILOG = """\b
Puts every event from DIR back where it was.
\b
  llm-bus unprune shop /srv/ledgers/shop
"""

_directory = click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))


@click.command("prune", epilog=_PRUNE_EPILOG)
@click.argument("project", metavar="PROJECT")
@_directory
@click.option(
    "--days", type=Number(DAYS_MIN, DAYS_MAX), default=DAYS, show_default=True, help="How old an event must be."
)
@json_option
@data_options
def prune_ledger(project: str, directory: Path, days: float, *, as_json: bool, **flags: str | None) -> None:
    """Move a PROJECT's old events into files in DIR."""

    async def run(settings: Settings) -> PrunedNow:
        async with ready_database(settings) as conninfo:
            with progress_bar("Exporting") as told:
                return await prune(conninfo, project, directory, days=days, progress=told)

    done = trio.run(run, read_settings(**flags))
    if as_json:
        say_json(done)
    elif not done.moved:
        say(f"Nothing of {done.handle}/{done.slug} is older than {days:g} days and not in files already.")
    else:
        moved = counted(done.moved, "event")
        say(f"Moved {moved} of {done.handle}/{done.slug}, up to number {done.upto:,}, to {directory}.")
        kept = counted(done.kept, "older event")
        note(f"{kept} stayed: open work, tasks, and the last one. Only {directory} has the others: keep it.")


@click.command("unprune", epilog=_UNPRUNE_EPILOG)
@click.argument("project", metavar="PROJECT")
@_directory
@json_option
@data_options
def unprune_ledger(project: str, directory: Path, *, as_json: bool, **flags: str | None) -> None:
    """Bring a PROJECT's old events back from DIR."""

    async def run(settings: Settings) -> int:
        async with ready_database(settings) as conninfo:
            return await unprune(conninfo, project, directory)

    events = trio.run(run, read_settings(**flags))
    if as_json:
        say_json({"project": project, "events": events})
    else:
        say(f"Brought {counted(events, 'event')} back into {project}.")
