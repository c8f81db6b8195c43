"""The processes of a benchmark: each server and each load generator runs in one of its own.

Servers say `listening on URL` on their standard output; jobs read one JSON value from standard input and write one to
standard output. Leaving a server's context ends it; cancelling ends everything that was started here.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

import msgspec
import trio
from msgspec import Struct

from web.errors import BenchFailed

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
SAID_CHARACTERS_MAX = 500
_GREETING = b"listening on "
_RUN_MODULE = "import llm_bus, runpy, sys; llm_bus.enter(); runpy.run_module(sys.argv[1], run_name='__main__')"
"""`python -m` for a module of ours, which only LLM Bus's own processes find."""


THIS_VERSION = (sys.executable, "-m", "llm_bus")
"""The program that is measured, if no other one is named."""


class Served(Struct, frozen=True):
    """A server that runs: where it is reached, and which process it is."""

    url: str
    pid: int


@asynccontextmanager
async def bus_server(
    conninfo: str, data_dir: Path, log: Path, *, has_fair_use: bool = False, command: tuple[str, ...] = THIS_VERSION
) -> AsyncIterator[Served]:
    """`llm-bus serve` on a free port, without bounds for a token unless it `has_fair_use`; its log goes to a file."""
    flags = ("--host", "127.0.0.1", "--port", "0", "--data-dir", str(data_dir))
    bounds = {} if has_fair_use else {"CALLS_PER_SECOND": "0", "WRITTEN_BYTES_PER_DAY": "0"}
    environment = {"DATABASE_URL": conninfo, **bounds}
    async with _server((*command, "serve", *flags), log, **environment) as served:
        yield served


@asynccontextmanager
async def echo_server(log: Path) -> AsyncIterator[Served]:
    """`web.bench.echo` on a free port."""
    async with _server((sys.executable, "-c", _RUN_MODULE, "web.bench.echo"), log) as served:
        yield served


@asynccontextmanager
async def limit_server(log: Path) -> AsyncIterator[Served]:
    """`web.bench.limit` on a free port."""
    async with _server((sys.executable, "-c", _RUN_MODULE, "web.bench.limit"), log) as served:
        yield served


async def run_job(module: str, job: Struct, kind: Any) -> Any:
    """Run `python -m module` with `job` as its input; gives what it wrote, as `kind`. Raises `BenchFailed`."""
    done = await trio.run_process(
        [sys.executable, "-c", _RUN_MODULE, module],
        stdin=msgspec.json.encode(job),
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    if done.returncode != 0:
        raise BenchFailed(f"{module} failed: {_end_of(done.stderr)}")
    return msgspec.json.decode(done.stdout, type=kind)


async def run_program(arguments: list[str], name: str, **environment: str) -> str:
    """Run a program that was not written in Python; gives its standard output. Raises `BenchFailed`."""
    try:
        done = await trio.run_process(
            arguments, capture_stdout=True, capture_stderr=True, check=False, env={**os.environ, **environment}
        )
    except OSError as error:
        raise BenchFailed(f"cannot run {name}: {error}.") from error
    if done.returncode != 0:
        raise BenchFailed(f"{name} failed: {_end_of(done.stderr or done.stdout)}")
    return done.stdout.decode(errors="replace")


def resident_bytes(pid: int) -> int | None:
    """Memory that a process holds; None where the system does not tell (only Linux is asked)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:")), None)


def cpu_seconds(pid: int) -> float | None:
    """Processor time that a process has used, to the nearest hundredth; None where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / 100


@asynccontextmanager
async def _server(command: tuple[str, ...], log: Path, **environment: str) -> AsyncIterator[Served]:
    with log.open("wb") as said:
        process = await trio.lowlevel.open_process(
            list(command), stdout=PIPE, stderr=said, env={**os.environ, **environment}
        )
    try:
        yield Served(await _address(process, log), process.pid)
    finally:
        with trio.CancelScope(shield=True):
            await _end(process)


async def _address(process: trio.Process, log: Path) -> str:
    assert process.stdout is not None  # noqa: S101 - opened with a pipe
    said = b""
    with trio.move_on_after(START_SECONDS_MAX):
        while part := await process.stdout.receive_some():
            said += part
            if said.startswith(_GREETING) and said.endswith(b"\n"):
                return said.removeprefix(_GREETING).decode().strip()
    raise _not_started(said, log)


async def _end(process: trio.Process) -> None:
    process.terminate()
    with trio.move_on_after(STOP_SECONDS_MAX):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
    if process.stdout is not None:
        await process.stdout.aclose()


def _not_started(said: bytes, log: Path) -> BenchFailed:
    return BenchFailed(f"a server did not start: {_end_of(said + log.read_bytes())}")


def _end_of(output: bytes) -> str:
    return output.decode(errors="replace").strip()[-SAID_CHARACTERS_MAX:] or "it said nothing"
