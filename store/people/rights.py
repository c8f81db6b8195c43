"""The rights of a lead, checked in the transaction that uses them.

A call is let in when it arrives, and its change may run much later: after the lead's tokens were taken back. Without a
second look a lead who keeps calling would be left with a token made a moment after the revocation.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from store.errors import RightLost
from store.people import owners, tokens
from store.postgres.connection import Connection

Result = TypeVar("Result")


async def as_lead(
    connection: Connection, token_hash: bytes, change: Callable[[Connection], Awaitable[Result]]
) -> Result:
    """Make a change with the right of the lead whose token this is; raises `RightLost` when it has none any more.

    A change that takes the right away waits for this one and then sees it, or commits first and is seen here.
    """
    if (before := await tokens.authenticate(connection, token_hash)) is not None:
        await owners.lock(connection, before.owner_id)
        now = await tokens.authenticate(connection, token_hash)
        if now is not None and now.admits and now.principal.is_admin:
            return await change(connection)
    raise RightLost("your token was taken back, or you are not a lead any more; nothing was changed.")
