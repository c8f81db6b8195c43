"""A running server for a test: real sockets on the loopback, a real database, and an HTTP client to ask it with."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import trio

from store import Store
from store.opening import PATIENCE_SECONDS
from store.people import minting
from web.admin.providers import ProvidersOf, providers_of
from web.config import Settings
from web.http.listener import listen
from web.mcp.sending import ANSWER_SECONDS_MAX
from web.server import run_bus

NOWHERE = "host=127.0.0.1 port=1 user=nobody dbname=nothing"
"""A database that nobody answers for."""

START_SECONDS_MAX = 300
TRUST_SECONDS = 0.1  # no other server is there that would have to agree
NEVER_SECONDS = 3_600.0
CALL_SECONDS_MAX = 90

ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}
HANDSHAKE_REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
REVISIONS = (*HANDSHAKE_REVISIONS, "2026-07-28")


class Bus:
    """A running server, as a client sees it and as its operator does."""

    def __init__(self, url: str, store: Store, http: httpx2.AsyncClient, stopping: trio.Event) -> None:
        self.url = url
        self.store = store
        self.http = http
        self.stopping = stopping

    async def mint(self, name: str = "lead", *, is_admin: bool = True, project: str = "demo") -> str:
        """A token for a participant of ada's, straight from the store: as another process would make it."""
        minted = await self.store.write(minting.mint, "ada@example.com", project, name, is_admin=is_admin)
        return minted.provisioned.token

    async def send(self, body: Any, token: str | None, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """POST a body to `/mcp`: as it is when bytes, as JSON otherwise."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post("/mcp", content=content, headers=sent)

    async def ask(
        self,
        token: str | None,
        method: str,
        params: Mapping[str, Any] | None = None,
        revision: str | None = "2025-11-25",
    ) -> httpx2.Response:
        """Send one request at a revision; None names none."""
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": dict(params or {})}
        headers = {} if revision is None else {"MCP-Protocol-Version": revision}
        if revision == "2026-07-28":
            message["params"]["_meta"] = ENVELOPE
            headers["Mcp-Method"] = method
            if name := message["params"].get("name") or message["params"].get("uri"):
                headers["Mcp-Name"] = name
        return await self.send(message, token, headers)

    async def result(self, token: str, tool: str, revision: str | None = "2025-11-25", **arguments: Any) -> Any:
        """The whole result of a tool call."""
        response = await self.ask(token, "tools/call", {"name": tool, "arguments": arguments}, revision)
        assert response.status_code == 200, response.text
        return response.json()["result"]

    async def call(self, token: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """The object that a tool answers; it must not refuse."""
        result = await self.result(token, tool, **arguments)
        assert "isError" not in result, result
        structured: dict[str, Any] = result["structuredContent"]
        assert json.loads(result["content"][0]["text"]) == structured
        return structured

    async def refusal(self, token: str, tool: str, **arguments: Any) -> str:
        """The sentence with which a tool refuses; it must."""
        result = await self.result(token, tool, **arguments)
        assert result["isError"] is True
        assert "structuredContent" not in result
        text: str = result["content"][0]["text"]
        return text

    async def ledger_length(self, token: str) -> int:
        """How many events the project's ledger has."""
        events = (await self.call(token, "query_events", limit=1))["events"]
        return events[0]["id"] if events else 0


@asynccontextmanager
async def running_bus(
    store: Store,
    conninfo: str,
    *,
    connections_max: int = 1000,
    providers: ProvidersOf = providers_of,
    has_fast_way: bool = True,
    patience_seconds: float = PATIENCE_SECONDS,
    look_seconds: float = NEVER_SECONDS,
    answer_seconds_max: float = ANSWER_SECONDS_MAX,
    **settings: Any,
) -> AsyncIterator[Bus]:
    """A server on this database as long as the block lasts; it must end cleanly.

    It looks at projects with a webhook once, at its start, unless `look_seconds` says otherwise.
    """
    unbounded = {"calls_per_second": 0, "written_bytes_per_day": 0}
    wanted = Settings(**{"data_dir": Path("unused"), "port": 0, **unbounded, **settings})
    listeners = await listen("127.0.0.1", 0, connections_max)
    bound = wanted.bound_to(listeners[0].port)
    stopping, ready = trio.Event(), trio.Event()
    url = f"http://127.0.0.1:{bound.port}"
    async with trio.open_nursery() as nursery:
        serving = partial(
            run_bus,
            bound,
            conninfo,
            listeners,
            stopping,
            ready=ready.set,
            providers=providers,
            trust_seconds=TRUST_SECONDS,
            patience_seconds=patience_seconds,
            look_seconds=look_seconds,
            answer_seconds_max=answer_seconds_max,
            has_fast_way=has_fast_way,
        )
        nursery.start_soon(serving)
        with trio.fail_after(START_SECONDS_MAX):
            await ready.wait()
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(base_url=url, timeout=CALL_SECONDS_MAX, limits=limits) as http:
            yield Bus(url, store, http, stopping)
        stopping.set()
