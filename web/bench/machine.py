"""Where a benchmark ran: machine, versions, durability, commit."""

import os
import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path

import trio

from store.postgres.connection import Connection
from web.bench.load import find_wrk
from web.bench.results import Facts

_POSTGRES = """
select current_setting('server_version'), current_setting('fsync'), current_setting('synchronous_commit')
"""


async def facts(conninfo: str, seconds: float) -> Facts:
    """The facts of this machine, of this code, and of the PostgreSQL at `conninfo`."""
    connection = await Connection.open(conninfo)
    try:
        ((postgres, fsync, synchronous_commit),) = await connection.fetch(_POSTGRES)
    finally:
        connection.close()
    return Facts(
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        commit=await commit_of(Path(__file__).parent),
        processor=_processor(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        postgres=postgres,
        fsync=fsync,
        synchronous_commit=synchronous_commit,
        load_generator="wrk" if find_wrk(seconds) else "web.bench.generator",
        load_average=" ".join(f"{load:.2f}" for load in os.getloadavg()),
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


async def commit_of(directory: Path) -> str:
    """The commit of the working tree that a directory is in, and whether it differs; unknown outside of one."""
    if (git := shutil.which("git")) is None:
        return "unknown"
    described = await trio.run_process(
        [git, "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"],
        cwd=directory,
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    return described.stdout.decode().strip() or "unknown"
