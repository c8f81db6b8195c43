"""Traces of calls, as a collector gets them that speaks OTLP over HTTP."""

import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from store import Store
from tests.web.bus import ENVELOPE, running_bus
from web import VERSION
from web.tracing import named_trace, open_tracing

CALLERS_TRACE, CALLERS_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01"


class Collector(ThreadingHTTPServer):
    """Keeps every span that it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.spans: list[Span] = []
        self.services: set[tuple[str, str]] = set()

    def span(self, name: str) -> Span:
        (found,) = (span for span in self.spans if span.name == name)
        return found

    def below(self, parent: Span) -> list[Span]:
        found = [span for span in self.spans if span.parent_span_id == parent.span_id]
        return sorted(found, key=lambda span: span.start_time_unix_nano)


class _Receiver(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            raise AssertionError("nobody asked for compression")
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
            self.server.services.add((about["service.name"], about["service.version"]))
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name it is called by
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def attributes(span: Span) -> dict[str, object]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


async def test_a_call_is_a_span_with_mailbox_decision_commit_and_answer_below_it(
    store: Store, conninfo: str, collector: Collector
) -> None:
    async with running_bus(store, conninfo, otel_exporter_otlp_endpoint=collector.url) as bus:
        token = await bus.mint()
        await bus.call(token, "claim", sequence="adr")
        await bus.call(token, "list_sequences")
    assert collector.services == {("llm-bus", VERSION)}
    claim, listing = collector.span("tools/call claim"), collector.span("tools/call list_sequences")
    parts = collector.below(claim)
    assert [part.name for part in parts] == ["mailbox", "decide", "commit", "answer"]
    assert [part.name for part in collector.below(listing)] == ["mailbox", "decide", "answer"]
    times = [
        claim.start_time_unix_nano,
        *(time for part in parts for time in (part.start_time_unix_nano, part.end_time_unix_nano)),
    ]
    assert [*times, claim.end_time_unix_nano] == sorted([*times, claim.end_time_unix_nano])
    assert {span.trace_id for span in (claim, *parts)} == {claim.trace_id}
    assert claim.trace_id != listing.trace_id
    assert claim.kind == Span.SPAN_KIND_SERVER
    assert (
        attributes(claim).items()
        >= {
            "gen_ai.tool.name": "claim",
            "http.response.status_code": 200,
            "llm_bus.outcome": "ok",
            "llm_bus.project": "ada/demo",
        }.items()
    )
    assert token not in str(collector.spans)


@pytest.mark.parametrize("place", ["header", "_meta"])
async def test_a_call_belongs_to_the_trace_that_its_caller_names(
    store: Store, conninfo: str, collector: Collector, place: str
) -> None:
    async with running_bus(store, conninfo, otel_exporter_otlp_endpoint=collector.url) as bus:
        token = await bus.mint()
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
        headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "whoami"}
        if place == "header":
            headers["traceparent"] = TRACEPARENT
        meta = ENVELOPE if place == "header" else {**ENVELOPE, "traceparent": TRACEPARENT}
        message["params"]["_meta"] = meta  # type: ignore[index]  # it is a dictionary
        assert (await bus.send(message, token, headers)).status_code == 200
    span = collector.span("tools/call whoami")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (CALLERS_TRACE, CALLERS_SPAN)


async def test_a_wait_shows_each_time_that_it_was_decided(store: Store, conninfo: str, collector: Collector) -> None:
    async with running_bus(store, conninfo, otel_exporter_otlp_endpoint=collector.url) as bus:
        await bus.call(await bus.mint(), "read_posts", to_me=True, wait_seconds=1)
    names = [part.name for part in collector.below(collector.span("tools/call read_posts"))]
    assert names == ["mailbox", "decide", "mailbox", "decide", "answer"]


async def test_what_a_caller_did_wrong_is_told_and_is_no_failure(
    store: Store, conninfo: str, collector: Collector
) -> None:
    async with running_bus(store, conninfo, otel_exporter_otlp_endpoint=collector.url) as bus:
        await bus.refusal(await bus.mint(), "task_start", task_id=7)
        await bus.http.get("/healthz")
    (span,) = (span for span in collector.spans if not span.parent_span_id)
    assert attributes(span)["llm_bus.outcome"] == "not_found"
    assert span.status.code == Status.STATUS_CODE_UNSET


async def test_a_collector_that_is_not_there_holds_up_nobody(store: Store, conninfo: str) -> None:
    async with running_bus(store, conninfo, otel_exporter_otlp_endpoint="http://127.0.0.1:1") as bus:
        assert (await bus.call(await bus.mint(), "claim", sequence="adr"))["number"] == 1


def test_without_the_extra_there_are_no_traces_and_a_warning_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with structlog.testing.capture_logs() as logged:
        assert open_tracing("http://127.0.0.1:1") is None
    assert "llm-bus[otel]" in logged[0]["remedy"]


def test_only_a_trace_is_taken_from_what_a_caller_says_about_its_call() -> None:
    assert named_trace({"traceparent": "a", "tracestate": 1, "baggage": "c"}) == {"traceparent": "a"}
    assert named_trace(None) == {}
