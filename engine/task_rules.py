"""The rules of tasks: who may move one where, and what finishing one resolves.

A task moves by `engine.tasks.TRANSITIONS` only; an illegal move is a missing row and is refused by name. Two kinds of
edges make a task wait for another: dependencies, given at creation, hold its start; blockers hold its shipping. Neither
may close a cycle. Finishing a task resolves the blockers that name it, each as an event of its own.

Anybody may move a task, except those it was taken from: a former owner who goes on with it is told whose it is now.
A task in progress whose owner has not been seen for `Principal.stale_after_seconds` is stale. Nothing moves by itself,
but anybody may take a stale task over.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import assert_never

from msgspec import UNSET
from msgspec.structs import replace

from engine import task_queries
from engine.decision import Context, Decision, Pending
from engine.history import Liveness
from engine.identity import Addressee
from engine.presence import PresenceBook, lane_spelled_alike
from engine.refusals import Refusal, conflict, invalid, not_found
from engine.task_graph import Blocker, Task, TaskBook
from engine.tasks import (
    BLOCKED_ON_ONE_MAX,
    BLOCKERS_PER_TASK_MAX,
    FORMER_OWNERS_MAX,
    TRANSITIONS,
    UNFINISHED_TASKS_MAX,
    WORK,
    AssignedTask,
    ListTasks,
    TaskAssign,
    TaskAssigned,
    TaskBlock,
    TaskBlocked,
    TaskCancel,
    TaskCancelled,
    TaskCommand,
    TaskCreate,
    TaskCreated,
    TaskEvent,
    TaskResolve,
    TaskResolved,
    TaskShip,
    TaskShipped,
    TaskStart,
    TaskStarted,
    TaskState,
)
from engine.terms import TaskStatus
from engine.vocabulary import Event, EventData

STALE_SEARCH_MAX = 1_000
"""Stale tasks that are looked at to find one to take over."""

Seen = Mapping[int, Liveness]


def decide(
    book: TaskBook, presence: PresenceBook, seen: Seen, command: TaskCommand, context: Context
) -> Decision | Pending | Refusal:
    """Decide a command about tasks."""
    match command:
        case TaskCreate():
            return create(book, presence, command, context)
        case TaskAssign():
            return assign(book, command, context)
        case TaskStart():
            if command.task_id is None:
                return take(book, seen, command, context)
            return start(book, command, command.task_id, context)
        case TaskBlock():
            return block(book, command, context)
        case TaskResolve():
            return resolve(book, command, context)
        case TaskShip():
            return ship(book, command, context)
        case TaskCancel():
            return cancel(book, command, context)
        case ListTasks():
            if command.task_id is None:
                return task_queries.list_tasks(book, presence, seen, command, context)
            return task_queries.read(book, seen, command, command.task_id, context)
        case _:
            assert_never(command)


def fold(book: TaskBook, event: Event, data: TaskEvent) -> None:
    """Add a task, or move one."""
    if isinstance(data, TaskCreated):
        book.add(_created(event, data))
        return
    task = replace(book[data.task_id], changed=event.seq, moved_at=event.at)
    match data:
        case TaskAssigned():
            book.put(_handed_over(replace(task, status=_after(task, data)), event, data))
        case TaskStarted():
            book.put(replace(task, status=_after(task, data)))
        case TaskBlocked():
            blockers = (*task.blockers, Blocker(on=data.on, reason=data.reason, at=event.at))
            book.put(replace(task, status=_after(task, data), blockers=blockers))
        case TaskResolved():
            blockers = _without(task, data.blocker)
            if not blockers:
                task = replace(task, status=_after(task, data), ready_since=event.seq)
            book.put(replace(task, blockers=blockers))
        case TaskShipped() | TaskCancelled():
            _after(task, data)
            book.finish(book[data.task_id], event.seq)
        case _:
            assert_never(data)


def create(book: TaskBook, presence: PresenceBook, command: TaskCreate, context: Context) -> Decision | Refusal:
    """Write a task down, after the tasks it depends on."""
    depends_on = tuple(dict.fromkeys(command.depends_on))
    if (missing := next((task_id for task_id in depends_on if task_id > book.last_id), None)) is not None:
        return not_found(f"no task {missing} to depend on.")
    if len(book) >= UNFINISHED_TASKS_MAX:
        return conflict(f"this project has {UNFINISHED_TASKS_MAX} unfinished tasks: ship or cancel some first.")
    owner = None if command.owner is None else context.named()
    created = TaskCreated(
        task_id=book.last_id + 1,
        title=command.title,
        lane=command.lane,
        owner=None if owner is None else owner.actor,
        owner_id=None if owner is None else owner.id,
        detail=command.detail,
        depends_on=depends_on,
        priority=command.priority,
    )
    close = lane_spelled_alike(presence, command.lane)
    reply = TaskState(task_id=created.task_id, status=_first_status(created), nearest_lane=close or UNSET)
    return Decision(reply=reply, events=(created,))


def assign(book: TaskBook, command: TaskAssign, context: Context) -> Decision | Refusal:
    """Give an unfinished task to somebody; one in progress or blocked stays so."""
    status = _move(book, command.task_id, TaskAssigned.type)
    if isinstance(status, Refusal):
        return status
    owner = context.named()
    assigned = _assigned(book[command.task_id], owner)
    return Decision(reply=AssignedTask(task_id=command.task_id, owner=owner.actor, status=status), events=(assigned,))


def start(book: TaskBook, command: TaskStart, task_id: int, context: Context) -> Decision | Refusal:
    """Begin work, once everything the task depends on has finished. An open task becomes the caller's.

    One assigned to somebody else stays theirs, and the reply tells whose it is: it may be a mistake.
    """
    if command.lane is not None:
        return invalid("task_id names the task to start: leave lane out, or leave task_id out to take one.")
    if task_id in book and book[task_id].status == "in_progress":
        whose = "yours" if book[task_id].owner_id == context.caller.id else f"{book[task_id].owner}'s"
        return conflict(f"task {task_id} is in progress already: it is {whose}.")
    if task_id in book and book[task_id].status == "open":
        status: TaskStatus | Refusal = "in_progress"
    else:
        status = _move(book, task_id, TaskStarted.type)
    if isinstance(status, Refusal):
        return status
    task = book[task_id]
    if unfinished := task_queries.waits_for(book, task):
        return conflict(f"task {task_id} waits for {_names(unfinished)} to ship first.")
    if (refused := _taken_from(task, context)) is not None:
        return refused
    others = task.owner if task.owner is not None and task.owner_id != context.caller.id else UNSET
    return Decision(reply=TaskState(task_id=task_id, status=status, owner=others), events=_begin(task, context))


def take(book: TaskBook, seen: Seen, command: TaskStart, context: Context) -> Decision | Pending | Refusal:
    """Take and start the best task that is ready: the highest priority, then the oldest. Stale ones count as ready."""
    best = book.best_free(context.caller.id, command.lane)
    abandoned = _best_stale(book, seen, command.lane, context)
    if abandoned is not None and (best is None or _urgency(abandoned) < _urgency(best)):
        best = abandoned
    if best is None:
        if context.patient:
            return Pending(until=context.now + timedelta(seconds=command.wait_seconds), awaits=(WORK,))
        where = "" if command.lane is None else f" in lane '{command.lane}'"
        return not_found(f"no task is ready{where}: list_tasks shows what there is, wait_seconds waits for one.")
    events = _begin(best, context)
    return Decision(reply=task_queries.whole_after(best, events, context), events=events)


def block(book: TaskBook, command: TaskBlock, context: Context) -> Decision | Refusal:
    """Hold a task up for a reason, and perhaps until another task ships."""
    status = _move_by(book, command.task_id, TaskBlocked.type, context)
    if isinstance(status, Refusal):
        return status
    if len(book[command.task_id].blockers) >= BLOCKERS_PER_TASK_MAX:
        return conflict(f"task {command.task_id} has {BLOCKERS_PER_TASK_MAX} blockers already: resolve some first.")
    if command.on is not None and (refused := _cannot_wait(book, command.task_id, command.on)) is not None:
        return refused
    return _moved(command.task_id, status, TaskBlocked(task_id=command.task_id, on=command.on, reason=command.reason))


def resolve(book: TaskBook, command: TaskResolve, context: Context) -> Decision | Refusal:
    """Take off the blockers on one task, or all of them. A task that nothing blocks stays as it is."""
    task = book.get(command.task_id)
    if task is None and command.task_id <= book.last_id:
        return Decision(reply=task_queries.state_of_finished(command.task_id, context))
    if task is not None and task.status != "blocked":
        return Decision(reply=TaskState(task_id=command.task_id, status=task.status))
    status = _move_by(book, command.task_id, TaskResolved.type, context)
    if isinstance(status, Refusal):
        return status
    task = book[command.task_id]
    left = _without(task, command.blocker)
    if len(left) == len(task.blockers):
        return not_found(f"task {command.task_id} has no blocker on task {command.blocker}.")
    resolved = TaskResolved(task_id=command.task_id, blocker=command.blocker)
    return _moved(command.task_id, "blocked" if left else status, resolved)


def ship(book: TaskBook, command: TaskShip, context: Context) -> Decision | Refusal:
    """Finish a task and resolve the blockers that name it."""
    status = _move_by(book, command.task_id, TaskShipped.type, context)
    if isinstance(status, Refusal):
        return status
    reply = TaskState(task_id=command.task_id, status=status)
    return Decision(reply=reply, events=(TaskShipped(task_id=command.task_id), *_freed(book, command.task_id)))


def cancel(book: TaskBook, command: TaskCancel, context: Context) -> Decision | Refusal:
    """End a task that will not be done. Blockers that name it are resolved, and nothing depends on it any more."""
    status = _move_by(book, command.task_id, TaskCancelled.type, context)
    if isinstance(status, Refusal):
        return status
    frees = tuple(book.dependents(command.task_id))
    cancelled = TaskCancelled(task_id=command.task_id, reason=command.reason, frees=frees)
    reply = TaskState(task_id=command.task_id, status=status)
    return Decision(reply=reply, events=(cancelled, *_freed(book, command.task_id)))


def _begin(task: Task, context: Context) -> tuple[EventData, ...]:
    """The events of starting this task: it becomes theirs where it is nobody's, or stale."""
    me = Addressee(context.caller.id, context.caller.actor)
    if task.status == "in_progress":
        return (_assigned(task, me),)
    started = TaskStarted(task_id=task.id)
    return (_assigned(task, me), started) if task.status == "open" else (started,)


