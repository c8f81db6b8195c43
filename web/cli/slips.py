"""Names that are probably mistyped: what a command would create is refused when it nearly is something else."""

from collections.abc import Iterable
from difflib import SequenceMatcher

from store.errors import NoSuchName
from store.ledger import named, overview
from store.ledger.named import resembling
from store.ledger.overview import OwnerOverview
from store.people import grants, owners
from store.postgres.connection import Connection

_ALIKE = 0.6
"""Ratio of common characters (difflib) from which two names before an `@` are alike."""


async def refuse_slips(connection: Connection, email: str, project: str, participant: str) -> None:
    """Raise `NoSuchName` for an owner, project or participant that is not there and resembles one that is."""
    await refuse_slip_of_owner(connection, email)
    if (owner := await owners.find_owner(connection, email)) is None:
        return
    projects = {each.slug: each.id for each in await named.projects(connection) if each.owner_id == owner.id}
    _refuse(f"project '{project}'", project, projects)
    if (project_id := projects.get(project)) is not None:
        members = await grants.list_participants(connection, project_id)
        _refuse(f"participant '{participant}' in {project}", participant, [row.name for row in members])


async def refuse_slip_of_owner(connection: Connection, email: str) -> None:
    """Raise `NoSuchName` for an owner who is not there and whose email resembles another's, also before its `@`."""
    wanted = email.strip().lower()
    _refuse(f"owner {email}", wanted, _alike_owners(wanted, await overview.owners(connection)))


async def no_such_owner(connection: Connection, email: str) -> NoSuchName:
    """What to say of an email that no owner has: whose it may be, also by the handle, or where to look."""
    wanted, known = email.strip().lower(), await overview.owners(connection)
    by_handle = next((row.email for row in known if row.handle == wanted), None)
    near = by_handle or resembling(wanted, _alike_owners(wanted, known))
    hint = "'llm-bus owner list' lists them." if near is None else f"Did you mean {near}?"
    return NoSuchName(f"there is no owner {email}. {hint}")


def _alike_owners(wanted: str, known: Iterable[OwnerOverview]) -> list[str]:
    # bob@ and ann@ of one domain have most characters in common, and nothing else.
    return [email for row in known if _alike(_person(wanted), _person(email := row.email.lower()))]


def _person(email: str) -> str:
    return email.rpartition("@")[0]


def _alike(one: str, other: str) -> bool:
    return SequenceMatcher(None, one, other).ratio() >= _ALIKE


def _refuse(what: str, name: str, known: Iterable[str]) -> None:
    if (near := resembling(name, list(known))) is not None:
        raise NoSuchName(f"there is no {what}. Did you mean {near}? If it is new, say --create.")
