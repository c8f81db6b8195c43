"""The bus over stdio, for hosts that start a program: lists are answered here, tool calls by the bus over HTTP.

The SDK owns both eras of the protocol, `web.cli.stdio_wire` the wire. Cancellations and the end of input end the calls
under way, and so their HTTP requests, which tells the bus. A host asks for the tools once, when it starts:
so they are listed also while the bus is down or no token is there, and a call then says what to do.

Every call is one POST that needs no handshake: the bus keeps no sessions (docs/decisions/0003-sessionless-endpoint.md).
"""

from typing import Any

import httpx2
import mcp_types as types
from mcp.server.context import CallNext, HandlerResult
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from web.cli.bus_http import AROUND_PROXIES, CALL_TIMEOUT, REVISION, can_be_sent, json_in, reason, refusal
from web.cli.stdio_wire import stdio_streams
from web.mcp.arguments import malformed_params
from web.mcp.calls import described
from web.mcp.offer import Context, offer
from web.mcp.resources import REFUSED
from web.mcp.tools import TOOLS
from web.onboarding.texts import TOKEN_VARIABLE, mcp_url

_WORK_ON = "Go on with your work, tell your human, and claim before you merge."
_ASK = (
    "Ask your human or a lead of the project for a place: a lead calls create_invite or admin_provision, the server's "
    f"operator runs 'llm-bus token mint'. Then set {TOKEN_VARIABLE} where this program is started, and restart the "
    f"client. {_WORK_ON}"
)
_TOO_EARLY = types.ErrorData(code=types.INVALID_PARAMS, message="Invalid request parameters", data="")
"""The SDK's answer to what comes before `initialize`."""

_BEGIN = (
    f"send 'initialize' first, or name the protocol's revision in each request, as params._meta with "
    f"{types.PROTOCOL_VERSION_META_KEY}. 'llm-bus call' makes one call without either."
)


async def serve_stdio(bus_url: str, token: str | None) -> None:
    """Serve one MCP client on standard input and output until its input ends."""
    async with (
        httpx2.AsyncClient(timeout=CALL_TIMEOUT, mounts=AROUND_PROXIES) as http,
        stdio_streams() as (requests, responses),
    ):
        server = bridge(http, bus_url, token)
        await server.run(requests, responses, server.create_initialization_options())


def bridge(http: httpx2.AsyncClient, bus_url: str, token: str | None) -> Server[dict[str, Any]]:
    """The bus as a server of the SDK, to be run on any wire; its calls go to `bus_url` by `http`."""
    url = mcp_url(bus_url)
    headers = {"Authorization": f"Bearer {token}", "MCP-Protocol-Version": REVISION}

    async def call_tool(_: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        if token is None:
            return _refusal("forbidden", f"{TOKEN_VARIABLE} is not set: {bus_url} cannot tell who you are. {_ASK}")
        if not can_be_sent(token):
            return _refusal("forbidden", f"what {TOKEN_VARIABLE} holds is not a token. {_ASK}")
        asked = {"name": params.name, "arguments": params.arguments or {}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}
        try:
            response = await http.post(url, json=message, headers=headers)
        except httpx2.HTTPError as error:
            return _refusal("unavailable", f"no answer from the bus at {url} ({reason(error)}). {_WORK_ON}")
        return _read(response, url)

    async def call_for_text(context: Context, tool: str, arguments: dict[str, Any]) -> str:
        result = await call_tool(context, types.CallToolRequestParams(name=tool, arguments=arguments))
        text = "".join(part.text for part in result.content if isinstance(part, types.TextContent))
        if result.is_error:
            raise MCPError(REFUSED, text)
        return text

    server = offer([described(tool) for tool in TOOLS], call_for_text, call_tool)
    server.middleware.append(_say_what_is_wrong)
    return server


async def _say_what_is_wrong(ctx: Context, call_next: CallNext) -> HandlerResult:
    """Put into words what the SDK answers to a request before the handshake, and to params that make no sense."""
    try:
        return await call_next(ctx)
    except ValidationError as malformed:
        raise MCPError.from_error_data(malformed_params(malformed)) from malformed
    except MCPError as refused:
        if refused.error != _TOO_EARLY or ctx.session.client_params is not None:
            raise
        raise MCPError(types.INVALID_REQUEST, f"Invalid request: {_BEGIN}") from refused


def _read(response: httpx2.Response, url: str) -> types.CallToolResult:
    """The tool's result, or why there is none; raises the bus's `MCPError`, such as for an unknown tool."""
    match json_in(response):
        case {"result": {"content": [*_]} as result} if (valid := _validated(result)) is not None:
            return valid
        case {"error": {"code": int() as code, "message": str() as message} as error}:
            raise MCPError(code, message, error.get("data"))
        case {"error": "invalid_token"}:
            return _refusal("forbidden", f"the bus at {url} does not know this {TOKEN_VARIABLE}. {_ASK}")
        case {"error": str(), "error_description": str() as description}:
            return _refusal("unavailable", f"the bus at {url} says: {description} {_WORK_ON}")
        case _ if response.is_redirect and (said := refusal(response)) is not None:
            return _refusal("unavailable", f"the bus at {url} {said} {_WORK_ON}")
        case _:
            return _refusal("unavailable", f"no bus answers at {url} (HTTP {response.status_code}). {_WORK_ON}")


def _validated(result: dict[str, Any]) -> types.CallToolResult | None:
    try:
        valid = types.CallToolResult.model_validate(result)
    except ValidationError:
        return None
    # The SDK itself checks this only on its way out, and then blames the caller.
    return valid if isinstance(valid.structured_content, dict | None) else None


def _refusal(code: str, sentence: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=f"{code}: {sentence}")], is_error=True)
