"""The results of a benchmark run: samples, medians, targets.

Numbers only: measuring is `web.bench.run`'s, words and tables are `web.bench.report`'s. Every target is a ratio of two
medians-to-be that were sampled next to each other, round by round, because the machine's speed drifts.
"""

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

import msgspec
from msgspec import Struct

ECHO = "echo"
LIMIT = "httptools echo"
COMMIT = "one commit"
DURABLE = "claims without HTTP"
PLAIN = "plain SQL"
PLAIN_SQUEEZED = "plain SQL in one statement"
CROWD_OF_ONE = "claim in one new project"
CROWD = "claim over 64 projects"
SLOW_ONE = "claim in one new project, 3 ms commits"
SLOW_CROWD = "claim over 64 projects, 3 ms commits"
DURABLE_CROWD = "claims without HTTP over 64 projects"
TOOLS = ("claim", "whoami", "post", "whats_new", "read_posts")
DASHBOARD = "dashboard"
CONNECTIONS = (1, 16, 64)
CURVE_CONNECTIONS = (4, 256)
"""Beside `CONNECTIONS`, for how cost grows with connections."""

CURVE_TOOLS = ("claim", "whoami")
DASHBOARD_CONNECTIONS = (1, 16)
BESIDE_CONNECTIONS = (1, 16)
"""Where another version is measured beside this one."""

DURABLE_TASKS = 64
PLAIN_CONNECTIONS = 16

TO_ECHO_MIN = {"claim": 2.5, "whoami": 4.0}
TO_OTHER_MIN = {"whats_new": 2.0, "read_posts": 2.0}
"""Promised when 9c51a69 is the other version."""

LATENCY_TO_FLOOR_MAX = 1.0
DURABLE_TO_PLAIN_MIN = 10.0
CROWD_TO_ONE_MIN = 0.9
WAITING_KIB_MAX = 32.0
WAITING_CPU_PERCENT_MAX = 2.0
WOKEN_MS_MAX = 50.0
FLOODED_TO_CALM_MAX = 2.0
ATTACKED_TO_CALM_MAX = 3.0
ATTACKED_PROBE_MS_MAX = 100.0
LARGE_TO_SMALL_MAX = 1.3
HELD_BYTES_MAX = 64_000_000
ACTIVATION_SECONDS_MAX = 1.0
DASHBOARD_MS_MAX = 30.0
ECHO_OF_THE_PROMISE = 1_400
"""Requests a second of the echo on the machine that the dashboard's promise was made for."""


class Sample(Struct, frozen=True, kw_only=True):
    """One measurement of some seconds. `cpu_ms`: processor time of the server per request, where it can be read."""

    requests: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float | None = None
    errors: int = 0
    cpu_ms: float | None = None


class Row(Struct, frozen=True, kw_only=True):
    """One subject under one load, a sample a round. `events`: the history it began with; None where there is none."""

    subject: str
    events: int | None
    connections: int
    samples: list[Sample]

    def median(self, field: str) -> float | None:
        """The median of a sample's field over the rounds; None where it could not be read."""
        values = [value for sample in self.samples if (value := getattr(sample, field)) is not None]
        return median(values) if values else None


class Disturbance(Struct, frozen=True, kw_only=True):
    """A neighbour's claims before and during an attack, the probe meanwhile, and how many calls the attacker made."""

    attack: str
    calm: Sample
    attacked: Sample
    probe: Sample
    attacker: Sample

    @property
    def ratio(self) -> float:
        """The neighbour's 99th percentile during the attack to that before it."""
        return self.attacked.p99_ms / self.calm.p99_ms


class Waiting(Struct, frozen=True, kw_only=True):
    """Calls that wait for news, spread over so many projects: what each costs, and how soon one post wakes them.

    `idle_ms` is the median of a call that does not wait, on one connection; `cpu_share` is of one core.
    """

    calls: int
    projects: int
    bytes_each: float
    cpu_share: float
    idle_ms: float
    woken_p50_ms: float
    woken_p99_ms: float


