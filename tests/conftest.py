"""Fixtures that every package's tests share: a real PostgreSQL, and databases in it."""

import gc
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from typing import Any

import httpcore2
import httpx2
import pytest
import structlog
from werkzeug.routing import Rule

from store.opening import Store, open_store
from tests.bounds import HANG_SECONDS
from tests.postgres import Server, fresh_database, own_directory, running_server
from web import logs

gc.set_threshold(50_000)  # collecting thousands of tests takes a fifth less time so


def pytest_collection_finish() -> None:
    """Let garbage collections pass over the tests, which stay until the end."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def prepared_once() -> Iterator[None]:
    """Keep what every server and every HTTP client of a test would prepare anew: half of what its start costs.

    Clients read the system's certificates, and werkzeug compiles a function for each of a hundred routes.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore2, "default_ssl_context", cache(httpcore2.default_ssl_context))
        patch.setattr(Rule, "_compile_builder", _compiled_once(Rule._compile_builder))
        yield


def _compiled_once(compile_builder: Callable[..., Any]) -> Callable[..., Any]:
    """The same for rules of the same parts: what it gives finds the rest in the rule that it is called with."""
    compiled: dict[object, Any] = {}

    def look(rule: Rule, append_unknown: bool = True) -> Any:
        parts = (tuple(rule._trace), repr(rule.defaults), append_unknown)
        if parts not in compiled:
            compiled[parts] = compile_builder(rule, append_unknown)
        return compiled[parts]

    return look


@pytest.fixture(scope="session", autouse=True)
def clients_are_patient() -> Iterator[None]:
    """Let HTTP clients wait for long that name no bound: by themselves they give up after five seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for client in (httpx2.AsyncClient, httpx2.Client):
            defaults = client.__init__.__kwdefaults__
            assert defaults is not None
            patch.setitem(defaults, "timeout", httpx2.Timeout(HANG_SECONDS))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_logger_is_kept() -> Iterator[None]:
    """Let every logger ask how logs are configured now.

    One that is kept writes where, and from the level on, that the test wanted which used it first.
    """
    configure = structlog.configure

    def without_keeping(**wanted: Any) -> None:
        configure(**{**wanted, "cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", without_keeping)
        yield


@pytest.fixture(autouse=True)
def logs_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a test configures of logs, as some commands do that tests run in this process."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(logs, "_sink", logs._sink)
    yield
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The session's PostgreSQL, started when the first test asks for it."""
    with own_directory() as directory, running_server(directory) as server:
        yield server


@pytest.fixture
async def conninfo(postgres: Server) -> AsyncIterator[str]:
    """A fresh, migrated database."""
    async with fresh_database(postgres) as conninfo:
        yield conninfo


@pytest.fixture
async def store(conninfo: str) -> AsyncIterator[Store]:
    """An open store on a fresh database."""
    async with open_store(conninfo) as store:
        yield store
