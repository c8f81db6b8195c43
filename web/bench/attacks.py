"""The effect of one token on everybody else: another project's claims and `/healthz`, while each attack runs.

An attack has a project of its own, which is prepared through the directory as an agent could have over a day; then one
call is repeated over HTTP on many connections at once. The neighbour claims in another project on one connection. Its
99th percentile is compared with that of the same run before the attack, and `/healthz` with a fixed time.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from msgspec import Struct
from msgspec.structs import replace

from actors import Directory
from engine.identity import Principal
from engine.leases import Lease
from engine.posts import Post
from engine.surfaces import WILDCARDS_MAX
from engine.tasks import TaskCreate
from engine.vocabulary import Command
from store import open_store
from web.bench import load as bench_load
from web.bench.generator import Load
from web.bench.processes import Served, bus_server, run_job
from web.bench.results import Disturbance, Sample
from web.bench.seed import Project, create_projects, database

ATTACK_CONNECTIONS = 32
PREPARING_TASKS = 64
WARM_UP_SECONDS = 0.5
PROBE_PAUSE_SECONDS = 0.05
"""A probe must not be a load of its own."""

Prepare = Callable[[Callable[[Command], Awaitable[object]], int], Awaitable[None]]
"""Calls tools as the attacker; the number says how large the project is to be."""


class Attack(Struct, frozen=True, kw_only=True):
    """One attack: how it prepares its project, and the call that it then repeats. `size` is what it was seen with."""

    name: str
    prepare: Prepare | None = None
    size: int = 0
    tool: str
    arguments: dict[str, Any] = {}


async def _many_leases(call: Callable[[Command], Awaitable[object]], size: int) -> None:
    for number in range(size):
        await call(Lease(surface=_wide_glob(number), ttl_seconds=86_400))


async def _many_tasks(call: Callable[[Command], Awaitable[object]], size: int) -> None:
    for task_id in range(1, size + 1):
        depends_on = tuple(range(max(1, task_id - 50), task_id))
        await call(TaskCreate(title=f"task {task_id}", depends_on=depends_on))


async def _many_posts(call: Callable[[Command], Awaitable[object]], size: int) -> None:
    numbers = iter(range(size))

    async def keep_posting() -> None:
        for number in numbers:
            await call(Post(to_lane="nobody", body=f"post {number}", tag="common", ref=f"PR-{number}"))

    async with trio.open_nursery() as nursery:
        for _ in range(PREPARING_TASKS):
            nursery.start_soon(keep_posting)


def _wide_glob(number: int) -> str:
    """A surface with as many wildcards as one may have, and a match in common with all others of its kind."""
    stars = "*".join("abcdefghijklmnop"[: WILDCARDS_MAX - 1])
    return f"*{stars}{number}"


ATTACKS = (
    Attack(
        name="who_holds among wide globs",
        prepare=_many_leases,
        size=490,
        tool="who_holds",
        arguments={"surface": _wide_glob(-1)},
    ),
    Attack(
        name="lease among wide globs",
        prepare=_many_leases,
        size=490,
        tool="lease",
        arguments={"surface": _wide_glob(0), "ttl_seconds": 86_400},
    ),
    Attack(
        name="list_tasks ready among tasks with 50 dependencies",
        prepare=_many_tasks,
        size=10_000,
        tool="list_tasks",
        arguments={"ready": True, "limit": 200},
    ),
    Attack(
        name="read_posts that match nothing",
        prepare=_many_posts,
        size=50_000,
        tool="read_posts",
        arguments={"tag": "common", "ref": "none"},
    ),
    Attack(name="post as fast as it can", tool="post", arguments={"to_lane": "nobody", "body": "x" * 8_000}),
    Attack(name="admin_revoke of nobody", tool="admin_revoke", arguments={"participant_name": "nobody"}),
    Attack(
        name="query_events of everything",
        prepare=_many_posts,
        size=2_000,
        tool="query_events",
        arguments={"limit": 1_000},
    ),
)


@asynccontextmanager
async def attacked_bus(
    conninfo: str, workspace: Path, attacks: tuple[Attack, ...], *, scale: float
) -> AsyncIterator[tuple[Served, Project, dict[str, Project]]]:
    """A server with a neighbour's project and one for each attack, prepared at `scale` of its size."""
    async with database(conninfo) as fresh:
        neighbour, *others = await create_projects(fresh, 1 + len(attacks))
        projects = {attack.name: project for attack, project in zip(attacks, others, strict=True)}
        for attack in attacks:
            if attack.prepare is not None:
                await _prepare(projects[attack.name], attack.prepare, round(attack.size * scale))
        async with bus_server(fresh, workspace, workspace / "attacked.log") as served:
            yield served, neighbour, projects


async def disturbance(
    served: Served, neighbour: Project, attacker: Project, attack: Attack, *, seconds: float
) -> Disturbance:
    """The neighbour before and during one attack."""
    claims = bench_load.tool_load(served, "claim", neighbour.token, seconds=seconds)
    probe = Load(
        url=f"{served.url}/healthz",
        method="GET",
        headers={},
        connections=1,
        seconds=seconds,
        pause_seconds=PROBE_PAUSE_SECONDS,
    )
    load = bench_load.call_load(
        served,
        attack.tool,
        attack.arguments,
        attacker.token,
        connections=ATTACK_CONNECTIONS,
        seconds=seconds + 2 * WARM_UP_SECONDS,
    )
    await _generate(replace(claims, seconds=WARM_UP_SECONDS))  # the project's actor and the sessions are there now
    found: dict[str, Sample] = {}

    async def keep(name: str, sampled: Load, delay: float = 0.0) -> None:
        await trio.sleep(delay)
        found[name] = await _generate(sampled)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep, "calm", claims)
        nursery.start_soon(keep, "probe", probe)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep, "attacker", load)
        nursery.start_soon(keep, "attacked", claims, WARM_UP_SECONDS)
        nursery.start_soon(keep, "probe", probe, WARM_UP_SECONDS)
    return Disturbance(attack=attack.name, **found)


async def _generate(load: Load) -> Sample:
    # Not wrk: it counts whatever is answered as a request, and a refusal is an answer that the attacker should hear.
    sample: Sample = await run_job("web.bench.generator", load, Sample)
    return sample


async def _prepare(project: Project, prepare: Prepare, size: int) -> None:
    async with open_store(project.conninfo) as store, trio.open_nursery() as nursery:
        directory = Directory(store.journal)
        await nursery.start(directory.run)
        caller: Principal = project.principal

        async def call(command: Command) -> object:
            return await directory.ask(caller, command)  # type: ignore[arg-type]  # each is one of the closed union

        await prepare(call, size)
        await directory.stop()
