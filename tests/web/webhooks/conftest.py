"""A receiver on the loopback, and a server that may send there and looks often."""

from collections.abc import AsyncIterator

import pytest

from store import Store
from tests.web.admin.admin_client import AdminClient, signed_in
from tests.web.bus import Bus, running_bus
from tests.web.webhooks.receiver import Receiver, receiving

LOOK_SECONDS = 0.1


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def bus(store: Store, conninfo: str) -> AsyncIterator[Bus]:
    async with running_bus(store, conninfo, look_seconds=LOOK_SECONDS, webhook_private_addresses=True) as bus:
        yield bus


@pytest.fixture
async def ada(bus: Bus) -> AsyncIterator[AdminClient]:
    """The owner of the projects that `bus.mint` makes."""
    async with signed_in(bus.store, bus.url, "ada@example.com") as client:
        yield client
