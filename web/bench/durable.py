"""The bus without HTTP: claims through the directory and its actor to PostgreSQL, and how soon an actor is there.

`python -m web.bench.durable`: a `DurableClaims` or an `Activation` in, a `Sample` or a list of seconds out, as JSON.
"""

import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from time import perf_counter

import msgspec
import trio
from msgspec import Struct

from actors import Directory
from engine.presence import Touch
from engine.sequences import Claim
from store import open_store
from web.bench.results import Sample, percentile
from web.bench.seed import Project
from web.cli.servers import make_collections_rare
from web.logs import configure_logs


class DurableClaims(Struct, frozen=True, kw_only=True, tag=True):
    """Claim from so many tasks at once, spread over these projects of one database, for so many seconds."""

    projects: list[Project]
    tasks: int
    seconds: float


class Activation(Struct, frozen=True, kw_only=True, tag=True):
    """Ask a directory that has no actor yet, so many times: seconds until the answer."""

    project: Project
    times: int


async def durable_claims(job: DurableClaims) -> Sample:
    """Every claim is answered before its task makes the next, and is durable when it is answered."""
    milliseconds: list[float] = []
    claim = Claim(sequence="adr", note="the storage format")
    async with _directory(job.projects[0]) as directory:
        for project in job.projects:
            await directory.ask(project.principal, claim)

        async def keep_claiming(project: Project) -> None:
            while trio.current_time() < deadline:
                asked = perf_counter()
                await directory.ask(project.principal, claim)
                milliseconds.append((perf_counter() - asked) * 1000)

        started = trio.current_time()
        deadline = started + job.seconds
        async with trio.open_nursery() as tasks:
            for _, project in zip(range(job.tasks), cycle(job.projects), strict=False):
                tasks.start_soon(keep_claiming, project)
        seconds = trio.current_time() - started
    ordered = sorted(milliseconds)
    return Sample(
        requests=len(ordered),
        requests_per_second=len(ordered) / seconds,
        p50_ms=percentile(ordered, 0.5),
        p99_ms=percentile(ordered, 0.99),
    )


async def activation(job: Activation) -> list[float]:
    """From the first question to its answer, on a new directory and new sessions each time."""
    taken = []
    for _ in range(job.times):
        async with _directory(job.project) as directory:
            asked = perf_counter()
            await directory.ask(job.project.principal, Touch())
            taken.append(perf_counter() - asked)
    return taken


@asynccontextmanager
async def _directory(project: Project) -> AsyncIterator[Directory]:
    async with open_store(project.conninfo) as store, trio.open_nursery() as nursery:
        directory = Directory(store.journal)
        await nursery.start(directory.run)
        yield directory
        await directory.stop()


async def main(job: DurableClaims | Activation) -> Sample | list[float]:
    """Do one job, with garbage collected as seldom as `llm-bus serve` does."""
    make_collections_rare()
    match job:
        case DurableClaims():
            return await durable_claims(job)
        case Activation():
            return await activation(job)


if __name__ == "__main__":
    configure_logs("text", level=logging.WARNING)  # on standard error: standard output is the answer's
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=DurableClaims | Activation)
    sys.stdout.buffer.write(msgspec.json.encode(trio.run(main, given)))
