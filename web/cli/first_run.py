"""What `up` makes in an empty database: somebody to own things, a project, and an agent with its token."""

import re
from pathlib import Path

from msgspec import Struct

from store import Store
from store.ledger import overview
from store.people import minting, owners
from store.people.minting import Minted

EMAIL = "owner@localhost"
"""The first owner's, unless given: enough on one machine, where nobody signs in by email."""

PROJECT = "main"
"""The first project's, when the directory's name does not make one."""

AGENT = "agent-1"
"""A lead, so that it can let others in (`admin_provision`)."""

_SLUG_LENGTH_MAX = 64


class FirstRun(Struct, frozen=True, kw_only=True):
    """What to make, if anything is to be made."""

    email: str | None
    project: str

    async def make(self, store: Store) -> Minted | None:
        """Make it, with the owner as operator; None when the database is in use, unless an email new to it was given.

        Raises `InvalidName`.
        """
        if await self.has_owner(store):
            return None
        email = self.email or EMAIL
        await store.write(owners.ensure_owner, email, is_operator=True)
        return await store.write(minting.mint, email, self.project, AGENT, kind="agent", is_admin=True)

    async def has_owner(self, store: Store) -> bool:
        """Whether the email that was given is an owner's; without one, whether there is any owner."""
        if self.email is None:
            return await store.read(owners.has_owners)
        return await store.read(owners.find_owner, self.email) is not None

    async def operator(self, store: Store) -> str | None:
        """The email of who is to look after this server: the one given, or the operator who is there longest.

        None when there is no such owner, or only suspended ones.
        """
        if self.email is not None:
            return self.email
        known = [
            owner for owner in await store.read(overview.owners) if owner.is_operator and owner.suspended_at is None
        ]
        return min(known, key=lambda owner: owner.id).email if known else None


def project_here() -> str:
    """The slug that the current directory's name suggests; `PROJECT` where it was removed."""
    try:
        return project_of(Path.cwd())
    except FileNotFoundError:
        return PROJECT


def project_of(directory: Path) -> str:
    """The slug that a directory's name suggests."""
    name = re.sub(r"[^a-z0-9]+", "-", directory.name.lower())[:_SLUG_LENGTH_MAX].strip("-")
    return name or PROJECT
