"""News between processes that share a database: told with NOTIFY, heard with LISTEN.

A process hears at once that another one wrote to a project or changed who may do what, so that neither its states nor
its caches grow stale. It is a courtesy: whoever misses news is late, never wrong, because event numbers are settled by
the ledger's primary key.

News is told in the very commit it tells of, so it is told exactly if that is durable, also when the process dies right
after: `store.ledger.journal` puts `news_of` into every statement that writes events, cursors or liveness, and a trigger
on `audit` tells of identities.
"""

from collections.abc import Callable

import msgspec
import trio
from msgspec import Struct

from store.errors import StoreUnavailable
from store.postgres.connection import Connection

CHANNEL = "llm_bus"
"""The notification channel; the migration that makes the trigger on `audit` names it too."""

HEAR_PAUSE_SECONDS = 0.02
"""Between two hearings: what comes meanwhile is heard together, so a busy process prods others 50 times a second."""

RECONNECT_SECONDS = 1.0
"""Pause before another session is tried."""


class News(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A writer wrote to a project; or identities changed."""

    writer: int | None = None
    project: int | None = None
    identity: bool = False


class Listener(Struct, frozen=True, kw_only=True):
    """What to do on news; none of it may block.

    `project` gets the id of one that was written to. `identity`: somebody's rights or names changed. `gap`: news may
    have been missed, about anything.
    """

    project: Callable[[int], None]
    identity: Callable[[], None]
    gap: Callable[[], None]


def news_of(writer: int, project_id: int) -> str:
    """What a commit to this project is to notify `CHANNEL` of."""
    return msgspec.json.encode(News(writer=writer, project=project_id)).decode()


async def listen(conninfo: str, listener: Listener, *, own_writer: int) -> None:
    """Pass news on until cancelled, but not of what `own_writer` wrote.

    Keeps a session of its own; when that is lost, it is replaced and the listener told of a gap.
    """
    while True:
        try:
            connection = await Connection.open(conninfo, statement_timeout_seconds=float("inf"))
            try:
                await _listen_on(connection, listener, own_writer)
            finally:
                connection.close()
        except StoreUnavailable:
            await trio.sleep(RECONNECT_SECONDS)


async def _listen_on(connection: Connection, listener: Listener, own_writer: int) -> None:
    await connection.execute(f"listen {CHANNEL}")
    listener.gap()
    while True:
        _pass_on(await connection.notified(), listener, own_writer)
        await trio.sleep(HEAR_PAUSE_SECONDS)


def _pass_on(payloads: list[str], listener: Listener, own_writer: int) -> None:
    try:
        heard = {msgspec.json.decode(payload, type=News) for payload in set(payloads)}
    except msgspec.DecodeError:  # PostgreSQL lets every role of the database say anything here
        listener.gap()
        return
    if any(news.identity for news in heard):
        listener.identity()
    for project_id in {news.project for news in heard if news.writer != own_writer}:
        if project_id is not None:
            listener.project(project_id)
