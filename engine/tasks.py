"""Tasks: who owns them, what they wait for, and what shipping one of them resolves.

A task moves by `TRANSITIONS` only; an illegal move is a missing row and is refused by name. Two kinds of edges make a
task wait for another: dependencies, given at creation, hold its start; blockers hold its shipping. Neither may close a
cycle. Shipping a task resolves the blockers that name it, each as an event of its own.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, assert_never

from msgspec import UNSET, Meta, Struct, UnsetType

from engine import terms
from engine.decision import Context, Decision
from engine.fields import Shown
from engine.refusals import Refusal, conflict, not_found
from engine.terms import TaskStatus
from engine.vocabulary import Command, EventData, Reply

BLOCKERS_PER_TASK_MAX = 50
"""As many as a task may have dependencies. The search for a cycle goes over all of them."""

TRANSITIONS: dict[tuple[TaskStatus, str], TaskStatus] = {
    ("open", "task_assign"): "assigned",
    ("assigned", "task_assign"): "assigned",
    ("assigned", "task_start"): "in_progress",
    ("in_progress", "task_block"): "blocked",
    ("blocked", "task_block"): "blocked",
    ("blocked", "task_resolve"): "in_progress",
    ("in_progress", "task_ship"): "done",
}
"""The next status of a task, by its status and the event. `task_resolve` applies when the last blocker goes."""


class TaskCreate(Command, frozen=True, kw_only=True):
    """Write a task down."""

    title: terms.Title
    detail: terms.Detail | None = None
    lane: terms.Lane | None = None
    owner: terms.OwnerName | None = None
    depends_on: terms.TaskIds = ()

    @property
    def addressee_name(self) -> str | None:
        """Who owns the task."""
        return self.owner


class TaskAssign(Command, frozen=True, kw_only=True):
    """Give a task to somebody."""

    task_id: terms.TaskId
    owner: terms.OwnerName

    @property
    def addressee_name(self) -> str | None:
        """Who owns the task from now on."""
        return self.owner


class TaskStart(Command, frozen=True, kw_only=True):
    """Begin work on a task."""

    task_id: terms.TaskId


class TaskBlock(Command, frozen=True, kw_only=True):
    """Say that a task cannot go on."""

    task_id: terms.TaskId
    on: Annotated[
        terms.Id | None,
        Meta(description="The task that must ship first; the blocker goes by itself when it does."),
    ] = None
    reason: terms.Reason


class TaskResolve(Command, frozen=True, kw_only=True):
    """Take blockers off a task."""

    task_id: terms.TaskId
    blocker: Annotated[terms.Id | None, Meta(description="The task whose blocker goes; all blockers without it.")] = (
        None
    )


class TaskShip(Command, frozen=True, kw_only=True):
    """Say that a task is done."""

    task_id: terms.TaskId


class ListTasks(Command, frozen=True, kw_only=True):
    """Show tasks, newest first."""

    status: Annotated[TaskStatus | None, Meta(description="Only tasks that are here.")] = None
    owner: Annotated[terms.ActorName | None, Meta(description="Only tasks of this actor, as `handle/label`.")] = None
    lane: terms.Lane | None = None
    ready: Annotated[
        bool, Meta(description="Only tasks that are not done and whose dependencies have all shipped.")
    ] = False
    limit: terms.PageLimit = 50


class TaskCreated(EventData, frozen=True, kw_only=True):
    """A task was written down, with an owner or without."""

    type: ClassVar[str] = "task_create"
    task_id: Shown[int]
    title: Shown[str]
    lane: Shown[str | None]
    owner: Shown[str | None]
    detail: Shown[str | None] = None
    owner_id: int | None = None
    depends_on: Shown[tuple[int, ...]] = ()


class TaskAssigned(EventData, frozen=True, kw_only=True):
    """A task got its owner, or another one."""

    type: ClassVar[str] = "task_assign"
    task_id: Shown[int]
    owner: Shown[str]
    owner_id: int


class TaskStarted(EventData, frozen=True, kw_only=True):
    """Work on a task began."""

    type: ClassVar[str] = "task_start"
    task_id: Shown[int]


class TaskBlocked(EventData, frozen=True, kw_only=True):
    """A task cannot go on, for a reason and perhaps until another task ships."""

    type: ClassVar[str] = "task_block"
    task_id: Shown[int]
    on: Shown[int | None]
    reason: Shown[str]


class TaskResolved(EventData, frozen=True, kw_only=True):
    """Blockers of a task went: those on task `blocker`, or all of them."""

    type: ClassVar[str] = "task_resolve"
    task_id: Shown[int]
    blocker: Shown[int | None]


class TaskShipped(EventData, frozen=True, kw_only=True):
    """A task is done."""

    type: ClassVar[str] = "task_ship"
    task_id: Shown[int]


class TaskState(Reply, frozen=True, kw_only=True):
    """A task and where it stands now."""

    task_id: int
    status: TaskStatus


class AssignedTask(Reply, frozen=True, kw_only=True):
    """A task and whose it is now."""

    task_id: int
    owner: str
    status: TaskStatus


class BlockerRow(Struct, frozen=True, kw_only=True):
    """What holds a task up: a reason, and perhaps another task."""

    on: int | None
    reason: str


class TaskRow(Struct, frozen=True, kw_only=True):
    """One task; `waits_for` are its unshipped dependencies, left out when there are none."""

    task_id: int
    title: str
    lane: str | None
    owner: str | None
    status: TaskStatus
    blockers: list[BlockerRow]
    waits_for: list[int] | UnsetType = UNSET


class Tasks(Reply, frozen=True, kw_only=True):
    """Tasks, newest first."""

    tasks: list[TaskRow]


class Blocker(Struct, frozen=True, kw_only=True):
    """What holds a task up, as the book keeps it."""

    on: int | None
    reason: str


class Task(Struct, kw_only=True):
    """A task and what holds it up."""

    id: int
    title: str
    lane: str | None
    owner: str | None
    status: TaskStatus
    depends_on: tuple[int, ...] = ()
    blockers: tuple[Blocker, ...] = ()


class TaskBook:
    """The tasks of a project by id. `unfinished` are those that have not shipped."""

    __slots__ = ("_by_id", "unfinished")

    def __init__(self, records: Iterable[Task] = ()) -> None:
        self._by_id = {record.id: record for record in records}
        self.unfinished = {task_id: task for task_id, task in self._by_id.items() if task.status != "done"}

    def dump(self) -> list[Task]:
        """The records that make this book again."""
        return list(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, task_id: int) -> bool:
        return task_id in self._by_id

    def __getitem__(self, task_id: int) -> Task:
        return self._by_id[task_id]

    def get(self, task_id: int) -> Task | None:
        """The task of this id."""
        return self._by_id.get(task_id)

    def newest_first(self) -> Iterator[Task]:
        """Every task, shipped or not."""
        return reversed(self._by_id.values())

    def add(self, task: Task) -> None:
        """Add a task; ids only grow."""
        self._by_id[task.id] = self.unfinished[task.id] = task

    def finish(self, task_id: int) -> None:
        """The task has shipped."""
        del self.unfinished[task_id]


TaskCommand = TaskCreate | TaskAssign | TaskStart | TaskBlock | TaskResolve | TaskShip | ListTasks
TaskEvent = TaskCreated | TaskAssigned | TaskStarted | TaskBlocked | TaskResolved | TaskShipped


def decide(book: TaskBook, command: TaskCommand, context: Context) -> Decision | Refusal:
    """What a command about tasks comes to."""
    match command:
        case TaskCreate():
            return create(book, command, context)
        case TaskAssign():
            return assign(book, command, context)
        case TaskStart():
            return start(book, command)
        case TaskBlock():
            return block(book, command)
        case TaskResolve():
            return resolve(book, command)
        case TaskShip():
            return ship(book, command)
        case ListTasks():
            return list_tasks(book, command)
        case _:
            assert_never(command)


def fold(book: TaskBook, data: TaskEvent) -> None:
    """Add a task, or move one."""
    if isinstance(data, TaskCreated):
        book.add(_created(data))
        return
    task = book[data.task_id]
    match data:
        case TaskAssigned():
            _advance(task, data.type)
            task.owner = data.owner
        case TaskStarted():
            _advance(task, data.type)
        case TaskBlocked():
            _advance(task, data.type)
            task.blockers = (*task.blockers, Blocker(on=data.on, reason=data.reason))
        case TaskResolved():
            task.blockers = _without(task, data.blocker)
            if not task.blockers:
                _advance(task, data.type)
        case TaskShipped():
            _advance(task, data.type)
            book.finish(data.task_id)
        case _:
            assert_never(data)


def create(book: TaskBook, command: TaskCreate, context: Context) -> Decision | Refusal:
    """Write a task down, after the tasks it depends on."""
    depends_on = tuple(dict.fromkeys(command.depends_on))
    if (missing := next((task_id for task_id in depends_on if task_id not in book), None)) is not None:
        return not_found(f"no task {missing} to depend on.")
    owner = None if command.owner is None else context.named()
    created = TaskCreated(
        task_id=len(book) + 1,
        title=command.title,
        lane=command.lane,
        owner=None if owner is None else owner.actor,
        owner_id=None if owner is None else owner.id,
        detail=command.detail,
        depends_on=depends_on,
    )
    reply = TaskState(task_id=created.task_id, status=_first_status(created))
    return Decision(reply=reply, events=(created,))


def assign(book: TaskBook, command: TaskAssign, context: Context) -> Decision | Refusal:
    """Give a task that has not been started to somebody."""
    status = _move(book, command.task_id, TaskAssigned.type)
    if isinstance(status, Refusal):
        return status
    owner = context.named()
    assigned = TaskAssigned(task_id=command.task_id, owner=owner.actor, owner_id=owner.id)
    return Decision(reply=AssignedTask(task_id=command.task_id, owner=owner.actor, status=status), events=(assigned,))


def start(book: TaskBook, command: TaskStart) -> Decision | Refusal:
    """Begin work, once everything the task depends on has shipped. Anyone may."""
    status = _move(book, command.task_id, TaskStarted.type)
    if isinstance(status, Refusal):
        return status
    if unshipped := waits_for(book, book[command.task_id]):
        return conflict(f"task {command.task_id} waits for {_names(unshipped)} to ship first.")
    return _moved(command.task_id, status, TaskStarted(task_id=command.task_id))


def block(book: TaskBook, command: TaskBlock) -> Decision | Refusal:
    """Hold a task up for a reason, and perhaps until another task ships."""
    status = _move(book, command.task_id, TaskBlocked.type)
    if isinstance(status, Refusal):
        return status
    if len(book[command.task_id].blockers) >= BLOCKERS_PER_TASK_MAX:
        return conflict(f"task {command.task_id} has {BLOCKERS_PER_TASK_MAX} blockers already: resolve some first.")
    if command.on is not None:
        if (blocker := book.get(command.on)) is None:
            return not_found(f"no task {command.on} to wait for.")
        if blocker.status == "done":
            return conflict(f"task {command.on} has shipped already: there is nothing to wait for.")
        if _leads_to(book, command.on, command.task_id):
            return conflict(f"task {command.on} itself waits for task {command.task_id}: that would be a cycle.")
    return _moved(command.task_id, status, TaskBlocked(task_id=command.task_id, on=command.on, reason=command.reason))


def resolve(book: TaskBook, command: TaskResolve) -> Decision | Refusal:
    """Take off the blockers on one task, or all of them."""
    status = _move(book, command.task_id, TaskResolved.type)
    if isinstance(status, Refusal):
        return status
    task = book[command.task_id]
    left = _without(task, command.blocker)
    if len(left) == len(task.blockers):
        return not_found(f"task {command.task_id} has no blocker on task {command.blocker}.")
    resolved = TaskResolved(task_id=command.task_id, blocker=command.blocker)
    return _moved(command.task_id, "blocked" if left else status, resolved)


def ship(book: TaskBook, command: TaskShip) -> Decision | Refusal:
    """Finish a task and resolve the blockers that name it. Anyone may."""
    status = _move(book, command.task_id, TaskShipped.type)
    if isinstance(status, Refusal):
        return status
    freed = (
        TaskResolved(task_id=task_id, blocker=command.task_id)
        for task_id, task in book.unfinished.items()
        if any(blocker.on == command.task_id for blocker in task.blockers)
    )
    reply = TaskState(task_id=command.task_id, status=status)
    return Decision(reply=reply, events=(TaskShipped(task_id=command.task_id), *freed))


def list_tasks(book: TaskBook, command: ListTasks) -> Decision:
    """Tasks that match every filter, newest first."""
    rows: list[TaskRow] = []
    only_unfinished = command.ready or command.status not in {None, "done"}
    candidates = reversed(book.unfinished.values()) if only_unfinished else book.newest_first()
    for task in candidates:
        if (
            command.status in {None, task.status}
            and command.owner in {None, task.owner}
            and command.lane in {None, task.lane}
            and not (command.ready and (task.status == "done" or waits_for(book, task)))
        ):
            rows.append(_row(book, task))
            if len(rows) == command.limit:
                break
    return Decision(reply=Tasks(tasks=rows))


def waits_for(book: TaskBook, task: Task) -> list[int]:
    """The task's dependencies that have not shipped."""
    return [task_id for task_id in task.depends_on if book[task_id].status != "done"]


