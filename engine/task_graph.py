"""The book of `engine.tasks`: tasks that have not shipped, found by status, owner and lane, and what waits for what.

Two kinds of edges make a task wait for another: dependencies, and blockers that name a task. Both are kept in both
directions, so that shipping a task finds the tasks that it sets free. A task that has shipped leaves the book: ids are
counted, so an absent id up to `last_id` has shipped.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from engine.terms import TaskStatus
from engine.undo import Index, Ordered, Table, Undo

CYCLE_SEARCH_MAX = 5_000
"""Edges that the search for a cycle follows before it gives up, some milliseconds of work."""


class Blocker(Struct, frozen=True, kw_only=True):
    """What holds a task up: a reason, and perhaps another task."""

    on: int | None
    reason: str


class Task(Struct, frozen=True, kw_only=True):
    """A task that has not shipped, and what holds it up."""

    id: int
    title: str
    lane: str | None
    owner: str | None
    status: TaskStatus
    depends_on: tuple[int, ...] = ()
    blockers: tuple[Blocker, ...] = ()

    @property
    def blocked_on(self) -> set[int]:
        """The tasks that its blockers name."""
        return {blocker.on for blocker in self.blockers if blocker.on is not None}


class TaskBook:
    """The unshipped tasks of a project.

    `_missing` counts the dependencies of a task that have not shipped; a task without any is in `_ready`.
    """

    __slots__ = (
        "_blocked", "_by_id", "_by_lane", "_by_owner", "_by_status", "_dependents", "_ids", "_last_id", "_missing",
        "_ready", "_undo",
    )  # fmt: skip

    def __init__(self, undo: Undo) -> None:
        self._undo = undo
        self._last_id = 0
        self._by_id: Table[int, Task] = Table(undo)
        self._ids: Ordered[int] = Ordered(undo)
        self._ready: Ordered[int] = Ordered(undo)
        self._missing: Table[int, int] = Table(undo)
        self._dependents: Index[int, int] = Index(undo)
        self._blocked: Index[int, int] = Index(undo)
        self._by_status: Index[str, int] = Index(undo)
        self._by_owner: Index[str, int] = Index(undo)
        self._by_lane: Index[str, int] = Index(undo)

    def dump(self) -> list[Task]:
        """The records that make this book again, with `last_id`: every unshipped task, by id."""
        return [self._by_id[task_id] for task_id in self._ids]

    def load(self, records: Iterable[Task], last_id: int = 0) -> None:
        """Put dumped records into an empty book; in as many parts as needed."""
        for record in records:
            self.add(record)
        self._last_id = max(self._last_id, last_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, task_id: int) -> bool:
        return task_id in self._by_id

    def __getitem__(self, task_id: int) -> Task:
        return self._by_id[task_id]

    @property
    def last_id(self) -> int:
        """The id of the newest task."""
        return self._last_id

    def has_shipped_above(self, task_id: int) -> bool:
        """Whether a task with a larger id has shipped."""
        return len(self._ids) - self._ids.below(task_id + 1) < self._last_id - task_id

    def find(self, status: str | None, owner: str | None, lane: str | None, *, ready: bool, limit: int) -> list[Task]:
        """The newest tasks that match, found in the smallest index."""
        indexes: list[Sequence[int]] = [self._ready if ready else self._ids]
        for index, key in ((self._by_status, status), (self._by_owner, owner), (self._by_lane, lane)):
            if key is not None:
                indexes.append(index.get(key, ()))
        found: list[Task] = []
        for task_id in min(indexes, key=len)[::-1]:
            task = self._by_id[task_id]
            if (
                status in {None, task.status}
                and owner in {None, task.owner}
                and lane in {None, task.lane}
                and not (ready and task_id in self._missing)
            ):
                found.append(task)
                if len(found) == limit:
                    break
        return found

    def blocked_on(self, task_id: int) -> Sequence[int]:
        """The tasks with a blocker that names this one, ascending."""
        return self._blocked.get(task_id, ())

    def waits(self, start: int, goal: int) -> bool | None:
        """Whether `start` waits for `goal`, directly or through others; None when that takes too long to find out.

        Searches from both ends, one task at a time, where it has cost less so far.
        """
        if start == goal:
            return True
        sides = (({start}, [start], self._waited_for), ({goal}, [goal], self._waiting_for))
        costs = [0, 0]
        while sides[0][1] and sides[1][1]:
            side = costs.index(min(costs))
            seen, todo, next_of = sides[side]
            edges = next_of(todo.pop())
            costs[side] += 1 + len(edges)
            if sum(costs) > CYCLE_SEARCH_MAX:
                return None
            if not sides[1 - side][0].isdisjoint(edges):
                return True
            fresh = [task_id for task_id in edges if task_id not in seen]
            seen.update(fresh)
            todo.extend(fresh)
        return False

    def add(self, task: Task) -> None:
        """Add a new task; ids only grow."""
        self._undo.note(self._count, self._last_id)
        self._count(max(self._last_id, task.id))
        self._by_id[task.id] = task
        self._ids.add(task.id)
        missing = [task_id for task_id in task.depends_on if task_id in self._by_id]
        for task_id in missing:
            self._dependents.add(task_id, task.id)
        if missing:
            self._missing[task.id] = len(missing)
        else:
            self._ready.add(task.id)
        self._file(task)
        for task_id in task.blocked_on:
            self._blocked.add(task_id, task.id)

    def put(self, task: Task) -> None:
        """Replace a task by what it is now."""
        before = self._by_id[task.id]
        self._by_id[task.id] = task
        if (before.status, before.owner) != (task.status, task.owner):
            self._unfile(before)
            self._file(task)
        for task_id in before.blocked_on - task.blocked_on:
            self._blocked.discard(task_id, task.id)
        for task_id in task.blocked_on - before.blocked_on:
            self._blocked.add(task_id, task.id)

    def finish(self, task: Task) -> None:
        """Let a shipped task go; tasks of which it was the last dependency are ready."""
        self._unfile(task)
        self._ready.discard(task.id)
        self._ids.discard(task.id)
        del self._by_id[task.id]
        for waiting in self._dependents.pop(task.id) or ():
            left = self._missing[waiting] - 1
            if left:
                self._missing[waiting] = left
            else:
                del self._missing[waiting]
                self._ready.add(waiting)

    def _count(self, last_id: int) -> None:
        self._last_id = last_id

    def _file(self, task: Task) -> None:
        for index, key in self._places(task):
            if key is not None:
                index.add(key, task.id)

    def _unfile(self, task: Task) -> None:
        for index, key in self._places(task):
            if key is not None:
                index.discard(key, task.id)

    def _places(self, task: Task) -> tuple[tuple[Index[str, int], str | None], ...]:
        return (self._by_status, task.status), (self._by_owner, task.owner), (self._by_lane, task.lane)

    def _waited_for(self, task_id: int) -> list[int]:
        task = self._by_id[task_id]
        return [other for other in {*task.depends_on, *task.blocked_on} if other in self._by_id]

    def _waiting_for(self, task_id: int) -> list[int]:
        return [*self._dependents.get(task_id, ()), *self._blocked.get(task_id, ())]
