"""A running server on a fresh database."""

from collections.abc import AsyncIterator

import pytest

from store import Store
from tests.web.bus import Bus, running_bus


@pytest.fixture
async def bus(store: Store, conninfo: str) -> AsyncIterator[Bus]:
    async with running_bus(store, conninfo) as bus:
        yield bus


@pytest.fixture
async def token(bus: Bus) -> str:
    """The token of a lead."""
    return await bus.mint()
