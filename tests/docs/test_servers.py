"""Real balancers with the files of docs/deploy, in front of two real servers on one database.

A project's calls go to one server, whoever makes them; a project goes on when its server ends.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from store import Store
from store.people.codes import digest
from tests.balancers import Balancer, envoy, haproxy, nginx
from tests.postgres import query
from tests.web.bus import Bus, running_bus

PROJECTS = 16
"""So many that not all of them are led to the same server, whatever their ids: the odds are one to 32,768."""

OLD_TOKEN = "llmbus_" + "old-" * 10 + "old"

Front = Callable[[Path, Sequence[int]], AbstractAsyncContextManager[Balancer]]


@pytest.fixture(params=[nginx, haproxy, envoy], ids=["nginx", "haproxy", "envoy"])
def front(request: pytest.FixtureRequest) -> Front:
    made: Front = request.param
    return made


@asynccontextmanager
async def behind(front: Front, directory: Path, *servers: Bus) -> AsyncIterator[Bus]:
    """The servers, as they are seen through a balancer."""
    async with (
        front(directory, [port_of(bus) for bus in servers]) as balancer,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{balancer.port}", timeout=90) as http,
    ):
        yield Bus(str(http.base_url), servers[0].store, http, servers[0].stopping)


async def test_a_project_has_one_server_as_long_as_that_is_there(
    store: Store, conninfo: str, tmp_path: Path, front: Front
) -> None:
    async with (
        running_bus(store, conninfo) as first,
        running_bus(store, conninfo) as second,
        behind(front, tmp_path, first, second) as through,
    ):
        tokens = [
            await through.mint(name, project=f"project-{number}")
            for number in range(PROJECTS)
            for name in ("lead", "member")
        ]
        for token in tokens:
            await through.call(token, "claim", sequence="adr")
        writers = query(conninfo, "select distinct project_id, writer from events")
        assert len(writers) == PROJECTS
        assert len({writer for _, writer in writers}) == 2

        first.stopping.set()
        for token in tokens:
            assert await insistently_claimed(through, token) in {3, 4}


async def test_what_is_no_call_of_a_project_with_a_tag_is_served_too(
    store: Store, conninfo: str, tmp_path: Path, front: Front
) -> None:
    async with running_bus(store, conninfo, admin_auth="header") as bus, behind(front, tmp_path, bus) as through:
        await through.mint()
        query(conninfo, f"insert into tokens (participation_id, sha256) values (1, '\\x{digest(OLD_TOKEN).hex()}')")
        assert (await through.call(OLD_TOKEN, "claim", sequence="adr"))["number"] == 1
        assert (await through.ask("llmbus_wrong", "ping")).status_code == 401
        assert (await through.ask(None, "ping")).status_code == 401
        assert (await through.http.get("/healthz")).headers["strict-transport-security"]
        assert (await through.http.get("/metrics")).status_code == 404
        assert (await through.http.get("/metrics/")).status_code == 404
        said = {"X-Auth-Request-Email": "ada@example.com"}
        assert "set-cookie" not in (await through.http.get("/admin/sign-in", headers=said)).headers


async def insistently_claimed(through: Bus, token: str) -> int:
    """The number that a client gets which repeats its call while a server goes, with the key that makes that safe."""
    arguments = {"sequence": "adr", "key": "once"}
    while (
        answer := await through.ask(token, "tools/call", {"name": "claim", "arguments": arguments})
    ).status_code != 200:
        assert answer.status_code in {502, 503}
    number: int = answer.json()["result"]["structuredContent"]["number"]
    return number


def port_of(bus: Bus) -> int:
    return int(bus.url.rpartition(":")[2])