def _best_stale(book: TaskBook, seen: Seen, lane: str | None, context: Context) -> Task | None:
    left = STALE_SEARCH_MAX
    best: Task | None = None
    for owner_id in book.working():
        if owner_id == context.caller.id or not task_queries.is_gone(seen, owner_id, context):
            continue
        for task in book.in_progress_of(owner_id, left):
            left -= 1
            fits = lane in {None, task.lane} and task_queries.is_stale(seen, task, context)
            if fits and (best is None or _urgency(task) < _urgency(best)):
                best = task
        if left <= 0:
            break
    return best


def _urgency(task: Task) -> tuple[int, int]:
    return -task.priority, task.id


def _created(event: Event, data: TaskCreated) -> Task:
    return Task(
        id=data.task_id,
        title=data.title,
        lane=data.lane,
        owner=data.owner,
        owner_id=data.owner_id,
        made_by=event.by,
        priority=data.priority,
        status=_first_status(data),
        changed=event.seq,
        moved_at=event.at,
        depends_on=data.depends_on,
        ready_since=0 if event.by == data.owner_id else event.seq,
    )


def _first_status(data: TaskCreated) -> TaskStatus:
    return "open" if data.owner is None else "assigned"


def _assigned(task: Task, owner: Addressee) -> TaskAssigned:
    before = None if task.owner == owner.actor else task.owner
    return TaskAssigned(task_id=task.id, owner=owner.actor, owner_id=owner.id, before=before)


