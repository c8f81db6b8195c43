"""The commands behind a real PgBouncer: session pooling serves, transaction pooling is refused with a sentence."""

import json
from functools import partial

import httpx2
import trio

from tests.postgres import Server
from tests.store.pgbouncer import needs_pgbouncer, pooled
from tests.web.command_line import llm_bus, serving

CALLS = 300


@needs_pgbouncer
async def test_transaction_pooling_is_refused_by_serve_migrate_and_doctor(postgres: Server, conninfo: str) -> None:
    async with pooled(postgres, conninfo, "transaction") as behind:
        for command in ("serve", "migrate", "doctor"):
            done = await trio.to_thread.run_sync(partial(llm_bus, command, "--database-url", behind))
            assert done.returncode != 0, command
            assert "transaction pooling" in done.stdout + done.stderr, command


@needs_pgbouncer
async def test_session_pooling_serves(postgres: Server, conninfo: str) -> None:
    mint = ("token", "mint", "--owner", "ann@example.com", "--project", "shop", "--participant", "a", "--json")

    def serve_and_call(database: str) -> list[object]:
        token = json.loads(llm_bus(*mint, "--database-url", database).stdout)["token"]
        with serving("serve", "--database-url", database) as server, httpx2.Client(base_url=server.url) as http:
            headers = {"Authorization": f"Bearer {token}", "MCP-Protocol-Version": "2025-11-25"}
            call = {"name": "claim", "arguments": {"sequence": "adr"}}
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
            return [http.post("/mcp", json=body, headers=headers).json()["result"].get("isError") for _ in range(CALLS)]

    async with pooled(postgres, conninfo, "session", size=20) as behind:
        assert await trio.to_thread.run_sync(serve_and_call, behind) == [None] * CALLS
