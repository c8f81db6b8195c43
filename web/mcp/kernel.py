"""The MCP protocol, spoken by the SDK's kernel: one request in, one result out, both eras.

The kernel (`mcp.server.runner.serve_one`) knows versions, validation, capabilities and the shape of every result. Two
requests need it only for validation: a tool call, whose result our own encoder has already written, and the lists that
never change, which the kernel shapes once per revision. What is listed is `web.mcp.offer`'s; transport, authentication
and JSON-RPC framing are `web.mcp.endpoint`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import mcp_types as types
from mcp.server.connection import Connection
from mcp.server.runner import serve_one
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.inbound import InboundModernRoute
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import methods
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from web.http.answer import EventStream
from web.http.exchange import Exchange
from web.mcp.calls import Toolbox, ToolResult, refused
from web.mcp.encoding import CHARACTERS_AT_ONCE, encode_text_in_steps
from web.mcp.leniency import call_meant
from web.mcp.listening import LISTEN, Listening
from web.mcp.offer import Context, offer
from web.mcp.resources import REFUSED
from web.mcp.sending import TOO_LATE
from web.tracing import named_trace

_PLAIN_CALL = frozenset({"name", "arguments"})
_NO_ARGUMENTS: dict[str, Any] = {}
_LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")


@dataclass(slots=True)
class OneRequest:
    """The SDK's `DispatchContext` for a request that gets one JSON answer: nothing can be sent besides it."""

    request_id: types.RequestId
    message_metadata: ServerMessageMetadata

    @property
    def transport(self) -> TransportContext:
        """What kind of wire this is."""
        return _TRANSPORT

    @property
    def can_send_request(self) -> bool:
        """Never: there is no way back to the client."""
        return False

    @property
    def cancel_requested(self) -> anyio.Event:
        """Never set: a client cancels by leaving, which `web.mcp.sending` sees."""
        return anyio.Event()

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """Refuse."""
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Drop it: notifications are advisory."""

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Drop it."""


_TRANSPORT = TransportContext(kind="streamable-http", can_send_request=False)


class Kernel:
    """Answers MCP requests that are already authenticated and framed."""

    def __init__(self, toolbox: Toolbox, listening: Listening) -> None:
        self._toolbox = toolbox
        self._listening = listening
        self._lists: dict[tuple[str, str], dict[str, Any]] = {}
        self._server = offer(toolbox.describe(), self._call_for_text, is_heard=True)

    async def answer(
        self,
        exchange: Exchange,
        request_id: types.RequestId,
        method: str,
        params: Mapping[str, Any] | None,
        route: InboundModernRoute,
    ) -> dict[str, Any] | EventStream:
        """The result of one request, whose parts may be `msgspec.Raw`; for `subscriptions/listen` a stream.

        Raises `MCPError`, pydantic's `ValidationError` for malformed params, and what tools let through.
        """
        revision = route.protocol_version
        if method == "tools/call":
            return await self._call_tool(exchange, params, revision)
        if method == LISTEN and revision in MODERN_PROTOCOL_VERSIONS:
            methods.validate_client_request(method, revision, params)
            return self._listening.begin(exchange, request_id, params)
        if (shaped := self._lists.get((method, revision))) is not None and (params or {}).get("cursor") is None:
            methods.validate_client_request(method, revision, params)
            return shaped
        connection = Connection.from_envelope(revision, route.client_info, route.client_capabilities)
        one = OneRequest(request_id, ServerMessageMetadata())
        result = await serve_one(
            self._server, one, method, params, connection=connection, lifespan_state={"exchange": exchange}
        )
        if method in _LISTS:
            self._lists[method, revision] = result
        return result

    async def _call_for_text(self, context: Context, tool: str, arguments: dict[str, Any]) -> str:
        result = await self._toolbox.call(context.lifespan_context["exchange"], tool, arguments)
        text: str = result["content"][0]["text"]
        if result.get("isError"):
            raise MCPError(REFUSED, text)
        return text

    async def _call_tool(self, exchange: Exchange, params: Mapping[str, Any] | None, revision: str) -> dict[str, Any]:
        if params is None or not _is_plain_call(params):
            params = call_meant(params)
            methods.validate_client_request("tools/call", revision, params)
        if exchange.stages is not None:
            exchange.trace = named_trace(params.get("_meta"))
        result = await self._toolbox.call(exchange, params["name"], params.get("arguments"))
        if len(text := result["content"][0]["text"]) > CHARACTERS_AT_ONCE:
            result["content"][0]["text"] = await encode_text_in_steps(text)
        return self._of_revision(result, revision)

    def too_late(self, exchange: Exchange, revision: str) -> dict[str, Any]:
        """The result of a tool call that was not answered in time."""
        return self._of_revision(refused(exchange, TOO_LATE), revision)

    def _of_revision(self, result: ToolResult, revision: str) -> ToolResult:
        if revision in MODERN_PROTOCOL_VERSIONS:
            result["resultType"] = "complete"
            result["_meta"] = {types.SERVER_INFO_META_KEY: self._server.server_info_stamp}
        return result


def _is_plain_call(params: Mapping[str, Any]) -> bool:
    """Whether there is a name, perhaps an object of arguments, and nothing else: then the SDK's models add nothing.

    The tool's own schema validates the arguments in any case. A call of 2026-07-28 has `_meta`, so it is never plain.
    """
    if not params.keys() <= _PLAIN_CALL:
        return False
    return isinstance(params.get("name"), str) and isinstance(params.get("arguments", _NO_ARGUMENTS), dict)
