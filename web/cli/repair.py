"""`llm-bus repair`: show the gaps in ledgers and, when told to, close them as `store.ledger.repair` does."""

from itertools import groupby
from math import inf

import click
import trio

from store.ledger.repair import Closed, Gap, close_gaps, find_gaps
from store.postgres.connection import Connection
from web.cli.database import ready_database
from web.cli.options import data_options, json_option
from web.cli.terminal import note, say, say_json
from web.config import Settings, read_settings

_EPILOG = """\b
A ledger has a gap when its database lost events and others came after them. Without
--apply this only shows the gaps, and exits with 1 when there are any. With --apply every
missing number gets a 'lost' event, as does every later event that makes no sense without
what is missing; the audit trail keeps that it was done. Make a backup first.
\b
  llm-bus repair
  llm-bus repair --apply
"""


@click.command(epilog=_EPILOG)
@click.option("--apply", "is_applied", is_flag=True, help="Close the gaps.")
@json_option
@data_options
def repair(*, is_applied: bool, as_json: bool, **flags: str | None) -> None:
    """Show gaps in ledgers, and close them."""
    gaps, closed = trio.run(_run, read_settings(**flags), is_applied)
    if as_json:
        say_json({"gaps": gaps, "closed": closed})
    else:
        _show(gaps, closed, is_applied=is_applied)
    if gaps and not is_applied:
        raise SystemExit(1)


def _show(gaps: list[Gap], closed: dict[str, Closed], *, is_applied: bool) -> None:
    if not gaps:
        say("No ledger has a gap.")
    for gap in gaps:
        say(f"{gap.handle}/{gap.slug} lacks {_numbers(gap)}.")
    for name, done in closed.items():
        aside = f", {len(done.set_aside):,} later ones set aside" if done.set_aside else ""
        say(f"Closed {name}: {done.filled:,} events recorded as lost{aside}.")
    if gaps and not is_applied:
        note("Close the gaps with 'llm-bus repair --apply'.")


async def _run(settings: Settings, is_applied: bool) -> tuple[list[Gap], dict[str, Closed]]:
    async with ready_database(settings) as conninfo:
        connection = await Connection.open(conninfo, statement_timeout_seconds=inf)
        try:
            async with connection.transaction():
                gaps = await find_gaps(connection)
                if not is_applied:
                    return gaps, {}
                by_project = groupby(gaps, key=lambda gap: f"{gap.handle}/{gap.slug}")
                return gaps, {name: await close_gaps(connection, list(group)) for name, group in by_project}
        finally:
            connection.close()


def _numbers(gap: Gap) -> str:
    return f"event {gap.first:,}" if gap.first == gap.last else f"events {gap.first:,} to {gap.last:,}"