class Flooded(Struct, frozen=True, kw_only=True):
    """Claims on very many connections, alone and beside a project that floods.

    `calls` are the flooder's, answered or refused; `busy` are those that were refused.
    """

    connections: int
    projects: int
    calm_p99_ms: float
    flooded_p99_ms: float
    disconnects: int
    calls: int
    busy: int


class Beside(Struct, frozen=True, kw_only=True):
    """A tool's samples of this version and of another one (its commit), a pair a round."""

    version: str
    tool: str
    connections: int
    mine: list[Sample]
    other: list[Sample]

    @property
    def ratio(self) -> float:
        """How many requests a second this version answers for one of the other's: the median of the rounds."""
        pairs = zip(self.mine, self.other, strict=True)
        return median(mine.requests_per_second / other.requests_per_second for mine, other in pairs)


class Memory(Struct, frozen=True, kw_only=True):
    """Resident bytes of a server with a history of so many events: once the project is active, and after all load."""

    events: int
    active_bytes: int | None
    loaded_bytes: int | None


class Size(Struct, frozen=True, kw_only=True):
    """How much a project holds: what is over, what waits, and what goes on."""

    shipped_tasks: int
    lane_posts: int
    acks: int
    keys: int
    leases: int

    def scaled(self, scale: float) -> "Size":
        """The size, multiplied by `scale`."""
        return Size(**{name: max(1, round(number * scale)) for name, number in msgspec.structs.asdict(self).items()})


class Holding(Struct, frozen=True, kw_only=True):
    """The cost of holding so much. `memory_bytes`: beyond a server whose project is empty, where that can be read.

    `first_answer_seconds` is the first call over HTTP, which makes the project's actor begin. `slowest_step_ms` is of
    the steps in which a snapshot is written and read.
    """

    size: Size
    memory_bytes: int | None
    first_answer_seconds: float
    snapshot_bytes: int
    slowest_step_ms: float


class Holdings(Struct, frozen=True, kw_only=True):
    """A project that holds little and one that holds much; each call's p50 in ms in the one and in the other."""

    small: Holding
    large: Holding
    p50s_ms: dict[str, tuple[float, float]]


class Facts(Struct, frozen=True, kw_only=True):
    """Where and when: without these no number means anything."""

    date: str
    commit: str
    processor: str
    cores: int
    system: str
    python: str
    postgres: str
    fsync: str
    synchronous_commit: str
    load_generator: str
    load_average: str


class Results(Struct, frozen=True, kw_only=True):
    """All results of one run; those that were not asked for are empty."""

    facts: Facts
    seconds: float
    small_events: int
    large_events: int
    dashboard_projects: int
    dashboard_events: int
    posts: int
    unread: int
    rows: list[Row]
    activation_seconds: list[float]
    memory: list[Memory]
    disturbances: list[Disturbance]
    holdings: Holdings | None
    waiting: list[Waiting]
    flooded: Flooded | None
    beside: list[Beside] = []

    def row(self, subject: str, events: int | None, connections: int) -> Row:
        """The row of this subject; there is exactly one."""
        (found,) = (
            row for row in self.rows if (row.subject, row.events, row.connections) == (subject, events, connections)
        )
        return found


class Target(Struct, frozen=True, kw_only=True):
    """A promise, what was measured, and whether that keeps it."""

    promise: str
    bound: str
    measured: float
    unit: str
    met: bool


def targets(results: Results) -> list[Target]:
    """Every target, met or not."""
    return [
        *(_of_calls(results) if results.rows else ()),
        *(_attacked_to_calm(found) for found in results.disturbances),
        *(_attacked_probe(found) for found in results.disturbances),
        *(_of_much(results.holdings) if results.holdings else ()),
        *(target for found in results.waiting for target in _waiting(found)),
        *(_flooded(results.flooded) if results.flooded else ()),
        *(_to_other(found) for found in results.beside if found.tool in TO_OTHER_MIN and found.connections > 1),
    ]


