"""A durable database, a server on it, and a team of clients who keep a record of what they are told.

Which process dies when is drawn from the seed that pytest-randomly prints (`-p randomly_seed=…` repeats it); moments
are counted in answers, not in seconds, so that a slow machine sees the same faults.
"""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.processes import Bus, Postgres, durable_postgres, mint_tokens, running_bus
from tests.load import Team

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
async def durable(tmp_path: Path) -> AsyncIterator[Postgres]:
    """A PostgreSQL of the test's own, with fsync on."""
    async with durable_postgres(tmp_path / "data") as postgres:
        yield postgres


@pytest.fixture
async def team(durable: Postgres) -> Team:
    """The participants of the only project."""
    return Team(await mint_tokens(durable.conninfo, LABELS))


@pytest.fixture
async def bus(durable: Postgres, tmp_path: Path) -> AsyncIterator[Bus]:
    """A server on that database, in a process of its own."""
    async with running_bus(durable.conninfo, tmp_path / "bus.log") as bus:
        yield bus
