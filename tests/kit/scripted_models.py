"""Models that follow a script, behind each interface that agent clients talk to; they keep what they were shown.

A script is a list of turns; each gives the next answer of the conversation: a tool call, or a text. Which one is due is
told by the number of tool results in the request, so that a client may repeat a request. A function in place of the
list looks at all that is shown, and chooses.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from msgspec import Struct


class Call(Struct, frozen=True):
    """The model wants a tool to be run."""

    name: str
    arguments: dict[str, Any]
    after_seconds: float = 0.0


class Shown(Struct, frozen=True):
    """One request of a client: when it came, and all that the model was shown."""

    at: float
    text: str


Turn = Call | str
Script = list[Turn] | Callable[[str], Turn]


class ScriptedModel:
    """Answers the Messages, Responses, Chat Completions and Gemini interfaces from one script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._changed = threading.Condition()
        self.shown: list[Shown] = []
        self.url = ""

    def wait_for(self, text: str, seconds_max: float, since: int = 0) -> Shown | None:
        """The first request from `since` on that shows a text; None when none came in time."""
        deadline = time.monotonic() + seconds_max
        with self._changed:
            while True:
                found = next((shown for shown in self.shown[since:] if text in shown.text), None)
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self._changed.wait(left)

    def answer(self, path: str, body: dict[str, Any]) -> tuple[str, bytes] | None:
        """The content type and the body for a request; None for one that is not to a model."""
        for ending, interface in _INTERFACES.items():
            if ending in path:
                return self._next(interface, body)
        return None

    def _next(self, interface: "_Interface", body: dict[str, Any]) -> tuple[str, bytes]:
        if not body.get("tools"):  # a title for the session, a summary, a check of the quota
            return interface.says(body, "a title")
        text = json.dumps(body, ensure_ascii=False)
        turn = self._due(text, interface.count(body))
        with self._changed:
            self.shown.append(Shown(time.time(), text))
            self._changed.notify_all()
        if isinstance(turn, str):
            return interface.says(body, turn)
        time.sleep(turn.after_seconds)
        return interface.calls(body, turn)

    def _due(self, text: str, results: int) -> Turn:
        if callable(self._script):
            return self._script(text)
        return self._script[results] if results < len(self._script) else "Done."


class _Interface(Struct, frozen=True):
    count: Callable[[dict[str, Any]], int]
    says: Callable[[dict[str, Any], str], tuple[str, bytes]]
    calls: Callable[[dict[str, Any], Call], tuple[str, bytes]]


_SSE = "text/event-stream"
_USAGE = {"input_tokens": 1, "output_tokens": 1}


