"""One session with PostgreSQL, as the rest of this package uses it: statements in, rows out, our own errors.

psycopg's types and exceptions do not leave this module. A `Connection` is used by one task at a time.

Invariants: autocommit, so a statement outside `transaction` is a transaction of its own in one round trip. After any
statement the session is idle, in the caller's transaction, or closed. All times are UTC.
"""

import select
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic, perf_counter
from typing import Any, LiteralString, Self, TypeVar

import psycopg
import trio
from psycopg.pq import TransactionStatus

from store.errors import (
    ConnectionLost,
    LockTimeout,
    StatementFailed,
    StatementTimeout,
    StoreError,
    StoreUnavailable,
    UniqueTaken,
)
from store.postgres.clock import Clock, Sample
from store.postgres.driver import DOUBT_SECONDS, Silence, TrioConnection, backend_works, open_session
from store.postgres.prepared import BEGIN, COMMIT, Call, Parameter, Prepared

CONNECT_TIMEOUT_SECONDS = 3.0
"""How long one address may take to accept a session."""

STATEMENT_TIMEOUT_SECONDS = 15.0
"""After this the server gives a statement up, so that nothing abandoned by us runs or commits much later."""

SILENCE_GRACE_SECONDS = 5.0
"""How much longer than the server's own limit a statement is waited for; then the server is gone."""

ANSWER_GRACE_SECONDS = 0.5
"""How long an answer may take that was on its way when the server was asked about its statement."""

ROWS_AT_ONCE = 10
"""Rows that are read and used before the clock is looked at: most take some microseconds, posts with a hundred
acknowledgements a tenth of a millisecond."""

SLICE_SECONDS = 0.000_25
"""How long rows are read before other tasks run."""

PASSES = 2
"""How often other tasks run between two slices: an answer takes several of their steps."""

Row = tuple[Any, ...]
Made = TypeVar("Made")
Parameters = Sequence[Any] | Mapping[str, Any]

_LAST_WORDS = {"FATAL", "PANIC"}
"""Severities after which the server closes the session; the statement may have been committed or not."""

