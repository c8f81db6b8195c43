"""The task graph: who does what, what holds it up, and what shipping it sets free.

A task moves by `TRANSITIONS` only; an illegal move is a missing row and is refused by name. Two kinds of edges make a
task wait for another: dependencies, given at creation, hold its start; blockers hold its shipping. Neither may close a
cycle. Shipping a task resolves the blockers that name it, each as an event of its own.
"""

from collections.abc import Iterator

from msgspec import UNSET

from engine.commands import ListTasks, TaskAssign, TaskBlock, TaskCreate, TaskResolve, TaskShip, TaskStart
from engine.decision import Context, Decision
from engine.events import TaskAssigned, TaskBlocked, TaskCreated, TaskResolved, TaskShipped, TaskStarted
from engine.refusals import Refusal, conflict, not_found
from engine.replies import AssignedTask, BlockerRow, TaskRow, Tasks, TaskState
from engine.state import State, Task
from engine.terms import TaskStatus

BLOCKERS_PER_TASK_MAX = 50
"""As many as a task may have dependencies; every look for a cycle goes over them."""

TRANSITIONS: dict[tuple[TaskStatus, str], TaskStatus] = {
    ("open", "task_assign"): "assigned",
    ("assigned", "task_assign"): "assigned",
    ("assigned", "task_start"): "in_progress",
    ("in_progress", "task_block"): "blocked",
    ("blocked", "task_block"): "blocked",
    ("blocked", "task_resolve"): "in_progress",
    ("in_progress", "task_ship"): "done",
}
"""Where a task goes from where, by which event. `task_resolve` moves it only when its last blocker goes."""


def create(state: State, command: TaskCreate, context: Context) -> Decision | Refusal:
    """Write a task down, after the tasks it depends on."""
    depends_on = tuple(dict.fromkeys(command.depends_on))
    if (missing := next((task_id for task_id in depends_on if task_id not in state.tasks), None)) is not None:
        return not_found(f"no task {missing} to depend on.")
    owner = None if command.owner is None else context.named()
    created = TaskCreated(
        task_id=len(state.tasks) + 1,
        title=command.title,
        lane=command.lane,
        owner=None if owner is None else owner.actor,
        owner_id=None if owner is None else owner.id,
        detail=command.detail,
        depends_on=depends_on,
    )
    reply = TaskState(task_id=created.task_id, status=_first_status(created))
    return Decision(reply=reply, events=(created,))


def assign(state: State, command: TaskAssign, context: Context) -> Decision | Refusal:
    """Give a task that has not been started to somebody."""
    status = _move(state, command.task_id, TaskAssigned.type)
    if isinstance(status, Refusal):
        return status
    owner = context.named()
    assigned = TaskAssigned(task_id=command.task_id, owner=owner.actor, owner_id=owner.id)
    return Decision(reply=AssignedTask(task_id=command.task_id, owner=owner.actor, status=status), events=(assigned,))


def start(state: State, command: TaskStart) -> Decision | Refusal:
    """Begin work, once everything the task depends on has shipped. Anyone may."""
    status = _move(state, command.task_id, TaskStarted.type)
    if isinstance(status, Refusal):
        return status
    if unshipped := waits_for(state, state.tasks[command.task_id]):
        return conflict(f"task {command.task_id} waits for {_names(unshipped)} to ship first.")
    return _moved(command.task_id, status, TaskStarted(task_id=command.task_id))


def block(state: State, command: TaskBlock) -> Decision | Refusal:
    """Hold a task up for a reason, and perhaps until another task ships."""
    status = _move(state, command.task_id, TaskBlocked.type)
    if isinstance(status, Refusal):
        return status
    if len(state.tasks[command.task_id].blockers) >= BLOCKERS_PER_TASK_MAX:
        return conflict(f"task {command.task_id} has {BLOCKERS_PER_TASK_MAX} blockers already: resolve some first.")
    if command.on is not None:
        if (blocker := state.tasks.get(command.on)) is None:
            return not_found(f"no task {command.on} to wait for.")
        if blocker.status == "done":
            return conflict(f"task {command.on} has shipped already: there is nothing to wait for.")
        if _leads_to(state, command.on, command.task_id):
            return conflict(f"task {command.on} itself waits for task {command.task_id}: that would be a cycle.")
    return _moved(command.task_id, status, TaskBlocked(task_id=command.task_id, on=command.on, reason=command.reason))


def resolve(state: State, command: TaskResolve) -> Decision | Refusal:
    """Take off the blockers on one task, or all of them."""
    status = _move(state, command.task_id, TaskResolved.type)
    if isinstance(status, Refusal):
        return status
    task = state.tasks[command.task_id]
    left = _without(task, command.blocker)
    if len(left) == len(task.blockers):
        return not_found(f"task {command.task_id} has no blocker on task {command.blocker}.")
    resolved = TaskResolved(task_id=command.task_id, blocker=command.blocker)
    return _moved(command.task_id, "blocked" if left else status, resolved)