def _of_calls(results: Results) -> list[Target]:
    sizes = (results.small_events, results.large_events)
    return [
        *(_to_echo(results, tool, events, many) for tool in TO_ECHO_MIN for events in sizes for many in (16, 64)),
        *(_claim_latency(results, events) for events in sizes),
        *(_whoami_latency(results, events) for events in sizes),
        *(_durable_to_plain(results, events) for events in sizes),
        _crowd_to_one(results, "", CROWD, CROWD_OF_ONE),
        _crowd_to_one(results, " with commits of 3 ms", SLOW_CROWD, SLOW_ONE),
        *(_large_to_small(results, tool) for tool in TOOLS),
        _activation(results),
        _dashboard(results),
    ]


def _to_echo(results: Results, tool: str, events: int, connections: int) -> Target:
    pair = results.row(tool, events, connections), results.row(ECHO, None, connections)
    promise = f"{tool} at {events:,} events to echo, requests/s, {connections} connections"
    return _at_least(promise, TO_ECHO_MIN[tool], _ratio(*pair, "requests_per_second"))


def _claim_latency(results: Results, events: int) -> Target:
    claims, echoes, commits = results.row("claim", events, 1), results.row(ECHO, None, 1), results.row(COMMIT, None, 1)
    rounds = zip(claims.samples, echoes.samples, commits.samples, strict=True)
    found = median(claim.p50_ms / (echo.p50_ms / 2 + commit.p50_ms) for claim, echo, commit in rounds)
    promise = f"claim at {events:,} events to half an echo and one commit, p50, 1 connection"
    return _at_most(promise, LATENCY_TO_FLOOR_MAX, found)


def _whoami_latency(results: Results, events: int) -> Target:
    pair = results.row("whoami", events, 1), results.row(ECHO, None, 1)
    promise = f"whoami at {events:,} events to half an echo, p50, 1 connection"
    return _at_most(promise, LATENCY_TO_FLOOR_MAX, 2 * _ratio(*pair, "p50_ms"))


def share_of_limit(results: Results, tool: str, connections: int) -> float:
    """How many calls of a tool a second there are for one of the limit's."""
    pair = results.row(tool, results.small_events, connections), results.row(LIMIT, None, connections)
    return _ratio(*pair, "requests_per_second")


def _durable_to_plain(results: Results, events: int) -> Target:
    promise = f"durable claims without HTTP to plain SQL at {events:,} events, claims/s"
    return _at_least(promise, DURABLE_TO_PLAIN_MIN, durable_to(results, PLAIN, events))


def _crowd_to_one(results: Results, how: str, crowd: str, one: str) -> Target:
    pair = results.row(crowd, 0, 64), results.row(one, 0, 64)
    promise = f"claims over 64 projects to claims in one{how}, requests/s, 64 connections"
    return _at_least(promise, CROWD_TO_ONE_MIN, _ratio(*pair, "requests_per_second"))


def _attacked_to_calm(found: Disturbance) -> Target:
    promise = f"another project's claim during {found.attack} to before, p99, 1 connection"
    return _at_most(promise, ATTACKED_TO_CALM_MAX, found.ratio)


def _attacked_probe(found: Disturbance) -> Target:
    worst = found.probe.max_ms if found.probe.max_ms is not None else found.probe.p99_ms
    return _at_most(f"/healthz during {found.attack}, the worst", ATTACKED_PROBE_MS_MAX, worst, unit=" ms")


def _waiting(found: Waiting) -> Iterator[Target]:
    where = f"{found.calls:,} calls that wait in {found.projects} projects"
    if found.projects > 1:
        yield _at_most(f"{where}, memory of each", WAITING_KIB_MAX, found.bytes_each / 1024, unit=" KiB")
        yield _at_most(f"{where}, of a core", WAITING_CPU_PERCENT_MAX, found.cpu_share * 100, unit=" %")
        late = found.woken_p99_ms - found.idle_ms
        yield _at_most(f"{where}, woken by a post to their project, p99 less a round trip", WOKEN_MS_MAX, late, " ms")


