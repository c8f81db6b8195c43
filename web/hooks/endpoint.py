"""`POST /hook/<client>`: one JSON object of a hook in, what the hook says out.

`/hook/git` takes the reports of the commit hook; the other names are agent clients, whose hooks can call the server
themselves (`web.hooks.moments`). The token is the same as for `/mcp`, and so is what it may do.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from engine.commits import ReportCommit
from engine.refusals import Code, Refusal, invalid
from kit.clients import CLIENTS
from web.hooks.moments import Moments
from web.http.answer import Answer
from web.http.exchange import Exchange
from web.http.problems import HEADERS, Problem
from web.mcp.arguments import Parser
from web.mcp.jsonrpc import has_too_many_values, without_halves
from web.mcp.sending import TOO_LATE, in_time
from web.services import Services

PREFIX = "/hook/"
GIT = "git"

Handler = Callable[[Exchange, Mapping[str, Any]], Awaitable[object | Refusal]]
"""Answers one hook; what it returns becomes JSON."""

UNKNOWN_CLIENT = Problem.of(404, "unknown_client", "there is no hook of this name.")

SKIMMED_BYTES_MAX = 10_000
"""Longer values are passed over in an input that may hold very many of them."""

_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_STATUS: Mapping[Code, int] = {
    "invalid": 400,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "busy": 429,
    "unavailable": 503,
}


class HookEndpoint:
    """Answers requests to `/hook/…`; `refuse` is how `/mcp` judges the head of a request."""

    def __init__(self, services: Services, refuse: Callable[[Exchange], Awaitable[Problem | None]]) -> None:
        self._services = services
        self._report = Parser(ReportCommit)
        moments = Moments(services)
        self._handlers: dict[str, Handler] = {
            GIT: self._keep_report,
            **{name: partial(moments.answer, client) for name, client in CLIENTS.items()},
        }
        self.refuse = refuse

    async def answer(self, exchange: Exchange, body: bytes) -> Answer | Problem:
        """The answer to a request that `refuse` let pass."""
        name = exchange.request.path.removeprefix(PREFIX)
        if (handler := self._handlers.get(name)) is None:
            return UNKNOWN_CLIENT
        exchange.tool = "hook"
        # Agent clients send along what a tool has read or written; none of that is kept.
        written_bytes = len(body) if name == GIT else 0
        if (too_much := self._services.fair_use.refuse(exchange.token_hash, written_bytes)) is not None:
            refusal, exchange.retry_after_seconds = too_much
            return _refused(exchange, refusal)
        given = _object(body)
        if isinstance(given, Refusal):
            return _refused(exchange, given)
        exchange.when_late = partial(_refused, refusal=TOO_LATE)
        outcome = await in_time(self._services, exchange, handler(exchange, given))
        if isinstance(outcome, Refusal):
            return _refused(exchange, outcome)
        return Answer(200, msgspec.json.encode(outcome), HEADERS)

    async def _keep_report(self, exchange: Exchange, given: Mapping[str, Any]) -> object | Refusal:
        report = self._report.parse(given)
        if isinstance(report, Refusal):
            return report
        answer = await self._services.directory.ask(exchange.caller, report)
        return answer if isinstance(answer, Refusal) else answer.reply


def _object(body: bytes) -> dict[str, Any] | Refusal:
    if has_too_many_values(body):
        with suppress(*_UNREADABLE):
            return _skimmed(body)
    with suppress(*_UNREADABLE):
        return _OBJECT.decode(body)
    with suppress(*_UNREADABLE):
        return _OBJECT.decode(without_halves(body))  # what a tool has read or written may have half an emoji
    return invalid("send the hook's input: one JSON object.")


def _skimmed(body: bytes) -> dict[str, Any]:
    """A hook's input without its long values: they may hold very many values, and a path is in none of them."""
    short: dict[str, Any] = {}
    for name, written in _PARTS.decode(body).items():
        if len(written) <= SKIMMED_BYTES_MAX:
            short[name] = msgspec.json.decode(written)
        elif bytes(written).startswith(b"{"):
            inner = _PARTS.decode(written)
            short[name] = {
                key: msgspec.json.decode(part) for key, part in inner.items() if len(part) < SKIMMED_BYTES_MAX
            }
    return short


def _refused(exchange: Exchange, refusal: Refusal) -> Answer:
    exchange.outcome = refusal.code
    told = {"ok": False, "error": refusal.code, "message": refusal.message}
    return Answer(_STATUS[refusal.code], msgspec.json.encode(told), HEADERS)
