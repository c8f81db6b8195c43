"""Tasks: who owns them, what they wait for, and what shipping one of them resolves.

A task moves by `TRANSITIONS` only; an illegal move is a missing row and is refused by name. Two kinds of edges make a
task wait for another: dependencies, given at creation, hold its start; blockers hold its shipping. Neither may close a
cycle. Shipping a task resolves the blockers that name it, each as an event of its own.
"""

from typing import Annotated, ClassVar, assert_never

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from engine import terms
from engine.decision import Context, Decision
from engine.fields import Shown
from engine.lookups import ShippedTask, TaskLookup, TaskQuery
from engine.refusals import Refusal, conflict, not_found
from engine.task_graph import Blocker, Task, TaskBook
from engine.terms import TaskStatus
from engine.vocabulary import Command, EventData, Reply

UNFINISHED_TASKS_MAX = 20_000
"""Tasks of a project that have not shipped: far more than people and agents keep an eye on."""

BLOCKERS_PER_TASK_MAX = 50
"""As many as a task may have dependencies. The search for a cycle goes over all of them."""

BLOCKED_ON_ONE_MAX = 500
"""Tasks that blockers may make wait for one task. Shipping it writes an event for each of them."""

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
            return list_tasks(book, command, context)
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
            book.put(replace(task, status=_after(task, data), owner=data.owner))
        case TaskStarted():
            book.put(replace(task, status=_after(task, data)))
        case TaskBlocked():
            blockers = (*task.blockers, Blocker(on=data.on, reason=data.reason))
            book.put(replace(task, status=_after(task, data), blockers=blockers))
        case TaskResolved():
            blockers = _without(task, data.blocker)
            book.put(replace(task, status=task.status if blockers else _after(task, data), blockers=blockers))
        case TaskShipped():
            _after(task, data)
            book.finish(task)
        case _:
            assert_never(data)


def create(book: TaskBook, command: TaskCreate, context: Context) -> Decision | Refusal:
    """Write a task down, after the tasks it depends on."""
    depends_on = tuple(dict.fromkeys(command.depends_on))
    if (missing := next((task_id for task_id in depends_on if task_id > book.last_id), None)) is not None:
        return not_found(f"no task {missing} to depend on.")
    if len(book) >= UNFINISHED_TASKS_MAX:
        return conflict(f"this project has {UNFINISHED_TASKS_MAX} tasks that have not shipped: ship some first.")
    owner = None if command.owner is None else context.named()
    created = TaskCreated(
        task_id=book.last_id + 1,
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
    if command.on is not None and (refused := _cannot_wait(book, command.task_id, command.on)) is not None:
        return refused
    return _moved(command.task_id, status, TaskBlocked(task_id=command.task_id, on=command.on, reason=command.reason))


def resolve(book: TaskBook, command: TaskResolve) -> Decision | Refusal:
    """Take off the blockers on one task, or all of them. A task that is not blocked has none, and stays as it is."""
    now = _status(book, command.task_id)
    if now is not None and now != "blocked":
        return Decision(reply=TaskState(task_id=command.task_id, status=now))
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
    freed = [TaskResolved(task_id=task_id, blocker=command.task_id) for task_id in book.blocked_on(command.task_id)]
    reply = TaskState(task_id=command.task_id, status=status)
    return Decision(reply=reply, events=(TaskShipped(task_id=command.task_id), *freed))


def list_tasks(book: TaskBook, command: ListTasks, context: Context) -> Decision:
    """Tasks that match every filter, newest first. Those that shipped are looked up in history."""
    found = (
        []
        if command.status == "done"
        else book.find(command.status, command.owner, command.lane, ready=command.ready, limit=command.limit)
    )
    rows = [_row(book, task) for task in found]
    above = found[-1].id if len(found) == command.limit else 0
    if command.ready or command.status not in {None, "done"} or not book.has_shipped_above(above):
        return Decision(reply=Tasks(tasks=rows))
    query = TaskQuery(upto=context.seq, above=above, owner=command.owner, lane=command.lane, limit=command.limit)
    return Decision(reply=TaskLookup(query, lambda shipped: _merged(rows, shipped, command.limit)))


def waits_for(book: TaskBook, task: Task) -> list[int]:
    """The task's dependencies that have not shipped."""
    return [task_id for task_id in task.depends_on if task_id in book]


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


def _status(book: TaskBook, task_id: int) -> TaskStatus | None:
    """Where a task stands; None when there is none."""
    if task_id > book.last_id:
        return None
    return book[task_id].status if task_id in book else "done"


def _move(book: TaskBook, task_id: int, event_type: str) -> TaskStatus | Refusal:
    if (status := _status(book, task_id)) is None:
        return not_found(f"no task {task_id}.")
    if (after := TRANSITIONS.get((status, event_type))) is None:
        needed = " or ".join(before for before, by in TRANSITIONS if by == event_type)
        return conflict(f"task {task_id} is {status}; {event_type} needs it {needed}.")
    return after


def _cannot_wait(book: TaskBook, task_id: int, on: int) -> Refusal | None:
    """Why a task cannot wait for task `on`, if it cannot."""
    if on > book.last_id:
        return not_found(f"no task {on} to wait for.")
    if on not in book:
        return conflict(f"task {on} has shipped already: there is nothing to wait for.")
    if len(book.blocked_on(on)) >= BLOCKED_ON_ONE_MAX:
        return conflict(f"task {on} holds up {BLOCKED_ON_ONE_MAX} tasks already: block this one without 'on'.")
    waits = book.waits(on, task_id)
    if waits is None:
        return conflict(f"task {on} waits for too many others to rule out a cycle: block this one without 'on'.")
    return conflict(f"task {on} itself waits for task {task_id}: that would be a cycle.") if waits else None


def _moved(task_id: int, status: TaskStatus, event: TaskStarted | TaskBlocked | TaskResolved) -> Decision:
    return Decision(reply=TaskState(task_id=task_id, status=status), events=(event,))


def _after(task: Task, data: TaskEvent) -> TaskStatus:
    return TRANSITIONS[task.status, data.type]


def _without(task: Task, blocker: int | None) -> tuple[Blocker, ...]:
    return () if blocker is None else tuple(row for row in task.blockers if row.on != blocker)


def _names(task_ids: list[int]) -> str:
    return ", ".join(f"task {task_id}" for task_id in task_ids)


def _row(book: TaskBook, task: Task) -> TaskRow:
    return TaskRow(
        task_id=task.id,
        title=task.title,
        lane=task.lane,
        owner=task.owner,
        status=task.status,
        blockers=[BlockerRow(on=blocker.on, reason=blocker.reason) for blocker in task.blockers],
        waits_for=waits_for(book, task) or UNSET,
    )


def _merged(rows: list[TaskRow], shipped: list[ShippedTask], limit: int) -> Tasks:
    done = [
        TaskRow(task_id=task.task_id, title=task.title, lane=task.lane, owner=task.owner, status="done", blockers=[])
        for task in shipped
    ]
    return Tasks(tasks=sorted([*rows, *done], key=lambda row: row.task_id, reverse=True)[:limit])
