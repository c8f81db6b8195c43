"""The log's one line a request, written in batches by a task of its own.

A request only adds its line to a list; the writer takes what has gathered every `GATHER_SECONDS` and writes it in a
thread, so that a slow reader of the log holds up nobody. Never a token, a query string or a body.
"""

from functools import lru_cache
from time import gmtime, perf_counter, strftime, time_ns
from typing import Any

import msgspec
import structlog
import trio

from web import logs
from web.http.exchange import Exchange

GATHER_SECONDS = 0.25
"""How long lines gather: a thread for every few of them would cost more than the lines."""

LINES_MAX = 20_000
"""Lines that may wait for the writer; when it cannot keep up, further ones are counted and dropped."""

PATH_LENGTH_MAX = 120
"""How much of a path is logged: strangers choose it."""

log = structlog.get_logger(__name__)


class RequestLog:
    """Lines of requests on their way to the log that `web.logs` has set up."""

    def __init__(self) -> None:
        self._sink = logs.request_sink()
        self._lines: list[str] = []
        self._dropped = 0

    def add(self, exchange: Exchange) -> None:
        """Note a request that has ended."""
        if self._sink is None:
            return
        if len(self._lines) >= LINES_MAX:
            self._dropped += 1
            return
        self._lines.append(_to_json(exchange) if self._sink.log_format == "json" else _to_text(exchange))

    async def run(self) -> None:
        """Write lines until cancelled; the last ones, too."""
        try:
            while True:
                await trio.sleep(GATHER_SECONDS)
                if self._lines:
                    await trio.to_thread.run_sync(self._write, self._taken())
                if self._dropped:
                    log.warning("request lines dropped", lines=self._dropped)
                    self._dropped = 0
        finally:
            self._write(self._taken())

    def _taken(self) -> list[str]:
        lines, self._lines = self._lines, []
        return lines

    def _write(self, lines: list[str]) -> None:
        if lines and self._sink is not None:
            self._sink.write("".join(lines))


def _to_json(exchange: Exchange) -> str:
    facts: dict[str, Any] = {
        "event": "request",
        "method": exchange.request.method,
        "path": exchange.request.path[:PATH_LENGTH_MAX],
        "status": exchange.status,
        "ms": round(_milliseconds(exchange), 2),
        "outcome": exchange.final_outcome,
    }
    if exchange.tool is not None:
        facts["tool"] = exchange.tool
    if exchange.principal is not None:
        facts["project"] = exchange.principal.project
        facts["actor"] = exchange.principal.actor
    if named := exchange.named_id:
        facts["request_id"] = named
    facts |= {"level": "info", "at": _now()}
    return msgspec.json.encode(facts).decode() + "\n"


def _to_text(exchange: Exchange) -> str:
    """The line as text, with the facts and order of `_to_json`; concatenated, because every request pays for it."""
    request, principal = exchange.request, exchange.principal
    line = (
        f"{_now()} info request {_asked(request.method, request.path[:PATH_LENGTH_MAX])} "
        f"status={exchange.status} ms={_milliseconds(exchange):.2f} outcome={exchange.final_outcome}"
    )
    if exchange.tool is not None:
        line += f" tool={exchange.tool}"
    if principal is not None:
        line += _asker(principal.project, principal.actor)
    if named := exchange.named_id:
        line += f" request_id={named}"
    return line + "\n"


def _milliseconds(exchange: Exchange) -> float:
    return (perf_counter() - exchange.started) * 1000


def _now() -> str:
    seconds, microseconds = divmod(time_ns() // 1000, 1_000_000)
    return f"{_second(seconds)}.{microseconds:06d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(seconds))


@lru_cache(maxsize=4_096)
def _asked(method: str, path: str) -> str:
    return f"method={logs.quoted(method)} path={logs.quoted(path)}"


@lru_cache(maxsize=4_096)
def _asker(project: str, actor: str) -> str:
    return f" project={logs.quoted(project)} actor={logs.quoted(actor)}"
