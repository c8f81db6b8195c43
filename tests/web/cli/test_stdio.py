"""The bus over stdio: as over HTTP while it is there, and a clear word when it or the token is not."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx2
import pytest
import trio
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, TextContent

from tests.web.bus import Bus
from tests.web.command_line import LLM_BUS
from tests.web.test_waiting import is_waiting
from web.cli.stdio_bridge import bridge
from web.mcp.tools import TOOLS
from web.onboarding.texts import GUIDE, GUIDE_URI, INSTRUCTIONS

SECONDS_MAX = 300

PATIENT = f"""
import sys
from llm_bus.__main__ import main
from web.cli import stdio_wire
stdio_wire.LAST_ANSWERS_SECONDS_MAX = {SECONDS_MAX}
sys.argv[1:] = ["stdio"]
main()
"""
"""The command as on a machine that may take its time for the last answers."""

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def environment(**given: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **given}


@asynccontextmanager
async def bridged(url: str, token: str | None) -> AsyncIterator[Client]:
    """A client of the bridge, without a process in between."""
    with trio.fail_after(SECONDS_MAX):
        async with httpx2.AsyncClient() as http, Client(bridge(http, url, token)) as client:
            yield client


def refusal(result: CallToolResult) -> str:
    assert result.is_error
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize(("mode", "revision"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_a_host_that_starts_it_finds_the_same_as_over_http(
    bus: Bus, token: str, mode: str, revision: str
) -> None:
    given = environment(LLM_BUS_URL=f"{bus.url}/mcp", LLM_BUS_TOKEN=token)
    transport = stdio_client(StdioServerParameters(command=LLM_BUS, args=["stdio"], env=given))
    with trio.fail_after(SECONDS_MAX):
        async with Client(transport, mode=mode) as client:
            assert (client.protocol_version, client.instructions) == (revision, INSTRUCTIONS)
            listed = (await client.list_tools()).tools
            over_http = (await bus.ask(token, "tools/list", revision=revision)).json()["result"]["tools"]
            assert [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed] == over_http
            claimed = await client.call_tool("claim", {"sequence": "adr"})
            assert claimed.structured_content == {
                "sequence": "adr",
                "number": 1,
                "formatted": "1",
                "note": None,
                "new_sequence": True,
            }
            refused = refusal(await client.call_tool("claim", {"sequence": "Not A Name"}))
            assert refused.startswith("invalid: ")
            with pytest.raises(MCPError, match="Unknown tool"):
                await client.call_tool("no_such_tool", {})
            (guide,) = (await client.read_resource(GUIDE_URI)).contents
            assert guide.text == GUIDE  # type: ignore[union-attr]  # a blob has none, and fails here as it should
    assert (await bus.call(token, "latest_claims"))["sequences"][0]["number"] == 1


class Child:
    """The command as a host runs it: a line in, a line out."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._stdin = process.stdin
        self._stdout = process.stdout
        self._unread = b""

    async def send(self, message: Mapping[str, Any]) -> None:
        await self.send_line(json.dumps(message).encode())

    async def send_line(self, line: bytes) -> None:
        await self._stdin.send_all(line + b"\n")

    async def receive(self) -> dict[str, Any]:
        while b"\n" not in self._unread:
            arrived = await self._stdout.receive_some()
            assert arrived, "it ended"
            self._unread += arrived
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def call(self, number: int, tool: str, **arguments: Any) -> None:
        params = {"name": tool, "arguments": arguments}
        await self.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})

    async def end(self) -> tuple[int, list[dict[str, Any]]]:
        """Close its input; its exit code, and what it still said."""
        await self._stdin.aclose()
        said = self._unread + b"".join([chunk async for chunk in self._stdout])
        return await self.process.wait(), [json.loads(line) for line in said.splitlines()]


