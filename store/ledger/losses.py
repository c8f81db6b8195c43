"""Ledgers that lost their last events, as after the failover to an asynchronous standby, noted by who sees it.

The ledger itself looks whole afterwards, so the note is all that remains. It is in the audit trail, which the owner's
pages show and `llm-bus doctor` reads.
"""

from datetime import datetime, timedelta

from msgspec import Struct

from engine.history import Head
from store.postgres.connection import Connection

_NOTE = """
insert into audit (owner_id, project_id, actor, action, detail)
select owner_id, id, 'llm-bus', 'ledger_loss', jsonb_build_object('had', %s::bigint, 'kept', %s::bigint)
  from projects where id = %s
"""

_RECENT = """
select o.handle, j.slug, a.at, (a.detail ->> 'had')::bigint, (a.detail ->> 'kept')::bigint
  from audit a join projects j on j.id = a.project_id join owners o on o.id = j.owner_id
 where a.action = 'ledger_loss' and a.at > now() - %s::interval order by a.id desc limit %s
"""


class Loss(Struct, frozen=True, kw_only=True):
    """At time `at` a server had seen event `had` of a project, and its ledger ended with event `kept`."""

    handle: str
    slug: str
    at: datetime
    had: int
    kept: int


async def note(connection: Connection, project_id: int, had: Head, has: Head) -> None:
    """Write a loss down in the audit trail of the project's owner."""
    await connection.execute(_NOTE, (had.seq, has.seq, project_id))


async def recent(connection: Connection, within: timedelta, limit: int) -> list[Loss]:
    """The losses of that time, the last first. Each server that saw one has noted it."""
    rows = await connection.fetch(_RECENT, (within, limit))
    return [Loss(handle=handle, slug=slug, at=at, had=had, kept=kept) for handle, slug, at, had, kept in rows]
