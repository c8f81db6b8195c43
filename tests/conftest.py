"""Fixtures that every package's tests share: a real PostgreSQL, and databases in it."""

import gc
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from typing import Any

import httpcore2
import pytest
from werkzeug.routing import Rule

from store.opening import Store, open_store
from tests.postgres import Server, fresh_database, own_directory, running_server

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
