"""`llm-bus migrate`, `owner add` and `token mint`: prepare a database and let people and agents in.

They work beside a running server, also beside `llm-bus up` on its embedded database.
"""

from typing import Any

import click
import msgspec
import trio

from store import open_store
from store.people import minting, owners
from store.people.grants import Kind
from store.people.minting import Minted
from store.people.owners import OwnerRow
from web.cli.database import bring_up_to_date, open_database
from web.cli.options import data_options, port_option, public_url_option
from web.cli.terminal import card, note, say
from web.config import Settings, read_settings
from web.onboarding.texts import connect_command, connect_lines, mcp_url

_OWNER_EPILOG = """\b
  llm-bus owner add you@example.com --operator
\b
An owner's handle, the public name, is made from the email. Adding one who is there
changes nothing, except that --operator makes them an operator.
"""

_MINT_EPILOG = """\b
What is missing is created: owner, project, participant. The token is printed once;
only its SHA-256 is kept. For one who has a token already it is a further one.
\b
  llm-bus token mint --owner you@example.com --project shop --participant agent-1 --admin
  llm-bus token mint --owner you@example.com --project shop --participant ci --json
\b
The printed address is PUBLIC_URL, or that of the server on this machine.
"""


@click.command()
@data_options
def migrate(**flags: str | None) -> None:
    """Apply what the database's schema lacks."""

    async def run(settings: Settings) -> list[str]:
        async with open_database(settings) as conninfo:
            return await bring_up_to_date(conninfo)

    applied = trio.run(run, read_settings(**flags))
    for name in applied:
        say(f"applied {name}")
    if not applied:
        say("The schema is this version's; nothing to do.")


@click.group()
def owner() -> None:
    """Humans who own projects."""


@owner.command("add", epilog=_OWNER_EPILOG)
@click.argument("email")
@click.option("--operator", is_flag=True, help="They operate this server, and see all of it in the web admin.")
@data_options
def add_owner(email: str, *, operator: bool, **flags: str | None) -> None:
    """Add an owner by EMAIL."""

    async def run(settings: Settings) -> OwnerRow:
        async with open_database(settings) as conninfo:
            await bring_up_to_date(conninfo)
            async with open_store(conninfo, pool_size_max=1) as store:
                return await store.write(owners.ensure_owner, email, is_operator=operator)

    added = trio.run(run, read_settings(**flags))
    role = "operator" if added.is_operator else "owner"
    say(f"{'Added' if added.created else 'Found'} {role} {added.email}, handle {added.handle}.")


@click.group()
def token() -> None:
    """Tokens, by which agents and humans take part."""


@token.command("mint", epilog=_MINT_EPILOG)
@click.option("--owner", "email", required=True, metavar="EMAIL", help="Who owns the project.")
@click.option("--project", required=True, metavar="SLUG", help="The project the token is for.")
@click.option("--participant", required=True, metavar="NAME", help="Who gets the token.")
@click.option("--kind", type=click.Choice(["agent", "human"]), help="What a new participant is; default: agent.")
@click.option("--lane", metavar="L", help="Their usual lane.")
@click.option("--admin", is_flag=True, default=None, help="A lead: may let others in and put them out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for machines.")
@public_url_option
@port_option
@data_options
def mint_token(
    email: str,
    project: str,
    participant: str,
    kind: Kind | None,
    lane: str | None,
    *,
    admin: bool | None,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Mint a token for a participant of a project; it is shown once."""
    settings = read_settings(**flags)

    async def run() -> Minted:
        async with open_database(settings) as conninfo:
            await bring_up_to_date(conninfo)
            async with open_store(conninfo, pool_size_max=1) as store:
                return await store.write(
                    minting.mint, email, project, participant, kind=kind, lane=lane, is_admin=admin
                )

    minted = trio.run(run)
    url = settings.public_url or settings.local_url
    if as_json:
        say(msgspec.json.encode(_described(minted, url)).decode())
    else:
        _show(minted, url)


def _described(minted: Minted, url: str) -> dict[str, Any]:
    new = minted.provisioned
    return {
        "owner": minted.owner.email,
        "handle": minted.owner.handle,
        "project": minted.project.slug,
        "participant": new.participant,
        "kind": new.kind,
        "lane": new.lane,
        "is_admin": new.is_admin,
        "token": new.token,
        "mcp_url": mcp_url(url),
        "connect_command": connect_command(url, new.token),
    }


def _show(minted: Minted, url: str) -> None:
    new = minted.provisioned
    role = "lead" if new.is_admin else new.kind
    note(f"{minted.owner.handle}/{new.participant}: {role} in project {minted.project.slug}.")
    card("The token is shown only now.", connect_lines(url, new.token))
