"""The audit trail: every change of identity and every sign-in, written in the transaction that makes it.

The ledger tells what participants did in a project; this tells how they came to be there. Never a secret in it.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from store.postgres.connection import Connection

Action = Literal[
    "owner_add",
    "owner_operator",
    "owner_suspend",
    "owner_restore",
    "handle_change",
    "identity_link",
    "link_make",
    "link_refuse",
    "sign_in",
    "project_add",
    "project_change",
    "project_archive",
    "project_unarchive",
    "project_delete",
    "webhook_change",
    "webhook_remove",
    "webhook_test",
    "participant_change",
    "participant_delete",
    "grant",
    "member_change",
    "token_mint",
    "rotate",
    "revoke",
    "invite",
    "invite_revoke",
    "redeem",
    "ledger_repair",
    "ledger_loss",
    "ledger_prune",
    "ledger_unprune",
]

_RECORD = """
insert into audit (owner_id, project_id, actor, action, detail) values (%s, %s, %s, %s, %s)
"""

_PAGE = """
select a.id, a.at, a.project_id, j.slug, a.actor, a.action, a.detail::text
  from audit a left join projects j on j.id = a.project_id
 where a.owner_id = %(owner)s and a.id < coalesce(%(before)s::bigint, 9223372036854775807)
   and (%(project)s::bigint is null or a.project_id = %(project)s::bigint)
 order by a.id desc limit %(limit)s
"""


class AuditRow(Struct, frozen=True, kw_only=True):
    """One change of identity; `project_slug` is None when it concerned no project, or one that is gone."""

    id: int
    at: datetime
    project_id: int | None
    project_slug: str | None
    actor: str
    action: str
    detail: dict[str, Any]


async def record(
    connection: Connection, owner_id: int, project_id: int | None, actor: str, action: Action, **detail: object
) -> None:
    """Write down that `actor` did `action`; must be called in the transaction that does it."""
    stored = msgspec.json.encode(detail).decode()
    await connection.execute(_RECORD, (owner_id, project_id, actor, action, stored))


async def page(
    connection: Connection, owner_id: int, *, project_id: int | None = None, before: int | None = None, limit: int
) -> list[AuditRow]:
    """At most `limit` changes of what is this owner's, newest first; `before`: only those with a smaller id."""
    parameters = {"owner": owner_id, "project": project_id, "before": before, "limit": limit}
    return [
        AuditRow(
            id=id_,
            at=at,
            project_id=project,
            project_slug=slug,
            actor=actor,
            action=action,
            detail=msgspec.json.decode(detail),
        )
        for id_, at, project, slug, actor, action, detail in await connection.fetch(_PAGE, parameters)
    ]