def _handed_over(task: Task, event: Event, data: TaskAssigned) -> Task:
    former = [reader for reader in task.former if reader != data.owner_id]
    if task.owner_id not in {None, data.owner_id}:
        former = [*(reader for reader in former if reader != task.owner_id), task.owner_id]
    ready_since = task.ready_since if event.by == data.owner_id else event.seq
    kept = tuple(former[-FORMER_OWNERS_MAX:])
    return replace(task, owner=data.owner, owner_id=data.owner_id, former=kept, ready_since=ready_since)


def _move(book: TaskBook, task_id: int, event_type: str) -> TaskStatus | Refusal:
    if task_id > book.last_id:
        return not_found(f"no task {task_id}.")
    if task_id not in book:
        return conflict(f"task {task_id} is done or cancelled: it does not move any more.")
    status = book[task_id].status
    if (after := TRANSITIONS.get((status, event_type))) is None:
        needed = " or ".join(before for before, by in TRANSITIONS if by == event_type)
        return conflict(f"task {task_id} is {status}; {event_type} needs it {needed}.")
    return after


def _move_by(book: TaskBook, task_id: int, event_type: str, context: Context) -> TaskStatus | Refusal:
    """`_move`, for moves that a former owner may not make."""
    status = _move(book, task_id, event_type)
    if isinstance(status, Refusal):
        return status
    return _taken_from(book[task_id], context) or status


def _taken_from(task: Task, context: Context) -> Refusal | None:
    if context.caller.id not in task.former:
        return None
    return conflict(f"task {task.id} was handed over to {task.owner}: leave it to them, or take it with task_assign.")


def _freed(book: TaskBook, task_id: int) -> list[TaskResolved]:
    return [TaskResolved(task_id=blocked, blocker=task_id) for blocked in book.blocked_on(task_id)]


def _cannot_wait(book: TaskBook, task_id: int, on: int) -> Refusal | None:
    """Why a task cannot wait for task `on`, if it cannot."""
    if on > book.last_id:
        return not_found(f"no task {on} to wait for.")
    if on not in book:
        return conflict(f"task {on} has shipped already, or was cancelled: there is nothing to wait for.")
    if len(book.blocked_on(on)) >= BLOCKED_ON_ONE_MAX:
        return conflict(f"task {on} holds up {BLOCKED_ON_ONE_MAX} tasks already: block this one without 'on'.")
    waits = book.waits(on, task_id)
    if waits is None:
        return conflict(f"task {on} waits for too many others to rule out a cycle: block this one without 'on'.")
    return conflict(f"task {on} itself waits for task {task_id}: that would be a cycle.") if waits else None


def _moved(task_id: int, status: TaskStatus, event: TaskBlocked | TaskResolved) -> Decision:
    return Decision(reply=TaskState(task_id=task_id, status=status), events=(event,))


def _after(task: Task, data: TaskEvent) -> TaskStatus:
    return TRANSITIONS[task.status, data.type]


def _without(task: Task, blocker: int | None) -> tuple[Blocker, ...]:
    return () if blocker is None else tuple(row for row in task.blockers if row.on != blocker)


def _names(task_ids: list[int]) -> str:
    return ", ".join(f"task {task_id}" for task_id in task_ids)
