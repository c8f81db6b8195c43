"""How each agent client is connected: the command to run or the file to write, in that client's own words.

What these formats were checked against, and when, is in docs/decisions/0012-client-setups.md. No setup holds a token:
the client takes it from the environment, or asks for it.
"""

import shlex
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from web.onboarding.texts import SERVER_NAME, TOKEN_VARIABLE, mcp_json, mcp_url

_ASKED_FOR = "llm-bus-token"
_TIMEOUT_MILLISECONDS = 60_000
"""Longer than the longest wait that a tool offers, for a client whose own limit is shorter."""


class Setup(Struct, frozen=True, kw_only=True):
    """How one client is connected.

    `content` is all that `path` needs to hold; a file that is there already keeps what else it says. `command`, where
    there is one, brings the same about by itself.
    """

    name: str
    command: str | None = None
    path: str
    content: str
    then: str
    """What is left to do, and how to see that it worked."""


def setup_for(client: str, public_url: str) -> Setup:
    """The setup of one of `CLIENTS`, for the bus at `public_url`."""
    return _SETUPS[client](mcp_url(public_url))


def _quoted(url: str) -> str:
    """For a shell; the brackets of an IPv6 address are a pattern to zsh."""
    return shlex.quote(url)


def _claude_code(url: str) -> Setup:
    header = _bearer(f"${{{TOKEN_VARIABLE}}}")
    return Setup(
        name="Claude Code",
        command=f"claude mcp add --transport http {SERVER_NAME} {_quoted(url)} --header '{header}'",
        path=".mcp.json",
        content=_json(mcp_json(url.removesuffix("/mcp"))),
        then="It holds for this repository; 'claude mcp list' says Connected.",
    )


def _codex(url: str) -> Setup:
    return Setup(
        name="Codex",
        command=f"codex mcp add {SERVER_NAME} --url {_quoted(url)} --bearer-token-env-var {TOKEN_VARIABLE}",
        path="~/.codex/config.toml",
        content=f'[mcp_servers.{SERVER_NAME}]\nurl = "{url}"\nbearer_token_env_var = "{TOKEN_VARIABLE}"\n',
        then="It holds for every project; in a session, /mcp lists the tools.",
    )


def _cursor(url: str) -> Setup:
    return Setup(
        name="Cursor",
        path=".cursor/mcp.json",
        content=_json(_servers({"url": url, "headers": _headers(f"${{env:{TOKEN_VARIABLE}}}")})),
        then="Restart Cursor; its MCP settings list the tools.",
    )


def _vscode(url: str) -> Setup:
    server = {"type": "http", "url": url, "headers": _headers(f"${{input:{_ASKED_FOR}}}")}
    asked = {"type": "promptString", "id": _ASKED_FOR, "description": "LLM Bus token", "password": True}
    return Setup(
        name="VS Code",
        path=".vscode/mcp.json",
        content=_json({"inputs": [asked], "servers": {SERVER_NAME: server}}),
        then="Press Start above the entry: VS Code asks for the token once and keeps it.",
    )


def _gemini(url: str) -> Setup:
    header = _bearer(f"${TOKEN_VARIABLE}")
    return Setup(
        name="Gemini CLI",
        command=f"gemini mcp add --transport http --header '{header}' {SERVER_NAME} {_quoted(url)}",
        path=".gemini/settings.json",
        content=_json(_servers({"httpUrl": url, "headers": _headers(f"${TOKEN_VARIABLE}")})),
        then="It holds for this repository, once its folder is trusted; 'gemini mcp list' says Connected.",
    )


def _windsurf(url: str) -> Setup:
    return Setup(
        name="Windsurf",
        path="~/.codeium/windsurf/mcp_config.json",
        content=_json(_servers({"serverUrl": url, "headers": _headers(f"${{env:{TOKEN_VARIABLE}}}")})),
        then="Restart Windsurf; the MCP panel of Cascade lists the tools.",
    )


def _opencode(url: str) -> Setup:
    headers = _headers(f"{{env:{TOKEN_VARIABLE}}}")
    server = {"type": "remote", "url": url, "headers": headers, "timeout": _TIMEOUT_MILLISECONDS}
    return Setup(
        name="opencode",
        path="opencode.json",
        content=_json({"$schema": "https://opencode.ai/config.json", "mcp": {SERVER_NAME: server}}),
        then="'opencode mcp list' says connected.",
    )


def _bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


def _headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _servers(server: dict[str, Any]) -> dict[str, Any]:
    return {"mcpServers": {SERVER_NAME: server}}


def _json(document: dict[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


_SETUPS: dict[str, Callable[[str], Setup]] = {
    "claude-code": _claude_code,
    "codex": _codex,
    "cursor": _cursor,
    "vscode": _vscode,
    "gemini": _gemini,
    "windsurf": _windsurf,
    "opencode": _opencode,
}

CLIENTS = tuple(_SETUPS)
"""The clients that `setup_for` knows."""
