"""Which row of the ledger a write has left, and whether it says what the caller was told."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.faults.checker.history import Operation, Row

MARKS = {
    "claim": ("key", "note"),
    "post": ("key", "body"),
    "register": ("status",),
    "lease": ("note",),
    "release": ("surface",),
    "ack": ("post_id",),
    "task_create": ("title",),
    "task_assign": ("task_id",),
    "task_start": ("task_id",),
    "task_ship": ("task_id",),
}
"""Every tool that writes, and the arguments by which its row is known: the first that is given.

Clients see to it that a mark is used by one call only, except for what may be done again (`REPEATABLE`).
"""

REPEATABLE = {"lease", "release", "task_assign"}
"""Renewing a lease, releasing what was leased again, and giving a task to its owner again leave a row each time."""

Mark = tuple[str, str, object]


class Evidence:
    """The rows of a ledger, by what they are known by."""

    def __init__(self, rows: Sequence[Row], clocks_apart_seconds: float) -> None:
        self._clocks_apart_seconds = clocks_apart_seconds
        self._marked: dict[Mark, list[Row]] = {}
        for row in rows:
            if (mark := mark_of(row.client, row.type, row.data)) is not None:
                self._marked.setdefault(mark, []).append(row)

    def find(self, operation: Operation, after: int) -> Row | None:
        """The row of a write; of those that may be repeated, the one that was answered, or the first after `after`.

        A row that is younger than the answer belongs to a later call.
        """
        mark = mark_of(operation.client, operation.tool, operation.arguments)
        found = self._marked.get(mark, []) if mark is not None else []
        if operation.tool == "lease" and operation.answer is not None:
            return next((row for row in found if row.seq == operation.answer["lease_id"]), None)
        if operation.tool in REPEATABLE:
            until = operation.ended + self._clocks_apart_seconds
            return next((row for row in found if row.seq > after and row.at.timestamp() <= until), None)
        return found[0] if found else None

    def repeated(self) -> list[Row]:
        """Rows that must not be there: the second and later ones of a call that is carried out once."""
        return [row for (_, kind, _), rows in self._marked.items() if kind not in REPEATABLE for row in rows[1:]]


def mark_of(client: str, kind: str, fields: Mapping[str, Any]) -> Mark | None:
    """What a call and its row have in common, and no other call has."""
    for name in MARKS.get(kind, ()):
        if fields.get(name) is not None:
            return (client, kind, fields[name])
    return None


def says_the_same(operation: Operation, row: Row) -> bool:
    """Whether the row holds what the caller was told."""
    answer, arguments, data = operation.answer, operation.arguments, row.data
    assert answer is not None
    match operation.tool:
        case "claim":
            told = (answer["sequence"], answer["number"], answer["note"])
            return told == (data["sequence"], data["number"], data["note"]) and told[0] == arguments["sequence"]
        case "post":
            return (answer["post_id"], arguments["body"]) == (row.seq, data["body"])
        case "register":
            return (answer["lane"], answer["status"]) == (data["lane"], data["status"])
        case "lease":
            return (answer["lease_id"], answer["surface"]) == (row.seq, data["surface"])
        case "task_create":
            return bool(answer["task_id"] == data["task_id"])
        case _:
            return True


def numbers_out_of_order(rows: Sequence[Row]) -> list[Row]:
    """Claims that are not one more than what their sequence stood at, and seeds that go back."""
    current, wrong = Counter[str](), list[Row]()
    for row in rows:
        if row.type == "claim":
            if row.data["number"] != current[row.data["sequence"]] + 1:
                wrong.append(row)
            current[row.data["sequence"]] = row.data["number"]
        elif row.type == "seed":
            if row.data["current"] < current[row.data["sequence"]]:
                wrong.append(row)
            current[row.data["sequence"]] = row.data["current"]
    return wrong


def acks_out_of_order(rows: Sequence[Row]) -> list[Row]:
    """Acknowledgements of what had not been posted by then."""
    posts, wrong = set[int](), list[Row]()
    for row in rows:
        if row.type == "post":
            posts.add(row.seq)
        elif row.type == "ack" and row.data["post_id"] not in posts:
            wrong.append(row)
    return wrong
