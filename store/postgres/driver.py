"""psycopg 3 on Trio: only the lock and the two waits are ours, the protocol is psycopg's.

psycopg separates the protocol (generators that yield "wait until readable") from the waiting. `TrioConnection`
drives those generators with `trio.lowlevel`; `open_session` does the part of connecting that libpq cannot do without
blocking: it resolves host names, and tries every address with a timeout of its own. Only name resolution
runs in a thread.

Invariant: a wait that does not end normally (cancelled, interrupted) closes the session.
"""

import select
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from math import inf
from typing import Any

import psycopg
import trio
from psycopg import generators
from psycopg.abc import RV, ConnDict, PQGen, PQGenConn
from psycopg.adapt import Transformer
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

from store.postgres.prepared import Call, Parameter, Prepared

POSTGRES_PORT = "5432"

_STATE = "select from pg_stat_activity where pid = %s and state = 'active'"

_doubting = trio.CapacityLimiter(2)
"""Bounds the sessions that only ask about others."""

DOUBT_SECONDS = 2.0
"""After so much silence a statement is either slow or its connection is dead; it is time to find out which."""

ENCODING: ConnDict = {"client_encoding": "UTF8"}
"""Text is UTF-8 here whatever the database, the role or the environment says."""

KEEPALIVES: ConnDict = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 8000}
"""libpq's defaults leave this to the kernel, which needs two hours; what the conninfo says takes precedence."""


class Silence(Exception):
    """The server said nothing for as long as it may; the session is closed."""


class TrioConnection(psycopg.AsyncConnection[tuple[Any, ...]]):
    """A psycopg connection whose every wait is Trio's. Always in autocommit mode."""

    doubt: Callable[[], Awaitable[None]] | None = None
    """Asked each time the server was silent for `DOUBT_SECONDS`; raises when waiting on makes no sense."""

    silence_seconds_max: float = inf
    """How long the server may be silent before `Silence` is raised."""

    def __init__(self, pgconn: psycopg.pq.abc.PGconn) -> None:
        super().__init__(pgconn)
        self.lock = trio.Lock()  # type: ignore[assignment]  # psycopg only enters it, and asyncio's needs its loop
        self._autocommit = True
        self._heard: list[psycopg.Notify] = []
        self._known: set[bytes] = set()
        self.add_notify_handler(self._heard.append)

    @classmethod
    async def attempt(cls, conninfo: str) -> "TrioConnection":
        """Connect to the one address that `conninfo` names. Cancellation leaves nothing open."""
        return await _drive_connecting(cls._connect_gen(conninfo))

    async def wait(
        self,
        gen: PQGen[RV],
        interval: float = 0.0,
        timeout: float | None = None,  # noqa: ASYNC109  # psycopg's signature; Trio's own deadlines bound it
    ) -> RV:
        """Carry a statement through to its end; if that is cut short, the session is closed."""
        finished = False
        try:
            want = next(gen)
            while True:
                want = gen.send(await self._ready(want))
        except StopIteration as stop:
            finished = True
            result: RV = stop.value
            return result
        except psycopg.Error:
            finished = True
            raise
        finally:
            if not finished:
                self.abandon()
                with suppress(psycopg.Error):  # the end of a pipeline that was cut short finds the session closed
                    gen.close()

    async def run(self, prepared: Prepared, parameters: Mapping[str, Parameter]) -> list[tuple[Any, ...]]:
        """Run a prepared statement and give its rows."""
        return self._rows(await self._run(prepared, parameters))

    async def write(self, prepared: Prepared, parameters: Mapping[str, Parameter]) -> int:
        """Run a prepared statement and give how many rows it wrote."""
        return (await self._run(prepared, parameters)).command_tuples or 0

    async def _run(self, prepared: Prepared, parameters: Mapping[str, Parameter]) -> PGresult:
        if prepared.name not in self._known:
            await self._know(prepared)
        self._send(prepared, parameters)
        return _good(await self.wait(generators.execute(self.pgconn)))

    async def run_together(self, calls: Sequence[Call]) -> list[list[tuple[Any, ...]]]:
        """Run prepared statements in one round trip, and give the rows of each; the first that fails is the last."""
        for prepared, _ in calls:
            await self._know(prepared)
        self.pgconn.enter_pipeline_mode()
        for prepared, parameters in calls:
            self._send(prepared, parameters)
        self.pgconn.pipeline_sync()
        results = await self.wait(_pipelined(self.pgconn))
        self.pgconn.exit_pipeline_mode()
        return [self._rows(_good([result])) for result in results]

    async def _know(self, prepared: Prepared) -> None:
        """Prepare a statement in this session, unless that was done."""
        if prepared.name not in self._known:
            self.pgconn.send_prepare(prepared.name, prepared.query)
            _good(await self.wait(generators.execute(self.pgconn)))
            self._known.add(prepared.name)

    def _send(self, prepared: Prepared, parameters: Mapping[str, Parameter]) -> None:
        self.pgconn.send_query_prepared(prepared.name, prepared.encode(parameters), result_format=Format.BINARY)

    def _rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        if not result.ntuples:
            return []
        transformer = Transformer(self)
        transformer.set_pgresult(result, format=Format.BINARY)
        return transformer.load_rows(0, result.ntuples, tuple)

    def _deallocate(self, name: bytes | None) -> PQGen[None]:
        """Forget our prepared statements where psycopg has all of the session's removed, as after a rollback."""
        if name is None:
            self._known.clear()
        return super()._deallocate(name)

    async def hear(self, within_seconds: float) -> list[psycopg.Notify]:
        """The notifications that arrived, also during statements; waits for them, and leaves the session usable."""
        if not self._heard:
            with trio.move_on_after(within_seconds):
                await trio.lowlevel.wait_readable(self.pgconn.socket)
        self.pgconn.consume_input()
        while (notify := self.pgconn.notifies()) is not None:
            if self.pgconn.notify_handler is not None:
                self.pgconn.notify_handler(notify)
        heard = list(self._heard)
        self._heard.clear()
        return heard

    async def _ready(self, want: Wait) -> Ready:
        silent_seconds = 0.0
        while silent_seconds < self.silence_seconds_max:
            patience_seconds = min(DOUBT_SECONDS, self.silence_seconds_max - silent_seconds)
            with trio.move_on_after(patience_seconds):
                return await _ready(self.pgconn.socket, want)
            silent_seconds += patience_seconds
            if self.doubt is not None:
                await self.doubt()
        raise Silence

    def condemn(self) -> None:
        """Close the socket while a statement is under way, so that a pooler closes its session with the server too."""
        if not self.closed and self.pgconn.transaction_status == TransactionStatus.IDLE:
            with suppress(psycopg.Error):
                self.pgconn.send_query_params(b"select", None)
                self.pgconn.flush()
        self.abandon()

    def abandon(self) -> None:
        """Close the socket without sending anything to the server."""
        if not self.closed:
            trio.lowlevel.notify_closing(self.pgconn.socket)
        self._closed = True
        self.pgconn.finish()


