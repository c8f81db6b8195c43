"""A few sessions with PostgreSQL, shared by many tasks.

A task that finds no idle session opens one; there is no background task. A server that refuses, as while it restarts,
is tried again until the task's patience ends. A session that broke, or was left in a transaction, is closed instead of
kept. A session that rested answers a round trip before it is lent, so a restarted PostgreSQL is simply connected to
again. When a session failed in a way that the others share (silence, read-only, revoked rights), the idle ones are
closed too: sixteen dead sessions cost one wait, not sixteen. They are closed so that a pooler gives up the sessions
behind them; else it would lend them again.

Where PostgreSQL has no further session for us, as with a connection limit, those that there are serve: a task waits for
one to come back, and a pool with fewer is given room by the largest of the pools beside it.

Invariant: at most `size_max` sessions exist, each lent to one task.
"""

from typing import Self

import trio
from msgspec import Struct

from store.errors import StoreUnavailable
from store.postgres.clock import Clock
from store.postgres.connection import CONNECT_TIMEOUT_SECONDS, STATEMENT_TIMEOUT_SECONDS, Connection

POOL_SIZE_MAX = 16
"""Sessions in all. A project's actor commits one batch at a time; more sessions than busy cores gain little."""

ACQUIRE_TIMEOUT_SECONDS = 5.0
"""How long a task queues for a session, connecting included."""

RETRY_SECONDS = 0.1
"""Pause before a server that refused is tried again."""

RETRY_WITH_SESSIONS_SECONDS = 1.0
"""The same while the pool has sessions, one of which may come back sooner: each try costs PostgreSQL a process."""

REST_SECONDS = 1.0
"""A session that was idle for longer is probed before it is lent."""

PROBE_SECONDS = 1.0
"""How long a probe may take; an idle session has nothing else to do."""


class PoolStatistics(Struct, frozen=True, kw_only=True):
    """A pool at one moment, and what it did since it was made."""

    size_max: int
    idle: int
    lent: int
    waiting: int
    opened: int
    discarded: int


