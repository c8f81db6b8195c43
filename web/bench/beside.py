"""Another version of LLM Bus beside this one: the same calls to both, in turns, in one run.

The other one is a program, the `llm-bus` of another checkout's environment. Each version makes its schema in a database
of its own and mints tokens by its command line, so nothing of the other one is imported. Both get the same posts before
they are measured.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from web.bench import load as bench_load
from web.bench.generator import Load
from web.bench.machine import commit_of
from web.bench.processes import THIS_VERSION, Served, bus_server, run_program
from web.bench.results import BESIDE_CONNECTIONS, TOOLS, Beside, Sample
from web.bench.seed import OWNER, PEER, RUNNER, unmigrated_database
from web.bench.tool_calls import Session
from web.errors import BenchFailed

POSTS = 120
"""What the runner has to catch up with: more than one page of `whats_new` shows."""

PROJECT = "beside"

TOOLS_IN_TURN = sorted(TOOLS, key=lambda tool: tool == "post")
"""Posts come last: they would be thousands between the runner and what it reads."""


class _Minted(Struct):
    token: str


class _Version(Struct, frozen=True):
    """A version's server, and the runner's token there."""

    served: Served
    token: str

    def load(self, tool: str, connections: int, seconds: float) -> Load:
        return bench_load.tool_load(self.served, tool, self.token, connections=connections, seconds=seconds)


async def beside(
    conninfo: str, workspace: Path, program: Path, *, rounds: int, seconds: float, advance: Callable[[int], object]
) -> list[Beside]:
    """What both versions answer to each tool. Raises `BenchFailed` when the other one cannot be used like this one."""
    mine: dict[tuple[str, int], list[Sample]] = {}
    other: dict[tuple[str, int], list[Sample]] = {}
    async with (
        _version(conninfo, workspace, "this", THIS_VERSION) as this_one,
        _version(conninfo, workspace, "other", (str(program),)) as the_other,
    ):
        for tool in TOOLS_IN_TURN:
            for connections in BESIDE_CONNECTIONS:
                for _ in range(rounds):
                    for one, samples in ((this_one, mine), (the_other, other)):
                        sample = await bench_load.measure(one.load(tool, connections, seconds), one.served, workspace)
                        samples.setdefault((tool, connections), []).append(sample)
                    advance(1)
    version = await commit_of(program.parent)
    return [
        Beside(version=version, tool=tool, connections=connections, mine=samples, other=other[tool, connections])
        for (tool, connections), samples in mine.items()
    ]


@asynccontextmanager
async def _version(conninfo: str, workspace: Path, name: str, command: tuple[str, ...]) -> AsyncIterator[_Version]:
    async with unmigrated_database(conninfo) as fresh:
        log = workspace / f"{name}-version.log"
        async with bus_server(fresh, workspace, log, command=command) as served:
            token, peer = [await _mint(command, fresh, workspace, who) for who in (RUNNER, PEER)]
            async with Session.opened(served, peer) as session:
                for _ in range(POSTS):
                    await session.call("post", {**bench_load.ARGUMENTS["post"], "to_actor": RUNNER})
            yield _Version(served, token)


async def _mint(command: tuple[str, ...], conninfo: str, workspace: Path, who: str) -> str:
    flags = ("--owner", OWNER, "--project", PROJECT, "--participant", who, "--json", "--data-dir", str(workspace))
    said = await run_program([*command, "token", "mint", *flags], command[0], DATABASE_URL=conninfo)
    try:
        return msgspec.json.decode(said, type=_Minted).token
    except msgspec.DecodeError as error:
        raise BenchFailed(f"{command[0]} minted no token: {said}") from error
