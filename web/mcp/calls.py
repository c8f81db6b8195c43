"""One tool call: find the tool, validate, check the right, run, encode.

The result is encoded once, by msgspec, and the same bytes serve as text and as structured content. This is the hot
path: what can be prepared per tool is prepared when the server starts.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import mcp_types as types
import msgspec
import trio
from mcp.shared.exceptions import MCPError
from msgspec import Struct

from actors import Answer
from engine.identity import Principal
from engine.nearest import nearest
from engine.refusals import Refusal
from engine.vocabulary import Command
from web.http.exchange import Exchange
from web.mcp.arguments import Parser, shown
from web.mcp.encoding import encode_in_steps
from web.mcp.schemas import input_schema
from web.mcp.sending import as_refusal, in_time, no_room
from web.mcp.tools import TOOLS, Tool
from web.services import Services

ToolResult = dict[str, Any]
"""A `CallToolResult` as it goes over the wire; its parts may be `msgspec.Raw`."""

_SEPARATOR = re.compile(r"__|[.:/]")
"""What clients put between a server's name and a tool's, as in `mcp__llm-bus__claim`."""

_WORD = re.compile(r"[A-Z]?[a-z]+")

_NAME_LENGTH_MAX = 128
"""Longer names of tools are spelled like none: comparing a name that fills a body would take the server's time."""

REFUSAL_SECONDS = 0.25
"""The delay before a token that calls too often is refused, so that a client that ignores it costs others little."""

_NOT_A_LEAD = Refusal("forbidden", "only leads may do this; ask a lead of the project (list_participants shows them).")


class Toolbox:
    """The tools, ready to be listed and called."""

    def __init__(self, services: Services, tools: Iterable[Tool] = TOOLS) -> None:
        self._services = services
        self._tools = {tool.name: (tool, Parser(tool.arguments)) for tool in tools}

    def describe(self) -> list[types.Tool]:
        """What there is to be called."""
        return [described(tool) for tool, _ in self._tools.values()]

    async def call(self, exchange: Exchange, name: str, given: Mapping[str, Any] | None) -> ToolResult:
        """Run one tool; a refusal is a result too.

        Raises `MCPError` for a tool that does not exist, and `Disconnected` when the client leaves meanwhile.
        """
        found = self._tools.get(name)
        if found is None:
            raise MCPError(types.INVALID_PARAMS, self._told_unknown(name))
        tool, parser = found
        exchange.tool = name
        written_bytes = 0 if tool.reads else exchange.request.body_bytes
        if (too_much := self._services.fair_use.refuse(exchange.token_hash, written_bytes)) is not None:
            refusal, exchange.retry_after_seconds = too_much
            await trio.sleep(REFUSAL_SECONDS)
            return refused(exchange, refusal)
        outcome = await self._run(exchange, tool, parser, given)
        if isinstance(outcome, Refusal):
            return refused(exchange, outcome)
        return _result(await encode_in_steps(outcome.reply), outcome.unread if tool.tells_unread else 0)

    def _told_unknown(self, name: str) -> str:
        close = self._nearest(name) if len(name) <= _NAME_LENGTH_MAX else None
        meant = "" if close is None else f"perhaps you mean '{close}'; "
        return f"Unknown tool: '{shown(name)}'; {meant}tools/list shows what there is."

    def _nearest(self, name: str) -> str | None:
        """The tool of the same words, in any order; else one spelled nearly so, if a wrong guess takes nothing away."""
        plain = _SEPARATOR.split(name.strip())[-1]
        words = sorted(word.lower() for word in _WORD.findall(plain))
        same = next((known for known in self._tools if sorted(known.split("_")) == words), None)
        return same or nearest(plain, [known for known, (tool, _) in self._tools.items() if not tool.destroys])

    async def _run(
        self, exchange: Exchange, tool: Tool, parser: Parser[Struct], given: Mapping[str, Any] | None
    ) -> Answer | Refusal:
        caller: Principal = exchange.caller
        if tool.leads_only and not caller.is_admin:
            return _NOT_A_LEAD
        arguments = parser.parse(given)
        if isinstance(arguments, Refusal):
            return arguments
        if not tool.reads and (full := no_room(self._services)) is not None:
            return full
        call = tool.handler(self._services, exchange, caller, arguments)
        wait_seconds = arguments.wait_seconds if isinstance(arguments, Command) else 0
        outcome = await in_time(self._services, exchange, call, wait_seconds=wait_seconds)
        if isinstance(outcome, Answer) and outcome.advances is not None:
            # The next `whats_new` starts after these events only if they have reached the client.
            exchange.afterwards = lambda: as_refusal(self._services.directory.follow_up(caller, outcome))
        return outcome


def refused(exchange: Exchange, refusal: Refusal) -> ToolResult:
    """The result of a call that is refused."""
    exchange.outcome = refusal.code
    return {"content": [{"type": "text", "text": str(refusal)}], "isError": True}


def _result(encoded: bytes, unread: int) -> ToolResult:
    if unread > 0:
        told = b'"_unread_posts":%d}' % unread
        encoded = b"{" + told if encoded == b"{}" else encoded[:-1] + b"," + told
    return {"content": [{"type": "text", "text": encoded.decode()}], "structuredContent": msgspec.Raw(encoded)}


def described(tool: Tool) -> types.Tool:
    """A tool as clients and models are told of it."""
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=input_schema(tool.arguments),
        annotations=_annotations(tool),
    )


def _annotations(tool: Tool) -> types.ToolAnnotations:
    # The other two hints have a meaning only where something is changed (the protocol's schema says so at each).
    if tool.reads:
        return types.ToolAnnotations(read_only_hint=True, open_world_hint=False)
    return types.ToolAnnotations(
        read_only_hint=False,
        idempotent_hint=tool.repeatable,
        destructive_hint=tool.destroys,
        open_world_hint=False,
    )
