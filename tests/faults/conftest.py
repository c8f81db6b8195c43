"""A durable database, a server on it, and a team of clients who keep a record of what they are told.

What dies when is drawn from the seed that pytest-randomly prints (`-p randomly_seed=…` repeats it); moments are counted
in answers, not in seconds, so that a slow machine sees the same faults.
"""

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster
from tests.faults.processes import Bus, let_in, running_bus
from tests.load import Team
from tests.postgres import own_directory

HERE = Path(__file__).parent
LABELS = ["planner", "builder", "tester", "writer"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here kills something."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def rng() -> random.Random:
    """Chance, from the seed of this run and test."""
    return random.Random(random.getrandbits(64))


@pytest.fixture
def directory() -> Iterator[Path]:
    """An empty directory that PostgreSQL's account may enter."""
    with own_directory() as directory:
        yield directory


@pytest.fixture
async def durable(directory: Path) -> AsyncIterator[Cluster]:
    """A PostgreSQL of the test's own, with fsync on."""
    cluster = Cluster(directory / "primary")
    await cluster.create()
    yield cluster
    cluster.kill()


@pytest.fixture
async def bus(durable: Cluster, directory: Path) -> AsyncIterator[Bus]:
    """A server on that database, in a process of its own."""
    async with running_bus(durable.conninfo(), directory / "bus.log") as bus:
        yield bus


@pytest.fixture
async def team(bus: Bus) -> Team:
    """The participants of the only project."""
    return Team(await let_in(bus, LABELS))
