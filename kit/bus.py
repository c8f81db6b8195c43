"""The bus as the kit asks it: one kept connection, one request a call, and a `Doubt` for whatever goes wrong."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from kit import VERSION
from kit.http import Connection
from kit.words import line

STATELESS = "2026-07-28"
HANDSHAKE = "2025-06-18"
_ABOUT_US = {"name": "llm-bus-kit", "version": VERSION}
_WHY = {
    "archived": ", because the project is archived; its owner can unarchive it",
    "suspended": ", because its owner is suspended",
}
_STRANGE = "the answer is not that of LLM Bus"


class Doubt(Exception):
    """Why something could not be checked. Work goes on."""


class NoAnswer(Doubt):
    """The bus let a time limit pass. Hooks leave it alone for a while."""


class Bus:
    """The bus over one kept connection: one request a call at revision 2026-07-28, else after a handshake."""

    def __init__(self, endpoint: str, token: str, timeout_seconds: float) -> None:
        place = urlsplit(endpoint)
        tls = place.scheme == "https"
        try:
            port = place.port or (443 if tls else 80)
            self._connection = Connection(place.hostname or "", port, tls=tls, timeout_seconds=timeout_seconds)
        except ValueError as error:
            raise Doubt(f"the endpoint makes no sense: {error}") from error
        self._path = place.path or "/"
        self._headers = {
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }
        self._revision: str | None = None

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The object that a tool answers; raises `Doubt`."""
        params = {"name": tool, "arguments": arguments}
        if self._revision is None:
            answer = self._ask("tools/call", params, STATELESS)
            if "result" in answer:
                self._revision = STATELESS
                return _result(answer)
            self._shake_hands()
        return _result(self._ask("tools/call", params, self._revision))

    def tell(self, hook: str, given: dict[str, Any]) -> dict[str, Any]:
        """The answer of the server's own hook of a client; raises `Doubt`."""
        path = f"{self._path.rstrip('/').rpartition('/')[0]}/hook/{hook}"
        return self._send(given, {}, path)

    def _shake_hands(self) -> None:
        offer = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": _ABOUT_US}
        agreed = self._ask("initialize", offer, None).get("result")
        self._revision = text_of(agreed if isinstance(agreed, dict) else {}, "protocolVersion")
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"}, {"MCP-Protocol-Version": self._revision})

    def _ask(self, method: str, params: dict[str, Any], revision: str | None) -> dict[str, Any]:
        headers = {"MCP-Protocol-Version": revision} if revision else {}
        if revision == STATELESS:
            headers.update({"Mcp-Method": method, "Mcp-Name": str(params.get("name"))})
            spoken = {"protocolVersion": revision, "clientCapabilities": {}, "clientInfo": _ABOUT_US}
            meta = {f"io.modelcontextprotocol/{name}": value for name, value in spoken.items()}
            params = {**params, "_meta": meta}
        return self._send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers)

    def _send(self, message: dict[str, Any], headers: dict[str, str], path: str | None = None) -> dict[str, Any]:
        try:
            status, received, body = self._connection.post(
                path or self._path, json.dumps(message).encode(), {**self._headers, **headers}
            )
        except TimeoutError as error:
            raise NoAnswer("the bus does not answer in time") from error
        except (OSError, UnicodeError) as error:
            # Python 3.9 has another class for the time-outs of sockets.
            kind = NoAnswer if str(error) == "timed out" else Doubt
            raise kind(f"the bus does not answer: {str(error) or type(error).__name__}") from error
        if status in (401, 403):
            raise Doubt(f"the bus refuses the token: HTTP {status}{_WHY.get(str(object_in(body).get('error')), '')}")
        if status == 429 or status // 100 not in (2, 4):
            raise Doubt(f"the bus answers HTTP {status}")
        if session := received.get("mcp-session-id"):
            self._headers["Mcp-Session-Id"] = session
        return object_in(body)


def object_in(text: str | bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else, in which then everything is missing."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def rows_of(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects in an answer; raises `Doubt` when there is none."""
    rows = answer.get(name)
    if not isinstance(rows, list):
        raise Doubt(f"{_STRANGE}: it has no {name}")
    return [row for row in rows if isinstance(row, dict)]


def text_of(answer: dict[str, Any], name: str) -> str:
    """A text in an answer; raises `Doubt` when there is none."""
    value = answer.get(name)
    if not isinstance(value, str):
        raise Doubt(f"{_STRANGE}: it has no {name}")
    return value


def _result(answer: dict[str, Any]) -> dict[str, Any]:
    """The object in a tool's result."""
    result = answer.get("result")
    if not isinstance(result, dict):
        error = answer.get("error")
        message = error.get("message") if isinstance(error, dict) else None
        raise Doubt(f"the bus answers with an error: {line(message)}" if isinstance(message, str) else _STRANGE)
    text = "".join(str(row.get("text", "")) for row in rows_of(result, "content"))
    if result.get("isError"):
        raise Doubt(f"the bus refuses: {line(text)}")
    structured = result.get("structuredContent")
    return structured if isinstance(structured, dict) else object_in(text)
