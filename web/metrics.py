"""Numbers for Prometheus: requests as they end, and what actors and pool report when they are scraped.

Every label has a bounded set of values; nothing that a client chooses freely becomes one.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import accumulate
from time import perf_counter

import msgspec
from msgspec import Struct
from prometheus_client import CollectorRegistry, Gauge, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.statistics import Distribution, distribution
from web import VERSION
from web.http.exchange import Exchange

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0)
_TOTALS = frozenset({"opened", "discarded", "calls_refused", "writes_refused", "turned_away", "sent", "failed"})
"""Fields that only grow, where a struct does not part them from the others."""


FAILURES_KEPT = 50
"""Requests that broke, the last ones: enough to find one whose id a user tells."""


class Failure(Struct, frozen=True, kw_only=True):
    """A request that broke; its id is in its answer and in the log."""

    at: datetime
    request_id: str
    what: str
    status: int


class ToolTime(Struct, frozen=True, kw_only=True):
    """How long requests of a kind took, since this process started."""

    tool: str
    count: int
    mean_seconds: float


_FAILED = int(HTTPStatus.INTERNAL_SERVER_ERROR)
"""As a number: looking the member up takes a call of a function, and every request is compared with it."""


class Metrics:
    """The numbers of this process, in a registry of their own."""

    def __init__(self, **sources: Callable[[], Struct]) -> None:
        """`sources` by subsystem: functions that return its statistics as a struct of numbers."""
        self._registry = CollectorRegistry()
        self._requests = _Requests()
        self._registry.register(self._requests)
        self.failures: deque[Failure] = deque(maxlen=FAILURES_KEPT)
        """The last requests that broke, oldest first."""
        _describe_process(self._registry)
        for name, read in sources.items():
            self.add(name, read)

    def add(self, name: str, read: Callable[[], Struct]) -> None:
        """Report one more subsystem's statistics."""
        self._registry.register(_Statistics(f"llm_bus_{name}", read))

    def observe(self, exchange: Exchange) -> None:
        """Count a request that has ended. How long a stream was open is no time to answer."""
        tool = exchange.tool or ("mcp" if exchange.rpc_method is not None else "http")
        outcome = exchange.final_outcome
        self._requests.counts[tool, outcome] += 1
        if not exchange.is_stream:
            self._requests.seconds[tool].observe(perf_counter() - exchange.started)
        if outcome == "internal" or exchange.status == _FAILED:
            what = exchange.tool or exchange.request.path
            failure = Failure(at=datetime.now(UTC), request_id=exchange.request_id, what=what, status=exchange.status)
            self.failures.append(failure)

    def slowest(self, limit: int) -> list[ToolTime]:
        """The kinds of requests that took longest on average."""
        times = [
            ToolTime(tool=tool, count=(count := sum(seconds.counts)), mean_seconds=seconds.total / count)
            for tool, seconds in self._requests.seconds.items()
        ]
        return sorted(times, key=lambda each: -each.mean_seconds)[:limit]

    def scrape(self) -> bytes:
        """All metrics, in Prometheus' text format."""
        return generate_latest(self._registry)


def _describe_process(registry: CollectorRegistry) -> None:
    """What runs, and what it takes of the machine; the latter only where the system tells, as Linux does."""
    build = Gauge("llm_bus_build_info", "The version that runs; always 1.", ["version"], registry=registry)
    build.labels(VERSION).set(1)
    PlatformCollector(registry=registry)
    ProcessCollector(registry=registry)


class _Requests(Collector):
    """Requests that have ended. prometheus_client's counters take a lock for each number: every request would pay."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        """By tool and outcome."""
        self.seconds: defaultdict[str, Distribution] = defaultdict(lambda: distribution(_SECONDS))
        """How long they took, by tool."""

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("llm_bus_requests", "Requests by tool and outcome", labels=["tool", "outcome"])
        for labels, count in self.counts.items():
            requests.add_metric(labels, count)
        yield requests
        seconds = HistogramMetricFamily("llm_bus_request_seconds", "Time to answer, by tool", labels=["tool"])
        for tool, times in self.seconds.items():
            seconds.add_metric([tool], _buckets(times), times.total)
        yield seconds


class _Statistics(Collector):
    """A subsystem's statistics, read when somebody asks."""

    def __init__(self, prefix: str, read: Callable[[], Struct]) -> None:
        self._prefix = prefix
        self._read = read

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        yield from _families(self._prefix, self._read(), totals=False)


def _families(prefix: str, statistics: Struct, *, totals: bool) -> Iterator[Metric]:
    for field in msgspec.structs.fields(statistics):
        value = getattr(statistics, field.name)
        name = f"{prefix}_{field.name}"
        text = f"{type(statistics).__name__}.{field.name}"
        if isinstance(value, Distribution):
            yield HistogramMetricFamily(name, text, buckets=_buckets(value), sum_value=value.total)
        elif isinstance(value, Struct):
            yield from _families(prefix, value, totals=True)
        elif totals or field.name in _TOTALS:
            yield CounterMetricFamily(name, text, value=value)
        else:
            yield GaugeMetricFamily(name, text, value=value)


def _buckets(values: Distribution) -> list[tuple[str, float]]:
    """Prometheus counts what is at most each bound, so every count includes those before it."""
    bounds = [*map(str, values.bounds), "+Inf"]
    return list(zip(bounds, accumulate(map(float, values.counts)), strict=True))
