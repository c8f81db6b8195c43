"""`llm-bus token`: let agents and humans in, see who has tokens, and take them back."""

from functools import partial
from typing import Any

import click
import trio

from store import Store
from store.errors import NoSuchName
from store.ledger import named
from store.people import grants, minting, owners, participants
from store.people.grants import Kind
from store.people.minting import Minted
from store.people.participants import MemberRow
from store.postgres.connection import Connection
from web.cli.database import on_store
from web.cli.options import data_options, json_option, port_option, public_url_option
from web.cli.slips import refuse_slips
from web.cli.terminal import card, counted, note, say, say_json, table
from web.config import read_settings
from web.onboarding.texts import connect_command, connect_lines, mcp_url

_MINT_EPILOG = """\b
What is missing is created: owner, project, participant. A name that is nearly that of
another one is taken for a typo, unless --create says that it is new. The
token is printed once; only its SHA-256 is kept. A second one works beside the first.
\b
  llm-bus token mint --owner you@example.com --project shop --participant agent-1 --admin
  llm-bus token mint --owner you@example.com --project shop --participant ci --json
  export LLM_BUS_TOKEN=$(llm-bus token mint --quiet --owner … --project … --participant …)
\b
The printed address is PUBLIC_URL, or that of the server on this machine.
"""


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
@click.option("--create", is_flag=True, help="Create it even if the name resembles another.")
@click.option("--quiet", is_flag=True, help="Print the token and nothing else.")
@json_option
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
    create: bool,
    quiet: bool,
    as_json: bool,
    **flags: str | None,
) -> None:
    """Mint a token for a participant of a project; it is shown once."""
    settings = read_settings(**flags)

    async def mint(store: Store) -> tuple[Minted, list[str]]:
        async with store.transaction() as connection:
            if not create:
                await refuse_slips(connection, email, project, participant)
            known = await _projects_of(connection, email)
            minted = await minting.mint(connection, email, project, participant, kind=kind, lane=lane, is_admin=admin)
            return minted, _created(minted, known)

    minted, created = trio.run(partial(on_store, settings, mint, makes_database=True))
    url = settings.public_url or settings.local_url
    if as_json:
        say_json(_described(minted, url))
    elif quiet:
        say(minted.provisioned.token)
        _show_hindrances(minted)
    else:
        if created:
            note(f"Created {' and '.join(created)}.")
        _show(minted, url)
        _show_hindrances(minted)


@token.command("list", epilog="Example: llm-bus token list shop")
@click.argument("project")
@json_option
@data_options
def list_tokens(project: str, *, as_json: bool, **flags: str | None) -> None:
    """List who takes part in a PROJECT, and how many tokens they have."""

    async def read(store: Store) -> list[MemberRow]:
        which = await store.read(named.find, project)
        return await store.read(participants.members, which.owner_id, which.id) or []

    found = sorted(trio.run(partial(on_store, read_settings(**flags), read)), key=lambda row: row.name)
    if as_json:
        say_json({"participants": found})
        return
    rows = [
        (row.name, "lead" if row.is_admin else row.kind, row.lane, row.tokens, row.token_created_at, row.last_seen)
        for row in found
    ]
    headings = ("participant", "role", "lane", "tokens", "newest", "last seen")
    table(headings, rows, nothing="No members yet: 'llm-bus token mint --help' says how to let somebody in.")


@token.command("revoke", epilog="Example: llm-bus token revoke ann/shop agent-1")
@click.argument("project")
@click.argument("participant")
@json_option
@data_options
def revoke_tokens(project: str, participant: str, *, as_json: bool, **flags: str | None) -> None:
    """Take back every token of a PARTICIPANT of a PROJECT. They stop working at once."""

    async def revoke(store: Store) -> int:
        which = await store.read(named.find, project)
        if await store.read(grants.find_participation, which.id, participant) is None:
            raise NoSuchName(
                f"{which.name} has no participant '{participant}': 'llm-bus token list {project}' lists them."
            )
        return len(await store.write(grants.revoke, which.id, participant, by="cli"))

    revoked = trio.run(partial(on_store, read_settings(**flags), revoke))
    if as_json:
        say_json({"revoked": revoked})
    else:
        say(f"Took back {counted(revoked, 'token')} of {participant}.")


async def _projects_of(connection: Connection, email: str) -> set[str] | None:
    """The slugs of an owner's projects; None when there is no such owner."""
    owner = await owners.find_owner(connection, email)
    if owner is None:
        return None
    return {each.slug for each in await named.projects(connection) if each.owner_id == owner.id}


def _created(minted: Minted, known: set[str] | None) -> list[str]:
    """What a token was not only minted in but made for, so that a mistyped name shows."""
    owner = [f"owner {minted.owner.email}"] if known is None else []
    return [*owner, *([f"project {minted.project.slug}"] if minted.project.slug not in (known or ()) else [])]


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


def _show_hindrances(minted: Minted) -> None:
    """Say why the token does not work yet, if it does not."""
    if minted.project.archived:
        name = f"{minted.owner.handle}/{minted.project.slug}"
        note(f"{name} is archived: the token works once 'llm-bus project unarchive {name}' has opened it.")
    if minted.owner.suspended:
        note(f"{minted.owner.email} is suspended: the token works once an operator restores them in the web admin.")