@asynccontextmanager
async def started(*command: str, **given: str) -> AsyncIterator[Child]:
    """The command, greeted; killed at the end unless it ended before."""
    with trio.fail_after(SECONDS_MAX):
        async with trio.open_nursery() as nursery:
            run = partial(
                trio.run_process, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(**given), check=False
            )
            process = await nursery.start(run, command or [LLM_BUS, "stdio"])
            child = Child(process)
            await child.send(HELLO)
            assert (await child.receive())["result"]["serverInfo"]["name"] == "llm-bus"
            yield child
            nursery.cancel_scope.cancel()


async def test_a_cancelled_call_ends_at_the_bus_and_the_next_is_answered(bus: Bus, token: str) -> None:
    async with started(LLM_BUS_URL=bus.url, LLM_BUS_TOKEN=token) as child:
        await child.call(2, "read_posts", to_me=True, wait_seconds=55)
        await is_waiting(bus, 1)
        await child.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}})
        await is_waiting(bus, 0)
        await child.call(3, "whoami")
        answer = await child.receive()
        assert (answer["id"], answer["result"]["structuredContent"]["label"]) == (3, "lead")


async def test_calls_run_beside_each_other_and_the_end_of_input_ends_them_all(bus: Bus, token: str) -> None:
    async with started(LLM_BUS_URL=bus.url, LLM_BUS_TOKEN=token) as child:
        await child.call(2, "read_posts", to_me=True, wait_seconds=55)
        await is_waiting(bus, 1)
        await child.call(3, "whoami")
        assert (await child.receive())["id"] == 3
        code, rest = await child.end()
        assert code == 0
        assert all(message["id"] == 2 and "error" in message for message in rest), "nothing but protocol"
        await is_waiting(bus, 0)


async def test_what_is_asked_just_before_the_end_of_the_input_is_answered(bus: Bus, token: str) -> None:
    async with started(sys.executable, "-c", PATIENT, LLM_BUS_URL=bus.url, LLM_BUS_TOKEN=token) as child:
        await child.call(2, "claim", sequence="adr")
        code, rest = await child.end()
        assert code == 0
        assert [message["result"]["structuredContent"]["number"] for message in rest] == [1]


async def test_a_call_before_the_handshake_is_told_how_to_begin() -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
    with trio.fail_after(SECONDS_MAX):
        done = await trio.run_process([LLM_BUS, "stdio"], stdin=json.dumps(call).encode(), capture_stdout=True)
    error = json.loads(done.stdout)["error"]
    assert error["code"] == -32600
    assert "send 'initialize' first" in error["message"]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("resources/read", {"uri": 5}),
        ("prompts/get", {"name": "handoff", "arguments": {"to": 5}}),
        ("tools/call", {"name": "whoami", "_meta": 5}),
        ("tools/list", {"cursor": 5}),
    ],
)
async def test_params_that_make_no_sense_are_named_as_over_http(
    bus: Bus, token: str, method: str, params: dict[str, Any]
) -> None:
    async with started(LLM_BUS_URL=bus.url, LLM_BUS_TOKEN=token) as child:
        await child.send({"jsonrpc": "2.0", "id": 2, "method": method, "params": params})
        told = (await child.receive())["error"]
    over_http = (await bus.ask(token, method, params, "2024-11-05")).json()["error"]
    assert told == over_http
    assert told["message"].startswith("Invalid request parameters: params.")


async def test_without_a_token_the_tools_are_listed_and_a_call_tells_how_to_get_one() -> None:
    async with bridged("https://bus.example.com", None) as client:
        assert len((await client.list_tools()).tools) == len(TOOLS)
        sentence = refusal(await client.call_tool("whoami", {}))
        assert sentence.startswith("forbidden: LLM_BUS_TOKEN is not set")
        assert all(word in sentence for word in ("create_invite", "llm-bus token mint", "Go on with your work"))


