"""How long records of people are kept: a server removes those that ended longer ago than its operator wants.

These are audit records, tokens that were revoked or ran out, and invites that were revoked or ran out; nobody gets in
by any of them. Kept whatever their age are notes of lost events, because nothing else tells of them, and the record of
a deleted project while anything of its ledger is left: the owner's next deletion finds that by the record.

Several servers may remove at once: each passes over rows that another one has locked, and waits for nobody.
"""

from collections.abc import Awaitable, Callable

import structlog
import trio

from store.errors import StoreUnavailable
from store.postgres.connection import Connection

log = structlog.get_logger(__name__)

LOOK_SECONDS = 3600.0
"""How often a server looks for old records."""

BATCH_ROWS = 1_000
"""Rows of a table that one transaction removes."""

PAUSE_SECONDS = 0.1
"""Between two batches, so that the first look at an old database delays nobody."""

DAYS_MAX = 36_500
"""How long old records of people are kept at most. PostgreSQL counts back no more than some thousand years."""

_OLD = "< now() - make_interval(days => %(days)s)"

_REMOVALS = (
    f"""
delete from audit where id = any(array(
    select a.id from audit a
     where a.at {_OLD} and a.action <> 'ledger_loss'
       and (a.action <> 'project_delete'
            or not (exists (select from events where project_id = a.project_id)
                    or exists (select from snapshots where project_id = a.project_id)
                    or exists (select from cursors where project_id = a.project_id)
                    or exists (select from liveness where project_id = a.project_id)))
     order by a.at limit {BATCH_ROWS} for update skip locked))
""",  # noqa: S608  # made of literals
    *(
        f"""
delete from {table} where id = any(array(
    select id from {table} where least(revoked_at, expires_at) {_OLD}
     order by least(revoked_at, expires_at) limit {BATCH_ROWS} for update skip locked))
"""  # noqa: S608  # made of literals
        for table in ("tokens", "invites")
    ),
)


async def remove_old(connection: Connection, days: int) -> int:
    """Remove a batch of what ended more than so many days ago; how many rows that were. Wants a transaction."""
    parameters = {"days": min(days, DAYS_MAX)}
    return sum([await connection.execute(statement, parameters) for statement in _REMOVALS])


async def keep_removing(remove_batch: Callable[[], Awaitable[int]]) -> None:
    """Remove all that is old, batch by batch, now and every hour, until cancelled."""
    while True:
        removed = 0
        try:
            while batch := await remove_batch():
                removed += batch
                await trio.sleep(PAUSE_SECONDS)
        except StoreUnavailable as error:
            log.warning("old records of people not removed", error=str(error))
        if removed:
            log.info("old records of people removed", rows=removed)
        await trio.sleep(LOOK_SECONDS)
