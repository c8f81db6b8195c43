"""Tells a story through the official Python SDK's client."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from tests.acceptance.telling import Call, Outcome, Telling


async def tell(url: str, tokens: Mapping[str, str], calls: Sequence[Call], mode: str) -> Telling:
    """Make the calls, one after the other; `mode` is how the client negotiates, `auto` or `legacy`."""
    async with AsyncExitStack() as stack:
        clients = {who: await stack.enter_async_context(_connected(url, token, mode)) for who, token in tokens.items()}
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


async def _outcome(client: Client, call: Call) -> Outcome:
    result = await client.call_tool(call.tool, call.arguments)
    [content] = result.content
    assert isinstance(content, TextContent)
    return Outcome(result.is_error, content.text, result.structured_content)
