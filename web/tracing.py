"""Traces for OpenTelemetry: what a request did, from its arrival through mailbox and commit to its answer.

Spans are made when a request has ended, from the times that it gathered on its way; so nothing on that way knows of
tracing. Needs the extra `otel`. Which calls are traced, and under which name, are OpenTelemetry's own variables
(`OTEL_…`), which its SDK reads. The SDK sends from a thread of its own.
"""

from collections.abc import Mapping
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any

import structlog
import trio

from actors import Stages
from web import VERSION
from web.http.exchange import Exchange

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

log = structlog.get_logger(__name__)

SERVICE_NAME = "llm-bus"

LAST_SECONDS_MAX = 5.0
"""How long a server that ends waits for its collector."""

_HEADERS = ("traceparent", "tracestate")
_TOLD_META = frozenset(_HEADERS)


class Tracing:
    """Turns requests that have ended into spans, and sends them on in the background."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - extra

        self._provider = provider
        self._tracer = provider.get_tracer("llm_bus", VERSION)
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, exchange: Exchange) -> None:
        """Have a request gather its times."""
        exchange.stages = []

    def record(self, exchange: Exchange) -> None:
        """Make the spans of a request that has ended."""
        if exchange.tool is None:
            return
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context  # noqa: PLC0415 - extra

        clock = _Clock()
        root = self._tracer.start_span(
            f"tools/call {exchange.tool}",
            context=self._parent(exchange),
            kind=SpanKind.SERVER,
            attributes=_attributes(exchange),
            start_time=clock.of_request(exchange.started),
        )
        if exchange.final_outcome in _FAILURES:
            root.set_status(Status(StatusCode.ERROR, exchange.final_outcome))
        within = set_span_in_context(root)
        for stages in exchange.stages or ():
            for name, began, ended in _parts(stages):
                part = self._tracer.start_span(name, context=within, start_time=clock.of_actor(began))
                part.end(clock.of_actor(ended))
        if exchange.stages:
            answer = self._tracer.start_span(
                "answer", context=within, start_time=clock.of_actor(exchange.stages[-1].answered)
            )
            answer.end(clock.now)
        root.end(clock.now)

    async def run(self) -> None:
        """Live until cancelled; then send what is left, for some seconds."""
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + LAST_SECONDS_MAX):
                await trio.to_thread.run_sync(self._provider.shutdown, abandon_on_cancel=True)

    def _parent(self, exchange: Exchange) -> "Context":
        named = {
            name: value.decode("latin-1") for name in _HEADERS if (value := exchange.request.header(name.encode()))
        }
        return self._propagator.extract(exchange.trace or named)


def open_tracing(endpoint: str) -> Tracing | None:
    """Tracing to the collector at this base URL; None, and a warning, without the extra `otel`."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        log.warning("no traces: OpenTelemetry is not installed", remedy="pip install 'llm-bus[otel]'")
        return None
    resource = Resource.create({"service.version": VERSION})
    if str(resource.attributes["service.name"]).startswith("unknown_service"):  # OTEL_SERVICE_NAME is not set
        resource = resource.merge(Resource({"service.name": SERVICE_NAME}))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")))
    return Tracing(provider)


def named_trace(meta: object) -> Mapping[str, str]:
    """The trace that a call's `_meta` names, as MCP's clients send it."""
    if not isinstance(meta, dict):
        return {}
    return {name: value for name, value in meta.items() if name in _TOLD_META and isinstance(value, str)}


_FAILURES = frozenset({"unavailable", "internal", "crashed"})
"""Outcomes that are ours or the environment's; what a caller did wrong is no failure of the server."""


class _Clock:
    """Both clocks of this process, as nanoseconds since 1970, at one moment."""

    def __init__(self) -> None:
        self.now = time_ns()
        self._request, self._actor = perf_counter(), trio.current_time()

    def of_request(self, moment: float) -> int:
        return self.now - round((self._request - moment) * 1e9)

    def of_actor(self, moment: float) -> int:
        return self.now - round((self._actor - moment) * 1e9)


def _parts(stages: Stages) -> list[tuple[str, float, float]]:
    parts = [("mailbox", stages.accepted, stages.taken), ("decide", stages.taken, stages.decided)]
    return [*parts, ("commit", stages.decided, stages.answered)] if stages.wrote else parts


def _attributes(exchange: Exchange) -> dict[str, Any]:
    """Names of OpenTelemetry's conventions where there is one."""
    said = {
        "mcp.method.name": "tools/call",
        "gen_ai.tool.name": exchange.tool,
        "http.response.status_code": exchange.status,
        "llm_bus.outcome": exchange.final_outcome,
    }
    if exchange.principal is not None:
        said["llm_bus.project"] = f"{exchange.principal.handle}/{exchange.principal.project}"
    if exchange.named_id:
        said["llm_bus.request_id"] = exchange.named_id
    return said
