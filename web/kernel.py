"""The MCP protocol, spoken by the SDK's kernel: one request in, one result out, both eras.

The kernel (`mcp.server.runner.serve_one`) knows versions, validation, capabilities and the shape of every result. Two
requests take a shorter way through its middleware seam: a tool call, whose result our own encoder has already written,
and the lists that never change, which are shaped once per revision. Transport, authentication and JSON-RPC framing are
`web.endpoint`'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import anyio
import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.runner import serve_one
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError, NoBackChannelError
from mcp.shared.inbound import InboundModernRoute
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from mcp_types import methods
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from web.calls import Toolbox
from web.exchange import Exchange
from web.onboarding import GUIDE, GUIDE_URI, INSTRUCTIONS, SERVER_NAME

VERSION = version("llm-bus")

_UNCHANGING = CacheHint(ttl_ms=3_600_000, scope="public")
"""For what changes only with a new version of this program."""

_LISTS = ("tools/list", "resources/list")

Context = ServerRequestContext[dict[str, Any], Exchange]


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
        """Never set: a client cancels by leaving, which `web.sending` sees."""
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
                "resources/read": _UNCHANGING,
            },
            on_list_tools=self._list_tools,
            on_list_resources=self._list_resources,
            on_read_resource=self._read_resource,
        )
        # Replaces the SDK's OpenTelemetry span around every message: nobody here would read it, everybody would pay.
        self._server.middleware[:] = [self._shorten]

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
        return await serve_one(
            self._server,
            OneRequest(request_id, ServerMessageMetadata(request_context=exchange)),
            method,
            params,
            connection=Connection.from_envelope(route.protocol_version, route.client_info, route.client_capabilities),
            lifespan_state={},
        )

    async def _shorten(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        if ctx.method == "tools/call":
            return await self._call_tool(ctx)
        if ctx.method not in _LISTS or (ctx.params or {}).get("cursor") is not None:
            return await call_next(ctx)
        key = (ctx.method, ctx.protocol_version)
        if key in self._lists:
            methods.validate_client_request(ctx.method, ctx.protocol_version, ctx.params)
        else:
            shaped = await call_next(ctx)
            assert isinstance(shaped, dict)  # noqa: S101 - the kernel's own shaping is inside call_next
            self._lists[key] = shaped
        return self._lists[key]

    async def _call_tool(self, ctx: Context) -> dict[str, Any]:
        params = ctx.params or {}
        methods.validate_client_request(ctx.method, ctx.protocol_version, params)
        assert ctx.request is not None  # noqa: S101 - `answer` always gives it
        result = await self._toolbox.call(ctx.request, params["name"], params.get("arguments"))
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
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

    async def _read_resource(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        if str(params.uri) != GUIDE_URI:
            raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": str(params.uri)})
        text = types.TextResourceContents(uri=GUIDE_URI, mime_type="text/markdown", text=GUIDE)
        return types.ReadResourceResult(contents=[text])


def _refuse_cursor(params: types.PaginatedRequestParams | None) -> None:
    if params is not None and params.cursor is not None:
        raise MCPError(types.INVALID_PARAMS, "Invalid cursor: this list has one page only")
