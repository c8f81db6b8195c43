"""The bus as an MCP client sees it: the official SDK's client with a bearer token, and one way to fail.

`doctor` and `demo` use it so that what they show is what an agent gets. It opens connections and keeps no state.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from web.cli.proxies import AROUND_PROXIES
from web.errors import BusUnreachable, ToolRefused, WebError, leaves

CALL_SECONDS_MAX = 75.0
"""Longer than the longest wait a tool offers."""

CONNECT_SECONDS_MAX = 5.0


class BusClient:
    """One connected agent."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.calls = 0
        """How many tools were called."""

    @property
    def protocol_version(self) -> str:
        """The revision that client and server agreed on."""
        return self._client.protocol_version

    async def tool_names(self) -> list[str]:
        """The tools that the server offers."""
        with _translated():
            return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; its result.

        Raises:
            ToolRefused: the bus said no, with its sentence.
            BusUnreachable: it did not answer, or not as an MCP server does.
        """
        self.calls += 1
        with _translated():
            result = await self._client.call_tool(tool, arguments)
        if result.is_error:
            raise ToolRefused(" ".join(getattr(part, "text", "") for part in result.content))
        if result.structured_content is None:
            raise BusUnreachable(f"no proper answer from the bus: {tool} gave no object.")
        return dict(result.structured_content)


@asynccontextmanager
async def connect(mcp_url: str, token: str) -> AsyncIterator[BusClient]:
    """Connect as an agent does; raises `BusUnreachable` with a sentence when that fails."""
    timeout = httpx2.Timeout(CALL_SECONDS_MAX, connect=CONNECT_SECONDS_MAX)
    headers = {"Authorization": f"Bearer {token}"}
    refusal: str | None = None

    async def note_refusal(response: httpx2.Response) -> None:
        nonlocal refusal
        refusal = await _refusal(response)

    try:
        with _translated():
            hooks = {"response": [note_refusal]}
            async with httpx2.AsyncClient(
                headers=headers, timeout=timeout, event_hooks=hooks, mounts=AROUND_PROXIES
            ) as http:
                transport = streamable_http_client(mcp_url, http_client=http)
                async with Client(transport, read_timeout_seconds=CALL_SECONDS_MAX) as client:
                    yield BusClient(client)
    except BusUnreachable as error:
        if refusal is None:
            raise
        # The SDK's client does not tell which error the server returned.
        raise BusUnreachable(f"the bus at {mcp_url} {refusal}") from error


async def _refusal(response: httpx2.Response) -> str | None:
    """What the server says where it refuses a whole request; None where it does not, or says nothing."""
    if response.status_code == httpx2.codes.UNAUTHORIZED:
        return "does not know this token."
    if response.is_success:
        return None
    with suppress(httpx2.HTTPError, ValueError, LookupError, TypeError):
        return f"says: {json.loads(await response.aread())['error_description']}"
    return None


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what went wrong as ours, out of the groups in which the SDK's tasks wrap it."""
    try:
        yield
    except (httpx2.HTTPError, MCPError) as error:
        raise _unreachable(error) from error
    except BaseExceptionGroup as group:
        match list(leaves(group)):
            case [WebError() as ours, *_]:
                raise ours from group
            case [(httpx2.HTTPError() | MCPError()) as cause, *_]:
                raise _unreachable(cause) from group
            case _:
                raise


def _unreachable(cause: Exception) -> BusUnreachable:
    if isinstance(cause, httpx2.ConnectError):
        return BusUnreachable(
            f"nobody answers at {cause.request.url}. Start a server with 'llm-bus up', or give another address: --url "
            "or LLM_BUS_URL."
        )
    return BusUnreachable(f"no proper answer from the bus: {str(cause).rstrip('.') or type(cause).__name__}.")
