"""The processes that these tests kill: servers as their users start them, and a PostgreSQL that keeps its promises.

Nothing here waits for a time to pass: a process is waited for by what it says or by its end.
"""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import psycopg
import trio
from psycopg.conninfo import make_conninfo

from store import migrate, open_store
from store.embedded import embedded_postgres
from store.people import minting
from tests.postgres import kill_postgres, query

LLM_BUS = str(Path(sys.executable).with_name("llm-bus"))
LISTENING = b"listening on "
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60


class Bus:
    """One `llm-bus serve`, which can be killed and started again at the same port."""

    def __init__(self, database_url: str, log: Path, data_dir: Path | None = None) -> None:
        self.database_url = database_url
        self._database = ("--database-url", database_url) if data_dir is None else ("--data-dir", str(data_dir))
        self._log = log
        self.port = 0
        self._process: trio.Process | None = None

    @property
    def pid(self) -> int:
        """The process that serves now."""
        return self._running.pid

    @property
    def open_files(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def said(self) -> str:
        """Its log, of all its lives."""
        return self._log.read_text()

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        command = [LLM_BUS, "serve", "--port", str(self.port), *self._database]
        with self._log.open("ab") as stderr:
            self._process = await trio.lowlevel.open_process(command, stdout=PIPE, stderr=stderr)
        assert self._process.stdout is not None
        said = bytearray()
        with trio.fail_after(START_SECONDS_MAX):
            while not (LISTENING in said and said.endswith(b"\n")):
                received = await self._process.stdout.receive_some()
                assert received, f"the server did not start: {self.said}"
                said += received
        self.port = int(said.strip().rpartition(b":")[2])

    async def kill(self) -> None:
        """End it as a crash would."""
        self._running.kill()
        await self._running.wait()

    async def terminate(self) -> int:
        """Ask it to stop, as an operator would, and give its exit code once it has."""
        self._running.terminate()
        with trio.fail_after(STOP_SECONDS_MAX):
            return await self._running.wait()

    @property
    def _running(self) -> trio.Process:
        assert self._process is not None
        return self._process


@asynccontextmanager
async def running_bus(database_url: str, log: Path, data_dir: Path | None = None) -> AsyncIterator[Bus]:
    """A server for as long as the block lasts; that it leaves a traceback in its log fails the test.

    With a `data_dir` it uses the embedded PostgreSQL there, which it looks after.
    """
    bus = Bus(database_url, log, data_dir)
    await bus.start()
    try:
        yield bus
    finally:
        with trio.CancelScope(shield=True):
            await bus.kill()
    assert "Traceback" not in bus.said, bus.said


class Postgres:
    """A PostgreSQL with its durability on, and the ways in which it can fail.

    Each of `crashes` ends every session; those that end the server too leave it to `restart`.
    """

    def __init__(self, data_dir: Path, conninfo: str) -> None:
        self._data_dir = data_dir
        self._server = conninfo
        self.conninfo = make_conninfo(conninfo, dbname="bus")

    def kill(self) -> None:
        """Kill the postmaster; its children find themselves orphans and leave."""
        kill_postgres(self._data_dir)

    def stop_immediately(self) -> None:
        """`pg_ctl stop -m immediate`: every process is told to abort."""
        os.kill(self._postmaster, signal.SIGQUIT)

    def stop_fast(self) -> None:
        """`pg_ctl stop -m fast`: transactions are rolled back, sessions ended, a checkpoint written."""
        os.kill(self._postmaster, signal.SIGINT)

    def crash_a_backend(self) -> None:
        """Kill one session's process: PostgreSQL then ends all of them and recovers by itself."""
        rows = self._run("select pid from pg_stat_activity where application_name = 'llm-bus' and datname = 'bus'")
        assert rows
        os.kill(rows[0][0], signal.SIGKILL)

    def terminate_all(self) -> None:
        """End every session politely; the server goes on."""
        assert self._run("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'bus'")

    @property
    def crashes(self) -> list[Callable[[], None]]:
        """Every way to fail."""
        return [self.kill, self.stop_immediately, self.stop_fast, self.crash_a_backend, self.terminate_all]

    async def restart(self) -> None:
        """See to it that the server runs again."""
        async with embedded_postgres(self._data_dir):
            pass

    @property
    def _postmaster(self) -> int:
        return int((self._data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])

    def _run(self, statement: str) -> list[tuple[int]]:
        with psycopg.connect(self._server, autocommit=True) as session:
            return session.execute(statement.encode()).fetchall()


@asynccontextmanager
async def durable_postgres(data_dir: Path) -> AsyncIterator[Postgres]:
    """A PostgreSQL as operators run it, with a migrated database."""
    async with AsyncExitStack() as stack:
        conninfo = await stack.enter_async_context(embedded_postgres(data_dir))
        assert query(conninfo, "select name from pg_settings where name = 'fsync' and setting = 'on'")
        query(conninfo, "create database bus")
        postgres = Postgres(data_dir, conninfo)
        await migrate(postgres.conninfo)
        yield postgres


async def mint_tokens(conninfo: str, labels: list[str], project: str = "demo") -> list[str]:
    """A token for each of these participants of one project."""
    async with open_store(conninfo) as store:
        minted = [await store.write(minting.mint, "ada@example.com", project, label, is_admin=True) for label in labels]
    return [each.provisioned.token for each in minted]