async def open_session(conninfo: str, *, timeout_seconds: float) -> TrioConnection:
    """Connect to the first address of `conninfo` that answers.

    `timeout_seconds` bounds each address; a `connect_timeout` in `conninfo` takes its place.

    Raises:
        psycopg.OperationalError: no address answered; the text names what went wrong at each.
    """
    params = {**KEEPALIVES, **conninfo_to_dict(conninfo), **ENCODING}
    timeout_seconds = _wanted_seconds(params) or timeout_seconds
    failures: list[str] = []
    for attempt in await _attempts(params, failures):
        with trio.move_on_after(timeout_seconds):
            try:
                return await TrioConnection.attempt(make_conninfo("", **attempt))
            except psycopg.OperationalError as error:
                failures.append(". ".join(line.strip() for line in str(error).strip().splitlines()))
                continue
        failures.append(f"{attempt.get('host')}: no answer within {timeout_seconds:g} s")
    raise psycopg.OperationalError("; ".join(failures))


async def backend_works(conninfo: str, backend_pid: int) -> bool | None:
    """Whether a process of PostgreSQL is busy with a statement; None when PostgreSQL cannot be asked in time."""
    with trio.move_on_after(DOUBT_SECONDS):
        async with _doubting:
            try:
                session = await open_session(conninfo, timeout_seconds=DOUBT_SECONDS)
            except psycopg.Error:
                return None
            try:
                cursor = await session.execute(_STATE, (backend_pid,))
                return bool(await cursor.fetchall())
            except psycopg.Error:
                return None
            finally:
                session.abandon()
    return None


