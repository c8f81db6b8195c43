"""Very many connections at once: calls that wait for news, and callers beside one who floods.

`python -m web.bench.throng`: a `Parking` or a `Flood` in, a `Waiting` or a `Flooded` out, as JSON. Both look at the
server's process themselves, at the moments that count.
"""

import gc
import sys
from random import Random
from time import perf_counter

import httpx2
import msgspec
import trio
from msgspec import Struct

from web.bench.generator import BadAnswer, Load, read_answer, request_bytes
from web.bench.load import call_load
from web.bench.processes import Served, cpu_seconds, resident_bytes
from web.bench.results import Flooded, Waiting, percentile

WAIT_SECONDS = 55
FLOOD_TO_CALM = 4
"""How much longer the flood is measured than the calm: the flooder has a burst of calls free before it is `busy`."""

OPENED_AT_ONCE = 64
"""Connections that are being opened at a time."""


class Group(Struct, frozen=True, kw_only=True):
    """Readers of one project, by token, one for each call that waits, and who posts to them."""

    readers: list[str]
    poster: str


class Parking(Struct, frozen=True, kw_only=True, tag=True):
    """Have every reader wait in `whats_new`, rest so many seconds, then post to one group after the other."""

    served: Served
    groups: list[Group]
    rest_seconds: float


class Flood(Struct, frozen=True, kw_only=True, tag=True):
    """Claim now and then on many connections, for so many seconds; then for longer beside a flooder's."""

    served: Served
    callers: list[str]
    flooder: str
    connections: int
    flooding_connections: int
    pause_seconds: float
    seconds: float


