"""A server as its users run it: the installed command in a process of its own."""

import itertools
import selectors
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from store.opening import open_store
from store.people import minting
from tests import npm
from tests.postgres import Server

HERE = Path(__file__).parent
LLM_BUS = str(Path(sys.executable).with_name("llm-bus"))
START_TIMEOUT_SECONDS = 300
STOP_TIMEOUT_SECONDS = 300
COMMAND_TIMEOUT_SECONDS = 300
LISTENING = "listening on "
WITHOUT_FAST_WAY = """
from web.cli.entry import main
from web.http.serving import Server
Server.__init__.__kwdefaults__["has_fast_way"] = False
main()
"""


class Bus(Struct, frozen=True):
    """A running server: where it listens, and the database behind it."""

    public_url: str
    database_url: str

    @property
    def mcp_url(self) -> str:
        return f"{self.public_url}/mcp"


class Project(Struct, frozen=True):
    """A project in which nothing has happened yet, with a token for each of the story's cast."""

    slug: str
    handle: str
    tokens: dict[str, str]


@pytest.fixture(scope="session", params=["plain requests the fast way", "every request by Hypercorn"])
def bus(request: pytest.FixtureRequest, postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    database_url = postgres.create_database()
    log = tmp_path_factory.mktemp("bus") / "stderr.txt"
    program = [LLM_BUS] if "fast" in request.param else [sys.executable, "-c", WITHOUT_FAST_WAY]
    command = [*program, "serve", "--port", "0", "--database-url", database_url]
    with log.open("wb") as stderr, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr) as server:
        try:
            yield Bus(address_printed_by(server, log), database_url)
        finally:
            server.terminate()
            try:
                exit_code = server.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                raise
    assert exit_code == 0, log.read_text()


def address_printed_by(server: subprocess.Popen[bytes], log: Path) -> str:
    """The address in the line that the server prints when it is ready."""
    assert server.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(server.stdout, selectors.EVENT_READ)
        while selector.select(START_TIMEOUT_SECONDS) and (line := server.stdout.readline().decode()):
            if LISTENING in line:
                return line.partition(LISTENING)[2].strip()
    pytest.fail(f"the server did not start: {log.read_text()}")


@pytest.fixture
async def project(bus: Bus, numbers: Iterator[int]) -> Project:
    slug = handle = f"story-{next(numbers)}"
    tokens = {}
    async with open_store(bus.database_url, pool_size_max=1) as store:
        for who in ("lead", "scout"):
            minted = await store.write(minting.mint, f"{handle}@example.com", slug, who, is_admin=who == "lead")
            tokens[who] = minted.provisioned.token
    return Project(slug, handle, tokens)


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest.fixture(scope="session")
def node() -> str:
    """The path of node, once the pinned clients of `package.json` are installed beside it."""
    program = shutil.which("node")
    if program is None or npm.installed(HERE) is None:
        pytest.skip("node and npm are not installed: the TypeScript clients tell no story on this machine")
    return program
