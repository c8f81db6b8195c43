"""The rules, in the order of the package's docstring, and the verdict that they come to."""

import heapq
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.faults.checker.evidence import (
    MARKS,
    Evidence,
    acks_out_of_order,
    mark_of,
    numbers_out_of_order,
    says_the_same,
)
from tests.faults.checker.history import Failover, Operation, Row
from tests.faults.checker.reads import CLOCKS_APART_SECONDS_MAX, Reader
from tests.faults.checker.timeline import Timeline

DIGEST_EVENTS_DEFAULT = 100
SAID_CHARACTERS_MAX = 300


@dataclass(slots=True, frozen=True)
class Violation:
    """A promise that was broken: `rule` names it, `said` shows what happened, `at` is when (Unix time)."""

    rule: str
    said: str
    at: float = 0.0


@dataclass(slots=True)
class Verdict:
    """What a history comes to. `excused` counts acknowledged writes that an asynchronous failover lost."""

    acknowledged: int = 0
    excused: int = 0
    violations: list[Violation] = field(default_factory=list)

    def count(self, *rules: str) -> int:
        """How many violations of these rules there are."""
        return sum(violation.rule in rules for violation in self.violations)

    @property
    def lost(self) -> int:
        """Acknowledged writes that the ledger lacks, or holds otherwise."""
        return self.count("lost", "altered")

    @property
    def doubled(self) -> int:
        """Writes that were carried out more than once."""
        return self.count("twice", "key")


def check(
    history: Sequence[Operation],
    ledger: Sequence[Row],
    *,
    failover: Failover | None = None,
    clocks_apart_seconds: float = CLOCKS_APART_SECONDS_MAX,
) -> Verdict:
    """Hold what clients were told against what is durable. `history` is in the order in which operations began."""
    verdict = Verdict()
    verdict.violations += _judge_ledger(ledger)
    verdict.violations += _judge_keys(history, failover)
    verdict.violations += _judge_digests(history, ledger, failover)
    _Order(history, ledger, verdict, failover, clocks_apart_seconds).judge()
    return verdict


def _judge_ledger(ledger: Sequence[Row]) -> Iterator[Violation]:
    """No gap, no number twice or left out, no acknowledgement before its post, no call carried out twice."""
    for expected, row in enumerate(ledger, 1):
        if row.seq != expected:
            yield Violation("gap", f"event {row.seq} follows event {expected - 1}")
            break
    for before, after in pairwise(ledger):
        if after.at < before.at:
            yield Violation("time", f"event {after.seq} is earlier than event {before.seq}")
    for row in numbers_out_of_order(ledger):
        yield Violation("numbers", f"{row}", row.at.timestamp())
    for row in acks_out_of_order(ledger):
        yield Violation("ack before its post", f"{row}", row.at.timestamp())
    for row in Evidence(ledger, 0.0).repeated():
        yield Violation("twice", f"{row}", row.at.timestamp())


def _judge_keys(history: Sequence[Operation], failover: Failover | None) -> Iterator[Violation]:
    """All answers to one key are the same, however often and wherever it was asked."""
    first = dict[tuple[str, str], Operation]()
    for operation in history:
        key = operation.arguments.get("key")
        if key is None or operation.answer is None or _is_before(operation, failover):
            continue
        before = first.setdefault((operation.client, key), operation)
        if _without_extras(before.answer) != _without_extras(operation.answer):
            yield Violation("key", f"{_shown(operation)} was answered before: {before.answer}", operation.began)


def _judge_digests(
    history: Sequence[Operation], ledger: Sequence[Row], failover: Failover | None
) -> Iterator[Violation]:
    """A reader is shown every event: each digest begins where those before it ended, or earlier.

    A newcomer's first digest begins where the server says. Only when the client hung up itself, the next digest may
    begin as much later as that answer could have shown. A call with `after` begins there and nowhere else.
    """
    types = {row.seq: row.type for row in ledger}
    shown = dict[str, int]()
    for digest in history:
        if digest.tool != "whats_new" or _is_before(digest, failover):
            continue
        after, limit = digest.arguments.get("after"), digest.arguments.get("limit", DIGEST_EVENTS_DEFAULT)
        if digest.answer is None:
            if digest.client in shown and digest.was_left:
                shown[digest.client] += limit
            continue
        since, ids = digest.answer["since_event_id"], [event["id"] for event in digest.answer["events"]]
        if since > shown.setdefault(digest.client, since) or after not in {None, since}:
            yield Violation("digest skips", f"{shown[digest.client]} was shown; {_shown(digest)}", digest.began)
        if ids != list(range(since + 1, since + 1 + len(ids))):
            yield Violation("digest skips", f"its events have gaps: {ids} after {since}", digest.began)
        if any(types.get(event["id"]) != event["type"] for event in digest.answer["events"]):
            yield Violation("digest differs", f"{_shown(digest)}", digest.began)
        shown[digest.client] = max(shown[digest.client], since + len(ids))


