"""Whether a pooler in front of PostgreSQL leaves us sessions of our own.

A pooler that lends its connections by the transaction or the statement breaks what this program builds on: prepared
statements, LISTEN, and the advisory locks that stand for a running server. It breaks them silently or only under load,
so this is tried out before anything depends on it.
"""

import trio
from msgspec import Struct

from store.errors import PoolerUnfit, StatementFailed, StoreUnavailable
from store.postgres.connection import Connection

ANSWER_SECONDS_MAX = 5.0
"""How long each step may take. With a pool of one session, transaction pooling shows as a wait without end."""

SESSIONS_SECONDS_MAX = 2.0
"""How long all sessions together may take to open."""

_CHANNEL = "llm_bus_pooler_check"

_REMEDY = "Connect to PostgreSQL directly, or set the pooler to session pooling (PgBouncer: pool_mode = session)."


class Pooler(Struct, frozen=True, kw_only=True):
    """Whether a pooler, one that keeps sessions apart, stands between this server and PostgreSQL."""

    is_there: bool


async def check_sessions(conninfo: str) -> Pooler:
    """Try out whether a session stays ours.

    Raises `PoolerUnfit` with a sentence when it does not, and `StoreUnavailable` when the database does not answer.
    """
    try:
        with trio.fail_after(ANSWER_SECONDS_MAX):
            ours, other = await Connection.open(conninfo), await Connection.open(conninfo)
    except trio.TooSlowError:
        raise PoolerUnfit(f"a second session with PostgreSQL cannot be had beside the first. {_REMEDY}") from None
    try:
        with trio.fail_after(ANSWER_SECONDS_MAX):
            await _check_backend(ours, other)
            await _check_prepared(ours, other)
            await _check_news(ours, other)
        return Pooler(is_there=ours.is_pooled)
    except trio.TooSlowError:
        raise _unfit("a session has to wait while another one is in a transaction") from None
    finally:
        ours.close()
        other.close()


async def count_sessions(conninfo: str, wanted: int) -> int:
    """How many of `wanted` sessions can be had at once."""
    opened: list[Connection] = []

    async def open_one() -> None:
        try:
            opened.append(await Connection.open(conninfo))
        except StoreUnavailable:
            return

    try:
        with trio.move_on_after(SESSIONS_SECONDS_MAX):
            async with trio.open_nursery() as nursery:
                for _ in range(wanted):
                    nursery.start_soon(open_one)
        return len(opened)
    finally:
        for connection in opened:
            connection.close()


async def _check_backend(ours: Connection, other: Connection) -> None:
    """Have another session in a transaction between two statements of ours: a shared process would go to it."""
    ((before,),) = await ours.fetch("select pg_backend_pid()")
    async with other.transaction():
        await other.fetch("select 1")
        ((after,),) = await ours.fetch("select pg_backend_pid()")
    if before != after:
        raise _unfit(f"two statements of one session ran in PostgreSQL's processes {before} and {after}")


async def _check_prepared(ours: Connection, other: Connection) -> None:
    try:
        for _ in range(2):
            await ours.fetch("select 'prepared'", prepare=True)
            await other.fetch("select 1")
    except StatementFailed as error:
        raise _unfit("a prepared statement did not survive until its second use") from error


async def _check_news(ours: Connection, other: Connection) -> None:
    await ours.execute(f"listen {_CHANNEL}")
    await other.execute(f"notify {_CHANNEL}")
    if not await ours.notified(within_seconds=ANSWER_SECONDS_MAX / 2):
        raise _unfit("a NOTIFY did not come back to the session that listens for it")
    await ours.execute(f"unlisten {_CHANNEL}")


def _unfit(what: str) -> PoolerUnfit:
    return PoolerUnfit(f"the database is behind a pooler with transaction pooling: {what}. {_REMEDY}")
