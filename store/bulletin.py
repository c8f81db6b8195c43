"""News between processes that share a database: told with NOTIFY, heard with LISTEN.

A process hears at once that another one made events durable or changed who may do what, so that neither its states nor
its caches grow stale. It is a courtesy: whoever misses the news is late, never wrong, because event numbers are settled
by the ledger's primary key.

Events are told after their commit, on a session of the bulletin's own and several at once: NOTIFY inside the commit
would make the commits of all projects queue for one lock. Changes of identity are rare and told by the database itself,
in their own transaction (a trigger on `audit`).

Who is alone tells nothing: a process says hello when it begins to listen, and whoever hears of another one for the
first time answers, looks at everything once, and tells from then on.
"""

import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import islice

import msgspec
import trio
from msgspec import Struct

from store.connection import Connection
from store.errors import StoreUnavailable

CHANNEL = "llm_bus"
"""The notification channel; the migration that makes the trigger on `audit` names it too."""

TELL_PAUSE_SECONDS = 0.02
"""Between two tellings: what comes meanwhile is told together, so a busy process costs the database 50 a second."""

PROJECTS_PER_TELLING_MAX = 200
"""Keeps a telling under PostgreSQL's 8,000 bytes."""

RECONNECT_SECONDS = 1.0
"""Pause before another session is tried."""

_TELL = "select pg_notify(%s, %s)"

# News is worth nothing after a crash, so its commits need not wait for the disk, nor make others wait for it.
_LOSABLE = "set synchronous_commit = off"


class News(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One telling: this writer is there, and wrote to these projects; or identities changed."""

    writer: int | None = None
    projects: list[int] = []
    identity: bool = False


class Listener(Struct, frozen=True, kw_only=True):
    """What to do on news; none of it may block.

    `project` gets the id of one that was written to. `identity`: somebody's rights or names changed. `gap`: news may
    have been missed, about anything.
    """

    project: Callable[[int], None]
    identity: Callable[[], None]
    gap: Callable[[], None]


class Bulletin:
    """Tells other processes what this one did, and hears what they did. `run` does both; `tell` only takes a note.

    `writer` is a random number that tells this process from the others.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self.writer = secrets.randbits(63)
        self._others = set[int]()
        self._untold = set[int]()
        self._noted = trio.Event()

    def tell(self, project_id: int) -> None:
        """Note that this process wrote to the project."""
        if self._others:
            self._untold.add(project_id)
            self._noted.set()

    async def run(self, listener: Listener) -> None:
        """Tell and listen until cancelled; a lost session is replaced, and reported to the listener as a gap."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_with_a_session, self._conninfo, self._tell)
            nursery.start_soon(_with_a_session, self._conninfo, partial(self._listen, listener))

    async def _tell(self, connection: Connection) -> None:
        await connection.execute(_LOSABLE)
        while True:
            await self._noted.wait()
            self._noted = trio.Event()
            try:
                await self._say(connection, list(islice(self._untold, PROJECTS_PER_TELLING_MAX)))
            except StoreUnavailable:
                self._noted.set()
                raise
            if self._untold:
                self._noted.set()
            await trio.sleep(TELL_PAUSE_SECONDS)

    async def _say(self, connection: Connection, projects: list[int]) -> None:
        """Say that this process is there, and wrote to these projects; with none, that is the hello."""
        news = msgspec.json.encode(News(writer=self.writer, projects=projects))
        self._untold.difference_update(projects)
        try:
            await connection.fetch(_TELL, (CHANNEL, news.decode()))
        except StoreUnavailable:
            self._untold.update(projects)
            raise

    async def _listen(self, listener: Listener, connection: Connection) -> None:
        await connection.execute(f"listen {CHANNEL}")
        await self._say(connection, [])
        listener.gap()
        while True:
            for payload in await connection.notified():
                self._pass_on(msgspec.json.decode(payload, type=News), listener)

    def _pass_on(self, news: News, listener: Listener) -> None:
        if news.identity:
            listener.identity()
        if news.writer is None or news.writer == self.writer:
            return
        if news.writer not in self._others:
            self._others.add(news.writer)
            self._noted.set()
            listener.gap()
        for project_id in news.projects:
            listener.project(project_id)


async def _with_a_session(conninfo: str, use: Callable[[Connection], Awaitable[None]]) -> None:
    """Run `use` for ever, each time on a session of its own, when the last one was lost."""
    while True:
        try:
            connection = await Connection.open(conninfo, statement_timeout_seconds=float("inf"))
            try:
                await use(connection)
            finally:
                connection.close()
        except StoreUnavailable:
            await trio.sleep(RECONNECT_SECONDS)
