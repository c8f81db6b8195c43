"""Many projects at once: whether one project's commits hold up another's.

A crowd is a database with `CROWD_PROJECTS` new projects and a server of its own. The same claims are made in one of
them and spread over all of them, on as many connections. `slow` makes every commit take `SLOW_COMMIT_MICROSECONDS`
longer, as on a disk that is slow or far away: there, projects that commit one after the other are seen at once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict

from store.errors import StoreError
from web.bench import load as bench_load
from web.bench.generator import Load
from web.bench.processes import Served, bus_server
from web.bench.seed import Project, create_projects, database, run_statement
from web.errors import BenchFailed

CROWD_PROJECTS = 64
CROWD_CONNECTIONS = 64
SLOW_COMMIT_MICROSECONDS = 3_000


class Crowd(Struct, frozen=True, kw_only=True):
    """Projects that share a database, and the server that has them."""

    projects: list[Project]
    served: Served

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
            for number in range(CROWD_PROJECTS):
                await bench_load.call_once(bench_load.tool_load(served, "claim", projects[number].token))
            yield crowd


async def _slow_down(conninfo: str) -> None:
    name = conninfo_to_dict(conninfo)["dbname"]
    try:
        await run_statement(conninfo, f"alter database {name} set commit_delay = {SLOW_COMMIT_MICROSECONDS}")
        await run_statement(conninfo, f"alter database {name} set commit_siblings = 0")
    except StoreError as refused:
        raise BenchFailed(f"commits cannot be made slow here; that takes a superuser: {refused}.") from refused
