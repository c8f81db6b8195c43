"""Which other servers are there, and whether this one may trust its memory.

A server keeps every project that it serves in memory. That memory is current as long as nobody else can have written;
otherwise it must look at the ledger before it answers. This module decides which of the two holds.

Every server keeps one listening session. On it the server holds an advisory lock of the class `PEERS_LOCK` under a
random number: its registration, which all others see in `pg_locks` and which ends with the session. Every
`POLL_SECONDS` the session is asked who is registered; the same round trip is the session's heartbeat and a sample of
PostgreSQL's clock. Between polls the session hears the news of others (`store.ledger.notifier`).

- An append writes only while its registration is held, and its statement checks that: nobody writes unseen.
- A server appends no earlier than `TRUST_SECONDS` after it registered: by then every other server has polled and seen
  it, or knows that its own poll is late.
- `alone` is true only while the last poll that saw nobody began less than `TRUST_SECONDS` ago. A server whose poll is
  late or failed is deaf; it must look.
- `alone` becomes true only when nobody was seen for `TRUST_SECONDS`: what a server wrote as it vanished is
  durable then.
- A server that vanished and a session that was replaced count as missed news: nobody told what was written last.

A server that replaces its session while the old registration still stands need not wait: the others have seen it all
the time.
"""

import secrets

import structlog
import trio
from msgspec import Struct

from store.errors import StoreUnavailable
from store.ledger.notifier import CHANNEL, Listener, pass_on
from store.outages import Outage
from store.postgres.advisory_locks import PEERS_LOCK
from store.postgres.clock import Clock
from store.postgres.connection import Connection

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5
"""How often a server looks who else is there."""

TRUST_SECONDS = 1.0
"""How long what a poll saw is believed, counted from its start. The same for every server of a database."""

HEARTBEAT_SECONDS_MAX = 2.0
"""How long a poll may take before the session is taken for dead and replaced."""

RECONNECT_SECONDS = 0.2
"""Pause before a lost session is replaced."""

HEAR_PAUSE_SECONDS = 0.02
"""Between two hearings: what comes meanwhile is heard together."""

_REGISTER = "select pg_try_advisory_lock(%s, %s)"

_REGISTRATIONS = """
  from pg_locks
 where locktype = 'advisory' and granted and objsubid = 2 and classid = %s::bigint::oid
   and database = (select oid from pg_database where datname = current_database())
"""

# Releases that do not register yet keep a session whose last statement is the "listen" (up to version 0.1).
_POLL = f"""
select clock_timestamp(), array(select objid::bigint {_REGISTRATIONS}),
       exists (select from pg_stat_activity
                where datname = current_database() and application_name = 'llm-bus' and query = 'listen {CHANNEL}')
"""  # noqa: S608  # made of literals


_IS_SERVED = f"select exists (select {_REGISTRATIONS})"

_OLD_RELEASE = -1
"""Stands for the servers of a release that does not register."""


async def is_served(connection: Connection) -> bool:
    """Whether a server uses this database now."""
    ((served,),) = await connection.fetch(_IS_SERVED, (PEERS_LOCK,))
    return bool(served)


class PeerStatistics(Struct, frozen=True, kw_only=True):
    """Figures of other servers: how many there are, whether this one is `deaf`, and how often it was replaced."""

    others: int
    deaf: bool
    opened: int


