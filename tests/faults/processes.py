"""The servers that these tests kill, started as their users start them.

Nothing here waits for a time to pass: a process is waited for by what it says or by its end.
"""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import trio

from tests.faults.patience import patient
from tests.load import Answered, Client, Record

LLM_BUS = (str(Path(sys.executable).with_name("llm-bus")),)
MINT = ("token", "mint", "--json", "--admin", "--owner", "ada@example.com")
LISTENING = b"listening on "
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60

STARTS_MAX = 3
TOO_SLOW = "no answer within"
"""A server that says so at its start, on a machine that is busy with much else, is started again as systemd would."""

UNBOUNDED = {"CALLS_PER_SECOND": "0", "WRITTEN_BYTES_PER_DAY": "0"}
"""A workload is more than what is fair."""


class DidNotStart(AssertionError):
    """A server ended before it was ready; the text is what it said."""


class Bus:
    """One `llm-bus serve`, which can be killed and started again at the same port.

    With a `data_dir` it uses the embedded PostgreSQL there, which it looks after. `command` starts another program in
    its place, and `environment` adds to what it inherits.
    """

    def __init__(
        self,
        database_url: str,
        log: Path,
        *,
        data_dir: Path | None = None,
        command: Sequence[str] = LLM_BUS,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.database_url = database_url
        self._database = ("--database-url", database_url) if data_dir is None else ("--data-dir", str(data_dir))
        self.command = command
        self.environment = dict(environment or {})
        self.port = 0
        self._log = log
        self._process: trio.Process | None = None

    @property
    def pid(self) -> int:
        """The process that serves now."""
        return self._running.pid

    @property
    def said(self) -> str:
        """Its log, of all its lives."""
        return self._log.read_text()

    async def start(self) -> None:
        """Start it and wait until it is ready, as often as PostgreSQL is too slow for it. Raises `DidNotStart`."""
        for _ in range(STARTS_MAX - 1):
            try:
                return await self._start()
            except DidNotStart as ended:
                if TOO_SLOW not in str(ended).rstrip().rpartition("\n")[2]:
                    raise
        return await self._start()

    async def _start(self) -> None:
        command = [*self.command, "serve", "--port", str(self.port), *self._database]
        with self._log.open("ab") as stderr:
            self._process = await trio.lowlevel.open_process(
                command,
                stdout=PIPE,
                stderr=stderr,
                env={**os.environ, **UNBOUNDED, **self.environment},
            )
        assert self._process.stdout is not None
        said = bytearray()
        with trio.fail_after(patient(START_SECONDS_MAX)):
            while not (LISTENING in said and said.endswith(b"\n")):
                received = await self._process.stdout.receive_some()
                if not received:
                    raise DidNotStart(self.said)
                said += received
        self.port = int(said.strip().rpartition(b":")[2])

    async def kill(self) -> None:
        """End it as a crash would."""
        self._running.kill()
        await self._running.wait()

    async def terminate(self) -> int:
        """Ask it to stop, as an operator would, and give its exit code once it has."""
        self._running.terminate()
        with trio.fail_after(patient(STOP_SECONDS_MAX)):
            return await self._running.wait()

    def freeze(self) -> None:
        """Stop its clock: it does nothing until `thaw`, and then goes on as if nothing had happened."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running.send_signal(signal.SIGCONT)

    @property
    def _running(self) -> trio.Process:
        assert self._process is not None
        return self._process


@asynccontextmanager
async def running_bus(database_url: str, log: Path, data_dir: Path | None = None) -> AsyncIterator[Bus]:
    """A server for as long as the block lasts; that it leaves a traceback in its log fails the test."""
    bus = Bus(database_url, log, data_dir=data_dir)
    await bus.start()
    try:
        yield bus
    finally:
        with trio.CancelScope(shield=True):
            await bus.kill()
    assert "Traceback" not in bus.said, bus.said


async def let_in(bus: Bus, labels: Sequence[str], project: str = "demo") -> dict[str, str]:
    """A token for each of these participants of a project, who can all let others in."""
    first, *others = labels
    minted = await trio.run_process(
        [*bus.command, *MINT, "--database-url", bus.database_url, "--project", project, "--participant", first],
        capture_stdout=True,
        capture_stderr=True,
        env={**os.environ, **bus.environment},
    )
    tokens = {first: str(json.loads(minted.stdout)["token"])}
    async with Client(first, (bus.port,), tokens[first], Record()) as lead:
        for label in others:
            provisioned = await lead.call("admin_provision", participant_name=label, is_admin=True)
            assert isinstance(provisioned, Answered), provisioned
            tokens[label] = provisioned.value["token"]
    return tokens