def ship(state: State, command: TaskShip) -> Decision | Refusal:
    """Finish a task and set free whoever waited for it. Anyone may."""
    status = _move(state, command.task_id, TaskShipped.type)
    if isinstance(status, Refusal):
        return status
    freed = (
        TaskResolved(task_id=task_id, blocker=command.task_id)
        for task_id, task in state.unfinished.items()
        if any(blocker.on == command.task_id for blocker in task.blockers)
    )
    reply = TaskState(task_id=command.task_id, status=status)
    return Decision(reply=reply, events=(TaskShipped(task_id=command.task_id), *freed))


def list_tasks(state: State, command: ListTasks) -> Decision:
    """Tasks that match every filter, newest first."""
    rows: list[TaskRow] = []
    candidates = state.unfinished if command.ready or command.status not in {None, "done"} else state.tasks
    for task_id, task in reversed(candidates.items()):
        if (
            command.status in {None, task.status}
            and command.owner in {None, task.owner}
            and command.lane in {None, task.lane}
            and not (command.ready and (task.status == "done" or waits_for(state, task)))
        ):
            rows.append(_row(state, task_id, task))
            if len(rows) == command.limit:
                break
    return Decision(reply=Tasks(tasks=rows))


def waits_for(state: State, task: Task) -> list[int]:
    """The task's dependencies that have not shipped."""
    return [task_id for task_id in task.depends_on if state.tasks[task_id].status != "done"]


def apply_created(state: State, data: TaskCreated) -> None:
    """The task is there."""
    state.tasks[data.task_id] = state.unfinished[data.task_id] = Task(
        title=data.title, lane=data.lane, owner=data.owner, status=_first_status(data), depends_on=data.depends_on
    )


def apply_assigned(state: State, data: TaskAssigned) -> None:
    """The task has this owner now."""
    task = _advance(state, data.task_id, data.type)
    task.owner = data.owner


def apply_started(state: State, data: TaskStarted) -> None:
    """The task is being worked on."""
    _advance(state, data.task_id, data.type)


def apply_blocked(state: State, data: TaskBlocked) -> None:
    """One more thing holds the task up."""
    task = _advance(state, data.task_id, data.type)
    task.blockers = (*task.blockers, BlockerRow(on=data.on, reason=data.reason))


def apply_resolved(state: State, data: TaskResolved) -> None:
    """Those blockers are gone; the last one sets the task going again."""
    task = state.tasks[data.task_id]
    task.blockers = _without(task, data.blocker)
    if not task.blockers:
        _advance(state, data.task_id, data.type)


def apply_shipped(state: State, data: TaskShipped) -> None:
    """The task is done."""
    _advance(state, data.task_id, data.type)
    del state.unfinished[data.task_id]


def _first_status(data: TaskCreated) -> TaskStatus:
    return "open" if data.owner is None else "assigned"


def _move(state: State, task_id: int, event_type: str) -> TaskStatus | Refusal:
    if (task := state.tasks.get(task_id)) is None:
        return not_found(f"no task {task_id}.")
    if (after := TRANSITIONS.get((task.status, event_type))) is None:
        needed = " or ".join(before for before, by in TRANSITIONS if by == event_type)
        return conflict(f"task {task_id} is {task.status}; {event_type} needs it {needed}.")
    return after


def _moved(task_id: int, status: TaskStatus, event: TaskStarted | TaskBlocked | TaskResolved) -> Decision:
    return Decision(reply=TaskState(task_id=task_id, status=status), events=(event,))


def _advance(state: State, task_id: int, event_type: str) -> Task:
    task = state.tasks[task_id]
    task.status = TRANSITIONS[task.status, event_type]
    return task


def _without(task: Task, blocker: int | None) -> tuple[BlockerRow, ...]:
    return () if blocker is None else tuple(row for row in task.blockers if row.on != blocker)


def _leads_to(state: State, start_id: int, goal_id: int) -> bool:
    seen, todo = set[int](), [start_id]
    while todo:
        task_id = todo.pop()
        if task_id == goal_id:
            return True
        if task_id not in seen:
            seen.add(task_id)
            todo.extend(_edges(state, state.tasks[task_id]))
    return False


def _edges(state: State, task: Task) -> Iterator[int]:
    yield from waits_for(state, task)
    yield from (blocker.on for blocker in task.blockers if blocker.on is not None)


def _names(task_ids: list[int]) -> str:
    return ", ".join(f"task {task_id}" for task_id in task_ids)


def _row(state: State, task_id: int, task: Task) -> TaskRow:
    waiting = [] if task.status == "done" else waits_for(state, task)
    return TaskRow(
        task_id=task_id,
        title=task.title,
        lane=task.lane,
        owner=task.owner,
        status=task.status,
        blockers=list(task.blockers),
        waits_for=waiting or UNSET,
    )
