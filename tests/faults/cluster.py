"""A PostgreSQL of the tests' own, which can be killed, frozen, filled up, followed by a standby and replaced by it.

It listens on a Unix socket only. The servers reach it over the network, through `tests.faults.wire`.
"""

import os
import pwd
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import trio
from psycopg.conninfo import make_conninfo

from store.embedded.programs import installed_binaries
from tests.postgres import query

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "logging_collector": "off",
    "shared_buffers": "16MB",
    "checkpoint_timeout": "30s",
}
"""Durability is PostgreSQL's default: a commit that was answered survives a crash."""

STANDBY = "standby"
START_ATTEMPTS_MAX = 40
RETRY_SECONDS = 0.25


class Cluster:
    """One PostgreSQL server and its data, in a directory; `settings` go over `SETTINGS`."""

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.socket = directory / ".s.PGSQL.5432"
        self._settings = {**SETTINGS, "unix_socket_directories": str(directory), **(settings or {})}
        self._data = directory / "data"
        self._binaries = installed_binaries()
        self._account = _account()

    def conninfo(self, dbname: str = "bus") -> str:
        """How its superuser connects, past every wire."""
        return make_conninfo(host=str(self.directory), user="postgres", dbname=dbname)

    def query(self, statement: str, dbname: str = "bus") -> list[tuple[Any, ...]]:
        """What its superuser is told."""
        return query(self.conninfo(dbname), statement)

    async def create(self) -> None:
        """Make and start an empty one, with a database `bus` that belongs to the ordinary role `bus`."""
        self._make_directory()
        await self._run("initdb", "-D", str(self._data), "--auth=trust", "--username=postgres", "--no-sync")
        await self.start()
        self.query("create role bus login", "postgres")
        self.query("create database bus owner bus", "postgres")

    async def create_standby(self, directory: Path) -> "Cluster":
        """Make and start a standby that follows this one."""
        standby = Cluster(directory, self._settings | {"unix_socket_directories": str(directory)})
        standby._make_directory()
        primary = make_conninfo(host=str(self.directory), user="postgres", application_name=STANDBY)
        await self._run("pg_basebackup", "-D", str(standby._data), "-d", primary, "-R", "-c", "fast", "--no-sync")
        await standby.start()
        return standby

    async def start(self) -> None:
        """Start it, or do nothing if it runs; waits for the processes of a server that was killed to go."""
        options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in self._settings.items())
        log = str(self.directory / "postgres.log")
        for _ in range(START_ATTEMPTS_MAX):
            if await self._run("pg_isready", "-h", str(self.directory), check=False) == 0:
                return
            done = await self._run(
                "pg_ctl", "start", "-w", "-D", str(self._data), "-o", options, "-l", log, check=False
            )
            if done == 0:
                return
            await trio.sleep(RETRY_SECONDS)
        raise AssertionError(f"PostgreSQL did not start; its log is {log}")

    async def stop(self, mode: str) -> None:
        """Stop it: `fast`, as an operator would, or `immediate`, as a crash."""
        await self._run("pg_ctl", "stop", "-w", "-D", str(self._data), "-m", mode)

    async def promote(self) -> None:
        """Make a standby the primary, which waits for no standby of its own."""
        await self._run("pg_ctl", "promote", "-w", "-D", str(self._data))

    def follow_synchronously(self, *, on: bool) -> None:
        """Have every commit wait for the standby, or no longer."""
        self.query(f"alter system set synchronous_standby_names = '{STANDBY if on else ''}'")
        self.query("select pg_reload_conf()")

    def kill(self) -> None:
        """Kill the postmaster and all of its processes at once, as a power cut would."""
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Signal all processes of the server."""
        for pid in list(self.processes()):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def processes(self) -> Iterator[int]:
        """The postmaster, known by its data directory (its pid file may be older than it), and its children."""
        postmaster = None
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            with suppress(OSError):
                if os.fsencode(self._data) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
                    postmaster = pid
                    yield pid
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            with suppress(OSError):
                if int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) == postmaster:
                    yield pid

    def _make_directory(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if self._account is not None:
            os.chown(self.directory, self._account.pw_uid, self._account.pw_gid)

    async def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        account = self._account
        as_account: dict[str, Any] = {}
        if account is not None:
            as_account = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        # A file takes what it says, not a pipe: the server inherits it and would keep a pipe open as long as it lives.
        with tempfile.TemporaryFile() as said:
            done = await trio.run_process(
                [str(self._binaries / program), *arguments],
                stdout=said,
                stderr=subprocess.STDOUT,
                check=False,
                cwd="/",
                start_new_session=True,
                **as_account,
            )
            said.seek(0)
            assert not check or done.returncode == 0, f"{program}: {said.read().decode(errors='replace')}"
        return done.returncode


def _account() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as: nobody else, or, as it refuses root, an account that is there for the purpose."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody")


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[None]:
    """A file system of this size at `directory`; only root may mount one."""
    directory.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(directory)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)
