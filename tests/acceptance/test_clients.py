"""Real clients, connected as `llm-bus connect` says, see the bus: `make clients`.

They come from npm, run without an account, and each in a home and a repository of its own. Those that are programs with
windows (Cursor, VS Code, Windsurf) are not here: what they are told was read in their documentation alone.
"""

import json
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests import npm
from tests.acceptance.conftest import COMMAND_TIMEOUT_SECONDS, HERE, LLM_BUS, Bus, Project
from web.mcp.tools import TOOLS

pytestmark = pytest.mark.clients

CLIENTS = HERE / "clients"
AFTER_INSTALLING = {"@anthropic-ai/claude-code": "install.cjs", "opencode-ai": "postinstall.mjs"}
"""Packages whose programs are put in place by a script of theirs, which `tests.npm` does not run."""


class Desk(Struct, frozen=True):
    """Somebody's home and repository, with the clients installed and a token at hand."""

    bus: Bus
    home: Path
    repository: Path
    environment: dict[str, str]

    def run(self, command: str, **environment: str) -> str:
        """What a shell command in the repository says."""
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.repository,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=COMMAND_TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return re.sub("\x1b\\[[0-9;]*m", "", done.stdout + done.stderr)

    def setup(self, client: str) -> dict[str, Any]:
        """What the bus says about connecting this client."""
        said = self.run(f"'{LLM_BUS}' connect --client {client} --json 2>&-")
        setup: dict[str, Any] = json.loads(said)
        return setup

    def write(self, setup: dict[str, Any]) -> None:
        """Put the file where the setup wants it."""
        path = Path(setup["path"].replace("~", str(self.home)))
        path = path if path.is_absolute() else self.repository / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(setup["content"])


@pytest.fixture(scope="session")
def programs() -> Path:
    """Where the clients' programs are."""
    modules = npm.installed(CLIENTS)
    if modules is None:
        pytest.skip("node and npm are not installed: no client can be connected on this machine")
    for package, script in AFTER_INSTALLING.items():
        subprocess.run(["node", script], cwd=modules / package, check=True, timeout=COMMAND_TIMEOUT_SECONDS)
    return modules / ".bin"


@pytest.fixture
def desk(bus: Bus, project: Project, programs: Path, tmp_path: Path) -> Desk:
    home, repository = tmp_path / "home", tmp_path / "repository"
    home.mkdir()
    repository.mkdir()
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "LLM_BUS_URL": bus.public_url,
        "LLM_BUS_TOKEN": project.tokens["scout"],
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    return Desk(bus, home, repository, environment)


CONNECTED = {
    "claude-code": ("claude mcp list", "Connected"),
    "gemini": ("gemini mcp list", "Connected"),
    "opencode": ("opencode mcp list", "connected"),
}


@pytest.mark.parametrize("client", CONNECTED)
def test_a_client_says_that_it_is_connected_with_a_token_and_not_without(desk: Desk, client: str) -> None:
    setup = desk.setup(client)
    if setup["command"]:
        desk.run(setup["command"])
    else:
        desk.write(setup)
    look, word = CONNECTED[client]
    assert word in desk.run(look)
    assert word not in desk.run(look, LLM_BUS_TOKEN="llmbus_made-up")


def test_gemini_takes_the_file_as_well(desk: Desk) -> None:
    desk.write(desk.setup("gemini"))
    assert "Connected" in desk.run("gemini mcp list")


def test_claude_code_starts_the_bridge_as_well(desk: Desk) -> None:
    desk.run(f"claude mcp add llm-bus -- '{LLM_BUS}' stdio")
    assert "Connected" in desk.run("claude mcp list")


@pytest.mark.parametrize("by", ["command", "file"])
def test_codex_finds_every_tool(desk: Desk, by: str) -> None:
    setup = desk.setup("codex")
    if by == "command":
        desk.run(setup["command"])
    else:
        desk.write(setup)
    (server,) = codex_servers(desk)
    assert server["serverInfo"]["name"] == "llm-bus"
    assert len(server["tools"]) == len(TOOLS)


def codex_servers(desk: Desk) -> list[dict[str, Any]]:
    """What Codex knows of its MCP servers, from the server that its editors use."""
    hello = {"clientInfo": {"name": "test", "title": "test", "version": "1"}}
    questions = [
        {"id": 1, "method": "initialize", "params": hello},
        {"method": "initialized"},
        {"id": 2, "method": "mcpServerStatus/list", "params": {}},
    ]
    with subprocess.Popen(
        ["codex", "app-server"],
        cwd=desk.repository,
        env=desk.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as codex:
        assert codex.stdin is not None
        assert codex.stdout is not None
        limit = threading.Timer(COMMAND_TIMEOUT_SECONDS, codex.kill)
        limit.start()
        codex.stdin.writelines(json.dumps(question) + "\n" for question in questions)
        codex.stdin.flush()
        answers = map(json.loads, codex.stdout)
        answer: dict[str, Any] = next((answer for answer in answers if answer.get("id") == 2), {})
        limit.cancel()
        codex.kill()
    servers: list[dict[str, Any]] = answer["result"]["data"]
    return servers


INSPECT = "mcp-inspector --cli {target} --method tools/call --tool-name whoami"


@pytest.mark.parametrize(
    "target",
    [
        '"$LLM_BUS_URL/mcp" --transport http --header "Authorization: Bearer $LLM_BUS_TOKEN"',
        f"-e LLM_BUS_URL=$LLM_BUS_URL -e LLM_BUS_TOKEN=$LLM_BUS_TOKEN '{LLM_BUS}' stdio",
    ],
    ids=["http", "stdio"],
)
def test_the_inspector_calls_a_tool(desk: Desk, project: Project, target: str) -> None:
    said = desk.run(INSPECT.format(target=target) + " 2>&-")
    assert json.loads(said)["structuredContent"]["actor"] == f"{project.handle}/scout"
