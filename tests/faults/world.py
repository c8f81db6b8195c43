"""The world of one run: a PostgreSQL, perhaps a standby and a pooler, servers with a wire each, and their clients."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import trio
from psycopg.conninfo import make_conninfo

from tests.faults.checker import Failover
from tests.faults.clocks import ahead
from tests.faults.cluster import Cluster, small_disk
from tests.faults.pooler import pooled
from tests.faults.processes import LLM_BUS, Bus, let_in
from tests.faults.wire import Wire, wired
from tests.faults.workload import Gate
from tests.load import REVISIONS, Client, Record, Team

Standby = Literal["none", "synchronous", "asynchronous"]

DISK_MEGABYTES = 400

JUDGES = ("judge-0", "judge-1", "judge-2")
"""The clients that look at the end, each through one server."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a world is made of. `seconds_ahead` is how far the clock of its last server is ahead.

    With `names_standby`, servers know both the primary and the standby; else their wires are led to the new primary.
    `is_direct`: they use PostgreSQL's socket, for measurements of speed; no fault reaches them there.
    """

    servers: int = 1
    clients: int = 12
    standby: Standby = "none"
    names_standby: bool = False
    is_pooled: bool = False
    is_direct: bool = False
    seconds_ahead: int = 0
    has_small_disk: bool = False
    command: Sequence[str] = LLM_BUS
    environment: Mapping[str, str] = field(default_factory=dict)

    def with_command(self, *command: str, **environment: str) -> "Shape":
        """The same, with another program in the servers' place."""
        return replace(self, command=command, environment=environment)

    def __str__(self) -> str:
        said = [f"{self.servers} server{'s' if self.servers > 1 else ''}"]
        said += [f"{self.standby} standby"] if self.standby != "none" else []
        said += ["PgBouncer"] if self.is_pooled else []
        said += ["a small disk"] if self.has_small_disk else []
        said += [f"one clock {self.seconds_ahead} s ahead"] if self.seconds_ahead else []
        return ", ".join(said)


@dataclass
class World:
    """Everything that a fault can strike."""

    shape: Shape
    directory: Path
    primary: Cluster
    standby: Cluster | None
    wires: list[Wire]
    buses: list[Bus]
    team: Team
    failover: Failover | None = None
    gate: Gate = field(default_factory=Gate)

    @property
    def record(self) -> Record:
        """What clients were told so far."""
        return self.team.record

    def clients(self, rng: random.Random) -> list[Client]:
        """The clients at work: each second one stays with a server, the others change between them."""
        ports = [bus.port for bus in self.buses]
        crowd = list[Client]()
        for index, (label, token) in enumerate(self.team.tokens.items()):
            if label not in JUDGES:
                home = index // 2 % len(ports)
                own = ports[home:] + ports[:home]
                choose = random.Random(rng.getrandbits(64)).choice if index % 2 else None
                revision = REVISIONS[index // 2 % 2]
                crowd.append(Client(label, own, token, self.record, revision=revision, choose=choose))
        return crowd

    def fail_over(self) -> None:
        """Let every wire lead to the standby, which is the primary from now on."""
        assert self.standby is not None
        self.primary, self.standby = self.standby, None
        for wire in self.wires:
            wire.upstream = self.primary.socket


@asynccontextmanager
async def world(directory: Path, shape: Shape) -> AsyncIterator[World]:
    """Such a world, with a server that answers on every port."""
    async with AsyncExitStack() as stack:
        if shape.has_small_disk:
            stack.enter_context(small_disk(directory / "primary", DISK_MEGABYTES))
        primary = Cluster(directory / "primary")
        await primary.create()
        stack.callback(primary.kill)
        labels = [*JUDGES, *(f"client-{number}" for number in range(shape.clients))]
        standby = None
        if shape.standby != "none":
            standby = await primary.create_standby(directory / "standby")
            stack.callback(standby.kill)
            primary.follow_synchronously(on=shape.standby == "synchronous")
        wires, buses = list[Wire](), list[Bus]()
        for number in range(shape.servers):
            wire = await stack.enter_async_context(wired(primary.socket))
            port = wire.port
            if shape.is_pooled:
                port = await stack.enter_async_context(pooled(directory / f"pooler-{number}", wire.port))
            url = make_conninfo(host="127.0.0.1", port=port, user="bus", dbname="bus", sslmode="disable")
            if shape.is_direct:
                url = make_conninfo(host=str(primary.directory), user="bus", dbname="bus")
            if shape.names_standby and standby is not None:
                other = await stack.enter_async_context(wired(standby.socket))
                url = make_conninfo(
                    url, host="127.0.0.1,127.0.0.1", port=f"{port},{other.port}", target_session_attrs="read-write"
                )
            bus = Bus(url, directory / f"server-{number}.log", command=shape.command, environment=shape.environment)
            wires.append(wire)
            buses.append(bus)
        if shape.seconds_ahead:
            buses[-1].environment |= ahead(shape.seconds_ahead)
        for bus in buses:
            stack.push_async_callback(_end, bus)
            await bus.start()
        team = Team(await let_in(buses[0], labels))
        yield World(shape, directory, primary, standby, wires, buses, team)


async def _end(bus: Bus) -> None:
    with trio.CancelScope(shield=True):
        bus.thaw()
        await bus.kill()