async def test_a_token_that_the_bus_does_not_know_is_told_from_a_bus_that_is_down(bus: Bus) -> None:
    async with bridged(bus.url, "llmbus_made-up") as client:
        sentence = refusal(await client.call_tool("whoami", {}))
        assert sentence.startswith(f"forbidden: the bus at {bus.url}/mcp does not know")
        assert "create_invite" in sentence


@pytest.mark.parametrize("token", ["llmbus_secret\nX: y", "llmbus_secreté"])
async def test_a_token_that_no_header_can_hold_is_not_told(token: str) -> None:
    async with bridged("https://bus.example.com", token) as client:
        sentence = refusal(await client.call_tool("whoami", {}))
    assert sentence.startswith("forbidden: what LLM_BUS_TOKEN holds is not a token")
    assert "secret" not in sentence


async def test_while_the_bus_is_down_a_call_says_to_go_on_and_later_it_works(bus: Bus, token: str) -> None:
    with trio.socket.socket() as bound:
        await bound.bind(("127.0.0.1", 0))  # ours, so nobody else's; who connects is refused until it listens
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        async with bridged(url, token) as client, trio.open_nursery() as nursery:
            sentence = refusal(await client.call_tool("whoami", {}))
            assert sentence.startswith(f"unavailable: no answer from the bus at {url}/mcp")
            assert "Go on with your work" in sentence
            bound.listen()
            nursery.start_soon(trio.serve_listeners, partial(relay, bus.url), [trio.SocketListener(bound)])
            assert not (await client.call_tool("whoami", {})).is_error
            nursery.cancel_scope.cancel()


async def relay(url: str, client: trio.SocketStream) -> None:
    """Everything that one connection says, to the bus, and back."""
    address = httpx2.URL(url)
    async with await trio.open_tcp_stream(address.host, address.port or 80) as bus, trio.open_nursery() as nursery:
        nursery.start_soon(hand_over, client, bus)
        nursery.start_soon(hand_over, bus, client)


async def hand_over(source: trio.SocketStream, target: trio.SocketStream) -> None:
    async for chunk in source:
        await target.send_all(chunk)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx2.Response(200, text="<html>hello</html>"), "no bus answers at https://bus.example.com/mcp (HTTP 200)"),
        (httpx2.Response(404, json=["not", "here"]), "(HTTP 404)"),
        (httpx2.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": {}}), "(HTTP 200)"),
        (httpx2.Response(200, json={"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "x"}]}}), "(HTTP 200)"),
        (httpx2.Response(200, json={"result": {"content": [], "structuredContent": [1]}}), "(HTTP 200)"),
        (
            httpx2.Response(302, headers={"Location": "https://bus.example.org"}),
            "redirects to https://bus.example.org,",
        ),
        (httpx2.Response(302, headers={"Location": "/elsewhere"}), "(HTTP 302)"),
        (httpx2.Response(200, text="[" * 100_000), "(HTTP 200)"),
        (
            httpx2.Response(503, json={"error": "unavailable", "error_description": "the database does not answer."}),
            "the database does not answer.",
        ),
    ],
)
async def test_what_is_no_answer_of_a_tool_says_so_and_to_go_on(answer: httpx2.Response, words: str) -> None:
    transport = httpx2.MockTransport(lambda _: answer)
    async with (
        httpx2.AsyncClient(transport=transport) as http,
        Client(bridge(http, "https://bus.example.com", "llmbus_x")) as client,
    ):
        sentence = refusal(await client.call_tool("whoami", {}))
    assert sentence.startswith("unavailable: ")
    assert words in sentence
    assert "Go on with your work" in sentence


async def test_an_address_that_is_none_is_refused_before_anything_is_read() -> None:
    run = partial(trio.run_process, stdin=b"", capture_stdout=True, capture_stderr=True, check=False)
    with trio.fail_after(SECONDS_MAX):
        done = await run([LLM_BUS, "stdio", "--url", "bus.example.com"], env=environment())
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--url" in done.stderr