class Peers:
    """The listening session of one server. `run` keeps it; the properties never wait."""

    def __init__(
        self, conninfo: str, clock: Clock, *, poll_seconds: float = POLL_SECONDS, trust_seconds: float = TRUST_SECONDS
    ) -> None:
        self._conninfo = conninfo
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._trust_seconds = trust_seconds
        self._own: list[int] = []  # registrations of this server that may still stand, the newest last
        self._registered = trio.Event()
        self._admitted_at = float("inf")
        self._others: set[int] = set()
        self._polled_at = float("-inf")
        self._nobody_since: float | None = None
        self._opened = 0
        self._outage = Outage()
        self._is_running = False

    @property
    def registration(self) -> int | None:
        """The number under which appends are registered; None for a process that serves nobody, such as a tool."""
        return self._own[-1] if self._is_running and self._own else None

    @property
    def deaf(self) -> bool:
        """Whether the last answered poll is too old to rely on."""
        return trio.current_time() - self._polled_at >= self._trust_seconds

    @property
    def alone(self) -> bool:
        """Whether no other server can have written to this database."""
        since = self._nobody_since
        return since is not None and not self.deaf and trio.current_time() - since >= self._trust_seconds

    @property
    def is_admitted(self) -> bool:
        """Whether this process may append; one that serves nobody always may."""
        return not self._is_running or trio.current_time() >= self._admitted_at

    async def admitted(self) -> None:
        """Return once this server may append."""
        while not self.is_admitted:
            await self._registered.wait()
            await trio.sleep_until(self._admitted_at)

    def statistics(self) -> PeerStatistics:
        """The peers in numbers."""
        return PeerStatistics(others=len(self._others), deaf=self._is_running and self.deaf, opened=self._opened)

    async def run(self, listener: Listener, *, own_writer: int) -> None:
        """Stay registered, and pass on news but not what `own_writer` told, until cancelled."""
        self._is_running = True
        try:
            while True:
                try:
                    await self._listen(listener, own_writer)
                except StoreUnavailable as error:
                    if self._outage.failed():
                        log.warning("listening session lost", seconds=self._outage.seconds, error=str(error))
                    await trio.sleep(RECONNECT_SECONDS)
        finally:
            self._is_running = False
            self._nobody_since = None

    async def _listen(self, listener: Listener, own_writer: int) -> None:
        connection = await Connection.open(
            self._conninfo,
            clock=self._clock,
            connect_timeout_seconds=HEARTBEAT_SECONDS_MAX,
            statement_timeout_seconds=HEARTBEAT_SECONDS_MAX,
            silence_grace_seconds=0,
        )
        try:
            await connection.execute(f"listen {CHANNEL}")
            await self._register(connection)
            listener.gap()
            while True:
                await self._hear(connection, listener, own_writer)
                if await self._poll(connection):
                    listener.gap()
        finally:
            self._nobody_since = None
            connection.close()

    async def _register(self, connection: Connection) -> None:
        """Take a registration; wait with the first append unless one before it still stands."""
        number = secrets.randbits(31)
        await connection.fetch(_REGISTER, (PEERS_LOCK, number))
        began = trio.current_time()
        registered = await self._ask(connection)
        self._own = [*(own for own in self._own if own in registered), number]
        if len(self._own) == 1:
            self._admitted_at = began + self._trust_seconds
        self._note(registered, began)
        self._opened += 1
        self._registered.set()
        if (away := self._outage.over()) is not None:
            log.warning("listening session replaced", after_seconds=away)

    async def _hear(self, connection: Connection, listener: Listener, own_writer: int) -> None:
        """Pass news on until the next poll is due."""
        due = self._polled_at + self._poll_seconds
        while (left := due - trio.current_time()) > 0:
            if payloads := await connection.notified(within_seconds=left):
                pass_on(payloads, listener, own_writer)
                await trio.sleep(HEAR_PAUSE_SECONDS)

    async def _poll(self, connection: Connection) -> bool:
        """Look who is registered; True when somebody is no longer."""
        began = trio.current_time()
        return self._note(await self._ask(connection), began)

    async def _ask(self, connection: Connection) -> set[int]:
        ((registered, has_old_release),) = await connection.fetch_timed(_POLL, (PEERS_LOCK,), self._clock)
        return {*registered, _OLD_RELEASE} if has_old_release else set(registered)

    def _note(self, registered: set[int], began: float) -> bool:
        others = registered - set(self._own)
        has_lost_one = not self._others <= others
        if others:
            self._nobody_since = None
        elif self._nobody_since is None:
            self._nobody_since = began
        self._others, self._polled_at = others, began
        return has_lost_one
