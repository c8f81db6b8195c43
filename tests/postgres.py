"""One real PostgreSQL for a whole test session, and a fresh, migrated database for every test that asks.

Also the tools by which tests reach past the code under test: a plain session of their own, and the server's processes.
Durability is switched off here, and only here: no test pulls the plug. For the same reason data is kept in memory where
there is room: most of what a fresh database costs is three hundred new files.
"""

import itertools
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import psycopg
import trio
from psycopg.conninfo import make_conninfo

from store.embedded.running import embedded_postgres
from store.postgres.migrate import migrate

TEMPLATE = "migrated"
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")

MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 2 * 1024**3
"""Several test processes share it; one with all its servers was measured to need 300 MB."""

FAST_AND_CARELESS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "min_wal_size": "32MB",
    "max_wal_size": "128MB",
}


class Server:
    """A running PostgreSQL with a migrated template database."""

    def __init__(self, conninfo: str, data_dir: Path, binaries: Path | None) -> None:
        self.conninfo = conninfo
        self.data_dir = data_dir
        self.binaries = binaries
        self._names = (f"test_{number}" for number in itertools.count(1))
        self._session: psycopg.Connection | None = None
        self._lock = threading.Lock()

    def create_database(self) -> str:
        """A fresh, migrated database's conninfo."""
        name = next(self._names)
        # Copied as files: half the time of the default, which writes every block to the log of changes.
        self.run(f"create database {name} template {TEMPLATE} strategy file_copy")
        return make_conninfo(self.conninfo, dbname=name)

    def drop_database(self, conninfo: str) -> None:
        self.run(f"drop database {psycopg.conninfo.conninfo_to_dict(conninfo)['dbname']} with (force)")

    def run(self, statement: str) -> None:
        """Run a statement on a session that is kept: for each new one PostgreSQL starts a process."""
        with self._lock:
            session = self._open_session()
            try:
                session.execute(statement.encode())
            except psycopg.OperationalError:
                if not session.closed:
                    raise
                self._open_session().execute(statement.encode())  # a test had ended it, or the server

    def close(self) -> None:
        """End the session."""
        if self._session is not None:
            self._session.close()

    def _open_session(self) -> psycopg.Connection:
        if self._session is None or self._session.closed:
            self._session = psycopg.connect(self.conninfo, autocommit=True)
        return self._session


def query(conninfo: str, statement: str, parameters: tuple[object, ...] | None = None) -> list[tuple[object, ...]]:
    """Run a statement on a session of its own, and give its rows if it has any.

    It blocks: beside a server of the same process, a row that the server may be writing is for another thread.
    """
    with psycopg.connect(conninfo, autocommit=True) as session:
        cursor = session.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def own_directory() -> Iterator[Path]:
    """A directory for a server's data, with a short name: sockets in it need one."""
    has_room = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN
    with tempfile.TemporaryDirectory(prefix="llm-bus-tests-", dir=MEMORY if has_room else None) as directory:
        Path(directory).chmod(0o711)  # PostgreSQL 15 must reach what is below it, also as another user
        yield Path(directory)


@contextmanager
def running_server(data_dir: Path, binaries: Path | None = None) -> Iterator[Server]:
    """Start a server for as long as the block lasts, in a Trio of its own on another thread."""
    started: list[str] = []
    ready = threading.Event()
    portal: list[tuple[trio.lowlevel.TrioToken, trio.Event]] = []

    async def serve() -> None:
        try:
            async with embedded_postgres(data_dir, binaries=binaries, settings=FAST_AND_CARELESS) as conninfo:
                await migrate_template(conninfo)
                done = trio.Event()
                portal.append((trio.lowlevel.current_trio_token(), done))
                started.append(conninfo)
                ready.set()
                await done.wait()
        finally:
            ready.set()

    thread = threading.Thread(target=trio.run, args=(serve,))
    thread.start()
    ready.wait()
    try:
        if not started:
            raise RuntimeError("PostgreSQL did not start; its error is above")
        with closing(Server(started[0], data_dir, binaries)) as server:
            yield server
    finally:
        for token, done in portal:
            token.run_sync_soon(done.set)
        thread.join()


async def migrate_template(conninfo: str) -> None:
    query(conninfo, f"create database {TEMPLATE}")
    await migrate(make_conninfo(conninfo, dbname=TEMPLATE))


def kill_postgres(data_dir: Path) -> None:
    """Kill the server as a crash would: no goodbye, no checkpoint, its pid file left behind."""
    pid = int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)


@asynccontextmanager
async def fresh_database(server: Server) -> AsyncIterator[str]:
    conninfo = await trio.to_thread.run_sync(server.create_database)
    try:
        yield conninfo
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(server.drop_database, conninfo)
