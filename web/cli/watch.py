"""`llm-bus watch`: a project's events as they happen."""

from functools import partial
from hashlib import sha256

import click
import msgspec
import trio
from rich.text import Text

from engine.errors import JournalUnavailable
from engine.vocabulary import Event
from store import Store
from store.errors import StoreUnavailable
from store.ledger import named
from store.transfer.format import to_line
from web.cli.database import on_store
from web.cli.options import WholeNumber, data_options
from web.cli.terminal import RESULTS, leave_with_the_reader, note, printable, say
from web.cli.timeline import COLOURS
from web.config import read_settings

LOOK_SECONDS = 0.5
PAGE_EVENTS = 500

_EPILOG = """\b
Shows the newest events, then every new one. It ends with Ctrl-C, or when the project is
deleted. It reads the database, so it wakes no project and makes nobody active. With --json
each event is one line, as in the ledger.jsonl of 'llm-bus export'.
\b
  llm-bus watch shop
  llm-bus watch ann/shop --last 0 --json
"""


@click.command(epilog=_EPILOG)
@click.argument("project")
@click.option("--last", type=WholeNumber(0, 1000), default=10, show_default=True, help="Earlier events to show.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
@data_options
def watch(project: str, last: int, *, as_json: bool, **flags: str | None) -> None:
    """Watch a PROJECT live."""
    trio.run(partial(on_store, read_settings(**flags), partial(_follow, project, last, as_json=as_json)))


async def _follow(project: str, last: int, store: Store, *, as_json: bool) -> None:
    which = await store.read(named.find, project)
    if which.archived_at is not None:
        note(f"{which.name} is archived: nothing happens there until 'llm-bus project unarchive {which.name}'.")
    seen = max(0, (await store.journal.head(which.id)).seq - last)
    is_silent = False
    while True:
        try:
            page = await store.journal.tail(which.id, seen, PAGE_EVENTS)
            if not page and not await store.read(named.is_there, which.id):
                raise click.ClickException(f"{which.name} was deleted.")
        except (JournalUnavailable, StoreUnavailable) as error:
            if not is_silent:
                note(f"The database does not answer; trying again: {error}")
            page, is_silent = [], True
        else:
            is_silent = False
        for stored in page:
            _show(stored.event, as_json=as_json)
            seen = stored.event.seq
        leave_with_the_reader()
        if len(page) < PAGE_EVENTS:
            await trio.sleep(LOOK_SECONDS)


def _show(event: Event, *, as_json: bool) -> None:
    if as_json:
        say(to_line(event).decode().rstrip("\n"))
        return
    colour = COLOURS[sha256(event.actor.encode()).digest()[0] % len(COLOURS)]
    RESULTS.print(
        Text.assemble(
            (f"{event.at.astimezone():%H:%M:%S}  ", "dim"),
            (f"{event.actor:<20}  ", f"bold {colour}"),
            (f"{event.data.type:<14}", "bold"),
            _details(event),
        )
    )


def _details(event: Event) -> str:
    """What the event says, field by field, on one line."""
    fields = msgspec.to_builtins(event.data)
    told = (f"{name}={value}" for name, value in fields.items() if name != "type" and value not in (None, [], False))
    return printable("  ".join(told))
