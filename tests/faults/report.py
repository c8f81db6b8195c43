"""Writes docs/explanation/reliability.md from the results that runs and measurements have left in `build/faults`."""

import os
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import msgspec
from msgspec import Struct

from tests.faults.catalogue import FAULTS
from tests.faults.run import Result, Strike

RESULTS = Path("build", "faults")
PAGE = Path("docs", "explanation", "reliability.md")

_HEAD = """\
# Reliability, measured

<!-- Written by `make reliability`; edits here are lost. -->

This page is written by the run that it tells of. Real servers, a real PostgreSQL, and between them a network that
breaks: while clients work without a pause, faults strike, and every answer that any client got is held against the
ledger. [What the proof proves](what-the-proof-proves.md) says how that is decided, and what it does not cover.

Repeat it with `make reliability` (about an hour on two cores), or in small with `make faults`. Every run has a seed;
`make faults RUNS=1 SEED=…` repeats one.

"""

_ANSWERED = "answered"


class Measurement(Struct, kw_only=True):
    """One answer to a question that a run by seed does not ask."""

    name: str
    question: str
    seen: str
    order: int


def keep(result: Result) -> None:
    """Keep what a run came to."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"run-{result.seed:06}.json").write_bytes(msgspec.json.encode(result))


def keep_measurement(measurement: Measurement) -> None:
    """Keep what a measurement came to."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"measured-{measurement.name}.json").write_bytes(msgspec.json.encode(measurement))


def write() -> None:
    """Write the page."""
    runs = [msgspec.json.decode(path.read_bytes(), type=Result) for path in sorted(RESULTS.glob("run-*.json"))]
    measured = [msgspec.json.decode(path.read_bytes(), type=Measurement) for path in RESULTS.glob("measured-*.json")]
    parts = [_HEAD, _totals(runs), _faults(runs), _shapes(runs), _measurements(measured), _machine()]
    PAGE.write_text("\n".join(part for part in parts if part))


def _totals(runs: Sequence[Result]) -> str:
    strikes = sum(len(run.strikes) for run in runs)
    rules = Counter(rule for run in runs for rule, _ in run.violations)
    rows = [
        ("runs, each with a seed of its own", f"{len(runs):,}"),
        ("faults that struck", f"{strikes:,}"),
        ("calls of clients that were checked", f"{sum(run.operations for run in runs):,}"),
        ("acknowledged writes", f"{sum(run.acknowledged for run in runs):,}"),
        ("**acknowledged writes that were lost**", _bold(rules["lost"] + rules["altered"])),
        ("**writes that were carried out twice**", _bold(rules["twice"] + rules["key"])),
        ("**gaps in the ledger**", _bold(rules["gap"] + rules["numbers"])),
        ("**answers that were not true when they were given**", _bold(_rest(rules))),
        ("**servers that did not serve again**", _bold(rules["unusable"])),
        ("lost with the old primary in asynchronous failovers, as announced", f"{sum(run.excused for run in runs):,}"),
    ]
    seeds = f"seeds {min(run.seed for run in runs)} to {max(run.seed for run in runs)}" if runs else "no runs"
    return f"## All runs ({seeds})\n\n" + _table(("what", "how many"), rows)


def _faults(runs: Sequence[Result]) -> str:
    names = [fault.name for fault in FAULTS]
    rows = [
        _fault(name, struck)
        for name in names
        if (struck := [strike for run in runs for strike in run.strikes if strike.fault == name])
    ]
    columns = (
        "fault",
        "struck",
        "calls in flight",
        "acknowledged writes",
        "lost",
        "doubled",
        "other violations",
        "what callers saw besides answers",
        "served again after: median, longest",
    )
    note = (
        "Calls in flight are those that had begun when the fault struck. Writes and what callers saw are counted from "
        "then\nuntil every server had answered a write that began after the fault was over; the last column is how "
        "long that took.\n"
    )
    return "## Fault by fault\n\n" + note + "\n" + _table(columns, rows)


def _fault(name: str, struck: Sequence[Strike]) -> tuple[str, ...]:
    seconds = [strike.recovery_seconds for strike in struck if strike.recovery_seconds is not None]
    saw = Counter[str]()
    for strike in struck:
        saw.update(strike.saw)
    lost, doubled = sum(strike.lost for strike in struck), sum(strike.doubled for strike in struck)
    return (
        name,
        f"{len(struck)}",
        f"{sum(strike.in_flight for strike in struck):,}",
        f"{sum(strike.acknowledged for strike in struck):,}",
        f"{lost}",
        f"{doubled}",
        f"{sum(strike.violations for strike in struck) - lost - doubled}",
        _seen(saw),
        f"{median(seconds):.1f} s, {max(seconds):.1f} s" if seconds else "never",
    )


def _seen(saw: Counter[str]) -> str:
    words = {"lost": "connection lost", "left": "hung up themselves", "conflict": "conflict (true)"}
    others = [(kind, times) for kind, times in saw.most_common() if kind != _ANSWERED]
    return ", ".join(f"{words.get(kind, kind)} {times:,}" for kind, times in others) or "latency only"


def _shapes(runs: Sequence[Result]) -> str:
    times, wrong = Counter(run.shape for run in runs), Counter(run.shape for run in runs if run.violations)
    rows = [(shape, f"{count}", f"{wrong[shape]}") for shape, count in times.most_common()]
    return "## Worlds\n\n" + _table(("made of", "runs", "runs with a violation"), rows)


def _measurements(measured: Iterable[Measurement]) -> str:
    rows = [(each.question, each.seen) for each in sorted(measured, key=lambda each: each.order)]
    return "## Measured by itself\n\n" + _table(("question", "seen"), rows) if rows else ""


def _machine() -> str:
    where = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"Written on {datetime.now(UTC):%Y-%m-%d}, on {where}; servers, PostgreSQL and clients shared it.\n"


def _rest(rules: Counter[str]) -> int:
    counted = {"lost", "altered", "twice", "key", "gap", "numbers", "unusable"}
    return sum(times for rule, times in rules.items() if rule not in counted)


def _bold(count: int) -> str:
    return f"**{count:,}**"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
