"""What MCP clients are offered, over HTTP and stdio alike: name, instructions, tools and the guide.

All of it is the same for everybody and changes only with a new version of this program. How requests arrive and who
runs a tool is said by `web.mcp.kernel` (HTTP) and `web.cli.stdio_bridge`.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError

from web import VERSION
from web.onboarding.texts import GUIDE, GUIDE_URI, INSTRUCTIONS, SERVER_NAME

Context = ServerRequestContext[dict[str, Any]]
CallTool = Callable[[Context, types.CallToolRequestParams], Awaitable[types.CallToolResult]]

_UNCHANGING = CacheHint(ttl_ms=3_600_000, scope="public")
"""For what changes only with a new version of this program."""


def offer(tools: Sequence[types.Tool], call_tool: CallTool | None = None) -> Server[dict[str, Any]]:
    """The SDK's server that lists `tools` and the guide; without `call_tool` it is asked for nothing but lists."""

    async def list_tools(_: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        _refuse_cursor(params)
        return types.ListToolsResult(tools=list(tools))

    server = Server[dict[str, Any]](
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
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=_list_resources,
        # Empty, but not missing: the conformance suite wants to see that they may be cached.
        on_list_resource_templates=_list_resource_templates,
        on_list_prompts=_list_prompts,
        on_read_resource=_read_resource,
    )
    # The SDK's OpenTelemetry span around every message: nobody here would read it, everybody would pay.
    server.middleware.clear()
    return server


async def _list_resources(_: Context, params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
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
    _: Context, params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    _refuse_cursor(params)
    return types.ListResourceTemplatesResult(resource_templates=[])


async def _list_prompts(_: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    _refuse_cursor(params)
    return types.ListPromptsResult(prompts=[])


async def _read_resource(_: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
    if str(params.uri) != GUIDE_URI:
        raise MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": str(params.uri)})
    text = types.TextResourceContents(uri=GUIDE_URI, mime_type="text/markdown", text=GUIDE)
    return types.ReadResourceResult(contents=[text])


def _refuse_cursor(params: types.PaginatedRequestParams | None) -> None:
    if params is not None and params.cursor is not None:
        raise MCPError(types.INVALID_PARAMS, "Invalid cursor: this list has one page only")