def usual_flood(floods: Sequence[Flooded]) -> Flooded:
    """The flood with the median ratio to its calm, and the disconnects of all: a few late answers decide on one."""
    middle = sorted(floods, key=_slowed)[len(floods) // 2]
    return msgspec.structs.replace(middle, disconnects=sum(found.disconnects for found in floods))


def _slowed(found: Flooded) -> float:
    return found.flooded_p99_ms / found.calm_p99_ms


def _flooded(found: Flooded) -> Iterator[Target]:
    where = f"claims on {found.connections:,} connections in {found.projects} projects"
    ratio = _slowed(found)
    yield _at_most(f"{where} while one floods to before, p99", FLOODED_TO_CALM_MAX, ratio)
    yield _at_most(f"{where} while one floods, disconnects", 0, found.disconnects)


def durable_to(results: Results, plain: str, events: int) -> float:
    """How many claims without HTTP are made durable for one of a form of plain SQL."""
    pair = results.row(DURABLE, events, DURABLE_TASKS), results.row(plain, events, PLAIN_CONNECTIONS)
    return _ratio(*pair, "requests_per_second")


def _large_to_small(results: Results, tool: str) -> Target:
    sizes = results.large_events, results.small_events
    worst = max(
        _ratio(results.row(tool, sizes[0], connections), results.row(tool, sizes[1], connections), "p50_ms")
        for connections in CONNECTIONS
    )
    promise = f"{tool} at {sizes[0]:,} to {sizes[1]:,} events, p50, the worst of {_words(CONNECTIONS)} connections"
    return _at_most(promise, LARGE_TO_SMALL_MAX, worst)


def _to_other(found: Beside) -> Target:
    promise = f"{found.tool} to that of {found.version}, requests/s, {found.connections} connections"
    return _at_least(promise, TO_OTHER_MIN[found.tool], found.ratio)


def _of_much(found: Holdings) -> list[Target]:
    return [_worst_of_much(found), *_memory_of_much(found)]


def _worst_of_much(found: Holdings) -> Target:
    what, (little, much) = max(found.p50s_ms.items(), key=lambda item: item[1][1] / item[1][0])
    promise = f"a project that holds much to one that holds little, p50, the worst of all tools ({what})"
    return _at_most(promise, LARGE_TO_SMALL_MAX, much / little)


def _memory_of_much(found: Holdings) -> list[Target]:
    if found.large.memory_bytes is None:
        return []
    megabytes = found.large.memory_bytes / 1_000_000
    return [_at_most("memory of a project that holds much", HELD_BYTES_MAX / 1_000_000, megabytes, unit=" MB")]


def _activation(results: Results) -> Target:
    promise = f"activation at {results.large_events:,} events with a snapshot"
    return _at_most(promise, ACTIVATION_SECONDS_MAX, median(results.activation_seconds), unit=" s")


def _dashboard(results: Results) -> Target:
    pages, echoes = results.row(DASHBOARD, results.dashboard_events, 1), results.row(ECHO, None, 16)
    scaled = median(
        page.p50_ms * echo.requests_per_second / ECHO_OF_THE_PROMISE
        for page, echo in zip(pages.samples, echoes.samples, strict=True)
    )
    promise = (
        f"dashboard of {results.dashboard_projects} projects with {results.dashboard_events:,} events, p50, "
        f"1 connection, where the echo serves {ECHO_OF_THE_PROMISE:,} requests/s"
    )
    return _at_most(promise, DASHBOARD_MS_MAX, scaled, unit=" ms")


def _ratio(one: Row, other: Row, field: str) -> float:
    """The median over the rounds of what `one` is to `other` in the same round."""
    pairs = zip(one.samples, other.samples, strict=True)
    return float(median(getattr(mine, field) / getattr(theirs, field) for mine, theirs in pairs))


def _at_least(promise: str, bound: float, found: float) -> Target:
    return Target(promise=promise, bound=f"≥ {bound:g}", measured=found, unit="", met=found >= bound)


def _at_most(promise: str, bound: float, found: float, unit: str = "") -> Target:
    return Target(promise=promise, bound=f"≤ {bound:g}{unit}", measured=found, unit=unit, met=found <= bound)


def _words(numbers: Iterable[int]) -> str:
    *first, last = map(str, numbers)
    return f"{', '.join(first)} and {last}"


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` of an ascending sequence does not exceed; the sequence is not empty."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
