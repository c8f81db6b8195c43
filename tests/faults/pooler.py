"""PgBouncer (Debian's) between a server and its wire."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.ports import free_port

START_SECONDS_MAX = 30


def program() -> str | None:
    """Where PgBouncer is, if it is installed."""
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


@asynccontextmanager
async def pooled(directory: Path, upstream_port: int, mode: str = "session", size: int = 60) -> AsyncIterator[int]:
    """A pooler of the PostgreSQL at this port; gives its own port."""
    port = free_port()
    command, account = _prepare(directory, port, upstream_port, mode, size), _account()
    with (directory / "pgbouncer.log").open("wb") as log:
        process = await trio.lowlevel.open_process(
            command, stdout=log, stderr=subprocess.STDOUT, user=account, group=account
        )
    try:
        with trio.fail_after(START_SECONDS_MAX):
            while not await _listens(port):
                assert process.poll() is None, f"PgBouncer did not start; its log is in {directory}"
        yield port
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


def _prepare(directory: Path, port: int, upstream_port: int, mode: str, size: int) -> list[str]:
    """Write its settings and give its command."""
    found = program()
    assert found is not None
    directory.mkdir()
    (directory / "users.txt").write_text('"bus" ""\n"postgres" ""\n')
    settings = directory / "pgbouncer.ini"
    settings.write_text(
        "[databases]\n"
        f"* = host=127.0.0.1 port={upstream_port}\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = trust\nauth_file = {directory / 'users.txt'}\nadmin_users = postgres\n"
        f"pool_mode = {mode}\ndefault_pool_size = {size}\nserver_login_retry = 1\n"
        "ignore_startup_parameters = extra_float_digits,options\n"
    )
    for path in (directory, settings, directory / "users.txt"):
        if (account := _account()) is not None:
            shutil.chown(path, account)
    return [found, str(settings)]


def _account() -> str | None:
    """Whom it runs as: it refuses root."""
    return "postgres" if os.geteuid() == 0 else None


async def _listens(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True
