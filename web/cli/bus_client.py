"""The bus as an MCP client sees it: the official SDK's client with a bearer token, and one way to fail.

`doctor` and `demo` use it so that what they show is what an agent gets. It opens connections and keeps no state.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from web.cli.bus_http import AROUND_PROXIES, CALL_SECONDS_MAX, CALL_TIMEOUT, bearer, refusal, unreachable
from web.errors import BusUnreachable, ToolRefused, WebError, leaves


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
    refused: str | None = None

    async def note_refusal(response: httpx2.Response) -> None:
        nonlocal refused
        if not response.is_success:
            with suppress(httpx2.HTTPError):
                await response.aread()
        refused = refusal(response)

    try:
        with _translated():
            hooks = {"response": [note_refusal]}
            async with httpx2.AsyncClient(
                headers=bearer(token), timeout=CALL_TIMEOUT, event_hooks=hooks, mounts=AROUND_PROXIES
            ) as http:
                transport = streamable_http_client(mcp_url, http_client=http)
                async with Client(transport, read_timeout_seconds=CALL_SECONDS_MAX) as client:
                    yield BusClient(client)
    except BusUnreachable as error:
        if refused is None:
            raise
        # The SDK's client does not tell which error the server returned.
        raise BusUnreachable(f"the bus at {mcp_url} {refused}") from error


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what went wrong as ours, out of the groups in which the SDK's tasks wrap it."""
    try:
        yield
    except (httpx2.HTTPError, MCPError) as error:
        raise unreachable(error) from error
    except BaseExceptionGroup as group:
        match list(leaves(group)):
            case [WebError() as ours, *_]:
                raise ours from group
            case [(httpx2.HTTPError() | MCPError()) as cause, *_]:
                raise unreachable(cause) from group
            case _:
                raise
