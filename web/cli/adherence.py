"""`llm-bus adherence`: how well a project's agents keep to the protocol, by participant and week."""

from functools import partial

import click
import trio

from store import Store
from store.ledger import named
from store.ledger.adherence import OVERDUE_HOURS, WEEKS_MAX, Adherence, adherence
from web.cli.database import on_store
from web.cli.options import HOURS_MAX, Number, WholeNumber, data_options, json_option
from web.cli.terminal import say, say_json, table
from web.config import read_settings

_EPILOG = """\b
"3/5" is three of five. Numbers: new numbered files whose number was claimed before the
commit. Paths: changed paths under a lease, and how many of them only because the hook took
it. Time to ack: the median. Expired: leases that were neither released nor renewed.
Sessions end with a pause of two hours. Covered: commits that the guard looked at.
\b
  llm-bus adherence shop
  llm-bus adherence shop --weeks 12 --json
"""

_HEADINGS = (
    *("week", "participant", "numbers claimed", "paths leased", "leased by hook", "acks", "time to ack"),
    *("overdue", "leases expired", "without register", "covered", "bypassed"),
)


@click.command("adherence", epilog=_EPILOG)
@click.argument("project", metavar="PROJECT")
@click.option("--weeks", type=WholeNumber(1, WEEKS_MAX), default=4, show_default=True, help="This one and before.")
@click.option("--hours", type=Number(0, HOURS_MAX), default=OVERDUE_HOURS, show_default=True, help="Overdue after.")
@json_option
@data_options
def show_adherence(project: str, weeks: int, hours: float, *, as_json: bool, **flags: str | None) -> None:
    """Count who keeps to the protocol in a PROJECT.

    By participant and week; each figure beside what it is a part of.
    """

    async def look(store: Store) -> tuple[str, list[Adherence]]:
        which = await store.read(named.find, project)
        return which.name, await store.read(adherence, which.id, weeks=weeks, overdue_hours=hours)

    name, rows = trio.run(partial(on_store, read_settings(**flags), look))
    if as_json:
        say_json({"project": name, "adherence": rows})
        return
    say(f"{name}, by week and participant")
    table(_HEADINGS, [_told(row) for row in rows], nothing="Nothing happened in these weeks.")


def _told(row: Adherence) -> tuple[object, ...]:
    return (
        row.week.isoformat(),
        row.participant,
        _share(row.numbers_claimed, row.numbers),
        _share(row.paths_leased + row.paths_by_hook, row.paths),
        row.paths_by_hook or None,
        row.acks or None,
        None if row.ack_seconds_median is None else _duration(row.ack_seconds_median),
        _share(row.handoffs_overdue, row.handoffs),
        _share(row.leases_expired, row.leases),
        _share(row.sessions_unregistered, row.sessions),
        _share(row.commits_covered, row.commits),
        row.commits_bypassed or None,
    )


def _share(part: int, whole: int) -> str | None:
    """A part of a whole; None where there is no whole."""
    return f"{part:,}/{whole:,}" if whole else None


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
