"""The audit trail: every change of identity, written in the transaction that makes it.

The ledger tells what participants did in a project; this tells how they came to be there. Never a secret in it.
"""

from typing import Literal

import msgspec

from store.connection import Connection

Action = Literal[
    "owner_add", "owner_operator", "project_add", "grant", "token_mint", "rotate", "revoke", "invite", "redeem"
]

_RECORD = """
insert into audit (owner_id, project_id, actor, action, detail) values (%s, %s, %s, %s, %s)
"""


async def record(
    connection: Connection, owner_id: int, project_id: int | None, actor: str, action: Action, **detail: object
) -> None:
    """Write down that `actor` did `action`; must be called in the transaction that does it."""
    stored = msgspec.json.encode(detail).decode()
    await connection.execute(_RECORD, (owner_id, project_id, actor, action, stored))
