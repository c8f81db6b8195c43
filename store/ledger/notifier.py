"""News between the servers of one database: what a commit tells the others, and what is heard.

News keeps the others fresh; it is never what makes an answer right. A reader that misses news is late until its next
look at the ledger, and `store.ledger.peers` says when it must look.

News is told after the commit and outside it: a transaction that notified takes a lock of the whole instance while it
commits, so that all projects would commit one after another (docs/decisions/0008). The notifier collects the projects
that were written to for `TELL_PAUSE_SECONDS` and tells them in one transaction on a session of its own, and only while
another server is there. If this process dies before that, its registration vanishes, and the others take that for
missed news. Changes that are audited are rare; a trigger on `audit` tells them in their own transaction.
"""

from collections.abc import Callable, Iterable
from math import inf

import msgspec
import structlog
import trio
from msgspec import Struct

from store.errors import StoreUnavailable
from store.outages import Outage
from store.postgres.connection import Connection

log = structlog.get_logger(__name__)

CHANNEL = "llm_bus"
"""The notification channel; the migration that makes the trigger on `audit` names it too."""

TELL_PAUSE_SECONDS = 0.005
"""How long news is collected before it is sent."""

TELL_REST_SECONDS = 0.05
"""The shortest time between two notifications. Servers that write to the same project read each other's events in their
turns anyway, and each notification wakes every server: at 200 a second, news took a quarter of their processor time."""

ALONE_PAUSE_SECONDS = 0.1
"""How long news is collected while there is no other server. A new server waits as long, for a second at most."""

TOLD_MAX = 1_000
"""How many projects are told of by name; more are told as "anything may have changed"."""

RECONNECT_SECONDS = 1.0
"""Pause before another session is tried."""

_TELL = f"select pg_notify('{CHANNEL}', news) from unnest(%s::text[]) as told (news)"  # noqa: S608  # made of literals


class News(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A writer wrote to a project, or to more than can be named; or something of this owner's or project's was changed.

    `identity`: tokens, rights or names changed. `audited`: the audit trail has something new.
    """

    writer: int | None = None
    project: int | None = None
    anything: bool = False
    identity: bool = False
    audited: bool = False
    of_owner: int | None = None
    of_project: int | None = None


class Listener(Struct, frozen=True, kw_only=True):
    """Callbacks for news; none may block.

    `project` gets the id of one that was written to. `identity`: rights or names changed, of this owner and in this
    project; None stands for any. `audited`: the audit trail of this owner has something new. `gap`: news may have been
    missed, about anything.
    """

    project: Callable[[int], None]
    identity: Callable[[int | None, int | None], None]
    audited: Callable[[int], None]
    gap: Callable[[], None]


class Notifier:
    """Tells other servers what this one wrote. `tell` never waits; `run` does the telling."""

    def __init__(self, conninfo: str, writer: int, *, is_alone: Callable[[], bool]) -> None:
        self._conninfo = conninfo
        self._writer = writer
        self._is_alone = is_alone
        self._untold: set[int] = set()
        self._woken = trio.Event()
        self._outage = Outage()

    def tell(self, project_id: int) -> None:
        """Have the others told, soon, that this project was written to."""
        if len(self._untold) <= TOLD_MAX:
            self._untold.add(project_id)
        self._woken.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            try:
                await self._tell_on(await Connection.open(self._conninfo))
            except StoreUnavailable as error:
                if self._outage.failed():
                    log.warning("other servers not told", seconds=self._outage.seconds, error=str(error))
                await trio.sleep(RECONNECT_SECONDS)

    async def _tell_on(self, connection: Connection) -> None:
        try:
            # News is sent at once and need not survive a crash.
            await connection.execute("set synchronous_commit = off")
            if (away := self._outage.over()) is not None:
                log.warning("other servers can be told again", after_seconds=away)
            told_at = -inf
            while True:
                await self._woken.wait()
                pause = ALONE_PAUSE_SECONDS if self._is_alone() else TELL_PAUSE_SECONDS
                await trio.sleep(max(pause, told_at + TELL_REST_SECONDS - trio.current_time()))
                self._woken = trio.Event()
                untold, self._untold = self._untold, set()
                if untold and not self._is_alone():
                    try:
                        await connection.fetch(_TELL, (news_of(self._writer, untold),))
                    except StoreUnavailable:
                        for project_id in untold:
                            self.tell(project_id)
                        raise
                    told_at = trio.current_time()
        finally:
            connection.close()


def news_of(writer: int, untold: set[int]) -> list[str]:
    """The payload of the notification that this writer wrote to these projects."""
    if len(untold) > TOLD_MAX:
        return [_encode(News(writer=writer, anything=True))]
    return [_encode(News(writer=writer, project=project_id)) for project_id in sorted(untold)]


def _encode(news: News) -> str:
    return msgspec.json.encode(news).decode()


def pass_on(payloads: Iterable[str], listener: Listener, own_writer: int) -> None:
    """Give news that was heard to a listener, but not what `own_writer` told."""
    try:
        heard = {msgspec.json.decode(payload, type=News) for payload in set(payloads)}
    except msgspec.DecodeError:  # PostgreSQL lets every role of the database say anything here
        listener.gap()
        return
    for owner_id, project_id in {(news.of_owner, news.of_project) for news in heard if news.identity}:
        listener.identity(owner_id, project_id)
    for owner_id in {news.of_owner for news in heard if news.audited}:
        if owner_id is not None:
            listener.audited(owner_id)
    foreign = [news for news in heard if news.writer != own_writer]
    if any(news.anything for news in foreign):
        listener.gap()
    for project_id in {news.project for news in foreign}:
        if project_id is not None:
            listener.project(project_id)
