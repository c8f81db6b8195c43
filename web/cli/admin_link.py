"""`llm-bus admin-link`: a one-time link that signs an owner in to the web admin."""

from functools import partial

import click
import trio

from store import Store
from store.people import links, owners
from store.people.owners import OwnerRow
from web.cli.database import on_store
from web.cli.options import data_options, json_option, port_option, public_url_option
from web.cli.slips import no_such_owner
from web.cli.terminal import card, note, say_json
from web.config import Settings, read_settings
from web.errors import CannotSignIn

LINK_LASTS = " The link works once, for 15 minutes."

_EPILOG = """\b
  llm-bus admin-link you@example.com
\b
Opening the link in a browser signs that owner in. It leads to PUBLIC_URL, or to the
server on this machine, and works while owners sign in by link (ADMIN_AUTH).
"""


@click.command(epilog=_EPILOG)
@click.argument("email")
@json_option
@public_url_option
@port_option
@data_options
def admin_link(email: str, *, as_json: bool, **flags: str | None) -> None:
    """Print a link that signs the owner EMAIL in, once."""
    settings = read_settings(**flags)
    if settings.admin_auth != "link":
        raise CannotSignIn(f"ADMIN_AUTH is '{settings.admin_auth}', so owners do not sign in by link.")
    owner, link = trio.run(on_store, settings, partial(_make, settings, email))
    if as_json:
        say_json({"owner": owner.email, "handle": owner.handle, "link": link})
    else:
        card(f"Sign in as {owner.email}.{LINK_LASTS}", [link])


def show_way_in(settings: Settings, link: str | None) -> None:
    """Where the web admin is: a link that signs an owner in, or its address."""
    if link is not None:
        card(f"Open the web admin.{LINK_LASTS}", [link])
        return
    card("Open the web admin.", [f"{settings.known_url}/admin/"])
    if settings.admin_auth == "link":
        note("To sign in: 'llm-bus admin-link EMAIL'. Who owns something here: 'llm-bus owner list'.")


def link_to(url: str, code: str) -> str:
    """The link that a code makes; a secret until it is used."""
    return f"{url}/admin/link?token={code}"


async def owner_link(store: Store, settings: Settings, email: str | None) -> str | None:
    """A link for this owner; None when there is no such owner, or owners sign in another way."""
    if email is None or settings.admin_auth != "link":
        return None
    code = await store.write(links.make, email)
    return None if code is None else link_to(settings.known_url, code)


async def _make(settings: Settings, email: str, store: Store) -> tuple[OwnerRow, str]:
    owner = await store.read(owners.find_owner, email)
    if owner is not None and owner.suspended:
        raise CannotSignIn(f"{owner.email} is suspended: an operator can restore them in the web admin.")
    code = None if owner is None else await store.write(links.make, email)
    if owner is None or code is None:
        raise await store.read(no_such_owner, email)
    return owner, link_to(settings.known_url, code)