def _events(*events: dict[str, Any], named: bool = True) -> tuple[str, bytes]:
    lines = [(f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n" for event in events]
    return _SSE, "".join(lines).encode()


# ---------------------------------------------------------------- Messages (Claude Code)


def _count_messages(body: dict[str, Any]) -> int:
    contents = [message["content"] for message in body["messages"] if isinstance(message["content"], list)]
    return sum(block.get("type") == "tool_result" for content in contents for block in content)


def _message(body: dict[str, Any], block: dict[str, Any], delta: dict[str, Any], reason: str) -> tuple[str, bytes]:
    message = {"id": f"m{time.time_ns()}", "type": "message", "role": "assistant", "model": body["model"]}
    return _events(
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "usage": _USAGE}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": _USAGE},
        {"type": "message_stop"},
    )


def _say_message(body: dict[str, Any], text: str) -> tuple[str, bytes]:
    return _message(body, {"type": "text", "text": ""}, {"type": "text_delta", "text": text}, "end_turn")


def _call_message(body: dict[str, Any], call: Call) -> tuple[str, bytes]:
    block = {"type": "tool_use", "id": f"toolu_{time.time_ns()}", "name": call.name, "input": {}}
    delta = {"type": "input_json_delta", "partial_json": json.dumps(call.arguments)}
    return _message(body, block, delta, "tool_use")


# ---------------------------------------------------------------- Responses (Codex)


def _count_responses(body: dict[str, Any]) -> int:
    return sum(item.get("type", "").endswith("call_output") for item in body["input"])


def _response(item: dict[str, Any]) -> tuple[str, bytes]:
    response = {"id": f"r{time.time_ns()}", "object": "response", "status": "in_progress", "output": []}
    usage = {**_USAGE, "total_tokens": 2, "input_tokens_details": None, "output_tokens_details": None}
    return _events(
        {"type": "response.created", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {
            "type": "response.completed",
            "response": {**response, "status": "completed", "output": [item], "usage": usage},
        },
    )


def _say_response(_: dict[str, Any], text: str) -> tuple[str, bytes]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return _response(
        {"type": "message", "id": f"m{time.time_ns()}", "role": "assistant", "status": "completed", "content": content}
    )


def _call_response(body: dict[str, Any], call: Call) -> tuple[str, bytes]:
    ids = {"id": f"f{time.time_ns()}", "call_id": f"c{time.time_ns()}", "name": call.name, "status": "completed"}
    kinds = {tool.get("name"): tool.get("type") for tool in body["tools"]}
    if kinds.get(call.name) == "custom":
        return _response({"type": "custom_tool_call", **ids, "input": call.arguments["input"]})
    return _response({"type": "function_call", **ids, "arguments": json.dumps(call.arguments)})


# ---------------------------------------------------------------- Chat Completions (Qwen Code, opencode, Copilot)


def _count_chat(body: dict[str, Any]) -> int:
    return sum(message.get("role") == "tool" for message in body["messages"])


def _chat(body: dict[str, Any], message: dict[str, Any], reason: str) -> tuple[str, bytes]:
    whole = {"id": f"c{time.time_ns()}", "created": 1, "model": body["model"]}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    if not body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": reason}
        completion = {**whole, "object": "chat.completion", "choices": [choice], "usage": usage}
        return "application/json", json.dumps(completion).encode()
    for position, call in enumerate(message.get("tool_calls", [])):
        call["index"] = position
    chunks = [
        {"index": 0, "delta": {"role": "assistant", **message}, "finish_reason": None},
        {"index": 0, "delta": {}, "finish_reason": reason},
    ]
    sent = [{**whole, "object": "chat.completion.chunk", "choices": [chunk], "usage": usage} for chunk in chunks]
    kind, content = _events(*sent, named=False)
    return kind, content + b"data: [DONE]\n\n"


def _say_chat(body: dict[str, Any], text: str) -> tuple[str, bytes]:
    return _chat(body, {"content": text}, "stop")


def _call_chat(body: dict[str, Any], call: Call) -> tuple[str, bytes]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments)}
    calls = [{"id": f"call_{time.time_ns()}", "type": "function", "function": function}]
    return _chat(body, {"tool_calls": calls}, "tool_calls")


# ---------------------------------------------------------------- Gemini


def _count_gemini(body: dict[str, Any]) -> int:
    return sum("functionResponse" in part for content in body["contents"] for part in content["parts"])


def _gemini(part: dict[str, Any]) -> tuple[str, bytes]:
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    return _events({"candidates": [candidate], "usageMetadata": usage}, named=False)


def _say_gemini(_: dict[str, Any], text: str) -> tuple[str, bytes]:
    return _gemini({"text": text})


def _call_gemini(_: dict[str, Any], call: Call) -> tuple[str, bytes]:
    return _gemini({"functionCall": {"name": call.name, "args": call.arguments}})


_INTERFACES = {
    "/messages": _Interface(_count_messages, _say_message, _call_message),
    "/responses": _Interface(_count_responses, _say_response, _call_response),
    "/chat/completions": _Interface(_count_chat, _say_chat, _call_chat),
    ":streamGenerateContent": _Interface(_count_gemini, _say_gemini, _call_gemini),
}


@contextmanager
def model(*script: Turn, chooses: Callable[[str], Turn] | None = None) -> Iterator[ScriptedModel]:
    """A scripted model on the loopback, as long as the block lasts: turn by turn, or as a function chooses."""
    scripted = ScriptedModel(chooses or list(script))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            received = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answered = (
                None if "count_tokens" in self.path else scripted.answer(self.path, json.loads(received or b"{}"))
            )
            self._send(200 if answered else 404, *(answered or ("application/json", b'{"input_tokens": 1}')))

        def do_GET(self) -> None:
            self._send(200, "application/json", b'{"object": "list", "data": [], "models": []}')

        def _send(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nothing is written."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scripted.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()
