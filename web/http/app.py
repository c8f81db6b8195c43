"""The application: a guard, the endpoints `/mcp` and `/hook/…`, and the pages.

The guard comes first: foreign hosts and origins get no further. Only the probes answer under any host name, because
load balancers ask by address and the answers hold nothing to protect. The endpoints do without Quart; pages and probes
are Quart's. Every request ends as one log line and one observation.
"""

from contextlib import aclosing

import structlog
import trio
from quart import Response, request
from quart.typing import ResponseReturnValue
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed, ServiceUnavailable

from actors import Busy, Crashed, Unavailable
from engine.errors import JournalUnavailable
from store.errors import QuotaReached, StoreUnavailable
from web.admin import kept, refusals, visitor
from web.errors import Disconnected
from web.hooks.endpoint import PREFIX as HOOKS
from web.hooks.endpoint import HookEndpoint
from web.http import asgi, cors, problems
from web.http.answer import Answer, EventStream, typed
from web.http.asgi import Message, Receive, Scope, Send
from web.http.exchange import Exchange
from web.http.forms import FORM_BYTES_MAX, PageRequest
from web.http.hosts import HostGuard
from web.http.problems import Problem
from web.http.request import MCP_PATHS, PROBE_PATHS
from web.http.templates import SteppedEnvironment
from web.mcp.calls import REFUSAL_SECONDS, Toolbox
from web.mcp.endpoint import McpEndpoint
from web.mcp.kernel import Kernel
from web.mcp.listening import Listening
from web.metrics import Metrics
from web.request_log import RequestLog
from web.services import Services
from web.tracing import Tracing

log = structlog.get_logger(__name__)

_TOLD = {
    404: "there is nothing at this address; MCP clients POST to /mcp.",
    405: "this address takes other methods; the Allow header names them.",
}
_SILENCES = (StoreUnavailable, JournalUnavailable, Unavailable, Crashed, Busy)
"""What the floors below raise when the same request may succeed in a moment."""


