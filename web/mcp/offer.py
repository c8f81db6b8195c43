"""What MCP clients are offered, over HTTP and stdio alike: name, instructions, tools, resources and prompts.

What is listed is the same for everybody and changes only with a new version of this program. How requests arrive and
who runs a tool is said by `web.mcp.kernel` (HTTP) and `web.cli.stdio_bridge`.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import mcp_types as types
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError

from web import VERSION
from web.mcp import prompts, resources
from web.onboarding.texts import INSTRUCTIONS, SERVER_NAME

Context = ServerRequestContext[dict[str, Any]]
CallTool = Callable[[Context, types.CallToolRequestParams], Awaitable[types.CallToolResult]]

CallForText = Callable[[Context, str, dict[str, Any]], Awaitable[str]]
"""Calls a tool; the text of its result. Raises `MCPError` for a refusal."""

_UNCHANGING = CacheHint(ttl_ms=3_600_000, scope="public")
"""For what changes only with a new version of this program."""


def offer(
    tools: Sequence[types.Tool],
    call_for_text: CallForText,
    call_tool: CallTool | None = None,
    *,
    is_heard: bool = False,
) -> Server[dict[str, Any]]:
    """The SDK's server that lists `tools`, resources and prompts; without `call_tool` it is asked to call no tool.

    `call_for_text` calls the tools that resources stand on. `is_heard` offers subscriptions, which the kernel serves.
    """

    async def list_tools(_: Context, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        _refuse_cursor(params)
        return types.ListToolsResult(tools=list(tools))

    async def read_resource(context: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        return await resources.read(str(params.uri), partial(call_for_text, context))

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
        on_list_resource_templates=_list_resource_templates,
        on_list_prompts=_list_prompts,
        on_get_prompt=_get_prompt,
        on_read_resource=read_resource,
        on_subscriptions_listen=_listen if is_heard else None,
    )
    # The SDK's OpenTelemetry span around every message: nobody here would read it, everybody would pay.
    server.middleware.clear()
    return server


async def _list_resources(_: Context, params: types.PaginatedRequestParams | None) -> types.ListResourcesResult:
    _refuse_cursor(params)
    return types.ListResourcesResult(resources=resources.resources())


async def _list_resource_templates(
    _: Context, params: types.PaginatedRequestParams | None
) -> types.ListResourceTemplatesResult:
    _refuse_cursor(params)
    return types.ListResourceTemplatesResult(resource_templates=resources.templates())


async def _list_prompts(_: Context, params: types.PaginatedRequestParams | None) -> types.ListPromptsResult:
    _refuse_cursor(params)
    return types.ListPromptsResult(prompts=prompts.prompts())


async def _get_prompt(_: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
    return prompts.prompt(params.name, params.arguments)


async def _listen(_: Context, __: types.SubscriptionsListenRequestParams) -> types.SubscriptionsListenResult:
    """Stands for the method, so that the SDK offers it: a stream is no result that it could shape."""
    raise MCPError(types.METHOD_NOT_FOUND, "Method not found")


def _refuse_cursor(params: types.PaginatedRequestParams | None) -> None:
    if params is not None and params.cursor is not None:
        raise MCPError(types.INVALID_PARAMS, "Invalid cursor: this list has one page only")
