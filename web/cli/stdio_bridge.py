"""The bus over stdio, for hosts that start a program: lists are answered here, tool calls by the bus over HTTP.

The SDK owns the wire and both eras of the protocol; its cancellations and the end of input end the calls under way, and
so their HTTP requests, which is how the bus hears of it. A host asks for the tools once, when it starts: so they are
listed also while the bus is down or no token is there, and a call then says what to do.

Every call is one POST that needs no handshake: the bus keeps no sessions (docs/decisions/0003-sessionless-endpoint.md).
"""

from typing import Any

import httpx2
import mcp_types as types
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError

from web.cli.bus_client import AROUND_PROXIES, CALL_SECONDS_MAX, CONNECT_SECONDS_MAX
from web.mcp.calls import described
from web.mcp.offer import Context, offer
from web.mcp.tools import TOOLS
from web.onboarding import TOKEN_VARIABLE, mcp_url

_REVISION = "2025-11-25"
_WORK_ON = "Go on with your work, tell your human, and claim before you merge."
_ASK_FOR_ONE = (
    "Ask your human or a lead of the project for a place: a lead calls create_invite or admin_provision, the server's "
    f"operator runs 'llm-bus token mint'. Then set {TOKEN_VARIABLE} where this program is started, and restart the "
    f"client. {_WORK_ON}"
)


async def serve_stdio(bus_url: str, token: str | None) -> None:
    """Serve one MCP client on standard input and output until its input ends."""
    timeout = httpx2.Timeout(CALL_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
    headers = {"Authorization": f"Bearer {token}", "MCP-Protocol-Version": _REVISION} if token else {}
    async with httpx2.AsyncClient(headers=headers, timeout=timeout, mounts=AROUND_PROXIES) as http:

        async def call_tool(_: Context, params: types.CallToolRequestParams) -> types.CallToolResult:
            return await _call(http, mcp_url(bus_url), params) if token else _refusal("forbidden", _no_token(bus_url))

        server = offer([described(tool) for tool in TOOLS], call_tool)
        async with stdio_server() as (requests, responses):
            await server.run(requests, responses, server.create_initialization_options())


async def _call(http: httpx2.AsyncClient, url: str, params: types.CallToolRequestParams) -> types.CallToolResult:
    """What the bus answers, or why it does not as a tool's refusal. Cancelling closes the request, which ends the call.

    Raises the bus's `MCPError`, such as for a tool that it does not have.
    """
    asked = {"name": params.name, "arguments": params.arguments or {}}
    try:
        response = await http.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked})
    except httpx2.HTTPError as error:
        reason = str(error) or type(error).__name__
        return _refusal("unavailable", f"no answer from the bus at {url} ({reason}). {_WORK_ON}")
    match _json(response):
        case {"result": {"content": [*_]} as result}:
            return types.CallToolResult.model_validate(result)
        case {"error": {"code": int() as code, "message": str() as message} as error}:
            raise MCPError(code, message, error.get("data"))
        case {"error": "invalid_token"}:
            return _refusal(
                "forbidden", f"the bus at {url} does not know this {TOKEN_VARIABLE}. {_ASK_FOR_ONE}"
            )
        case {"error": str(), "error_description": str() as description}:
            return _refusal("unavailable", f"the bus at {url} says: {description} {_WORK_ON}")
        case _:
            return _refusal("unavailable", f"no bus answers at {url} (HTTP {response.status_code}). {_WORK_ON}")


def _json(response: httpx2.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _no_token(bus_url: str) -> str:
    return f"{TOKEN_VARIABLE} is not set, so the bus at {bus_url} cannot tell who you are. {_ASK_FOR_ONE}"


def _refusal(code: str, sentence: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=f"{code}: {sentence}")], is_error=True)
