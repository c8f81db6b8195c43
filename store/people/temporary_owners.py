"""Removing temporary owners with their projects, ledgers and audit records.

`doctor` and `demo` make them for themselves, with an email in a domain that cannot exist. A real owner's ledger
is history and is kept, and so is the audit trail (`store.people.retention` says how long); nothing that serves requests
calls this. A server that still holds such a project in memory may write a snapshot of it afterwards, which nothing
refers to.
"""

from typing import LiteralString

from store.people.names import TEMPORARY_DOMAIN
from store.postgres.connection import Connection

_IS_TEMPORARY = "select exists (select from owners where id = %s and email like '%%@' || %s)"

_PROJECTS = "(select id from projects where owner_id = %s)"

_REMOVALS: tuple[LiteralString, ...] = (
    f"delete from events where project_id in {_PROJECTS}",  # noqa: S608 - made of literals
    f"delete from snapshots where project_id in {_PROJECTS}",  # noqa: S608
    f"delete from cursors where project_id in {_PROJECTS}",  # noqa: S608
    f"delete from liveness where project_id in {_PROJECTS}",  # noqa: S608
    "delete from audit where owner_id = %s",
    "delete from owners where id = %s",
)
"""In this order: what goes by the owner's projects, before the last removes those too."""


async def remove_temporary_owner(connection: Connection, owner_id: int) -> bool:
    """Remove a temporary owner and all that was theirs; False for every other owner. Wants a transaction."""
    ((is_temporary,),) = await connection.fetch(_IS_TEMPORARY, (owner_id, TEMPORARY_DOMAIN))
    if is_temporary:
        for statement in _REMOVALS:
            await connection.execute(statement, (owner_id,))
    return bool(is_temporary)
