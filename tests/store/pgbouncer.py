"""A real PgBouncer in front of a test's PostgreSQL, where the machine has one."""

import os
import pwd
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest
import trio
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.ports import free_port
from tests.postgres import Server, own_directory

PGBOUNCER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"

needs_pgbouncer = pytest.mark.skipif(
    not Path(PGBOUNCER).exists(), reason="no pgbouncer here: apt-get install pgbouncer"
)

_CONFIG = """
[databases]
* = host={host} port=5432 user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
logfile = {directory}/log
pidfile = {directory}/pid
"""


@asynccontextmanager
async def pooled(
    postgres: Server, conninfo: str, mode: Literal["session", "transaction"], *, size: int = 40
) -> AsyncIterator[str]:
    """The conninfo of the same database behind a PgBouncer in this mode, with at most `size` sessions."""
    host, port = conninfo_to_dict(conninfo)["host"], free_port()
    account = pwd.getpwuid((postgres.data_dir / "postgres").stat().st_uid)
    with own_directory() as directory:
        config = directory / "pgbouncer.ini"
        config.write_text(_CONFIG.format(host=host, port=port, mode=mode, size=size, directory=directory))
        account_of: dict[str, Any] = {}
        if os.geteuid() == 0:  # PgBouncer does not run as root
            os.chown(directory, account.pw_uid, account.pw_gid)
            account_of = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        async with trio.open_nursery() as nursery:
            run = partial(trio.run_process, [PGBOUNCER, "-q", str(config)], check=False, **account_of)
            process = await nursery.start(run)
            behind = make_conninfo(conninfo, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
            try:
                await _until_it_listens(behind)
                yield behind
            finally:
                process.terminate()


async def _until_it_listens(conninfo: str) -> None:
    with trio.fail_after(120):
        while True:
            try:
                psycopg.connect(conninfo).close()
            except psycopg.OperationalError:
                await trio.sleep(0.05)
            else:
                return
