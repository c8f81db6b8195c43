"""A running bus, and two identities who work in repositories of their own."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from store import Store
from tests.kit.scratch import Identity, WorkTree, python_39, repository
from tests.web.bus import Bus, running_bus


@pytest.fixture
async def bus(store: Store, conninfo: str) -> AsyncIterator[Bus]:
    async with running_bus(store, conninfo) as bus:
        yield bus


@pytest.fixture(scope="session")
def old_python() -> str:
    found = python_39()
    if found is None:
        pytest.skip("there is no Python 3.9 on this machine")
    return found


@pytest.fixture(params=["this Python", "Python 3.9"])
def python(request: pytest.FixtureRequest) -> str:
    """The interpreter that runs the hook."""
    found: str = sys.executable if request.param == "this Python" else request.getfixturevalue("old_python")
    return found


@pytest.fixture
async def alice(bus: Bus, tmp_path: Path) -> WorkTree:
    """Somebody with a repository and a config."""
    return await _working(bus, tmp_path, "alice")


@pytest.fixture
async def bob(bus: Bus, tmp_path: Path) -> WorkTree:
    """Somebody else, with another repository."""
    return await _working(bus, tmp_path, "bob")


async def _working(bus: Bus, tmp_path: Path, name: str) -> WorkTree:
    who = Identity(f"{bus.url}/mcp", await bus.mint(name, is_admin=False))
    tree = await repository(tmp_path / name, who)
    tree.configure()
    return tree
