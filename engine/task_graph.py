"""The book of `engine.tasks`: unfinished tasks, found by status, owner and lane, and what waits for what.

Two kinds of edges make a task wait for another: dependencies, and blockers that name a task. Both are kept in both
directions, so that finishing a task finds the tasks that it sets free. A task that shipped or was cancelled leaves the
book: ids are counted, so an absent id up to `last_id` has.

Every index holds ranks, `(priority, id)`: the highest priority and the newest task come last.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from heapq import nlargest
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from engine.terms import TaskStatus
from engine.undo import Index, Ordered, Table, Undo

CYCLE_SEARCH_MAX = 5_000
"""Edges that the search for a cycle follows before it gives up, some milliseconds of work."""


Rank = tuple[int, int]
"""A task's place among others: its priority, then its id."""

Place = str | int | tuple[int, str] | None
"""Under what an index has tasks: a status or name, a reader's id, both a reader's id and a lane, or all tasks."""


class Blocker(Struct, frozen=True, kw_only=True):
    """A blocker of a task since `at`: a reason, and perhaps another task."""

    on: int | None
    reason: str
    at: datetime


class Task(Struct, frozen=True, kw_only=True):
    """An unfinished task, and what holds it up.

    `owner_id` and `made_by` are readers' ids; `former` are those who had the task before it was handed over. `changed`
    and `moved_at` are the number and the time of its last event. `ready_since` is the number of the event with which
    others last let its owner begin it or go on with it.
    """

    id: int
    title: str
    lane: str | None
    owner: str | None
    owner_id: int | None
    made_by: int
    priority: int
    status: TaskStatus
    changed: int
    moved_at: datetime
    depends_on: tuple[int, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    former: tuple[int, ...] = ()
    ready_since: int = 0

    @property
    def rank(self) -> Rank:
        """Its place in every index."""
        return self.priority, self.id

    @property
    def blocked_on(self) -> set[int]:
        """The tasks that its blockers name."""
        return {blocker.on for blocker in self.blockers if blocker.on is not None}


class TaskBook:
    """The unfinished tasks of a project.

    `_missing` counts the dependencies of a task that are unfinished; a task without any is in `_ready`. `_free` has the
    ready tasks that nobody has started: without an owner under the lane (and None for all lanes), assigned ones under
    the owner's id, and under that with the lane. `_owned` has all tasks of an owner, `_working` those in progress, by
    the owner's id.
    """

    __slots__ = (
        "_blocked", "_by_id", "_by_lane", "_by_owner", "_by_status", "_dependents", "_free", "_last_id", "_made",
        "_missing", "_owned", "_ranks", "_ready", "_undo", "_working",
    )  # fmt: skip

    def __init__(self, undo: Undo) -> None:
        self._undo = undo
        self._last_id = 0
        self._by_id: Table[int, Task] = Table(undo)
        self._ranks: Ordered[Rank] = Ordered(undo)
        self._ready: Ordered[Rank] = Ordered(undo)
        self._missing: Table[int, int] = Table(undo)
        self._dependents: Index[int, int] = Index(undo)
        self._blocked: Index[int, int] = Index(undo)
        self._by_status: Index[str, Rank] = Index(undo)
        self._by_owner: Index[str, Rank] = Index(undo)
        self._by_lane: Index[str, Rank] = Index(undo)
        self._free: Index[Place, Rank] = Index(undo)
        self._owned: Index[int, Rank] = Index(undo)
        self._working: Index[int, Rank] = Index(undo)
        self._made: Index[int, Rank] = Index(undo)

    def dump(self) -> list[Task]:
        """The records that make this book again, with `last_id`: every unfinished task, by id."""
        return [self._by_id[task_id] for task_id in sorted(self._by_id)]

    def lanes(self) -> Collection[str]:
        """Every lane that has an unfinished task."""
        return self._by_lane

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

    def get(self, task_id: int) -> Task | None:
        """The task, if it is unfinished."""
        return self._by_id.get(task_id)

    @property
    def last_id(self) -> int:
        """The id of the newest task."""
        return self._last_id

    @property
    def finished(self) -> int:
        """How many tasks have shipped or were cancelled."""
        return self._last_id - len(self._by_id)

    @property
    def counts(self) -> dict[str, int]:
        """How many tasks have each status; a status without tasks is absent."""
        return {status: len(ranks) for status, ranks in self._by_status.items()}

    def find(
        self,
        status: str | None,
        owner: int | str | None,
        lane: str | None,
        *,
        ready: bool,
        limit: int,
        below: Rank | None = None,
    ) -> list[Task]:
        """The tasks that match, highest priority first, then newest; found in the smallest index.

        `owner` is a reader's id, or the name under which a task was assigned; that may no longer be anybody's.
        Only those that come after a task of rank `below`, if it is given.
        """
        indexes: list[Sequence[Rank]] = [self._ready if ready else self._ranks]
        for index, key in ((self._by_status, status), (self._by_lane, lane)):
            if key is not None:
                indexes.append(index.get(key, ()))
        if owner is not None:
            indexes.append(self._owned.get(owner, ()) if isinstance(owner, int) else self._by_owner.get(owner, ()))
        found: list[Task] = []
        smallest = min(indexes, key=len)
        end = len(smallest) if below is None else bisect_left(smallest, below)
        # Comparing takes most of the time where thousands of tasks match one filter and none matches another.
        for _, task_id in smallest[:end][::-1]:
            task = self._by_id[task_id]
            if (
                (status is None or task.status == status)
                and (owner is None or owner in (task.owner_id, task.owner))
                and (lane is None or task.lane == lane)
                and not (ready and task_id in self._missing)
            ):
                found.append(task)
                if len(found) == limit:
                    break
        return found

    def best_free(self, reader: int, lane: str | None) -> Task | None:
        """The task to take next: highest priority, then oldest, of those without an owner and those of the reader."""
        mine = reader if lane is None else (reader, lane)
        ranks = [_best(self._free.get(lane, ())), _best(self._free.get(mine, ()))]
        best = min((rank for rank in ranks if rank is not None), key=_urgency, default=None)
        return None if best is None else self._at(best)

    def working(self) -> Iterator[int]:
        """The reader ids of the owners of tasks in progress."""
        return iter(self._working)

    def owned_by(self, reader: int, limit: int) -> list[Task]:
        """At most `limit` tasks of this reader, highest priority first."""
        return [self._at(rank) for rank in self._owned.get(reader, ())[: -limit - 1 : -1]]

    def is_held_up(self, task_id: int) -> bool:
        """Whether a dependency of this task is unfinished."""
        return task_id in self._missing

    def in_progress_of(self, owner_id: int, limit: int | None = None) -> list[Task]:
        """Somebody's tasks in progress, highest priority first; at most `limit`, if it is given."""
        return [self._at(rank) for rank in self._working.get(owner_id, ())[::-1][:limit]]

    def in_progress_made_by(self, reader: int, limit: int) -> list[Task]:
        """At most `limit` tasks in progress that this reader made, highest priority first."""
        return [self._at(rank) for rank in self._made.get(reader, ())[: -limit - 1 : -1]]

    def dependents(self, task_id: int) -> Sequence[int]:
        """The unfinished tasks that depend on this one, ascending."""
        return self._dependents.get(task_id, ())

    def blocked_on(self, task_id: int) -> Sequence[int]:
        """The tasks with a blocker that names this one, ascending."""
        return self._blocked.get(task_id, ())

    def holding_up(self, limit: int) -> list[int]:
        """At most `limit` tasks that others wait for, those first for which most wait."""
        waiting = {task_id: len(others) for task_id, others in self._dependents.items() if task_id in self._by_id}
        for task_id, others in self._blocked.items():
            waiting[task_id] = waiting.get(task_id, 0) + len(others)
        return nlargest(limit, waiting, key=lambda task_id: (waiting[task_id], -task_id))

    def waited_for(self, task_id: int) -> list[int]:
        """The unfinished tasks that this one waits for, ascending."""
        return sorted(self._waited_for(task_id))

    def waiting_for(self, task_id: int) -> list[int]:
        """The tasks that wait for this one, ascending."""
        return sorted({*self._waiting_for(task_id)})

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
        self._ranks.add(task.rank)
        missing = [task_id for task_id in task.depends_on if task_id in self._by_id]
        for task_id in missing:
            self._dependents.add(task_id, task.id)
        if missing:
            self._missing[task.id] = len(missing)
        else:
            self._ready.add(task.rank)
        self._file(task)
        for task_id in task.blocked_on:
            self._blocked.add(task_id, task.id)

    def put(self, task: Task) -> None:
        """Replace a task by what it is now."""
        before = self._by_id[task.id]
        self._unfile(before)
        self._by_id[task.id] = task
        self._file(task)
        for task_id in before.blocked_on - task.blocked_on:
            self._blocked.discard(task_id, task.id)
        for task_id in task.blocked_on - before.blocked_on:
            self._blocked.add(task_id, task.id)

    def finish(self, task: Task, seq: int) -> None:
        """Let a task go that event `seq` finished; tasks of which it was the last dependency are ready."""
        self._unfile(task)
        self._ready.discard(task.rank)
        self._ranks.discard(task.rank)
        for task_id in task.blocked_on:
            self._blocked.discard(task_id, task.id)
        for task_id in task.depends_on:
            self._dependents.discard(task_id, task.id)
        self._missing.pop(task.id)
        del self._by_id[task.id]
        for waiting in self._dependents.pop(task.id) or ():
            self._let_on(waiting, seq)

    def _let_on(self, task_id: int, seq: int) -> None:
        """One dependency less holds this task up."""
        left = self._missing[task_id] - 1
        if left:
            self._missing[task_id] = left
            return
        task = self._by_id[task_id] = replace(self._by_id[task_id], ready_since=seq)
        del self._missing[task_id]
        self._ready.add(task.rank)
        self._file(task)

    def _at(self, rank: Rank) -> Task:
        return self._by_id[rank[1]]

    def _count(self, last_id: int) -> None:
        self._last_id = last_id

    def _file(self, task: Task) -> None:
        for index, key in self._places(task):
            index.add(key, task.rank)

    def _unfile(self, task: Task) -> None:
        for index, key in self._places(task):
            index.discard(key, task.rank)

    def _places(self, task: Task) -> Iterator[tuple[Index[Any, Rank], Place]]:
        """Every index that has the task as it is now, and under what."""
        yield self._by_status, task.status
        if task.owner is not None:
            yield self._by_owner, task.owner
        if task.owner_id is not None:
            yield self._owned, task.owner_id
        if task.lane is not None:
            yield self._by_lane, task.lane
        if task.status == "in_progress":
            yield self._made, task.made_by
            if task.owner_id is not None:
                yield self._working, task.owner_id
        if task.id in self._missing:
            return
        if task.status == "open":
            yield self._free, None
            if task.lane is not None:
                yield self._free, task.lane
        elif task.status == "assigned" and task.owner_id is not None:
            yield self._free, task.owner_id
            if task.lane is not None:
                yield self._free, (task.owner_id, task.lane)

    def _waited_for(self, task_id: int) -> list[int]:
        task = self._by_id[task_id]
        return [other for other in {*task.depends_on, *task.blocked_on} if other in self._by_id]

    def _waiting_for(self, task_id: int) -> list[int]:
        return [*self._dependents.get(task_id, ()), *self._blocked.get(task_id, ())]


def _best(ranks: Sequence[Rank]) -> Rank | None:
    """The oldest of those with the highest priority."""
    if not ranks:
        return None
    priority, _ = ranks[-1]
    return ranks[bisect_left(ranks, (priority, 0))]


def _urgency(rank: Rank) -> tuple[int, int]:
    priority, task_id = rank
    return -priority, task_id
