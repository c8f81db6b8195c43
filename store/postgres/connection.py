"""One session with PostgreSQL, as the rest of this package uses it: statements in, rows out, our own errors.

Here psycopg ends: its types and exceptions do not pass this module. A `Connection` is used by one task at a time.

Invariants: autocommit, so a statement outside `transaction` is a transaction of its own in one round trip. After any
statement the session is idle (or in the caller's transaction), or it is closed; never half-way. All times are UTC.
"""

import select
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, LiteralString, Self

import psycopg
import trio
from psycopg.pq import TransactionStatus

from store.errors import ConnectionLost, StatementFailed, StoreError, StoreUnavailable, UniqueTaken
from store.postgres.driver import TrioConnection, open_session

CONNECT_TIMEOUT_SECONDS = 5.0
"""How long one address may take to accept a session."""

STATEMENT_TIMEOUT_SECONDS = 15.0
"""After this the server gives a statement up, so that nothing abandoned by us runs or commits much later."""

SILENCE_GRACE_SECONDS = 5.0
"""How much longer we wait than the server does: past that it is not slow but gone."""

Row = tuple[Any, ...]
Parameters = Sequence[Any] | Mapping[str, Any]

_LAST_WORDS = {"FATAL", "PANIC"}
"""Severities after which the server hangs up, whether the statement's commit was already on its way or not."""

# Every read here has an index that gives its order and stops at its limit. With statistics that are missing or old,
# as after a burst of writes, PostgreSQL would rather collect half a ledger in a bitmap and sort it, and compile that.
_SETTINGS = """
select set_config('TimeZone', 'UTC', false),
       set_config('statement_timeout', %s, false),
       set_config('application_name', 'llm-bus', false),
       set_config('enable_bitmapscan', 'off', false),
       set_config('enable_sort', 'off', false),
       set_config('jit', 'off', false)
"""


class Connection:
    """A session with PostgreSQL; made by `open`.

    Every statement raises `StoreUnavailable` when the server refuses it for now and nothing was written,
    `ConnectionLost` when the session went while it ran, `UniqueTaken` on a unique violation and `StatementFailed` for
    the rest. Cancelling a statement closes the session; whether it took effect is then unknown.
    """

    def __init__(self, session: TrioConnection, silence_seconds: float) -> None:
        self._session = session
        self._silence_seconds = silence_seconds

    @classmethod
    async def open(
        cls,
        conninfo: str,
        *,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        statement_timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS,
    ) -> Self:
        """Connect to the first address of `conninfo` that answers; a statement timeout of `inf` means none.

        Raises `StoreUnavailable` when none does. Cancellation leaves nothing open.
        """
        try:
            session = await open_session(conninfo, timeout_seconds=connect_timeout_seconds)
        except psycopg.ProgrammingError:
            # Not even as the cause: its text may quote the password.
            raise StoreUnavailable("the database URL is neither a postgresql:// URL nor key=value pairs") from None
        except psycopg.Error as error:
            raise StoreUnavailable(f"cannot connect to PostgreSQL: {error}") from error
        self = cls(session, statement_timeout_seconds + SILENCE_GRACE_SECONDS)
        limit_ms = 0 if statement_timeout_seconds == float("inf") else round(statement_timeout_seconds * 1000)
        try:
            await self.fetch(_SETTINGS, (str(limit_ms),))
        except ConnectionLost as error:
            raise StoreUnavailable(f"PostgreSQL hung up: {error}") from error
        except BaseException:
            self.close()
            raise
        return self

    @property
    def idle(self) -> bool:
        """Whether a next statement may be sent: open, and in no transaction."""
        return not self._session.closed and self._session.pgconn.transaction_status == TransactionStatus.IDLE

    @property
    def closed(self) -> bool:
        """Whether the session is gone."""
        return self._session.closed

    def looks_alive(self) -> bool:
        """Look, without waiting, whether the server has hung up on an idle session."""
        if not self.idle:
            return False
        poll = select.poll()
        poll.register(self._session.pgconn.socket, select.POLLIN)
        # Nothing is due on an idle session: what arrives unasked is the server's goodbye, or as good a reason to part.
        return not poll.poll(0)

    async def fetch(self, statement: LiteralString, parameters: Parameters = (), *, prepare: bool = False) -> list[Row]:
        """Run one statement and give all its rows.

        `prepare` keeps its plan in the session: for statements that run often and whose best plan does not depend on
        their parameters.
        """
        with self._translating():
            cursor = await self._session.execute(statement, parameters, prepare=prepare, binary=True)
            return await cursor.fetchall()

    async def execute(self, statement: LiteralString, parameters: Parameters = (), *, prepare: bool = False) -> int:
        """Run one statement and give how many rows it touched."""
        with self._translating():
            cursor = await self._session.execute(statement, parameters, prepare=prepare)
            return cursor.rowcount

    async def run_script(self, script: bytes) -> None:
        """Run several statements without parameters, all of them in one transaction unless they say otherwise."""
        with self._translating():
            await self._session.execute(script, prepare=False)

    async def notified(self) -> list[str]:
        """Wait for the next notifications on the channels that this session listens to; gives their payloads."""
        with self._translating():
            return [notify.payload async for notify in self._session.notifies(stop_after=1)]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Commit what is done inside, or nothing of it.

        An exception rolls back; cancellation closes the session, which does the same. Losing the session while
        committing raises `ConnectionLost`.
        """
        await self.execute("begin")
        try:
            yield
            await self.execute("commit")
        except Exception:  # whatever it was goes on to the caller; only the session is made fit for its next use
            if not self.closed:
                await self.execute("rollback")
            raise
        finally:
            if not self.idle:
                self.close()

    def close(self) -> None:
        """End the session at once; what was not committed is undone by the server."""
        self._session.abandon()

    @contextmanager
    def _translating(self) -> Iterator[None]:
        if self.closed:
            raise StoreUnavailable("the session with PostgreSQL is closed")
        with trio.move_on_after(self._silence_seconds) as patience:
            try:
                yield
            except psycopg.Error as error:
                raise self._translate(error) from error
        if patience.cancelled_caught:
            raise ConnectionLost(f"PostgreSQL was silent for {self._silence_seconds:g} s")

    def _translate(self, error: psycopg.Error) -> StoreError:
        if self.closed or error.diag.severity_nonlocalized in _LAST_WORDS:
            self.close()
            return ConnectionLost(str(error))
        match error:
            case psycopg.errors.UniqueViolation():
                return UniqueTaken(str(error))
            case psycopg.OperationalError() | psycopg.InternalError():
                return StoreUnavailable(str(error))
            case _:
                return StatementFailed(str(error))
