"""Many projects at once: whether one project's commits hold up another's.

A crowd is a database with `CROWD_PROJECTS` new projects and a server of its own. The same claims are made in one of
them and spread over all of them, on as many connections. `slow` makes every commit take `SLOW_COMMIT_MICROSECONDS`
longer, as on a disk that is slow or far away: there, projects that commit one after the other are seen at once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from math import ceil
from pathlib import Path

from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict

from store.errors import StoreError
from web.bench import load as bench_load
from web.bench.generator import Load
from web.bench.processes import Served, bus_server, run_job
from web.bench.results import Flooded, Waiting
from web.bench.seed import Project, add_readers, create_projects, database, run_statement
from web.bench.throng import Flood, Group, Parking
from web.errors import BenchFailed

CROWD_PROJECTS = 64
CROWD_CONNECTIONS = 64
SLOW_COMMIT_MICROSECONDS = 3_000

WAITING_CALLS = 1_000
THRONG_CONNECTIONS = 2_000
THRONG_PROJECTS = 50
CALLS_OF_READER = 50
"""One participant may have a few more calls that wait."""

PAUSE_SECONDS = 4.0
"""Between two claims on one of very many connections, on average: 500 a second, which leaves the machine some air."""


class Crowd(Struct, frozen=True, kw_only=True):
    """Projects that share a database, and the server that has them."""

    projects: list[Project]
    served: Served

    async def wake(self) -> None:
        """Have one claim made in each project, so that the server has read what other processes wrote there."""
        for project in self.projects:
            await bench_load.call_once(bench_load.tool_load(self.served, "claim", project.token))

    def load(self, projects: int, seconds: float) -> Load:
        """Claims in the first `projects` of them."""
        tokens = [project.token for project in self.projects[:projects]]
        return bench_load.tool_load(self.served, "claim", *tokens, connections=CROWD_CONNECTIONS, seconds=seconds)


@asynccontextmanager
async def open_crowd(conninfo: str, workspace: Path, *, slow: bool) -> AsyncIterator[Crowd]:
    """A crowd on the server of `conninfo`, gone afterwards. Raises `BenchFailed` where commits cannot be slowed."""
    async with database(conninfo) as fresh:
        if slow:
            await _slow_down(fresh)
        projects = await create_projects(fresh, CROWD_PROJECTS)
        log = workspace / f"crowd-{'slow' if slow else 'fast'}.log"
        async with bus_server(fresh, workspace, log) as served:
            crowd = Crowd(projects=projects, served=served)
            await crowd.wake()
            yield crowd


async def waiting(conninfo: str, workspace: Path, *, calls: int, projects: int, seconds: float) -> Waiting:
    """Measure `calls` that wait for news, spread over `projects`; one post to each."""
    calls_each = calls // projects
    async with database(conninfo) as fresh:
        groups = []
        for project in await create_projects(fresh, projects):
            readers = await add_readers(fresh, project, ceil(calls_each / CALLS_OF_READER))
            tokens = [token for token, _ in zip(cycle(readers), range(calls_each), strict=False)]
            groups.append(Group(readers=tokens, poster=project.peer_token))
        async with bus_server(fresh, workspace, workspace / "waiting.log") as served:
            job = Parking(served=served, groups=groups, rest_seconds=seconds)
            found: Waiting = await run_job("web.bench.throng", job, Waiting)
            return found


async def flooded(conninfo: str, workspace: Path, *, scale: float, seconds: float) -> Flooded:
    """Claims on very many connections, before and while one project floods, with the limits that `serve` has."""
    async with database(conninfo) as fresh:
        flooder, *others = await create_projects(fresh, THRONG_PROJECTS)
        async with bus_server(fresh, workspace, workspace / "flooded.log", has_fair_use=True) as served:
            job = Flood(
                served=served,
                callers=[project.token for project in others],
                flooder=flooder.token,
                connections=round(THRONG_CONNECTIONS * scale),
                flooding_connections=CROWD_CONNECTIONS,
                pause_seconds=PAUSE_SECONDS * scale,
                seconds=seconds,
            )
            found: Flooded = await run_job("web.bench.throng", job, Flooded)
            return found


async def _slow_down(conninfo: str) -> None:
    name = conninfo_to_dict(conninfo)["dbname"]
    try:
        await run_statement(conninfo, f"alter database {name} set commit_delay = {SLOW_COMMIT_MICROSECONDS}")
        await run_statement(conninfo, f"alter database {name} set commit_siblings = 0")
    except StoreError as refused:
        raise BenchFailed(f"commits cannot be made slow here; that takes a superuser: {refused}.") from refused