class _Order:
    """One walk over the operations in the order in which they began, which gives each its moment in the ledger."""

    def __init__(
        self,
        history: Sequence[Operation],
        ledger: Sequence[Row],
        verdict: Verdict,
        failover: Failover | None,
        clocks_apart_seconds: float,
    ) -> None:
        self._history = history
        self._verdict = verdict
        self._failover = failover
        self._evidence = Evidence(ledger, clocks_apart_seconds)
        self._timeline = Timeline(ledger)
        self._reader = Reader(self._timeline, clocks_apart_seconds)
        self._under_way: list[tuple[float, int, str]] = []  # ended, moment, client
        self._reached = 0  # the latest moment of those that have ended
        self._reached_by = defaultdict[str, int](int)
        self._asked = set[object]()

    def judge(self) -> None:
        """Give every operation its moment; what has none is a violation."""
        for operation in sorted(self._history, key=_begins):
            self._let_end(_begins(operation))
            if operation.broken is not None:
                self._blame("broken answer", operation, operation.broken)
            moment = self._moment(operation)
            if moment is not None:
                heapq.heappush(self._under_way, (operation.ended, moment, operation.client))

    def _let_end(self, now: float) -> None:
        while self._under_way and self._under_way[0][0] < now:
            _, moment, client = heapq.heappop(self._under_way)
            self._reached = max(self._reached, moment)
            self._reached_by[client] = max(self._reached_by[client], moment)

    def _moment(self, operation: Operation) -> int | None:
        if operation.tool in MARKS and operation.refusal is None:
            return self._moment_of_write(operation)
        if not operation.is_settled or _is_before(operation, self._failover):
            return None
        if operation.refusal is not None and not self._reader.judges(operation.tool):
            self._blame("refused", operation, "nothing that the client did is a reason for it")
            return None
        return self._moment_of_read(operation)

    def _moment_of_write(self, operation: Operation) -> int | None:
        if operation.answer is not None and operation.answer.get("released") == 0:
            return self._moment_of_read(operation)
        row, again = self._evidence.find(operation, self._reached), self._is_again(operation)
        if self._failover is not None and operation.ended < self._failover.at and row and row.seq > self._failover.kept:
            row = None  # the same was done again afterwards
        if operation.answer is None:
            if row is not None and row.seq <= self._reached and not again:
                self._blame("order", operation, f"event {row.seq} is not after event {self._reached}")
            return None
        self._verdict.acknowledged += 1
        if row is None or not says_the_same(operation, row):
            self._miss(operation, row)
            return None
        if again and row.seq <= self._reached:
            return self._reached
        if row.seq <= self._reached:
            self._blame("order", operation, f"event {row.seq} is not after event {self._reached}")
            return None
        if operation.tool == "lease" and not self._reader.knew_of_others(operation, row.seq):
            self._blame("lease untold", operation, f"event {row.seq}")
        return row.seq

    def _is_again(self, operation: Operation) -> bool:
        """Whether the client asked for the same before, so that the row may be older than this call."""
        mark = mark_of(operation.client, operation.tool, operation.arguments)
        if mark in self._asked:
            return operation.tool == "ack" or operation.arguments.get("key") is not None
        self._asked.add(mark)
        return False

    def _miss(self, operation: Operation, row: Row | None) -> None:
        failover = self._failover
        if failover is not None and operation.ended < failover.at and _came_after(operation, failover, self._timeline):
            self._verdict.excused += 1
            return
        if row is None:
            self._blame("lost", operation, "the ledger has no such event")
        else:
            self._blame("altered", operation, f"the ledger has {row}")

    def _moment_of_read(self, operation: Operation) -> int | None:
        moment = self._reader.earliest(operation, self._reached)
        if moment is not None:
            return moment
        own = self._reached_by[operation.client]
        earlier = self._reader.earliest(operation, 0)
        latest_seen = self._reader.earliest(operation, own)
        if earlier is None and self._may_be_of_before(operation):
            return None
        if earlier is None:
            self._blame("never true", operation, f"at no moment up to {self._timeline.last}")
        elif latest_seen is None:
            self._blame("read goes back", operation, f"true at moment {earlier}, but not from {own} on")
        else:
            self._blame("stale read", operation, f"true at moment {latest_seen}, but not from {self._reached} on")
        return None

    def _may_be_of_before(self, operation: Operation) -> bool:
        failover = self._failover
        return failover is not None and operation.began < failover.at + failover.trusted_seconds

    def _blame(self, rule: str, operation: Operation, why: str) -> None:
        self._verdict.violations.append(Violation(rule, f"{_shown(operation)}: {why}", operation.began))


def _begins(operation: Operation) -> float:
    """When an operation could take effect at the earliest: a read, when its last attempt began."""
    return operation.began if operation.tool in MARKS else operation.began_last


def _is_before(operation: Operation, failover: Failover | None) -> bool:
    return failover is not None and operation.began < failover.at


def _without_extras(answer: Mapping[str, Any] | None) -> dict[str, Any]:
    """An answer without what every answer carries besides: how many posts the caller has to acknowledge."""
    return {name: value for name, value in (answer or {}).items() if not name.startswith("_")}


def _came_after(operation: Operation, failover: Failover, timeline: Timeline) -> bool:
    """Whether an answer tells of what the failover lost, as far as it can be seen from it."""
    kept = failover.kept
    assert operation.answer is not None
    match operation.tool:
        case "claim":
            return bool(operation.answer["number"] > timeline.at(kept, ("sequence", operation.answer["sequence"]), 0))
        case "post" | "lease":
            return bool(operation.answer[f"{operation.tool}_id"] > kept)
        case _:
            return True


def _shown(operation: Operation) -> str:
    outcome = operation.answer if operation.answer is not None else operation.refusal
    told = f"{operation.client} {operation.tool} {json.dumps(dict(operation.arguments))} → {outcome}"
    return told if len(told) <= SAID_CHARACTERS_MAX else told[:SAID_CHARACTERS_MAX] + "…"
