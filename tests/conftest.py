"""Fixtures that every package's tests share: a real PostgreSQL, and databases in it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from store.opening import Store, open_store
from tests.postgres import Server, fresh_database, own_directory, running_server


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
