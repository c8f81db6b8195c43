"""`llm-bus call`: one tool call as a participant, for scripts and for a look by hand.

It is one POST that needs no handshake (docs/decisions/0003-sessionless-endpoint.md). The SDK's client would take longer
to import than the call takes.
"""

import sys
from difflib import get_close_matches
from typing import Any

import click
import httpx2
import msgspec

from web.cli.bus_http import AROUND_PROXIES, CALL_TIMEOUT, REVISION, bearer, json_in, refusal, unreachable
from web.cli.options import json_option, url_option
from web.cli.terminal import RESULTS, printable_json, say, say_json
from web.config import read_bus_url, read_token
from web.errors import BusUnreachable, ToolRefused
from web.onboarding.texts import mcp_url

_EPILOG = """\b
ARGUMENTS are one JSON object, or '-' to read it from standard input. The answer is JSON.
Exit code 1 when the bus refuses, with its sentence; 2 when the call itself makes no sense.
\b
  export LLM_BUS_TOKEN=…
  llm-bus call                                   the names of the tools
  llm-bus call claim '{"sequence": "adr"}'
  llm-bus call whats_new --url https://bus.example.com
"""


@click.command(epilog=_EPILOG)
@click.argument("tool", required=False)
@click.argument("arguments", required=False)
@url_option("The bus; default: LLM_BUS_URL, or the one on this machine.")
@json_option
def call(tool: str | None, arguments: str | None, url: str | None, *, as_json: bool) -> None:
    """Call a TOOL as the participant of LLM_BUS_TOKEN."""
    token = read_token()
    if token is None:
        raise click.UsageError(
            "the token of a participant is missing: set LLM_BUS_TOKEN. 'llm-bus token mint' makes one."
        )
    asked = _parse(arguments)
    headers = bearer(token) | {"MCP-Protocol-Version": REVISION}
    with httpx2.Client(headers=headers, timeout=CALL_TIMEOUT, mounts=AROUND_PROXIES) as http:
        bus = _Bus(http, mcp_url(url or read_bus_url()))
        answer = {"tools": bus.tool_names()} if tool is None else bus.call(tool, asked)
    if as_json:
        say_json(answer)
    elif tool is None:
        for name in answer["tools"]:
            say(name)
    else:
        text = msgspec.json.format(msgspec.json.encode(answer), indent=2).decode()
        if RESULTS.is_terminal:
            RESULTS.print_json(printable_json(text))
        else:
            say(text)


class _Bus:
    """A bus, asked as the participant of the token that `http` sends. `BusUnreachable` is raised as by `BusClient`."""

    def __init__(self, http: httpx2.Client, address: str) -> None:
        self._http = http
        self._address = address

    def tool_names(self) -> list[str]:
        match self._ask("tools/list", {}):
            case {"result": {"tools": [*tools]}}:
                return [str(tool["name"]) for tool in tools if isinstance(tool, dict) and "name" in tool]
            case answer:
                raise _improper(answer)

    def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The tool's result; raises `ToolRefused` with the bus's sentence, or with the name of a tool that is near."""
        match self._ask("tools/call", {"name": tool, "arguments": arguments}):
            case {"result": {"isError": True, "content": [*parts]}}:
                raise ToolRefused(" ".join(part["text"] for part in parts if _has_text(part)))
            case {"result": {"structuredContent": dict() as result}}:
                return result
            case answer:
                if tool in (names := self.tool_names()):
                    raise _improper(answer)
                near = get_close_matches(tool, names, n=1)
                hint = f"Did you mean {near[0]}?" if near else "'llm-bus call' lists them."
                raise ToolRefused(f"there is no tool '{tool}'. {hint}")

    def _ask(self, method: str, params: dict[str, Any]) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            response = self._http.post(self._address, json=message)
            if (said := refusal(response)) is not None:
                raise BusUnreachable(f"the bus at {self._address} {said}")
        except httpx2.HTTPError as error:
            raise unreachable(error) from error
        if (answer := json_in(response)) is None:
            raise BusUnreachable(f"no bus answers at {self._address} (HTTP {response.status_code}).")
        return answer


def _has_text(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)


def _improper(answer: object) -> BusUnreachable:
    match answer:
        case {"error": {"message": str() as message}}:
            return BusUnreachable(f"no proper answer from the bus: {message.rstrip('.')}.")
        case _:
            return BusUnreachable("no proper answer from the bus.")


def _parse(arguments: str | None) -> dict[str, Any]:
    text = sys.stdin.read() if arguments == "-" else arguments or "{}"
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        raise click.UsageError('ARGUMENTS must be one JSON object, such as \'{"sequence": "adr"}\'.') from None
