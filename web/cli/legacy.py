"""`llm-bus import-legacy`: from the TypeScript server to this one. What is carried over is `store.legacy`'s to say."""

import click
import trio

from store.legacy import Carried, import_legacy
from web.cli.database import bring_up_to_date, open_database
from web.cli.options import data_options
from web.cli.terminal import note, say
from web.cli.transfer import progress_bar
from web.config import Settings, read_settings

_LEGACY_EPILOG = """\b
Carries over owners, projects, participants, tokens, invites and the whole ledger, all of
it or nothing. Tokens keep working, numbers go on. The old database is only read; stop
the old server first, so that nothing happens there afterwards.
\b
  llm-bus import-legacy --from postgresql://old/bus --database-url postgresql://new/bus
"""


@click.command("import-legacy", epilog=_LEGACY_EPILOG)
@click.option("--from", "source", required=True, metavar="URL", help="The TypeScript server's database.")
@data_options
def legacy(source: str, **flags: str | None) -> None:
    """Carry over everything from the TypeScript server."""

    async def run(settings: Settings) -> Carried:
        async with open_database(settings) as conninfo:
            with progress_bar("Carrying over") as told:
                return await import_legacy(source, conninfo, prepare=bring_up_to_date, progress=told)

    done = trio.run(run, read_settings(**flags))
    say(
        f"Carried over {done.owners:,} owners, {done.projects:,} projects, {done.participants:,} participants, "
        f"{done.tokens:,} tokens and {done.events:,} events."
    )
    for remark in done.remarks:
        note(remark)
