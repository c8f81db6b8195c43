"""Three servers behind a real balancer that leads a project's calls to one of them, beside the same without that."""

import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx2
import trio

from store import open_store
from store.people import minting
from tests.balancers import Balancer, envoy, haproxy, nginx
from tests.faults.measured.question import question
from tests.faults.processes import Bus
from tests.faults.world import Shape, World, world
from tests.load import Answered, Client, Record

PROJECTS = 24
CLIENTS_EACH = 2
SECONDS = 8.0
ANSWERS_BETWEEN = 1_000
"""Answers before a server is killed, before another one is added, and after that."""

CONFLICTS = "llm_bus_actors_conflicts_total "

Front = Callable[..., AbstractAsyncContextManager[Balancer]]
FRONTS: dict[str, Front] = {"nginx": nginx, "HAProxy": haproxy, "Envoy": envoy}

_WRITES = "select project_id, writer, count(*) from events where type = 'claim' and at >= '{since}' group by 1, 2"
_CLAIMED = "select data ->> 'note', data ->> 'number' from events where type = 'claim' and data ->> 'note' is not null"


@dataclass(frozen=True)
class Measured:
    """What some seconds of load came to; `share` is the smallest of all projects' shares of writes on one server.

    The processor times are a claim's, of all servers and of PostgreSQL.
    """

    claims_per_second: float
    conflicts: int
    share: float
    servers_ms: float
    postgres_ms: float

    def __str__(self) -> str:
        share = f"at least {self.share:.1%} of each project's writes on one server"
        return f"{self.claims_per_second:,.0f} claims/s, {self.conflicts:,} conflicts, {share}"


@question("routing", f"{PROJECTS} projects with {CLIENTS_EACH} clients each, over three servers behind a balancer")
async def routing(directory: Path) -> str:
    async with world(directory, Shape(servers=4, clients=0)) as here:
        tokens = await _tokens(here)
        three = here.buses[:3]
        await here.buses[-1].terminate()
        said = []
        for name, front in FRONTS.items():
            by_project = [
                await _measured(here, three, front, _made(directory / f"{name}-{routed}"), tokens, by_project=routed)
                for routed in (True, False)
            ]
            said.append(f"{name} by project: {by_project[0]}; in turn: {by_project[1]}")
        return "; ".join(said)


@question("scale", f"{PROJECTS} projects with {CLIENTS_EACH} clients each, over 1, 2 and 4 servers behind nginx")
async def scale(directory: Path) -> str:
    async with world(directory, Shape(servers=4, clients=0)) as here:
        tokens = await _tokens(here)
        said = []
        for servers in (1, 2, 4):
            buses = here.buses[:servers]
            seen = await _measured(here, buses, nginx, _made(directory / f"over-{servers}"), tokens)
            said.append(
                f"{servers}: {seen.claims_per_second:,.0f} claims/s, {seen.servers_ms:.2f} ms of the servers' "
                f"processor time and {seen.postgres_ms:.2f} ms of PostgreSQL's for each"
            )
        return "; ".join(said)


@question("routing-changes", "The same, by project, while one of the servers is killed and another one is added")
async def changes(directory: Path) -> str:
    async with world(directory, Shape(servers=4, clients=0)) as here:
        tokens = await _tokens(here)
        said = []
        for name, front in FRONTS.items():
            said.append(f"{name}: {await _changed(here, front, _made(directory / name), tokens)}")
        return "; ".join(said)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


async def _tokens(here: World) -> list[str]:
    """Tokens of participants of these projects, one project after the other."""
    async with open_store(here.primary.conninfo()) as store:
        return [
            (
                await store.write(minting.mint, "ada@example.com", f"project-{number}", f"client-{place}")
            ).provisioned.token
            for number in range(PROJECTS)
            for place in range(CLIENTS_EACH)
        ]


