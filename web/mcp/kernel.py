"""The MCP protocol, spoken by the SDK's kernel: one request in, one result out, both eras.

The kernel (`mcp.server.runner.serve_one`) knows versions, validation, capabilities and the shape of every result. Two
requests need it only for validation: a tool call, whose result our own encoder has already written, and the lists that
never change, which the kernel shapes once per revision. Transport, authentication and JSON-RPC framing are
`web.mcp.endpoint`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import anyio
import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.runner import serve_one
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.inbound import InboundModernRoute
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import methods
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from web import VERSION
from web.exchange import Exchange
from web.mcp.calls import Toolbox
from web.onboarding import GUIDE, GUIDE_URI, INSTRUCTIONS, SERVER_NAME

_UNCHANGING = CacheHint(ttl_ms=3_600_000, scope="public")
"""For what changes only with a new version of this program."""

_LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")

Context = ServerRequestContext[dict[str, Any]]


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

    def __init__(self, toolbox: Toolbox) -> None:
        self._toolbox = toolbox
        self._lists: dict[tuple[str, str], dict[str, Any]] = {}
        self._server = Server[dict[str, Any]](
            SERVER_NAME,
            version=VERSION,
            title="LLM Bus",
            instructions=INSTRUCTIONS,
            cache_hints={
                "server/discover": _UNCHANGING,
                "tools/list": _UNCHANGING,
                "resources/list": _UNCHANGING,
                "resources/templates/list": _UNCHANGING,
                "prompts/list": _UNCHANGING,
                "resources/read": _UNCHANGING,
            },
            on_list_tools=self._list_tools,
            on_list_resources=self._list_resources,
            # Empty, but not missing: the conformance suite wants to see that they may be cached.
            on_list_resource_templates=self._list_resource_templates,
            on_list_prompts=self._list_prompts,
            on_read_resource=self._read_resource,
        )
        # The SDK's OpenTelemetry span around every message: nobody here would read it, everybody would pay.
        self._server.middleware.clear()

    async def answer(
        self,
        exchange: Exchange,
        request_id: types.RequestId,
        method: str,
        params: Mapping[str, Any] | None,
        route: InboundModernRoute,
    ) -> dict[str, Any]:
        """The result of one request; its parts may be `msgspec.Raw`.

        Raises `MCPError`, pydantic's `ValidationError` for malformed params, and what tools let through.
        """
        revision = route.protocol_version
        if method == "tools/call":
            return await self._call_tool(exchange, params, revision)
        if (shaped := self._lists.get((method, revision))) is not None and (params or {}).get("cursor") is None:
            methods.validate_client_request(method, revision, params)
            return shaped
        connection = Connection.from_envelope(revision, route.client_info, route.client_capabilities)
        one = OneRequest(request_id, ServerMessageMetadata())
        result = await serve_one(self._server, one, method, params, connection=connection, lifespan_state={})
        if method in _LISTS:
            self._lists[method, revision] = result
        return result

    async def _call_tool(self, exchange: Exchange, params: Mapping[str, Any] | None, revision: str) -> dict[str, Any]:
        methods.validate_client_request("tools/call", revision, params)
        assert params is not None  # noqa: S101 - validated: a call without a name is none
        result = await self._toolbox.call(exchange, params["name"], params.get("arguments"))
        if revision in MODERN_PROTOCOL_VERSIONS:
            result["resultType"] = "complete"
            result["_meta"] = {types.SERVER_INFO_META_KEY: self._server.server_info_stamp}
        return result

    async def _list_tools(self, ctx: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        _refuse_cursor(params)
        return types.ListToolsResult(tools=self._toolbox.describe())

    async def _list_resources(
        self, ctx: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        _refuse_cursor(params)
        guide = types.Resource(
            uri=GUIDE_URI,
            name="guide",
            title="How to coordinate over LLM Bus",
            description="When to use which tool, and what the bus promises. Read it once when you join a project.",
            mime_type="text/markdown",
        )
        return types.ListResourcesResult(resources=[guide])

    async def _list_resource_templates(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        _refuse_cursor(params)
        return types.ListResourceTemplatesResult(resource_templates=[])

    async def _list_prompts(
        self, context: Context, params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        _refuse_cursor(params)
        return types.ListPromptsResult(prompts=[])

    async def _read_resource(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        if str(params.uri) != GUIDE_URI:
            raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": str(params.uri)})
        text = types.TextResourceContents(uri=GUIDE_URI, mime_type="text/markdown", text=GUIDE)
        return types.ReadResourceResult(contents=[text])


def _refuse_cursor(params: types.PaginatedRequestParams | None) -> None:
    if params is not None and params.cursor is not None:
        raise MCPError(types.INVALID_PARAMS, "Invalid cursor: this list has one page only")
