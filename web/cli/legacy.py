"""`llm-bus import-legacy`: from the TypeScript server to this one. `store.legacy` does the work."""

import sys

import click
import trio

from store.legacy import Carried, import_legacy
from store.postgres.passwords import is_conninfo
from web.cli.database import bring_up_to_date, open_database
from web.cli.options import data_options, json_option, without_password
from web.cli.terminal import counted, note, say, say_json
from web.cli.transfer import progress_bar
from web.config import Settings, read_legacy_database_url, read_settings

_LEGACY_EPILOG = """\b
Carries over owners, projects, participants, tokens, invites and the whole ledger, all of
it or nothing. Tokens keep working, numbers go on. The old database is only read; stop
the old server first, so that nothing happens there afterwards.
\b
  LEGACY_DATABASE_URL=postgresql://bus:password@old/bus llm-bus import-legacy
\b
A URL with a password is not an argument, because other users of the machine could read it.
"""


@click.command("import-legacy", epilog=_LEGACY_EPILOG)
@click.option(
    "--from",
    "given",
    metavar="URL",
    callback=without_password,
    help="The TypeScript server's database; asked for when it is not given. [LEGACY_DATABASE_URL]",
)
@json_option
@data_options
def legacy(given: str | None, *, as_json: bool, **flags: str | None) -> None:
    """Carry over everything from the TypeScript server."""
    source = given or read_legacy_database_url() or _ask_for_source()
    if not is_conninfo(source):  # not shown: it may hold a password
        raise click.UsageError("the old database's URL is neither a postgresql:// URL nor key=value pairs.")

    async def run(settings: Settings) -> Carried:
        async with open_database(settings, provisional=True) as conninfo:
            with progress_bar("Carrying over") as told:
                return await import_legacy(source, conninfo, prepare=bring_up_to_date, progress=told)

    done = trio.run(run, read_settings(**flags))
    if as_json:
        say_json(done)
        return
    say(
        f"Carried over {counted(done.owners, 'owner')}, {counted(done.projects, 'project')}, "
        f"{counted(done.participants, 'participant')}, {counted(done.tokens, 'token')} and "
        f"{counted(done.events, 'event')}."
    )
    for remark in done.remarks:
        note(remark)


def _ask_for_source() -> str:
    """Ask at the terminal, without showing what is typed; raises `UsageError` where nobody is there to answer."""
    if not sys.stdin.isatty():
        raise click.UsageError("the old database is not known: set LEGACY_DATABASE_URL, or give --from URL.")
    url: str = click.prompt("URL of the TypeScript server's database", hide_input=True, err=True)
    return url