def _created(data: TaskCreated) -> Task:
    return Task(
        id=data.task_id,
        title=data.title,
        lane=data.lane,
        owner=data.owner,
        status=_first_status(data),
        depends_on=data.depends_on,
    )


def _first_status(data: TaskCreated) -> TaskStatus:
    return "open" if data.owner is None else "assigned"


def _move(book: TaskBook, task_id: int, event_type: str) -> TaskStatus | Refusal:
    if (task := book.get(task_id)) is None:
        return not_found(f"no task {task_id}.")
    if (after := TRANSITIONS.get((task.status, event_type))) is None:
        needed = " or ".join(before for before, by in TRANSITIONS if by == event_type)
        return conflict(f"task {task_id} is {task.status}; {event_type} needs it {needed}.")
    return after


def _moved(task_id: int, status: TaskStatus, event: TaskStarted | TaskBlocked | TaskResolved) -> Decision:
    return Decision(reply=TaskState(task_id=task_id, status=status), events=(event,))


def _advance(task: Task, event_type: str) -> None:
    task.status = TRANSITIONS[task.status, event_type]


def _without(task: Task, blocker: int | None) -> tuple[Blocker, ...]:
    return () if blocker is None else tuple(row for row in task.blockers if row.on != blocker)


def _leads_to(book: TaskBook, start_id: int, goal_id: int) -> bool:
    seen, todo = set[int](), [start_id]
    while todo:
        task_id = todo.pop()
        if task_id == goal_id:
            return True
        if task_id not in seen:
            seen.add(task_id)
            todo.extend(_edges(book, book[task_id]))
    return False


def _edges(book: TaskBook, task: Task) -> Iterator[int]:
    yield from waits_for(book, task)
    yield from (blocker.on for blocker in task.blockers if blocker.on is not None)


def _names(task_ids: list[int]) -> str:
    return ", ".join(f"task {task_id}" for task_id in task_ids)


def _row(book: TaskBook, task: Task) -> TaskRow:
    waiting = [] if task.status == "done" else waits_for(book, task)
    return TaskRow(
        task_id=task.id,
        title=task.title,
        lane=task.lane,
        owner=task.owner,
        status=task.status,
        blockers=[BlockerRow(on=blocker.on, reason=blocker.reason) for blocker in task.blockers],
        waits_for=waiting or UNSET,
    )
