"""`llm-bus invite`: the invites of a project, which its leads and its owner made."""

from functools import partial

import click
import trio

from engine.terms import ID_MAX
from store import Store
from store.errors import NoSuchName
from store.ledger import named
from store.people import invites
from store.people.invites import InviteRow
from web.cli.database import on_store
from web.cli.options import WholeNumber, data_options, json_option
from web.cli.terminal import say, say_json, table
from web.config import read_settings

_EPILOG = """\b
The web admin makes them, and so does a lead, with its token in LLM_BUS_TOKEN:
  llm-bus call create_invite '{"uses": 3}'
"""


@click.group(epilog=_EPILOG)
def invite() -> None:
    """Invites, by which others join by themselves."""


@invite.command("list", epilog="Example: llm-bus invite list shop")
@click.argument("project")
@json_option
@data_options
def list_invites(project: str, *, as_json: bool, **flags: str | None) -> None:
    """List the invites of a PROJECT that still let somebody in."""

    async def read(store: Store) -> list[InviteRow]:
        return await store.read(invites.list_open, (await store.read(named.find, project)).id)

    found = trio.run(partial(on_store, read_settings(**flags), read))
    if as_json:
        say_json({"invites": found})
        return
    rows = [
        (row.id, row.label, row.email, _role(row), f"{row.uses} of {row.uses_max}", row.expires_at) for row in found
    ]
    table(("id", "for", "email", "role", "used", "expires"), rows, nothing="No invite is open.")


@invite.command("revoke", epilog="Example: llm-bus invite revoke shop 7")
@click.argument("project")
@click.argument("invite_id", metavar="ID", type=WholeNumber(1, ID_MAX))
@json_option
@data_options
def revoke_invite(project: str, invite_id: int, *, as_json: bool, **flags: str | None) -> None:
    """Let nobody join a PROJECT with the invite ID any more."""

    async def revoke(store: Store) -> None:
        which = await store.read(named.find, project)
        if not await store.write(invites.revoke, which.owner_id, which.id, invite_id, by="cli"):
            raise NoSuchName(f"{which.name} has no invite {invite_id}: 'llm-bus invite list {project}' lists them.")

    trio.run(partial(on_store, read_settings(**flags), revoke))
    if as_json:
        say_json({"revoked": True})
    else:
        say(f"Nobody can join with invite {invite_id} any more.")


def _role(row: InviteRow) -> str:
    return "lead" if row.is_admin else row.kind
