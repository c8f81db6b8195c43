"""One benchmark run: two databases, two buses and an echo, measured in turns, and everything that came of it.

A round measures every subject once, those that are compared next to each other; so a machine that is slow for a while
is slow for both sides of a ratio. A small project is new for every sample, because claims and posts would make it grow;
the large one is the same all along.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio
from msgspec import Struct

from store import Store
from web.admin.home import PAGE_PROJECTS
from web.bench import load as bench_load
from web.bench import machine as bench_machine
from web.bench import plain as bench_plain
from web.bench.attacks import ATTACKS, attacked_bus, disturbance
from web.bench.beside import beside
from web.bench.crowd import (
    CROWD_CONNECTIONS,
    CROWD_PROJECTS,
    THRONG_PROJECTS,
    WAITING_CALLS,
    Crowd,
    flooded,
    open_crowd,
    waiting,
)
from web.bench.durable import Activation, DurableClaims
from web.bench.holdings import LARGE, SMALL, holdings
from web.bench.processes import Served, bus_server, echo_server, limit_server, resident_bytes, run_job
from web.bench.recent import make_recent
from web.bench.results import (
    BESIDE_CONNECTIONS,
    COMMIT,
    CONNECTIONS,
    CROWD,
    CROWD_OF_ONE,
    CURVE_CONNECTIONS,
    CURVE_TOOLS,
    DASHBOARD,
    DASHBOARD_CONNECTIONS,
    DURABLE,
    DURABLE_CROWD,
    DURABLE_TASKS,
    ECHO,
    LIMIT,
    PLAIN,
    PLAIN_CONNECTIONS,
    PLAIN_SQUEEZED,
    SLOW_CROWD,
    SLOW_ONE,
    TOOLS,
    Beside,
    Disturbance,
    Flooded,
    Holdings,
    Memory,
    Results,
    Row,
    Sample,
    Waiting,
    usual_flood,
)
from web.bench.seed import Project, database, open_session, seed, seeding, settle
from web.errors import BenchFailed
from web.http.turns import ALONE_SECONDS

SMALL_EVENTS = 1_000
ACTIVATIONS = 5

Advance = Callable[[int], object]

PARTS = ("calls", "attacks", "holdings", "throngs", "beside")
"""The parts of a run. `calls` needs the histories; the others make what they need."""


class Plan(Struct, frozen=True, kw_only=True):
    """How large, how long, how often."""

    history_events: int = 1_000_000
    projects: int = 100
    rounds: int = 5
    seconds: float = 1.0
    attack_seconds: float = 3.0
    attack_scale: float = 1.0
    held_scale: float = 1.0
    held_rounds: int = 40
    parts: tuple[str, ...] = PARTS
    beside: str = ""
    """The program of another version; empty: there is none, and that part is left out."""

    @property
    def seeding_steps(self) -> int:
        """Events to be written and folded again before anything is measured."""
        if "calls" not in self.parts:
            return 0
        return 2 * (self.owned_events + SMALL_EVENTS * self.small_projects)

    @property
    def owned_events(self) -> int:
        """Events in all `projects` that the dashboard shows: the large one, and small ones beside it."""
        return self.history_events + SMALL_EVENTS * (self.projects - 1)

    @property
    def small_projects(self) -> int:
        """One for every sample of a tool, one for the claims without HTTP in each round, and one to warm up."""
        curve = len(CURVE_TOOLS) * len(CURVE_CONNECTIONS)
        return self.rounds * (len(TOOLS) * len(CONNECTIONS) + curve + 1) + 1

    @property
    def measuring_steps(self) -> int:
        """Samples to be taken."""
        crowds = 2 * 2 + 1
        curve = (len(CURVE_TOOLS) + 2) * len(CURVE_CONNECTIONS)
        tools = (2 * len(TOOLS) + 2) * len(CONNECTIONS)
        of_part = {
            "calls": self.rounds * (tools + curve + len(DASHBOARD_CONNECTIONS) + 7 + crowds),
            "attacks": len(ATTACKS),
            "holdings": 1,
            "throngs": 2 + self.rounds,
            "beside": self.rounds * len(TOOLS) * len(BESIDE_CONNECTIONS) if self.beside else 0,
        }
        return sum(of_part[part] for part in self.parts)


@dataclass(slots=True)
class _Size:
    """One size of history: its database, its projects (the last one is used next), and its bus once that runs."""

    events: int
    conninfo: str
    projects: list[Project] = field(default_factory=list)
    served: Served | None = None
    active_bytes: int | None = None

    def next_project(self) -> Project:
        return self.projects.pop() if len(self.projects) > 1 else self.projects[0]


class Run:
    """The state of one run; `open_run` makes it, `measure` fills it."""

    def __init__(self, plan: Plan, workspace: Path, small: _Size, large: _Size) -> None:
        self._plan = plan
        self._workspace = workspace
        self._small, self._large = small, large
        self._echoes: dict[str, Served] = {}
        self._session_id = ""
        self._crowds: list[Crowd] = []
        self._samples: dict[tuple[str, int | None, int], list[Sample]] = {}

    async def seed(self, advance: Advance) -> None:
        """Write both histories, ours and those of plain SQL, for a run that measures calls."""
        if "calls" not in self._plan.parts:
            return
        for size, count in ((self._small, self._plan.small_projects), (self._large, 1)):
            async with seeding(size.conninfo) as store:
                for _ in range(count):
                    size.projects.append(await seed(store, size.conninfo, size.events, advance))
                if size is self._large:
                    await self._seed_neighbours(store, advance)
            await bench_plain.prepare(size.conninfo, size.events)
            await settle(size.conninfo)

    async def _seed_neighbours(self, store: Store, advance: Advance) -> None:
        """The other projects of the large one's owner, and a session to look at them all."""
        for _ in range(self._plan.projects - 1):
            await seed(store, self._large.conninfo, SMALL_EVENTS, advance)
        self._session_id = await open_session(store)

    async def measure(self, advance: Advance) -> Results:
        """Take every sample and put them together."""
        facts = await bench_machine.facts(self._large.conninfo, self._plan.seconds)
        parts = self._plan.parts
        activations, memory = await self._calls(advance) if "calls" in parts else ([], [])
        disturbances = await self._attack(advance) if "attacks" in parts else []
        held = await self._hold(advance) if "holdings" in parts else None
        waiting, flooded = await self._throng(advance) if "throngs" in parts else ([], None)
        compared = await self._compare(advance) if "beside" in parts and self._plan.beside else []
        project = self._large.projects[0] if self._large.projects else None
        return Results(
            facts=facts,
            seconds=self._plan.seconds,
            small_events=self._small.events,
            large_events=self._large.events,
            dashboard_projects=self._plan.projects,
            dashboard_events=self._plan.owned_events,
            posts=project.posts if project else 0,
            unread=project.unread if project else 0,
            rows=[
                Row(subject=subject, events=events, connections=connections, samples=samples)
                for (subject, events, connections), samples in self._samples.items()
            ],
            activation_seconds=activations,
            memory=memory,
            disturbances=disturbances,
            holdings=held,
            waiting=waiting,
            flooded=flooded,
            beside=compared,
        )

    async def _calls(self, advance: Advance) -> tuple[list[float], list[Memory]]:
        """Every round; how long activation took, and what memory both servers held at the end."""
        project = self._large.projects[0]
        activations = await run_job("web.bench.durable", Activation(project=project, times=ACTIVATIONS), list[float])
        async with self._servers():
            for _ in range(self._plan.rounds):
                await self._round(advance)
            return activations, [self._memory(size) for size in (self._small, self._large)]

    async def _hold(self, advance: Advance) -> Holdings:
        found = await holdings(
            self._small.conninfo,
            self._workspace,
            small=SMALL.scaled(min(1.0, 100 * self._plan.held_scale)),
            large=LARGE.scaled(self._plan.held_scale),
            rounds=self._plan.held_rounds,
        )
        advance(1)
        return found

    async def _compare(self, advance: Advance) -> list[Beside]:
        plan = self._plan
        return await beside(
            self._small.conninfo,
            self._workspace,
            Path(plan.beside),
            rounds=plan.rounds,
            seconds=plan.seconds,
            advance=advance,
        )

    async def _attack(self, advance: Advance) -> list[Disturbance]:
        found = []
        bus = attacked_bus(self._small.conninfo, self._workspace, ATTACKS, scale=self._plan.attack_scale)
        async with bus as (served, neighbour, attackers):
            for attack in ATTACKS:
                attacker = attackers[attack.name]
                found.append(await disturbance(served, neighbour, attacker, attack, seconds=self._plan.attack_seconds))
                advance(1)
        return found

    async def _throng(self, advance: Advance) -> tuple[list[Waiting], Flooded]:
        conninfo, workspace, plan = self._small.conninfo, self._workspace, self._plan
        calls, seconds = round(WAITING_CALLS * plan.attack_scale), plan.attack_seconds
        found = []
        for projects in (max(2, round(THRONG_PROJECTS * plan.attack_scale)), 1):
            found.append(await waiting(conninfo, workspace, calls=calls, projects=projects, seconds=seconds))
            advance(1)
        floods = []
        for _ in range(plan.rounds):
            floods.append(await flooded(conninfo, workspace, scale=plan.attack_scale, seconds=seconds))
            advance(1)
        return found, usual_flood(floods)

    @asynccontextmanager
    async def _servers(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for subject, server in ((ECHO, echo_server), (LIMIT, limit_server)):
                self._echoes[subject] = await stack.enter_async_context(server(self._workspace / "echo.log"))
            for name, size in (("small", self._small), ("large", self._large)):
                log = self._workspace / f"{name}.log"
                size.served = await stack.enter_async_context(bus_server(size.conninfo, self._workspace, log))
                await bench_load.call_once(bench_load.tool_load(size.served, "whoami", size.next_project().token))
                size.active_bytes = resident_bytes(size.served.pid)
            for slow in (False, True):
                crowd = open_crowd(self._small.conninfo, self._workspace, slow=slow)
                self._crowds.append(await stack.enter_async_context(crowd))
            yield

    async def _round(self, advance: Advance) -> None:
        for connections in CONNECTIONS:
            await self._measure_tool(self._small, "claim", connections, advance)
            await self._measure_echoes(connections, advance)
            await self._measure_tool(self._large, "claim", connections, advance)
            for tool in TOOLS[1:]:
                for size in (self._small, self._large):
                    await self._measure_tool(size, tool, connections, advance)
            if connections in DASHBOARD_CONNECTIONS:
                await self._measure_dashboard(connections, advance)
        for connections in CURVE_CONNECTIONS:
            await self._measure_echoes(connections, advance)
            for tool in CURVE_TOOLS:
                await trio.sleep(1.1 * ALONE_SECONDS)  # beside another client its many connections wait in line
                await self._measure_tool(self._small, tool, connections, advance)
        await self._measure_plain(self._small, COMMIT, None, 1, squeezed=True)
        advance(1)
        for size in (self._small, self._large):
            await self._measure_without_http(size, advance)
        await self._measure_crowds(advance)

    async def _measure_crowds(self, advance: Advance) -> None:
        subjects = ((CROWD_OF_ONE, CROWD), (SLOW_ONE, SLOW_CROWD))
        for crowd, (one, all_of_them) in zip(self._crowds, subjects, strict=True):
            await crowd.wake()
            for subject, projects in ((one, 1), (all_of_them, CROWD_PROJECTS)):
                load = crowd.load(projects, self._plan.seconds)
                if projects == 1:  # one client's many connections wait in line until it is alone
                    await trio.sleep(1.1 * ALONE_SECONDS)
                self._keep(subject, 0, CROWD_CONNECTIONS, await bench_load.measure(load, crowd.served, self._workspace))
                advance(1)
        job = DurableClaims(projects=self._crowds[0].projects, tasks=DURABLE_TASKS, seconds=self._plan.seconds)
        self._keep(DURABLE_CROWD, 0, DURABLE_TASKS, await run_job("web.bench.durable", job, Sample))
        advance(1)

    async def _measure_echoes(self, connections: int, advance: Advance) -> None:
        for subject, served in self._echoes.items():
            seconds = self._plan.seconds
            load = bench_load.tool_load(served, "claim", "llmbus_", connections=connections, seconds=seconds)
            self._keep(subject, None, connections, await bench_load.measure(load, served, self._workspace))
            advance(1)

    async def _measure_tool(self, size: _Size, tool: str, connections: int, advance: Advance) -> None:
        assert size.served is not None  # noqa: S101 - the servers run
        project = size.next_project()
        if tool == "whats_new":
            await make_recent(size.served, project)
            await trio.sleep(1.1 * ALONE_SECONDS)  # beside its peer's calls, its own wait in line
        load = bench_load.tool_load(
            size.served, tool, project.token, connections=connections, seconds=self._plan.seconds
        )
        before = await bench_load.call_once(load)
        sample = await bench_load.measure(load, size.served, self._workspace)
        if tool == "claim":
            after = await bench_load.call_once(load)
            _check_claims(sample, connections, after["number"] - before["number"] - 1)
        self._keep(tool, size.events, connections, sample)
        advance(1)

    async def _measure_dashboard(self, connections: int, advance: Advance) -> None:
        assert self._large.served is not None  # noqa: S101 - the servers run
        served, seconds = self._large.served, self._plan.seconds
        load = bench_load.dashboard_load(served, self._session_id, connections=connections, seconds=seconds)
        due = min(self._plan.projects, PAGE_PROJECTS)
        if (shown := (await bench_load.look_once(load)).count("bench-")) < due:
            raise BenchFailed(f"the dashboard shows {shown} of {due} projects.")
        sample = await bench_load.measure(load, served, self._workspace)
        self._keep(DASHBOARD, self._plan.owned_events, connections, sample)
        advance(1)

    async def _measure_without_http(self, size: _Size, advance: Advance) -> None:
        job = DurableClaims(projects=[size.next_project()], tasks=DURABLE_TASKS, seconds=self._plan.seconds)
        self._keep(DURABLE, size.events, DURABLE_TASKS, await run_job("web.bench.durable", job, Sample))
        for subject, squeezed in ((PLAIN, False), (PLAIN_SQUEEZED, True)):
            await self._measure_plain(size, subject, size.events, PLAIN_CONNECTIONS, squeezed=squeezed)
        advance(3)

    async def _measure_plain(
        self, size: _Size, subject: str, events: int | None, connections: int, *, squeezed: bool
    ) -> None:
        seconds, conninfo = self._plan.seconds, size.conninfo
        measuring = partial(bench_plain.measure, connections=connections, seconds=seconds, squeezed=squeezed)
        self._keep(subject, events, connections, await measuring(conninfo, self._workspace))

    def _keep(self, subject: str, events: int | None, connections: int, sample: Sample) -> None:
        self._samples.setdefault((subject, events, connections), []).append(sample)

    def _memory(self, size: _Size) -> Memory:
        assert size.served is not None  # noqa: S101 - the servers run
        return Memory(events=size.events, active_bytes=size.active_bytes, loaded_bytes=resident_bytes(size.served.pid))


@asynccontextmanager
async def open_run(plan: Plan, conninfo: str, workspace: Path) -> AsyncIterator[Run]:
    """A run on two databases of its own on the server of `conninfo`; they are dropped afterwards."""
    async with database(conninfo) as small, database(conninfo) as large:
        yield Run(plan, workspace, _Size(SMALL_EVENTS, small), _Size(plan.history_events, large))


def _check_claims(sample: Sample, connections: int, numbers: int) -> None:
    """Every answered claim took a number; beyond them only those that were under way at the end did."""
    if not sample.requests <= numbers <= sample.requests + connections + sample.errors:
        raise BenchFailed(f"{sample.requests} claims were answered, but {numbers} numbers are taken.")
