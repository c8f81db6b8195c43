"""`llm-bus export` and `import`: a project out as files, and in again.

Only the commands are here; `store.transfer.export` writes the files, and `store.transfer.restore` reads them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import trio
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from store.transfer.export import Exported, export_project
from store.transfer.export import Progress as Told
from store.transfer.restore import Restored, import_project
from web.cli.database import bring_up_to_date, open_database, ready_database
from web.cli.first_run import EMAIL
from web.cli.options import data_options, json_option
from web.cli.terminal import NOTES, counted, note, say, say_json
from web.config import Settings, read_settings

_EXPORT_EPILOG = """\b
Writes ledger.jsonl (an event a line, posts with their bodies), project.json (who takes
part) and state.md (where the project stands). No secret and no email is in them, but all
that participants wrote is. A second export appends what is new to ledger.jsonl; where
nothing happened, no file changes. So the directory can be committed.
\b
  llm-bus export shop docs/ledger
  llm-bus export ann/shop docs/ledger     when another owner has a project 'shop' too
"""

_IMPORT_EPILOG = f"""\b
Restores what 'llm-bus export' wrote into an empty database, with all ids and times. An
export holds no tokens and no email: mint new tokens, and say whose the project is.
\b
  llm-bus import docs/ledger --owner you@example.com
  llm-bus token mint --owner you@example.com --project shop --participant agent-1
\b
The owner is {EMAIL} unless --owner says otherwise.
"""


@click.command(epilog=_EXPORT_EPILOG)
@click.argument("project")
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@json_option
@data_options
def export(project: str, directory: Path, *, as_json: bool, **flags: str | None) -> None:
    """Write a PROJECT's ledger and state into DIR."""

    async def run(settings: Settings) -> Exported:
        async with ready_database(settings) as conninfo:
            with progress_bar("Exporting") as told:
                return await export_project(conninfo, project, directory, told)

    done = trio.run(run, read_settings(**flags))
    if as_json:
        say_json(done)
        return
    say(f"Exported {done.handle}/{done.slug} to {directory}: {counted(done.events, 'event')}, {done.added:,} new.")


@click.command("import", epilog=_IMPORT_EPILOG)
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--owner", "email", metavar="EMAIL", default=EMAIL, help="Who owns the project from now on.")
@json_option
@data_options
def import_(directory: Path, email: str, *, as_json: bool, **flags: str | None) -> None:
    """Restore an export from DIR into an empty database."""

    async def run(settings: Settings) -> Restored:
        async with open_database(settings, provisional=True) as conninfo:
            await bring_up_to_date(conninfo)
            with progress_bar("Importing") as told:
                return await import_project(conninfo, directory, email=email, progress=told)

    done = trio.run(run, read_settings(**flags))
    if as_json:
        say_json(done)
        return
    say(
        f"Imported {done.handle}/{done.slug} for {done.email}: "
        f"{counted(done.events, 'event')}, {counted(done.participants, 'participant')}."
    )
    command = f"llm-bus token mint --owner {done.email} --project {done.slug} --participant NAME"
    note(f"An export has no tokens. Mint new ones: {command}")


@contextmanager
def progress_bar(doing: str) -> Iterator[Told]:
    """A bar on a terminal, nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=NOTES, transient=True, disable=not NOTES.is_terminal) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