class Pool:
    """At most `size_max` sessions with the PostgreSQL of `conninfo`, lent by `connection`.

    Pools with the same list of pools `beside` share what PostgreSQL gives them all.

    An async context manager: leaving it closes the idle sessions, and lent ones as they come back.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        clock: Clock | None = None,
        size_max: int = POOL_SIZE_MAX,
        acquire_timeout_seconds: float = ACQUIRE_TIMEOUT_SECONDS,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        statement_timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS,
        beside: "list[Pool] | None" = None,
    ) -> None:
        self._conninfo = conninfo
        self._clock = clock
        self._size_max = size_max
        self._acquire_timeout_seconds = acquire_timeout_seconds
        self._connect_timeout_seconds = connect_timeout_seconds
        self._statement_timeout_seconds = statement_timeout_seconds
        self._free = trio.Semaphore(size_max, max_value=size_max)
        self._idle: list[tuple[Connection, float]] = []  # since when, the longest first
        self._opened = 0
        self._discarded = 0
        self._closed = False
        self._returned = trio.lowlevel.ParkingLot()
        self._owes = False  # a session to the pools beside this one
        self._beside = [] if beside is None else beside
        self._beside.append(self)

    @property
    def size_max(self) -> int:
        """How many sessions there may be."""
        return self._size_max

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def connection(self, *, within_seconds: float | None = None) -> "_Loan":
        """Lend an idle session, or a new one, for an `async with` block.

        Raises `StoreUnavailable` when the pool is closed, and entering it raises the same when there is no session
        `within_seconds`, by default the pool's `acquire_timeout_seconds`.
        """
        if self._closed:
            raise StoreUnavailable("the pool of sessions is closed")
        return _Loan(self, self._acquire_timeout_seconds if within_seconds is None else within_seconds)

    def close(self) -> None:
        """Close the idle sessions and lend no more."""
        self._closed = True
        self._close_idle()

    def statistics(self) -> PoolStatistics:
        """Figures of the pool."""
        lent = self._size_max - self._free.value
        return PoolStatistics(
            size_max=self._size_max,
            idle=len(self._idle),
            lent=lent,
            waiting=self._free.statistics().tasks_waiting,
            opened=self._opened,
            discarded=self._discarded,
        )

    @property
    def held(self) -> int:
        """How many sessions are open, idle or lent."""
        return self._opened - self._discarded

    def give_up_one(self) -> None:
        """Close a session for a pool beside this one: an idle one, or the next that comes back."""
        if self._idle:
            self._discard(self._idle.pop(0)[0])
        else:
            self._owes = True

    async def _acquire(self, within_seconds: float) -> Connection:
        if (fresh := self._take_fresh()) is not None:
            return fresh
        refusal = "all of them are in use"
        with trio.move_on_after(within_seconds):
            await self._free.acquire()
            try:
                refusal = "PostgreSQL does not answer"
                while not self._closed:
                    try:
                        return await self._take_idle() or await self._open()
                    except StoreUnavailable as error:
                        refusal = str(error)
                    self._ask_for_room()
                    with trio.move_on_after(RETRY_WITH_SESSIONS_SECONDS if self.held else RETRY_SECONDS):
                        await self._returned.park()
            except BaseException:
                self._free.release()
                raise
            self._free.release()
            refusal = "the pool is closed"
        raise StoreUnavailable(f"no session with PostgreSQL within {within_seconds:g} s: {refusal}")

    def _take_fresh(self) -> Connection | None:
        """The session that was returned last, if it rested so shortly that it needs no probe."""
        if not self._idle or trio.current_time() - self._idle[-1][1] >= REST_SECONDS:
            return None
        try:
            self._free.acquire_nowait()
        except trio.WouldBlock:
            return None
        connection, _ = self._idle.pop()
        if connection.looks_alive():
            return connection
        self._free.release()
        self._discard(connection)
        return None

    async def _take_idle(self) -> Connection | None:
        # The session that was returned last is the most likely to be alive and warm.
        while self._idle:
            connection, since = self._idle.pop()
            try:
                if connection.looks_alive() and (
                    trio.current_time() - since < REST_SECONDS or await connection.answers(PROBE_SECONDS)
                ):
                    return connection
            except BaseException:
                self._discard(connection)
                raise
            self._discard(connection)
        return None

    async def _open(self) -> Connection:
        connection = await Connection.open(
            self._conninfo,
            clock=self._clock,
            connect_timeout_seconds=self._connect_timeout_seconds,
            statement_timeout_seconds=self._statement_timeout_seconds,
        )
        self._opened += 1
        return connection

    def _give_back(self, connection: Connection) -> None:
        if connection.idle and not self._closed and not self._owes:
            self._idle.append((connection, trio.current_time()))
        else:
            self._owes = False
            self._discard(connection)
        self._free.release()
        if self._returned:
            self._returned.unpark()

    def _ask_for_room(self) -> None:
        """Have the largest pool give up a session, its last one to a pool without any: they take turns then."""
        largest = max(self._beside, key=lambda pool: pool.held)
        if largest.held >= (self.held + 2 if self.held else 1):
            largest.give_up_one()

    def _discard(self, connection: Connection) -> None:
        connection.close()
        self._discarded += 1
        if connection.unfit:
            while self._idle:
                self._idle.pop()[0].condemn()
                self._discarded += 1

    def _close_idle(self) -> None:
        self._discarded += len(self._idle)
        while self._idle:
            self._idle.pop()[0].close()


class _Loan:
    """A session lent for a block; a generator in its place would make every commit slower."""

    __slots__ = ("_connection", "_pool", "_within_seconds")

    def __init__(self, pool: Pool, within_seconds: float) -> None:
        self._pool = pool
        self._within_seconds = within_seconds

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool._acquire(self._within_seconds)  # noqa: SLF001 - a part of the pool
        return self._connection

    async def __aexit__(self, *_: object) -> None:
        self._pool._give_back(self._connection)  # noqa: SLF001 - a part of the pool
