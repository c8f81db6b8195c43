"""A running server on a fresh database, and what it logs."""

import io
import logging
from collections.abc import AsyncIterator, Iterator
from functools import cache

import pytest
import structlog

from store import Store
from tests.web.bus import Bus, running_bus
from web import logs
from web.config import LogFormat
from web.logs import configure_logs
from web.mcp.arguments import Parser
from web.mcp.calls import described


@pytest.fixture(scope="session", autouse=True)
def tools_prepared_once() -> Iterator[None]:
    """Describe each tool once, and not for the server of every test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("web.mcp.calls.Parser", cache(Parser))
        patch.setattr("web.mcp.calls.described", cache(described))
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
def logged(log_format: LogFormat, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Where this test's logs go; afterwards they go where they went."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = structlog.get_config()
    stream = io.StringIO()
    monkeypatch.setattr(logs, "_sink", None)
    configure_logs(log_format, stream)
    structlog.configure(cache_logger_on_first_use=False)  # a logger that is kept writes to the log of its first test
    yield stream
    structlog.reset_defaults()
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level
