"""How much one owner may have: projects, participants, tokens that work, open invites.

A change is made first and counted after, in its own transaction, so that what is over a quota never was. Changes of one
owner that add something run one after the other: the owner's row is locked.
"""

from collections.abc import Awaitable, Callable
from typing import Concatenate, Literal, ParamSpec, TypeVar

from store.errors import QuotaReached
from store.people import owners
from store.people.bounds import Quotas
from store.people.tokens import WORKS
from store.postgres.connection import Connection

Thing = Literal["projects", "participants", "tokens", "invites"]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_OWNER_OF = "select owner_id from projects where id = %s"

_COUNTS: dict[Thing, str] = {
    "projects": "select count(*) from projects where owner_id = %s",
    "participants": "select count(*) from participants where owner_id = %s",
    "tokens": f"""
        select count(*)
          from tokens t join participations p on p.id = t.participation_id join projects j on j.id = p.project_id
         where j.owner_id = %s and {WORKS}
    """,  # noqa: S608  # made of literals
    "invites": """
        select count(*)
          from invites i join projects j on j.id = i.project_id
         where j.owner_id = %s and i.revoked_at is null and i.uses < i.uses_max and i.expires_at > now()
    """,
}

_WORDS: dict[Thing, str] = {
    "projects": "projects: delete one",
    "participants": "participants: delete one",
    "tokens": "tokens that work: revoke some",
    "invites": "open invites: revoke some, or wait until some expire",
}


async def used(connection: Connection, owner_id: int) -> dict[Thing, int]:
    """How many of each thing an owner has."""
    return {thing: (await connection.fetch(count, (owner_id,)))[0][0] for thing, count in _COUNTS.items()}


async def of_owner(
    connection: Connection,
    quotas: Quotas,
    things: tuple[Thing, ...],
    owner_id: int,
    change: Callable[Concatenate[Connection, Arguments], Awaitable[Result]],
    *arguments: Arguments.args,
    **named: Arguments.kwargs,
) -> Result:
    """Make a change for an owner; raises `QuotaReached` when there would be too many of these `things` then."""
    await owners.lock(connection, owner_id)
    result = await change(connection, *arguments, **named)
    for thing in things:
        most: int = getattr(quotas, thing)
        if most and (await connection.fetch(_COUNTS[thing], (owner_id,)))[0][0] > most:
            raise QuotaReached(f"an owner may have {most} {_WORDS[thing]}: the operator of this server can allow more.")
    return result


async def of_project(
    connection: Connection,
    quotas: Quotas,
    things: tuple[Thing, ...],
    project_id: int,
    change: Callable[Concatenate[Connection, Arguments], Awaitable[Result]],
    *arguments: Arguments.args,
    **named: Arguments.kwargs,
) -> Result:
    """`of_owner` for the owner of a project."""
    rows = await connection.fetch(_OWNER_OF, (project_id,))
    owner_id = rows[0][0] if rows else 0
    return await of_owner(connection, quotas, things, owner_id, change, *arguments, **named)


async def of_redeemed(
    connection: Connection,
    quotas: Quotas,
    things: tuple[Thing, ...],
    change: Callable[Concatenate[Connection, Arguments], Awaitable[Result]],
    *arguments: Arguments.args,
    **named: Arguments.kwargs,
) -> Result:
    """`of_project` for a change whose result has the project's id, if there is one."""
    result = await change(connection, *arguments, **named)
    project_id = getattr(result, "project_id", None)
    if project_id is not None:
        await of_project(connection, quotas, things, project_id, _nothing)
    return result


async def _nothing(_: Connection) -> None:
    """Change nothing."""