# Every read here has an index that gives its order and stops at its limit. With missing or old statistics, as after a
# burst of writes, PostgreSQL would instead collect half a ledger in a bitmap, sort it, and compile the plan.
# Limits and messages that a database or role sets for people at a prompt would end our sessions between two statements,
# and be read as news by what waits for some. PostgreSQL before 17 has no `transaction_timeout`.
# A longer limit for idle transactions stays: it ends those of a server that is frozen.
_SETTINGS = """
select clock_timestamp(), pg_backend_pid(),
       case when current_setting('transaction_timeout', true) is not null
            then set_config('transaction_timeout', '0', false) end,
       set_config('idle_session_timeout', '0', false),
       case when current_setting('idle_in_transaction_session_timeout')::interval between '1ms' and '15s'
            then set_config('idle_in_transaction_session_timeout', '15s', false) end,
       set_config('client_min_messages', 'warning', false),
       set_config('TimeZone', 'UTC', false),
       set_config('statement_timeout', %s, false),
       set_config('application_name', 'llm-bus', false),
       set_config('tcp_keepalives_idle', '10', false),
       set_config('tcp_keepalives_interval', '5', false),
       set_config('tcp_keepalives_count', '3', false),
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

    def __init__(self, session: TrioConnection, conninfo: str) -> None:
        self._session = session
        self._translating = _Translating(self, session)
        self._poll = select.poll()
        self._poll.register(session.pgconn.socket, select.POLLIN)
        self._conninfo = conninfo
        self._backend_pid = 0
        self._unfit = False

    @classmethod
    async def open(
        cls,
        conninfo: str,
        *,
        clock: Clock | None = None,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        statement_timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS,
        silence_grace_seconds: float = SILENCE_GRACE_SECONDS,
    ) -> Self:
        """Connect to the first address of `conninfo` that answers; a statement timeout of `inf` means none.

        The `clock` is given PostgreSQL's time. Raises `StoreUnavailable` when no address answers. Cancellation leaves
        nothing open.
        """
        try:
            session = await open_session(conninfo, timeout_seconds=connect_timeout_seconds)
        except psycopg.ProgrammingError:
            # Not as the cause either: its text may quote the password.
            raise StoreUnavailable("the database URL is neither a postgresql:// URL nor key=value pairs") from None
        except psycopg.Error as error:
            raise StoreUnavailable(f"cannot connect to PostgreSQL: {error}") from error
        self = cls(session, conninfo)
        session.silence_seconds_max = statement_timeout_seconds + silence_grace_seconds
        limit_ms = 0 if statement_timeout_seconds == float("inf") else round(statement_timeout_seconds * 1000)
        try:
            # A pooler accepts a session before it has one with the server, which may be dead.
            with trio.fail_after(connect_timeout_seconds):
                ((self._backend_pid, *_),) = await self.fetch_timed(_SETTINGS, (str(limit_ms),), clock or Clock())
        except trio.TooSlowError:
            raise StoreUnavailable(
                f"PostgreSQL accepted a session and was silent for {connect_timeout_seconds:g} s"
            ) from None
        except ConnectionLost as error:
            raise StoreUnavailable(f"PostgreSQL hung up: {error}") from error
        except BaseException:
            self.close()
            raise
        if session.silence_seconds_max > DOUBT_SECONDS:
            session.doubt = self._doubt
        return self

    @property
    def idle(self) -> bool:
        """Whether a next statement may be sent: open, and in no transaction."""
        return not self._session.closed and self._session.pgconn.transaction_status == TransactionStatus.IDLE

    @property
    def closed(self) -> bool:
        """Whether the session is gone."""
        return self._session.closed

    @property
    def unfit(self) -> bool:
        """Whether it failed in a way that the pool's other sessions share: silence, read-only, no rights, no tables."""
        return self._unfit

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler stands in between: it gives out process ids of its own."""
        return self._session.pgconn.backend_pid != self._backend_pid

    def looks_alive(self) -> bool:
        """Look, without waiting, whether the server has hung up on an idle session."""
        # Readable while idle: the server closed it or broke the protocol.
        return self.idle and not self._poll.poll(0)

    async def answers(self, within_seconds: float) -> bool:
        """Whether the server still answers on an idle session, by a round trip; one that does not is closed."""
        with trio.move_on_after(within_seconds) as patience:
            try:
                await self.fetch("select")
            except StoreUnavailable:
                return False
        self._unfit = self._unfit or patience.cancelled_caught
        return not patience.cancelled_caught

    async def fetch(self, statement: LiteralString, parameters: Parameters = (), *, prepare: bool = False) -> list[Row]:
        """Run one statement and give all its rows.

        `prepare` keeps its plan in the session: for statements that run often and whose best plan does not depend on
        their parameters.
        """
        with self._translating:
            cursor = await self._session.execute(statement, parameters, prepare=prepare, binary=True)
            return await cursor.fetchall()

    async def fetch_each(
        self, statement: LiteralString, parameters: Parameters, made: Callable[[Row], Made]
    ) -> list[Made]:
        """Run one statement and give what is made of each row; other tasks run every `SLICE_SECONDS`."""
        with self._translating:
            cursor = await self._session.execute(statement, parameters, binary=True)
            found: list[Made] = []
            began = perf_counter()
            while rows := await cursor.fetchmany(ROWS_AT_ONCE):
                found += map(made, rows)
                if perf_counter() - began >= SLICE_SECONDS:
                    for _ in range(PASSES):
                        await trio.lowlevel.checkpoint()
                    began = perf_counter()
            return found

    async def run(self, prepared: Prepared, parameters: Mapping[str, Parameter]) -> list[Row]:
        """Run a prepared statement and give all its rows."""
        with self._translating:
            return await self._session.run(prepared, parameters)

    async def write(self, prepared: Prepared, parameters: Mapping[str, Parameter]) -> int:
        """Run a prepared statement and give how many rows it wrote."""
        with self._translating:
            return await self._session.write(prepared, parameters)

    async def begin_and_run(self, *calls: Call) -> list[Row]:
        """Begin a transaction, run prepared statements one after the other, and give the last one's rows.

        All of it in one round trip. The transaction is ended by `run_and_commit`, or by hand.
        """
        with self._translating:
            return (await self._session.run_together([(BEGIN, {}), *calls]))[-1]

    async def run_and_commit(self, prepared: Prepared, parameters: Mapping[str, Parameter]) -> list[Row]:
        """Run a prepared statement, give its rows, and commit the transaction of `begin_and_run`, in one round trip.

        A statement that fails leaves the transaction to be rolled back.
        """
        with self._translating:
            return (await self._session.run_together([(prepared, parameters), (COMMIT, {})]))[0]

    async def fetch_timed(self, statement: LiteralString, parameters: Parameters, clock: Clock) -> list[Row]:
        """Run a statement whose first column is `clock_timestamp()`, give it to the clock, and the other columns."""
        sent = monotonic()
        rows = await self.fetch(statement, parameters)
        clock.sample(Sample.between(sent, rows[0][0], monotonic()))
        return [row[1:] for row in rows]

    async def execute(self, statement: LiteralString, parameters: Parameters = (), *, prepare: bool = False) -> int:
        """Run one statement and give how many rows it touched."""
        with self._translating:
            cursor = await self._session.execute(statement, parameters, prepare=prepare)
            return cursor.rowcount

    async def run_script(self, script: bytes) -> None:
        """Run several statements without parameters, all of them in one transaction unless they say otherwise."""
        with self._translating:
            await self._session.execute(script, prepare=False)

    async def notified(self, *, within_seconds: float) -> list[str]:
        """The payloads of notifications on the channels that this session listens to; waits for the first of them."""
        if self.closed:
            raise StoreUnavailable("the session with PostgreSQL is closed")
        try:
            return [notify.payload for notify in await self._session.hear(within_seconds)]
        except psycopg.Error as error:
            raise self._translate(error) from error

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
        except Exception:  # any error goes on to the caller; only the session is made usable again
            if not self.closed:
                await self.execute("rollback")
            raise
        finally:
            if not self.idle:
                self.close()

    def close(self) -> None:
        """End the session at once; what was not committed is undone by the server."""
        self._session.abandon()

    def condemn(self) -> None:
        """End a session that is of no use to anybody: a pooler must not lend it to the next one."""
        self._session.condemn()

    async def _doubt(self) -> None:
        """Find out whether the silent statement still runs, or its answer was lost on the way.

        Only evidence ends the wait: a server that cannot be asked may still be busy with the statement.
        """
        if await backend_works(self._conninfo, self._backend_pid) is not False:
            return
        with trio.move_on_after(ANSWER_GRACE_SECONDS):  # it may have ended a moment ago
            await trio.lowlevel.wait_readable(self._session.pgconn.socket)
            return
        self._unfit = True
        self.close()
        raise psycopg.OperationalError("the connection is dead: PostgreSQL does not work on the statement")

    def _translate(self, error: psycopg.Error | Silence) -> StoreError:
        if isinstance(error, Silence):
            self._unfit = True
            return ConnectionLost(f"PostgreSQL was silent for {self._session.silence_seconds_max:g} s")
        if self.closed or error.diag.severity_nonlocalized in _LAST_WORDS:
            self.close()
            return ConnectionLost(str(error))
        match error:
            case psycopg.errors.UniqueViolation():
                return UniqueTaken(str(error))
            case psycopg.errors.LockNotAvailable():
                return LockTimeout(str(error))
            case psycopg.errors.QueryCanceled():
                return StatementTimeout(str(error))
            case (
                psycopg.errors.ReadOnlySqlTransaction()
                | psycopg.errors.InsufficientPrivilege()
                | psycopg.errors.UndefinedTable()  # another search_path, or a restore that is under way
                | psycopg.errors.InvalidSchemaName()
            ):
                self._unfit = True
                self.condemn()
                return StoreUnavailable(str(error))
            case psycopg.OperationalError() | psycopg.InternalError():
                return StoreUnavailable(str(error))
            case _:
                return StatementFailed(str(error))


class _Translating:
    """Has our own errors raised in place of psycopg's. Made once for a session: every statement enters it."""

    __slots__ = ("_connection", "_session")

    def __init__(self, connection: Connection, session: TrioConnection) -> None:
        self._connection = connection
        self._session = session

    def __enter__(self) -> None:
        if self._session.closed:
            raise StoreUnavailable("the session with PostgreSQL is closed")

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, psycopg.Error | Silence):
            raise self._connection._translate(error) from error  # noqa: SLF001 - a part of the session
