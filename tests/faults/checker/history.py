"""The two halves of a history: operations, as clients saw them, and rows, as PostgreSQL holds them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any

from tests.load import Answered, Attempt, Broken, Left, Record, Refused
from tests.postgres import query

_ROWS = "select seq, at, actor, type, data::text from events where project_id = %s order by seq"


@dataclass(slots=True, frozen=True)
class Row:
    """One row of the ledger. `client` is the label of the participant that wrote it."""

    seq: int
    at: datetime
    client: str
    type: str
    data: Mapping[str, Any]


@dataclass(slots=True, frozen=True)
class Operation:
    """One call, with all its attempts: the client repeats a call that it insists on until it is answered.

    `client` is the label of its participant, who makes one call at a time. `began` and `ended` are seconds on the clock
    that all clients share; `ended` is infinite when no answer came. `began_last` is when the last attempt began.
    `was_left`: the client hung up on its last attempt.
    """

    client: str
    tool: str
    arguments: Mapping[str, Any]
    began: float
    began_last: float
    ended: float
    answer: Mapping[str, Any] | None = None
    refusal: str | None = None
    broken: str | None = None
    was_left: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether the client knows what became of it."""
        return self.answer is not None or self.refusal is not None


@dataclass(slots=True, frozen=True)
class Failover:
    """An asynchronous standby took over at `at` (seconds), and its ledger then ended at `kept`: the rest is lost.

    What was answered before may be missing, if it came after `kept`; it is counted. A server that is alone on the
    database looks at it only when its last look is `trusted_seconds` old. Until then it may answer from memory with
    what is lost; nobody was told otherwise. Nothing else is excused.
    """

    at: float
    kept: int
    trusted_seconds: float = 0.0


def operations(record: Record) -> list[Operation]:
    """The operations of a record, in the order in which they began."""
    calls = dict[int, list[Attempt]]()
    for attempt in record.attempts:
        calls.setdefault(attempt.operation, []).append(attempt)
    return sorted(map(_operation, calls.values()), key=lambda operation: operation.began)


def read_ledger(conninfo: str, project: str = "demo") -> list[Row]:
    """What is durable now of a project, in the ledger's order."""
    [(project_id,)] = query(conninfo, "select id from projects where slug = %s", (project,))
    return [
        Row(seq, at, label_of(actor), type_name, json.loads(data))  # type: ignore[arg-type]
        for seq, at, actor, type_name, data in query(conninfo, _ROWS, (project_id,))
    ]


def label_of(actor: object) -> str:
    """The label in `handle/label`."""
    return str(actor).rpartition("/")[2]


def _operation(attempts: list[Attempt]) -> Operation:
    first, last = attempts[0], attempts[-1]
    answer = refusal = broken = None
    match last.outcome:
        case Answered(value):
            answer = value
        case Refused(code) if not last.outcome.is_momentary:
            refusal = code
        case Broken(status, body):
            broken = f"{status} {body}"
        case _:
            pass
    return Operation(
        client=first.client,
        tool=first.tool,
        arguments=first.arguments,
        began=first.began,
        began_last=last.began,
        ended=inf if answer is None and refusal is None else last.ended,
        answer=answer,
        refusal=refusal,
        broken=broken,
        was_left=isinstance(last.outcome, Left),
    )