class _Client:
    """One connection."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._stream: trio.SocketStream | None = None

    async def open(self, opening: trio.CapacityLimiter) -> None:
        host, port = self._served.url.removeprefix("http://").split(":")
        async with opening:
            self._stream = await trio.open_tcp_stream(host, int(port))

    async def call(self, tool: str, token: str, **arguments: object) -> bytes:
        load: Load = call_load(self._served, tool, arguments, token, connections=1, seconds=0)
        return await self.send(request_bytes(load))

    async def send(self, request: bytes) -> bytes:
        assert self._stream is not None  # noqa: S101 - opened before
        await self._stream.send_all(request)
        return await read_answer(self._stream)


async def park(job: Parking) -> Waiting:
    """The cost of a call that waits, and how soon it is woken."""
    opening, clients = trio.CapacityLimiter(OPENED_AT_ONCE), dict[str, list[_Client]]()
    woken: list[float] = []
    async with trio.open_nursery() as nursery:
        for group in job.groups:
            for reader in group.readers:
                client = _Client(job.served)
                await client.open(opening)
                clients.setdefault(reader, []).append(client)
        for reader, (client, *_) in clients.items():
            await client.call("whats_new", reader)
            await client.call("whats_new", reader)
        poster = _Client(job.served)
        await poster.open(opening)
        idle_ms = await _round_trip_ms(poster, job.groups[0].poster)
        bytes_before = resident_bytes(job.served.pid) or 0

        async def wait(client: _Client, reader: str) -> None:
            await client.call("whats_new", reader, wait_seconds=WAIT_SECONDS)
            woken.append(perf_counter())

        waiting = [(client, reader) for reader, some in clients.items() for client in some]
        for client, reader in waiting:
            nursery.start_soon(wait, client, reader)
        while await _metric(job.served, "llm_bus_actors_waiting") < len(waiting):  # noqa: ASYNC110
            await trio.sleep(0.05)
        bytes_each = ((resident_bytes(job.served.pid) or 0) - bytes_before) / len(waiting)
        cpu_before = cpu_seconds(job.served.pid) or 0
        await trio.sleep(job.rest_seconds)
        cpu_share = ((cpu_seconds(job.served.pid) or 0) - cpu_before) / job.rest_seconds
        milliseconds: list[float] = []
        for group in job.groups:
            posted, expected = perf_counter(), len(woken) + len(group.readers)
            await poster.call("post", group.poster, to_lane="all", body="something new")
            while len(woken) < expected:  # noqa: ASYNC110 - which of them comes last is not known
                await trio.sleep(0.001)
            milliseconds += [(each - posted) * 1000 for each in woken[-len(group.readers) :]]
    ordered = sorted(milliseconds)
    return Waiting(
        calls=len(waiting),
        projects=len(job.groups),
        bytes_each=bytes_each,
        cpu_share=cpu_share,
        idle_ms=idle_ms,
        woken_p50_ms=percentile(ordered, 0.5),
        woken_p99_ms=percentile(ordered, 0.99),
    )


async def _round_trip_ms(client: _Client, token: str) -> float:
    taken = []
    for _ in range(100):
        sent = perf_counter()
        await client.call("whoami", token)
        taken.append((perf_counter() - sent) * 1000)
    return percentile(sorted(taken), 0.5)


async def flood(job: Flood) -> Flooded:
    """The effect of one flooded project on the others."""
    opening, random = trio.CapacityLimiter(OPENED_AT_ONCE), Random(1)  # noqa: S311 - only spreads calls over time
    before: list[float] = []
    calm: list[float] = []
    flooded: list[float] = []
    samples, ended = before, 0
    claims = [_claim(job, token) for token in job.callers]

    async def call_now_and_then(number: int) -> None:
        nonlocal ended
        client = _Client(job.served)
        await client.open(opening)
        try:
            while True:
                await trio.sleep(random.uniform(0, 2 * job.pause_seconds))
                sent, taken = perf_counter(), samples
                await client.send(claims[number % len(claims)])
                taken.append((perf_counter() - sent) * 1000)
        except (OSError, trio.BrokenResourceError, BadAnswer):
            ended += 1

    calls = 0
    flooding = _claim(job, job.flooder)

    async def call_again_and_again() -> None:
        nonlocal calls
        client = _Client(job.served)
        await client.open(opening)
        while True:
            await client.send(flooding)
            calls += 1

    async with trio.open_nursery() as nursery:
        for number in range(job.connections):
            nursery.start_soon(call_now_and_then, number)
        await _gather(before, 2 * job.pause_seconds)  # every connection is open and every project in memory
        samples = calm
        await _gather(calm, job.seconds)
        samples = flooded
        for _ in range(job.flooding_connections):  # in this process: another one's start would be measured, too
            nursery.start_soon(call_again_and_again)
        await _gather(flooded, FLOOD_TO_CALM * job.seconds)
        nursery.cancel_scope.cancel()
    return Flooded(
        connections=job.connections,
        projects=len(job.callers) + 1,
        calm_p99_ms=percentile(sorted(calm), 0.99),
        flooded_p99_ms=percentile(sorted(flooded), 0.99),
        disconnects=ended,
        calls=calls,
        busy=await _metric(job.served, "llm_bus_fair_use_calls_refused_total"),
    )


async def _gather(samples: list[float], seconds: float) -> None:
    """Let samples gather for so long, and until there is one."""
    await trio.sleep(seconds)
    while not samples:  # noqa: ASYNC110 - whose comes first is not known
        await trio.sleep(0.01)


async def _metric(served: Served, name: str) -> int:
    async with httpx2.AsyncClient(trust_env=False) as http:
        metrics = (await http.get(f"{served.url}/metrics")).text
    (line,) = (line for line in metrics.splitlines() if line.startswith(f"{name} "))
    return int(float(line.split()[1]))


def _claim(job: Flood, token: str) -> bytes:
    load = call_load(job.served, "claim", {"sequence": "adr"}, token, connections=1, seconds=0)
    return request_bytes(load)


async def main(job: Parking | Flood) -> Waiting | Flooded:
    """Do one job."""
    match job:
        case Parking():
            return await park(job)
        case Flood():
            return await flood(job)


if __name__ == "__main__":
    gc.disable()  # a collection here would be measured as the server's
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=Parking | Flood)
    sys.stdout.buffer.write(msgspec.json.encode(trio.run(main, given)))
