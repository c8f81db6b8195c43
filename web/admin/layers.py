"""Which column and which row each task of a picture stands in, and where long lines pass between them.

Sugiyama, Tagawa and Toda, 1981: every task stands to the right of all it waits for, as far left as that allows. A line
that passes a column has a place of its own in it, so that it runs behind no task. Within a column everything is put
near what it is tied to (the barycenter heuristic).
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

SWEEPS = 4


class Bend(Struct, frozen=True):
    """The place in a column that the lines from a task pass on their way to the right."""

    task_id: int
    column: int


Slot = int | Bend
"""A place in a column: a task, by its id, or lines that pass."""


class Layers(Struct, frozen=True):
    """The columns from left to right, each from the top down."""

    columns: list[list[Slot]]
    column_of: dict[int, int]

    def way(self, start: int, end: int) -> list[Slot]:
        """The slots that the line from one task to another goes through, with both tasks."""
        return _way(self.column_of, start, end)


def layered(waits_for: Mapping[int, Sequence[int]]) -> Layers:
    """Put the tasks into columns, by the ids of those that each waits for."""
    column_of: dict[int, int] = {}
    for task_id in waits_for:
        _enter(waits_for, task_id, column_of)
    columns: list[list[Slot]] = [[] for _ in range(max(column_of.values(), default=-1) + 1)]
    for task_id in sorted(waits_for):
        columns[column_of[task_id]].append(task_id)
    before: dict[Slot, dict[Slot, None]] = {}
    after: dict[Slot, dict[Slot, None]] = {}
    for task_id, others in waits_for.items():
        for other in others:
            for left, right in pairwise(_way(column_of, other, task_id)):
                if isinstance(right, Bend) and right not in before:
                    columns[right.column].append(right)
                before.setdefault(right, {})[left] = None
                after.setdefault(left, {})[right] = None
    for sweep in range(SWEEPS):
        if sweep % 2 == 0:
            _order(columns, before)
        else:
            _order(columns[::-1], after)
    return Layers(columns, column_of)


def _way(column_of: Mapping[int, int], start: int, end: int) -> list[Slot]:
    return [start, *(Bend(start, column) for column in range(column_of[start] + 1, column_of[end])), end]


def _order(columns: list[list[Slot]], tied: Mapping[Slot, Mapping[Slot, None]]) -> None:
    """Sort each column but the first by the mean row of what its slots are tied to in the column before it."""
    for beside, column in pairwise(columns):
        rows = {slot: row for row, slot in enumerate(beside)}
        wanted: dict[Slot, float] = {}
        for row, slot in enumerate(column):
            found = [rows[other] for other in tied.get(slot, ()) if other in rows]
            wanted[slot] = sum(found) / len(found) if found else row
        column.sort(key=wanted.__getitem__)


def _enter(waits_for: Mapping[int, Sequence[int]], task_id: int, column_of: dict[int, int]) -> None:
    """Put a task right of all it waits for. There are no cycles: the engine refuses those it can find."""
    todo = [task_id]
    entered: set[int] = set()
    while todo:
        current = todo[-1]
        missing = [other for other in waits_for[current] if other not in column_of and other not in entered]
        entered.add(current)
        if missing:
            todo += missing
            continue
        column_of[current] = 1 + max((column_of.get(other, -1) for other in waits_for[current]), default=-1)
        todo.pop()
