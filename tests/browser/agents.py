"""MCP clients of the official SDK that stay connected, beside a browser.

Playwright's loop runs in the test's thread, so the clients run in a thread of their own.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import httpx2
import trio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

CALL_SECONDS_MAX = 90


class Agents:
    """One client for each token, by the agent's name."""

    def __init__(self, clients: Mapping[str, Client], loop: trio.lowlevel.TrioToken) -> None:
        self._clients = clients
        self.loop = loop

    def call(self, name: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """What the bus answers an agent."""

        async def ask() -> Any:
            with trio.fail_after(CALL_SECONDS_MAX):
                result = await self._clients[name].call_tool(tool, arguments)
            assert not result.is_error, result.content
            return result.structured_content

        answer: dict[str, Any] = trio.from_thread.run(ask, trio_token=self.loop)
        return answer


@contextmanager
def connected(url: str, tokens: Mapping[str, str]) -> Iterator[Agents]:
    """Agents that are connected as long as the block lasts."""
    ready = Future[Agents]()
    over = trio.Event()

    async def connect() -> None:
        async with AsyncExitStack() as stack:
            clients = {}
            for name, token in tokens.items():
                headers = {"Authorization": f"Bearer {token}"}
                http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers))
                client = Client(streamable_http_client(f"{url}/mcp", http_client=http))
                clients[name] = await stack.enter_async_context(client)
            ready.set_result(Agents(clients, trio.lowlevel.current_trio_token()))
            await over.wait()

    with ThreadPoolExecutor(1) as apart:
        running = apart.submit(trio.run, connect)
        either: tuple[Future[Any], ...] = (ready, running)
        wait(either, return_when=FIRST_COMPLETED)
        if running.done():
            running.result()
        agents = ready.result()
        try:
            yield agents
        finally:
            trio.from_thread.run_sync(over.set, trio_token=agents.loop)
        running.result()
