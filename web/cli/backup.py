"""`llm-bus backup`, `restore` and `upgrade-database`: the whole database as a file, and into a newer PostgreSQL."""

from pathlib import Path

import click
import trio

from store.embedded.upgrade import Upgraded, upgrade
from store.transfer.backup import back_up, put_back
from store.transfer.backup_log import BackedUp
from web.cli.database import bring_up_to_date, expect_database, open_database
from web.cli.options import data_options, json_option
from web.cli.terminal import counted, note, say, say_json, size, working
from web.config import Settings, read_settings

_BACKUP_EPILOG = """\b
Any time, while servers work: it is the database of one moment. FILE is replaced only when
the new backup was read through and holds every event. It lets nobody in, because it has
tokens only as SHA-256, but it can be read: keep it where you would keep the database.
\b
  llm-bus backup /backups/llm-bus.dump
"""

_RESTORE_EPILOG = """\b
Into an empty database: a new --data-dir, or one that createdb made. Tokens and numbers go
on as they were at the moment of the backup. What was claimed later is gone, and its
numbers would be given out again: move the sequences on (seed_sequence) first.
\b
  llm-bus restore /backups/llm-bus.dump --data-dir /srv/restored
"""

_UPGRADE_EPILOG = """\b
Needed once after an upgrade of llm-bus that brings a newer PostgreSQL; 'llm-bus up' says
when. Stop llm-bus first. The old database stays in the data directory as postgres-<major>,
so there must be room for both; remove it when the new one serves you well.
\b
  llm-bus upgrade-database
"""


@click.command(epilog=_BACKUP_EPILOG)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
@data_options
def backup(file: Path, *, as_json: bool, **flags: str | None) -> None:
    """Write the whole database into FILE, and verify it."""

    async def run(settings: Settings) -> BackedUp:
        expect_database(settings)
        async with open_database(settings) as conninfo:
            with working(f"Writing {file}"):
                return await back_up(conninfo, file)

    _tell("Backed up", trio.run(run, read_settings(**flags)), as_json=as_json)


@click.command(epilog=_RESTORE_EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@data_options
def restore(file: Path, *, as_json: bool, **flags: str | None) -> None:
    """Put a backup FILE into an empty database, and verify it."""

    async def run(settings: Settings) -> BackedUp:
        async with open_database(settings, provisional=True) as conninfo:
            with working(f"Reading {file}"):
                done = await put_back(conninfo, file)
            await bring_up_to_date(conninfo)
            return done

    _tell("Restored", trio.run(run, read_settings(**flags)), as_json=as_json)


@click.command("upgrade-database", epilog=_UPGRADE_EPILOG)
@json_option
@data_options
def upgrade_database(*, as_json: bool, **flags: str | None) -> None:
    """Bring the embedded database to this version's PostgreSQL."""
    settings = read_settings(**flags)
    if settings.database_url is not None:
        raise click.UsageError("this is for the embedded database; upgrade your own PostgreSQL with its tools.")

    async def run() -> Upgraded | None:
        with working(f"Upgrading the database in {settings.data_dir}"):
            return await upgrade(settings.data_dir)

    done = trio.run(run)
    if as_json:
        say_json({"upgraded": done is not None} if done is None else {"upgraded": True, "kept": str(done.kept)})
    elif done is None:
        say("The database has this version's PostgreSQL; nothing to do.")
    else:
        say(f"Upgraded from PostgreSQL {done.before} to {done.after}: {counted(done.events, 'event')}.")
        note(f"The old database is kept in {done.kept}: remove it when the new one serves you well.")


def _tell(what: str, done: BackedUp, *, as_json: bool) -> None:
    if as_json:
        say_json(done)
    else:
        events, projects = counted(done.events, "event"), counted(done.projects, "project")
        say(f"{what} {events} of {projects}, {size(done.size_bytes)}.")
