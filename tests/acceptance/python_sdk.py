"""Tells a story through the official Python SDK's client, over HTTP or over stdio."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from tests.acceptance.telling import Call, Outcome, Telling


async def tell(
    url: str, tokens: Mapping[str, str], calls: Sequence[Call], mode: str, program: str | None = None
) -> Telling:
    """Make the calls, one after the other; `mode` is how the client negotiates, `auto` or `legacy`.

    `program`: over the standard input and output of this command's `stdio`, instead of HTTP.
    """
    async with AsyncExitStack() as stack:
        clients = {}
        for who, token in tokens.items():
            connected = _bridged(program, url, token, mode) if program else _connected(url, token, mode)
            clients[who] = await stack.enter_async_context(connected)
        outcomes = [await _outcome(clients[call.who], call) for call in calls]
        listed = await clients["lead"].list_tools()
        return Telling(clients["lead"].protocol_version, [tool.name for tool in listed.tools], outcomes)


@asynccontextmanager
async def _connected(url: str, token: str, mode: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


@asynccontextmanager
async def _bridged(program: str, url: str, token: str, mode: str) -> AsyncIterator[Client]:
    env = {"LLM_BUS_URL": url, "LLM_BUS_TOKEN": token}
    child = StdioServerParameters(command=program, args=["stdio"], env=env)
    async with Client(stdio_client(child), mode=mode) as client:
        yield client


async def _outcome(client: Client, call: Call) -> Outcome:
    result = await client.call_tool(call.tool, call.arguments)
    [content] = result.content
    assert isinstance(content, TextContent)
    return Outcome(result.is_error, content.text, result.structured_content)