async def _measured(
    here: World, buses: Sequence[Bus], front: Front, directory: Path, tokens: Sequence[str], *, by_project: bool = True
) -> Measured:
    record, ports = Record(), [bus.port for bus in buses]
    async with front(directory, ports, by_project=by_project) as balancer, _at_work(balancer, tokens, record):
        await record.progress(10 * len(tokens))  # every project is in memory then
        ((since,),) = here.primary.query("select clock_timestamp()")
        before = len(record.answered()), await _conflicts(buses), *_processor_seconds(here, buses)
        await trio.sleep(SECONDS)
        after = len(record.answered()), await _conflicts(buses), *_processor_seconds(here, buses)
        writes = here.primary.query(_WRITES.format(since=since))
    claims, conflicts, servers, postgres = (then - now for now, then in zip(before, after, strict=True))
    return Measured(
        claims_per_second=claims / SECONDS,
        conflicts=round(conflicts),
        share=_smallest_share(writes),
        servers_ms=1000 * servers / claims,
        postgres_ms=1000 * postgres / claims,
    )


def _processor_seconds(here: World, buses: Sequence[Bus]) -> tuple[float, float]:
    """What all of these servers, and PostgreSQL's processes, have used so far."""
    return sum(map(_used, (bus.pid for bus in buses))), sum(map(_used, here.primary.processes()))


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _changed(here: World, front: Front, directory: Path, tokens: Sequence[str]) -> str:
    """Kill the third server, and add the fourth, under load; then hold every answer against the ledger."""
    *two, third, fourth = here.buses
    await fourth.terminate()
    record, ports = Record(), [bus.port for bus in (*two, third)]
    async with front(directory, ports) as balancer, _at_work(balancer, tokens, record):
        await record.progress(ANSWERS_BETWEEN)
        await third.kill()
        await record.progress(ANSWERS_BETWEEN)
        await fourth.start()
        balancer.lead_to([bus.port for bus in (*two, fourth)])
        await record.progress(ANSWERS_BETWEEN)
    await third.start()
    return _verdict(record, here)


def _verdict(record: Record, here: World) -> str:
    ledger = Counter(note for note, _ in here.primary.query(_CLAIMED))
    numbers = set(here.primary.query(_CLAIMED))
    told = [(attempt.arguments["note"], str(value["number"])) for attempt, value in record.answered("claim")]
    lost = sum(answer not in numbers for answer in told)
    doubled = sum(times > 1 for times in ledger.values())
    others = {kind: times for kind, times in record.kinds().items() if kind != "answered"}
    slowest = max(attempt.ended - attempt.began for attempt in record.attempts)
    saw = ", ".join(f"{kind} {times}" for kind, times in sorted(others.items())) or "nothing but answers"
    return (
        f"{len(told):,} acknowledged claims, {lost} lost, {doubled} doubled; clients saw besides: {saw}; "
        f"the longest attempt took {slowest:.1f} s"
    )


@asynccontextmanager
async def _at_work(balancer: Balancer, tokens: Sequence[str], record: Record) -> AsyncIterator[None]:
    """Keep a client for each token claiming; at the end each waits for its last answer."""
    done = trio.Event()
    run = f"{random.getrandbits(32):08x}"

    async def claim(place: int, token: str) -> None:
        async with Client(f"client-{place}", (balancer.port,), token, record) as client:
            for number in count():
                mark = f"{run}/{place}/{number}"
                outcome = await client.insist("claim", sequence="adr", note=mark, key=mark)
                assert isinstance(outcome, Answered), outcome
                if done.is_set():
                    return

    async with trio.open_nursery() as nursery:
        for place, token in enumerate(tokens):
            nursery.start_soon(claim, place, token)
        yield
        done.set()


async def _conflicts(buses: Sequence[Bus]) -> int:
    async with httpx2.AsyncClient(timeout=30) as http:
        pages = [(await http.get(f"http://127.0.0.1:{bus.port}/metrics")).text for bus in buses]
    lines = [line for page in pages for line in page.splitlines() if line.startswith(CONFLICTS)]
    return round(sum(float(line.removeprefix(CONFLICTS)) for line in lines))


def _smallest_share(writes: Sequence[tuple[int, int, int]]) -> float:
    """Of each project's writes, what its busiest server made; the smallest of these shares."""
    by_project: dict[int, list[int]] = {}
    for project_id, _, times in writes:
        by_project.setdefault(project_id, []).append(times)
    return min(max(times) / sum(times) for times in by_project.values())
