"""`llm-bus migrate` and `llm-bus owner`: prepare a database, and the humans who own projects.

Like all commands that look after a database they work beside a running server, also beside `llm-bus up`.
"""

from functools import partial

import click
import trio

from store import Store
from store.ledger import overview
from store.people import owners
from web.cli.database import bring_up_to_date, on_store, open_database
from web.cli.options import data_options, json_option
from web.cli.slips import refuse_slip_of_owner
from web.cli.terminal import say, say_json, table
from web.config import Settings, read_settings

_MIGRATE_EPILOG = """\b
  llm-bus migrate
  DATABASE_URL=postgresql://bus@db/bus llm-bus migrate
\b
'llm-bus up' and 'llm-bus serve' do the same when they start.
"""

_ADD_EPILOG = """\b
  llm-bus owner add you@example.com --operator
\b
An owner's handle, the public name, is made from the email. Adding one who exists
changes nothing, except that --operator makes them an operator. An email that is nearly
that of another owner is taken for a typo, unless --create says that it is new.
"""


@click.command(epilog=_MIGRATE_EPILOG)
@json_option
@data_options
def migrate(*, as_json: bool, **flags: str | None) -> None:
    """Apply the migrations that are missing."""

    async def run(settings: Settings) -> list[str]:
        async with open_database(settings) as conninfo:
            return await bring_up_to_date(conninfo)

    applied = trio.run(run, read_settings(**flags))
    if as_json:
        say_json({"applied": applied})
        return
    for name in applied:
        say(f"applied {name}")
    if not applied:
        say("The schema is this version's; nothing to do.")


@click.group()
def owner() -> None:
    """Humans who own projects."""


@owner.command("add", epilog=_ADD_EPILOG)
@click.argument("email")
@click.option("--operator", is_flag=True, help="They operate this server, and see all of it in the web admin.")
@click.option("--create", is_flag=True, help="Add the owner even if the email resembles another.")
@json_option
@data_options
def add_owner(email: str, *, operator: bool, create: bool, as_json: bool, **flags: str | None) -> None:
    """Add an owner by EMAIL."""

    async def add(store: Store) -> owners.OwnerRow:
        async with store.transaction() as connection:
            if not create:
                await refuse_slip_of_owner(connection, email)
            return await owners.ensure_owner(connection, email, is_operator=operator)

    added = trio.run(partial(on_store, read_settings(**flags), add, makes_database=True))
    if as_json:
        about = {"owner": added.email, "handle": added.handle}
        say_json({**about, "is_operator": added.is_operator, "created": added.created})
        return
    role = "operator" if added.is_operator else "owner"
    say(f"{'Added' if added.created else 'Found'} {role} {added.email}, handle {added.handle}.")


@owner.command("list", epilog="Example: llm-bus owner list")
@json_option
@data_options
def list_owners(*, as_json: bool, **flags: str | None) -> None:
    """List the owners, and what they have."""

    async def read(store: Store) -> list[overview.OwnerOverview]:
        return await store.read(overview.owners)

    found = trio.run(partial(on_store, read_settings(**flags), read))
    if as_json:
        say_json({"owners": found})
        return
    rows = [
        (row.handle, row.email, _role(row), row.projects, row.participants, row.events, row.last_event_at)
        for row in found
    ]
    headings = ("handle", "email", "role", "projects", "participants", "events", "last event")
    table(headings, rows, nothing="There are no owners yet: 'llm-bus owner add EMAIL' adds one.")


def _role(row: overview.OwnerOverview) -> str:
    role = "operator" if row.is_operator else "owner"
    return role if row.suspended_at is None else f"{role}, suspended"