class Application:
    """Answers every request: plain ones by the endpoint, the others by ASGI."""

    def __init__(
        self,
        services: Services,
        metrics: Metrics,
        pages: QuartTrio,
        guard: HostGuard,
        tracing: Tracing | None = None,
    ) -> None:
        kernel = Kernel(Toolbox(services), Listening(services))
        self._mcp = McpEndpoint(kernel, services.authenticator, services.public_url)
        self._hooks = HookEndpoint(services, self._mcp.refuse)
        self._fair_use = services.fair_use
        self._metrics = metrics
        self.watch = metrics.add
        """Reports the statistics of one more part."""
        self._log = RequestLog()
        self.write_log = self._log.run
        """Writes the lines of requests until cancelled."""
        self._pages = pages
        self._guard = guard
        self._tracing = tracing

    async def refuse(self, exchange: Exchange) -> Problem | Answer | None:
        """What the head alone settles: foreign hosts and origins, and what an endpoint says."""
        request = exchange.request
        path = request.path
        if self._tracing is not None:
            self._tracing.begin(exchange)
        if not (path in PROBE_PATHS or self._guard.allows_host(request.header(b"host"))):
            return problems.FOREIGN_HOST
        origin = request.header(b"origin")
        if not self._guard.allows_origin(origin):
            return problems.FOREIGN_ORIGIN
        if path.startswith(HOOKS):
            return await self._hooks.refuse(exchange)
        if path not in MCP_PATHS:
            return None
        if origin is not None:
            exchange.extra_headers += cors.allowing(origin)
            if cors.is_preflight(request):
                return cors.PREFLIGHT
        return await self._mcp.refuse(exchange)

    async def answer(self, exchange: Exchange, body: bytes) -> Answer | EventStream | Problem:
        """Answer a request to an endpoint, which `refuse` has let pass."""
        if (too_much := self._fair_use.refuse_body(exchange.token_hash, len(body))) is not None:
            refusal, exchange.retry_after_seconds = too_much
            await trio.sleep(REFUSAL_SECONDS)
            return Problem.of(429, refusal.code, refusal.message)
        endpoint = self._hooks if exchange.request.path.startswith(HOOKS) else self._mcp
        return await endpoint.answer(exchange, body)

    async def serve_asgi(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope of a request that `refuse` has let pass."""
        send = _noting_status(exchange, send)
        scope[asgi.EXCHANGE] = exchange
        try:
            if exchange.request.is_to_endpoint:
                body = await asgi.read_body(receive)
                await _respond(send, exchange, await self.answer(exchange, body))
            else:
                await self._pages(scope, receive, send)  # type: ignore[arg-type]  # Quart has its own names for ASGI
        except Disconnected:
            exchange.outcome = "disconnected"
        except Exception:  # the supervisor of requests: Hypercorn would answer without a word
            log.exception("request failed", request_id=exchange.request_id)
            if not exchange.status:
                await _respond(send, exchange, problems.internal(exchange.request_id))

    async def live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start and stop the pages with the server."""
        await self._pages(scope, receive, send)  # type: ignore[arg-type]  # Quart has its own names for ASGI

    def record(self, exchange: Exchange) -> None:
        """Log and count a request that has ended."""
        self._metrics.observe(exchange)
        self._log.add(exchange)
        if self._tracing is not None:
            self._tracing.record(exchange)


def create_pages() -> QuartTrio:
    """The Quart side, without routes: blueprints bring those. People get pages for errors, programs get JSON."""
    pages = QuartTrio("web", static_folder=None)
    pages.request_class = PageRequest
    pages.jinja_environment = SteppedEnvironment
    pages.config["MAX_CONTENT_LENGTH"] = FORM_BYTES_MAX
    # The router would redirect to a full URL of its own making, which behind a proxy with TLS is the wrong one.
    pages.url_map.strict_slashes = pages.url_map.merge_slashes = False

    @pages.errorhandler(HTTPException)
    async def explain(error: HTTPException) -> ResponseReturnValue:
        if visitor.covers(request.path):
            return *await refusals.explained(error), _allowed(error)
        code = error.code or 500
        told = {"ok": False, "error": error.name.lower().replace(" ", "_")}
        if code in _TOLD:
            told["message"] = _TOLD[code]
        return told, code, _allowed(error)

    async def be_patient(_: Exception) -> ResponseReturnValue:
        return await kept.silent_page() if visitor.covers(request.path) else await explain(ServiceUnavailable())

    @pages.errorhandler(QuotaReached)
    async def say_quota(reached: QuotaReached) -> ResponseReturnValue:
        return await refusals.refusal_page(429, "Limit reached", str(reached))

    for silence in _SILENCES:
        pages.register_error_handler(silence, be_patient)

    @pages.after_request
    async def harden(response: Response) -> Response:
        part = visitor.HEADERS if visitor.covers(request.path) else ()
        for name, value in (*part, *asgi.SECURITY_HEADERS):
            response.headers.setdefault(name.decode(), value.decode())
        return response

    return pages


def _allowed(error: HTTPException) -> dict[str, str]:
    """The header that belongs to 405 (RFC 9110 §15.5.6)."""
    methods = error.valid_methods if isinstance(error, MethodNotAllowed) else None
    return {"Allow": ", ".join(methods)} if methods else {}


async def _respond(send: Send, exchange: Exchange, answer: Answer | EventStream | Problem) -> None:
    if isinstance(answer, EventStream):
        await _stream(send, exchange, answer)
        return
    if isinstance(answer, Problem):
        exchange.outcome, answer = answer.name, answer.answer()
    outcome = exchange.outcome
    completed = exchange.completed(answer)
    headers = [(b"content-length", b"%d" % len(completed.body)), *typed(completed.headers)]
    await send({"type": "http.response.start", "status": completed.status, "headers": headers})
    await send({"type": "http.response.body", "body": completed.body, "more_body": False})
    exchange.outcome = outcome


async def _stream(send: Send, exchange: Exchange, stream: EventStream) -> None:
    head = exchange.completed(Answer(200, b"", stream.headers))
    await send({"type": "http.response.start", "status": head.status, "headers": list(head.headers)})
    async with aclosing(stream.messages) as messages:
        async for message in messages:
            await send({"type": "http.response.body", "body": message, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _noting_status(exchange: Exchange, send: Send) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            exchange.outcome = "ok" if exchange.status < 400 else "refused"
        await send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            exchange.is_answered = True

    return noting
