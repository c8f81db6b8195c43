"""MCP servers of the handshake era, as far as a hook sees them: sessions, event streams, tools that know less."""

import json
from collections.abc import Mapping
from typing import Any

import trio

from tests.kit.bad_servers import Behaviour

SESSION = "session-1"
REVISION = "2025-03-26"


def old_server(tools: Mapping[str, Any], heard: list[str], *, streams: bool) -> Behaviour:
    """Answers each tool with an object, or with those of a list in turn.

    It notes what was asked in `heard`, and refuses whoever has not said hello.
    """

    async def serve(stream: trio.SocketStream) -> None:
        received = b""
        async for chunk in stream:
            received += chunk
            head, found, rest = received.partition(b"\r\n\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head.decode().splitlines()[1:])
            if not found or len(rest) < int(headers["content-length"]):
                continue
            received = b""
            status, answer = _answer(json.loads(rest), headers, tools, heard)
            await stream.send_all(_encoded(status, answer, streams=streams and status == 200))

    return serve


def _answer(
    message: dict[str, Any], headers: dict[str, str], tools: Mapping[str, Any], heard: list[str]
) -> tuple[int, Any]:
    method = message["method"]
    heard.append(message["params"]["name"] if method == "tools/call" else method)
    if method == "initialize":
        given = {"protocolVersion": REVISION, "capabilities": {}, "serverInfo": {"name": "old", "version": "1"}}
        return 200, {"jsonrpc": "2.0", "id": message["id"], "result": given}
    if headers.get("mcp-session-id") != SESSION or headers.get("mcp-protocol-version") != REVISION:
        return 400, {"jsonrpc": "2.0", "id": None, "error": {"code": -32000, "message": "Server not initialized"}}
    if method == "notifications/initialized":
        return 202, None
    given = tools[message["params"]["name"]]
    text = json.dumps(given.pop(0) if isinstance(given, list) else given)
    content = [{"type": "text", "text": text}]
    return 200, {"jsonrpc": "2.0", "id": message["id"], "result": {"content": content}}


def _encoded(status: int, answer: Any, *, streams: bool) -> bytes:
    body = b"" if answer is None else json.dumps(answer).encode()
    kind = "application/json"
    if streams:
        event = b": hello\n\nevent: message\ndata: " + body + b"\n\n"
        kind, body = "text/event-stream", b"%x\r\n%s\r\n" % (len(event), event)
    # An open stream has no last chunk: it ends when the server likes, and this one does not.
    length = "Transfer-Encoding: chunked\r\n" if streams else f"Content-Length: {len(body)}\r\n"
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nMcp-Session-Id: {SESSION}\r\n{length}\r\n"
    return head.encode() + body
