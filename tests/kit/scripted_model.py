"""A model that follows a script, for Claude Code to talk to: it writes one file, and keeps what it was shown."""

import json
from typing import Any

import trio


class ScriptedModel:
    """Answers the Messages API; a behaviour for `bad_server`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.shown = ""
        """The last conversation it was sent, as JSON."""

    async def __call__(self, stream: trio.SocketStream) -> None:
        received = b""
        async for chunk in stream:
            received += chunk
            head, found, body = received.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").lower().splitlines()
            length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), 0)
            if found and len(body) >= length:
                received = b""
                asked = "post /v1/messages?" in lines[0] or "post /v1/messages " in lines[0]
                await stream.send_all(self._answer(json.loads(body)) if asked else _http(b"{}", "application/json"))

    def _answer(self, request: dict[str, Any]) -> bytes:
        if not any(tool["name"] == "Write" for tool in request.get("tools", [])):
            return _turn(request["model"], {"type": "text", "text": ""}, {"type": "text_delta", "text": "A title"})
        self.shown = json.dumps(request["messages"], ensure_ascii=False)
        if "tool_result" in self.shown:
            return _turn(request["model"], {"type": "text", "text": ""}, {"type": "text_delta", "text": "Done."})
        block = {"type": "tool_use", "id": "toolu_1", "name": "Write", "input": {}}
        given = json.dumps({"file_path": self._path, "content": "text\n"})
        return _turn(request["model"], block, {"type": "input_json_delta", "partial_json": given})


def _turn(model: str, block: dict[str, Any], delta: dict[str, Any]) -> bytes:
    """One streamed answer of one block."""
    message: dict[str, Any] = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
    }
    reason = "tool_use" if block["type"] == "tool_use" else "end_turn"
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "usage": {"input_tokens": 1, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 1}},
        {"type": "message_stop"},
    ]
    streamed = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return _http(streamed.encode(), "text/event-stream")


def _http(body: bytes, kind: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
