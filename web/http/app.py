"""The ASGI application: a guard and two roads, `/mcp` and everything else.

The guard comes first: foreign hosts and origins get no further. Only the probes answer whatever host they are asked by,
because load balancers ask by address and there is nothing in the answers to protect. `/mcp` goes to its endpoint
without touching Quart; pages and probes are Quart's. Every HTTP request ends as one log line and one observation.
"""

from time import perf_counter

from quart import Response, request
from quart.typing import ResponseReturnValue
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed, ServiceUnavailable

from actors import Busy, Crashed, Unavailable
from engine.errors import JournalUnavailable
from store.errors import StoreUnavailable
from web.admin import refusals, visitor
from web.http import asgi, problems
from web.http.asgi import Message, Receive, Scope, Send
from web.http.exchange import Exchange
from web.http.hosts import HostGuard
from web.logs import log_request
from web.mcp.calls import Toolbox
from web.mcp.endpoint import McpEndpoint
from web.mcp.kernel import Kernel
from web.metrics import Metrics
from web.services import Services

MCP_PATHS = frozenset({"/mcp", "/mcp/"})
PROBE_PATHS = frozenset({"/healthz", "/readyz"})

_SILENCES = (StoreUnavailable, JournalUnavailable, Unavailable, Crashed, Busy)
"""What the floors below raise when the same request may succeed in a moment."""


class Application:
    """The whole application, for an ASGI server to run."""

    def __init__(self, services: Services, metrics: Metrics, pages: QuartTrio, guard: HostGuard) -> None:
        kernel = Kernel(Toolbox(services))
        self._mcp = McpEndpoint(kernel, services.authenticator, services.public_url)
        self._metrics = metrics
        self._pages = pages
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope."""
        match scope["type"]:
            case "http":
                await self._serve(Exchange(scope, receive, perf_counter()), send)
            case "websocket":
                await send({"type": "websocket.close", "code": 1008})
            case _:
                await self._pages(scope, receive, send)  # type: ignore[arg-type]  # Quart has its own names for ASGI

    async def _serve(self, exchange: Exchange, send: Send) -> None:
        try:
            if not self._admits(exchange.scope):
                await _refuse(exchange, send)
            elif exchange.scope["path"] in MCP_PATHS:
                await self._mcp(exchange, send)
            else:
                await self._pages(exchange.scope, exchange.receive, _noting_status(exchange, send))  # type: ignore[arg-type]
        finally:
            self._metrics.observe(exchange)
            log_request(exchange)

    def _admits(self, scope: Scope) -> bool:
        host, origin = asgi.header(scope, b"host"), asgi.header(scope, b"origin")
        is_probe = scope["path"] in PROBE_PATHS
        return (is_probe or self._guard.allows_host(host)) and self._guard.allows_origin(origin)


def create_pages() -> QuartTrio:
    """The Quart side, without routes: blueprints bring those. People get pages for errors, programs get JSON."""
    pages = QuartTrio("web", static_folder=None)
    pages.config["MAX_CONTENT_LENGTH"] = asgi.BODY_BYTES_MAX
    # The router would redirect to a full URL of its own making, which behind a proxy with TLS is the wrong one.
    pages.url_map.strict_slashes = pages.url_map.merge_slashes = False

    @pages.errorhandler(HTTPException)
    async def explain(error: HTTPException) -> ResponseReturnValue:
        if visitor.covers(request.path):
            return *await refusals.explained(error), _allowed(error)
        return {"ok": False, "error": error.name.lower().replace(" ", "_")}, error.code or 500, _allowed(error)

    async def be_patient(_: Exception) -> ResponseReturnValue:
        return await explain(ServiceUnavailable())

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


async def _refuse(exchange: Exchange, send: Send) -> None:
    problem = problems.FOREIGN_HOST
    exchange.status, exchange.outcome = problem.status, problem.name
    await asgi.refuse_unread(exchange.receive, send, problem.status, problem.body)


def _noting_status(exchange: Exchange, send: Send) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            exchange.outcome = "ok" if exchange.status < 400 else "refused"
        await send(message)

    return noting