def _wanted_seconds(params: ConnDict) -> int:
    """The `connect_timeout` of an address; 0 when it has none, or one that is no limit for libpq."""
    written = str(params.get("connect_timeout") or 0)
    try:
        return max(0, int(written))
    except ValueError:
        raise psycopg.OperationalError(f"connect_timeout is {written!r}, which is no number of seconds") from None


async def _attempts(params: ConnDict, failures: list[str]) -> list[ConnDict]:
    """One set of parameters for each address, as libpq would try them one after another."""
    if not params.get("host") or params.get("hostaddr"):
        return [params]
    found: list[ConnDict] = []
    for host, port in _hosts(params):
        one = {**params, "host": host, "port": port}
        if host.startswith(("/", "@")):
            found.append(one)
            continue
        if "@" in host:  # its beginning is the end of a password: not to be shown
            failures.append("a host holds an '@'; in a URL, write the one of a password as %40")
            continue
        if not port.isdigit():  # nor this
            failures.append("a port is no number; in a URL, write '/', '?' and '#' of a password as %2F, %3F and %23")
            continue
        try:
            answers = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # the latter of a name that cannot be one
            failures.append(f"cannot resolve {host!r}: {error}")
            continue
        found += ({**one, "hostaddr": str(address[0])} for *_, address in answers)
    return found


def _hosts(params: ConnDict) -> Iterator[tuple[str, str]]:
    hosts = str(params["host"]).split(",")
    ports = str(params.get("port") or POSTGRES_PORT).split(",")
    for index, host in enumerate(hosts):
        yield host, (ports[index] if len(ports) > 1 else ports[0]) or POSTGRES_PORT


def _pipelined(pgconn: PGconn) -> PQGen[list[PGresult]]:
    """Send what a pipeline holds, and collect its results up to its end. Raises when the server hangs up before."""
    results: list[PGresult] = []
    sending, is_between = True, False
    while True:
        if sending:
            ready = yield Wait.RW
            sending = bool(pgconn.flush())
            if not ready & Ready.R:
                continue
        else:
            yield Wait.R
        pgconn.consume_input()
        while not pgconn.is_busy():
            if (result := pgconn.get_result()) is not None:
                if result.status == ExecStatus.PIPELINE_SYNC:
                    return results
                results.append(result)
            elif is_between:  # a statement's results end with None; a second one means that there is no server
                raise psycopg.OperationalError("the server closed the connection during a pipeline")
            is_between = result is None


def _good(results: list[PGresult]) -> PGresult:
    # A server that ends the session while a statement runs sends its reason as one result, and libpq adds another.
    result = next((each for each in results if each.status == ExecStatus.FATAL_ERROR), results[-1])
    if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        raise psycopg.errors.error_from_result(result, encoding="utf-8")
    return result


async def _drive_connecting(gen: PQGenConn[TrioConnection]) -> TrioConnection:
    # The generator owns the half-open session; closing it, also when cancelled, drops the last reference.
    try:
        fd, want = next(gen)
        while True:
            fd, want = gen.send(await _ready(fd, want))
    except StopIteration as stop:
        session: TrioConnection = stop.value
        return session
    finally:
        gen.close()


async def _ready(fd: int, want: Wait) -> Ready:
    """Wait until the socket is what psycopg wants of it."""
    if want == Wait.R:
        await trio.lowlevel.wait_readable(fd)
        return Ready.R
    if want == Wait.W:
        await trio.lowlevel.wait_writable(fd)
        return Ready.W
    return await _readable_or_writable(fd)


async def _readable_or_writable(fd: int) -> Ready:
    # Asked once for each statement of a pipeline; nearly always there is room for it.
    poll = select.poll()
    poll.register(fd, select.POLLIN | select.POLLOUT)
    if found := poll.poll(0):
        writable, readable = found[0][1] & select.POLLOUT, found[0][1] & ~select.POLLOUT
        return Ready((Ready.W if writable else Ready.NONE) | (Ready.R if readable else Ready.NONE))
    # Only for statements larger than the socket's buffer: the server may need us to read before it reads on.
    ready = Ready.NONE
    async with trio.open_nursery() as nursery:

        async def watch(wait: Callable[[int], Awaitable[None]], seen: Ready) -> None:
            nonlocal ready
            await wait(fd)
            ready = Ready(ready | seen)
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch, trio.lowlevel.wait_readable, Ready.R)
        nursery.start_soon(watch, trio.lowlevel.wait_writable, Ready.W)
    return ready
