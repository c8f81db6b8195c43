"""`llm-bus call`: one tool call as a participant, for scripts and for a look by hand."""

import sys
from difflib import get_close_matches
from typing import Any

import click
import msgspec
import trio

from web.cli.bus_client import connect
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
        raise click.UsageError("the token of a participant is missing: set LLM_BUS_TOKEN.")
    answer = trio.run(_ask, mcp_url(url or read_bus_url()), token, tool, _parse(arguments))
    if as_json:
        say_json(answer)
    elif isinstance(answer, list):
        for name in answer:
            say(name)
    else:
        text = msgspec.json.format(msgspec.json.encode(answer), indent=2).decode()
        if RESULTS.is_terminal:
            RESULTS.print_json(printable_json(text))
        else:
            say(text)


async def _ask(address: str, token: str, tool: str | None, arguments: dict[str, Any]) -> dict[str, Any] | list[str]:
    """The tool's answer; without a tool, the tools' names. A name that no tool has is looked up after the refusal."""
    async with connect(address, token) as client:
        if tool is None:
            return await client.tool_names()
        try:
            return await client.call(tool, **arguments)
        except BusUnreachable:
            names = await client.tool_names()
            if tool in names:
                raise
        near = get_close_matches(tool, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else "'llm-bus call' lists them."
        raise ToolRefused(f"there is no tool '{tool}'. {hint}")


def _parse(arguments: str | None) -> dict[str, Any]:
    text = sys.stdin.read() if arguments == "-" else arguments or "{}"
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        raise click.UsageError('ARGUMENTS must be one JSON object, such as \'{"sequence": "adr"}\'.') from None
