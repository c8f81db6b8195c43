"""What each client is told to run or to write, which is exact, and what is said beside it."""

import json
import shlex
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from tests.web.command_line import Finished
from web.cli import entry
from web.onboarding.clients import CLIENTS

TOKEN = "llmbus_never-shown"
URL = "https://bus.example.com/mcp"

Connect = Callable[..., Finished]


@pytest.fixture
def connect(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Connect:
    """The command, run here, with nothing in the environment but what is given."""

    def run(client: str, *arguments: str, **environment: str) -> Finished:
        for name in ("LLM_BUS_URL", "LLM_BUS_TOKEN", "PUBLIC_URL", "HOST", "PORT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        command = ["connect", "--client", client, *arguments]
        code = entry.run(command)
        said = capsys.readouterr()
        return Finished(command, code, said.out, said.err)

    return run


def bearer(reference: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {reference}"}


COMMANDS = {
    "claude-code": [
        *("claude", "mcp", "add", "--transport", "http", "llm-bus", URL),
        *("--header", "Authorization: Bearer ${LLM_BUS_TOKEN}"),
    ],
    "codex": ["codex", "mcp", "add", "llm-bus", "--url", URL, "--bearer-token-env-var", "LLM_BUS_TOKEN"],
    "gemini": [
        *("gemini", "mcp", "add", "--transport", "http"),
        *("--header", "Authorization: Bearer $LLM_BUS_TOKEN", "llm-bus", URL),
    ],
}

FILES: dict[str, tuple[str, dict[str, Any]]] = {
    "claude-code": (
        ".mcp.json",
        {"mcpServers": {"llm-bus": {"type": "http", "url": URL, "headers": bearer("${LLM_BUS_TOKEN}")}}},
    ),
    "codex": (
        "~/.codex/config.toml",
        {"mcp_servers": {"llm-bus": {"url": URL, "bearer_token_env_var": "LLM_BUS_TOKEN"}}},
    ),
    "cursor": (
        ".cursor/mcp.json",
        {"mcpServers": {"llm-bus": {"url": URL, "headers": bearer("${env:LLM_BUS_TOKEN}")}}},
    ),
    "vscode": (
        ".vscode/mcp.json",
        {
            "inputs": [
                {"type": "promptString", "id": "llm-bus-token", "description": "LLM Bus token", "password": True}
            ],
            "servers": {"llm-bus": {"type": "http", "url": URL, "headers": bearer("${input:llm-bus-token}")}},
        },
    ),
    "gemini": (
        ".gemini/settings.json",
        {"mcpServers": {"llm-bus": {"httpUrl": URL, "headers": bearer("$LLM_BUS_TOKEN")}}},
    ),
    "windsurf": (
        "~/.codeium/windsurf/mcp_config.json",
        {"mcpServers": {"llm-bus": {"serverUrl": URL, "headers": bearer("${env:LLM_BUS_TOKEN}")}}},
    ),
    "opencode": (
        "opencode.json",
        {
            "$schema": "https://opencode.ai/config.json",
            "mcp": {
                "llm-bus": {
                    "type": "remote",
                    "url": URL,
                    "headers": bearer("{env:LLM_BUS_TOKEN}"),
                    "timeout": 60_000,
                }
            },
        },
    ),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_gets_its_command_or_its_file_alone_and_is_told_the_rest_beside_it(
    connect: Connect, client: str
) -> None:
    done = connect(client, "--url", URL)
    path, content = FILES[client]
    assert done.returncode == 0
    if client in COMMANDS:
        assert shlex.split(done.stdout) == COMMANDS[client]
    else:
        assert json.loads(done.stdout) == content
        assert f"put this into {path}" in done.stderr


@pytest.mark.parametrize("client", CLIENTS)
def test_machines_get_command_path_and_content(connect: Connect, client: str) -> None:
    answer = json.loads(connect(client, "--url", URL, "--json").stdout)
    path, content = FILES[client]
    read = tomllib.loads if path.endswith(".toml") else json.loads
    assert (answer["client"], answer["path"], read(answer["content"])) == (client, path, content)
    assert (answer["command"] and shlex.split(answer["command"])) == COMMANDS.get(client)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_no_token_is_printed(connect: Connect, client: str, flags: list[str]) -> None:
    done = connect(client, *flags, LLM_BUS_TOKEN=TOKEN)
    assert TOKEN not in done.stdout + done.stderr


def test_whether_the_token_is_there_is_said_unless_the_client_asks_for_it(connect: Connect) -> None:
    assert "LLM_BUS_TOKEN, which is set here" in connect("codex", LLM_BUS_TOKEN=TOKEN).stderr
    assert "LLM_BUS_TOKEN, which is not set here" in connect("codex").stderr
    assert "LLM_BUS_TOKEN" not in connect("vscode").stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        ([], {}, "http://127.0.0.1:8787/mcp"),
        ([], {"PORT": "9000"}, "http://127.0.0.1:9000/mcp"),
        ([], {"PUBLIC_URL": "https://public.example"}, "https://public.example/mcp"),
        ([], {"PUBLIC_URL": "https://public.example", "LLM_BUS_URL": "https://bus.example"}, "https://bus.example/mcp"),
        ([], {"LLM_BUS_URL": "https://bus.example/mcp"}, "https://bus.example/mcp"),
        (["--url", "https://flag.example/"], {"LLM_BUS_URL": "https://bus.example"}, "https://flag.example/mcp"),
    ],
)
def test_the_address_is_the_flags_or_the_environments_or_this_machines(
    connect: Connect, arguments: list[str], environment: dict[str, str], expected: str
) -> None:
    assert f"--url {expected} " in connect("codex", *arguments, **environment).stdout


@pytest.mark.parametrize("client", COMMANDS)
def test_an_address_with_a_pattern_in_it_is_quoted_for_the_shell(connect: Connect, client: str) -> None:
    assert " 'http://[::1]:8787/mcp'" in connect(client, "--url", "http://[::1]:8787").stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "name"),
    [
        (["--url", "bus.example"], {}, "--url"),
        (["--url", "https://bus.example/mcp'; rm x"], {}, "--url"),
        ([], {"LLM_BUS_URL": "ftp://bus.example"}, "LLM_BUS_URL"),
    ],
)
def test_an_address_that_is_none_is_refused(
    connect: Connect, arguments: list[str], environment: dict[str, str], name: str
) -> None:
    done = connect("codex", *arguments, **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert name in done.stderr


def test_an_unknown_client_is_answered_with_those_that_are_known(connect: Connect) -> None:
    done = connect("emacs")
    assert done.returncode == 2
    assert all(client in done.stderr for client in CLIENTS)
