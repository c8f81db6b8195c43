"""A running server on a fresh database, and what it logs."""

from collections.abc import AsyncIterator, Iterator
from functools import cache

import pytest

from store import Store
from tests.bounds import HANG_SECONDS
from tests.web.bus import Bus, running_bus
from tests.web.log import Log
from web.config import LogFormat
from web.logs import configure_logs
from web.mcp.arguments import Parser
from web.mcp.calls import described

SHORT_BOUNDS = (
    "store.ledger.free_text.COMPARED_SECONDS_MAX",
    "web.admin.home.PATIENCE_SECONDS",
    "web.landing.live_counts.PATIENCE_SECONDS",
    "web.landing.pages.PING_SECONDS_MAX",
    "web.routes.operations.READY_SECONDS_MAX",
    "web.webhooks.teller.PATIENCE_SECONDS",
)


@pytest.fixture(scope="session", autouse=True)
def tools_prepared_once() -> Iterator[None]:
    """Describe each tool once, and not for the server of every test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("web.mcp.calls.Parser", cache(Parser))
        patch.setattr("web.mcp.calls.described", cache(described))
        yield


@pytest.fixture(scope="session", autouse=True)
def servers_are_patient() -> Iterator[None]:
    """Let servers wait for what they otherwise answer without, after a second or so: a busy machine takes longer."""
    with pytest.MonkeyPatch.context() as patch:
        for bound in SHORT_BOUNDS:
            patch.setattr(bound, HANG_SECONDS)
        yield


@pytest.fixture
async def bus(store: Store, conninfo: str) -> AsyncIterator[Bus]:
    async with running_bus(store, conninfo) as bus:
        yield bus


@pytest.fixture
async def token(bus: Bus) -> str:
    """The token of a lead."""
    return await bus.mint()


@pytest.fixture
def log_format() -> LogFormat:
    return "json"


@pytest.fixture
def logged(log_format: LogFormat) -> Log:
    """Where this test's logs go."""
    log = Log()
    configure_logs(log_format, log)
    return log
