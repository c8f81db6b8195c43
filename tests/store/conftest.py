"""The store's tests run on every PostgreSQL there is: the embedded one, and Debian's 15 where it is installed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.postgres import DEBIAN_15, Server, own_directory, running_server

TEST_SECONDS_MAX = 300

SERVERS = [
    "embedded",
    pytest.param("debian-15", marks=pytest.mark.skipif(not DEBIAN_15.exists(), reason="no PostgreSQL 15 here")),
]


@pytest.fixture(scope="session", params=SERVERS)
def postgres(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each PostgreSQL in turn, for the tests of this package."""
    binaries = DEBIAN_15 if request.param == "debian-15" else None
    with own_directory() as directory, running_server(directory, binaries) as server:
        yield server


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty directory for one test's server."""
    with own_directory() as directory:
        yield directory


@pytest.fixture
def bounded(nursery: trio.Nursery) -> None:
    """Let no test of a lost answer wait for it for ever."""

    async def end() -> None:
        await trio.sleep(TEST_SECONDS_MAX)
        raise TimeoutError(f"the test took over {TEST_SECONDS_MAX} s")

    nursery.start_soon(end)
