"""Tasks: what can be asked about them, what happens to them, and what is answered.

A task moves by `TRANSITIONS` only. The rules are in `engine.task_rules`, reading is in `engine.task_queries`, the book
is `engine.task_graph`.
"""

from datetime import datetime
from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType

from engine import terms
from engine.fields import Shown
from engine.terms import TaskStatus
from engine.vocabulary import Command, EventData, Reply, Topic

UNFINISHED_TASKS_MAX = 20_000
"""Tasks of a project that are neither shipped nor cancelled: far more than people and agents keep an eye on."""

BLOCKERS_PER_TASK_MAX = 50
"""The same bound as for dependencies. The search for a cycle goes over all of them."""

BLOCKED_ON_ONE_MAX = 500
"""Tasks that blockers may make wait for one task. Finishing it writes an event for each of them."""

FORMER_OWNERS_MAX = 20
"""Former owners that a task remembers, the latest ones: they are told that it was handed over."""

PRIORITY_NORMAL = 2

TRANSITIONS: dict[tuple[TaskStatus, str], TaskStatus] = {
    ("open", "task_assign"): "assigned",
    ("assigned", "task_assign"): "assigned",
    ("in_progress", "task_assign"): "in_progress",
    ("blocked", "task_assign"): "blocked",
    ("assigned", "task_start"): "in_progress",
    ("in_progress", "task_block"): "blocked",
    ("blocked", "task_block"): "blocked",
    ("blocked", "task_resolve"): "in_progress",
    ("in_progress", "task_ship"): "done",
    ("open", "task_cancel"): "cancelled",
    ("assigned", "task_cancel"): "cancelled",
    ("in_progress", "task_cancel"): "cancelled",
    ("blocked", "task_cancel"): "cancelled",
}
"""The next status of a task, by its status and the event. `task_resolve` applies when the last blocker goes."""

WORK: Topic = "work"
"""The topic of events after which a task may be ready that was not."""

_MAKES_READY = frozenset({"task_create", "task_assign", "task_ship", "task_cancel"})


class TaskCreate(Command, frozen=True, kw_only=True):
    """Write a task down."""

    title: terms.Title
    detail: terms.Detail | None = None
    lane: terms.Lane | None = None
    owner: terms.OwnerName | None = None
    priority: terms.Priority = PRIORITY_NORMAL
    depends_on: terms.TaskIds = ()

    @property
    def addressee_name(self) -> str | None:
        """The owner of the task."""
        return self.owner


class TaskAssign(Command, frozen=True, kw_only=True):
    """Give a task to somebody, also one that somebody else works on."""

    task_id: terms.TaskId
    owner: terms.OwnerName

    @property
    def addressee_name(self) -> str | None:
        """The new owner of the task."""
        return self.owner


class TaskStart(Command, frozen=True, kw_only=True):
    """Begin work on a task; without one, take the best task that is ready."""

    task_id: Annotated[terms.Id | None, Meta(description="The task; left out, the best one that is ready.")] = None
    lane: Annotated[terms.Lane | None, Meta(description="Without a task: only one of this lane.")] = None
    wait_seconds: Annotated[
        terms.WaitSeconds, Meta(description="Without a task: wait this long for one to be ready.")
    ] = 0


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


class TaskCancel(Command, frozen=True, kw_only=True):
    """Say that a task will not be done."""

    task_id: terms.TaskId
    reason: Annotated[terms.Reason, Meta(description="Why it will not be done.")]


class ListTasks(Command, frozen=True, kw_only=True):
    """Show tasks, the most urgent first, then the newest; or one task whole."""

    task_id: Annotated[terms.Id | None, Meta(description="Only this task, with all there is to know of it.")] = None
    status: Annotated[TaskStatus | None, Meta(description="Only tasks that are here.")] = None
    owner: Annotated[terms.ActorName | None, Meta(description="Only tasks of this actor, as `handle/label`.")] = None
    lane: terms.Lane | None = None
    ready: Annotated[
        bool, Meta(description="Only unfinished tasks whose dependencies have all shipped or were cancelled.")
    ] = False
    before: Annotated[
        terms.Id | None, Meta(description="Only finished tasks with a smaller id: the way to the next page.")
    ] = None
    limit: terms.PageLimit = 50
    wait_seconds: Annotated[terms.WaitSeconds, Meta(description="With a task: wait this long for its next change.")] = 0

    @property
    def filters(self) -> tuple[str, ...]:
        """The arguments that choose among several tasks, as far as they are given."""
        given = {
            "status": self.status,
            "owner": self.owner,
            "lane": self.lane,
            "ready": self.ready or None,
            "before": self.before,
        }
        return tuple(name for name, value in given.items() if value is not None)


class TaskEventData(EventData, frozen=True, kw_only=True):
    """Something happened to a task."""

    task_id: Shown[int]

    def topics(self, by: int) -> tuple[Topic, ...]:
        """The task, and work for callers that wait for any task."""
        return (topic_of(self.task_id), WORK) if self.type in _MAKES_READY else (topic_of(self.task_id),)


class TaskCreated(TaskEventData, frozen=True, kw_only=True):
    """A task was written down, with an owner or without."""

    type: ClassVar[str] = "task_create"
    title: Shown[str]
    lane: Shown[str | None]
    owner: Shown[str | None]
    detail: Shown[str | None] = None
    owner_id: int | None = None
    depends_on: Shown[tuple[int, ...]] = ()
    priority: Shown[int] = PRIORITY_NORMAL

    def topics(self, by: int) -> tuple[Topic, ...]:
        """Also its owner's tasks."""
        owned = () if self.owner_id is None else (owned_by_topic(self.owner_id),)
        return (*TaskEventData.topics(self, by), *owned)


class TaskAssigned(TaskEventData, frozen=True, kw_only=True):
    """A task got its owner, or another one; `before` had it until now."""

    type: ClassVar[str] = "task_assign"
    owner: Shown[str]
    owner_id: int
    before: Shown[str | None] = None

    def topics(self, by: int) -> tuple[Topic, ...]:
        """Also its owner's tasks."""
        return (*TaskEventData.topics(self, by), owned_by_topic(self.owner_id))


class TaskStarted(TaskEventData, frozen=True, kw_only=True):
    """Work on a task began."""

    type: ClassVar[str] = "task_start"


class TaskBlocked(TaskEventData, frozen=True, kw_only=True):
    """A task cannot go on, for a reason and perhaps until another task ships."""

    type: ClassVar[str] = "task_block"
    on: Shown[int | None]
    reason: Shown[str]


class TaskResolved(TaskEventData, frozen=True, kw_only=True):
    """Blockers of a task went: those on task `blocker`, or all of them."""

    type: ClassVar[str] = "task_resolve"
    blocker: Shown[int | None]


class TaskShipped(TaskEventData, frozen=True, kw_only=True):
    """A task is done."""

    type: ClassVar[str] = "task_ship"


class TaskCancelled(TaskEventData, frozen=True, kw_only=True):
    """A task will not be done. Tasks that depend on it (`frees`) no longer wait for it."""

    type: ClassVar[str] = "task_cancel"
    reason: Shown[str]
    frees: Shown[tuple[int, ...]] = ()


class TaskState(Reply, frozen=True, kw_only=True):
    """A task and where it stands now. `owner`: it is somebody else's, and the caller started it all the same.

    `nearest_lane`: the lane that a new task's own may be a misspelling of.
    """

    task_id: int
    status: TaskStatus
    owner: str | UnsetType = UNSET
    nearest_lane: str | UnsetType = UNSET


class AssignedTask(Reply, frozen=True, kw_only=True):
    """A task and whose it is now."""

    task_id: int
    owner: str
    status: TaskStatus


class BlockerRow(Struct, frozen=True, kw_only=True):
    """A blocker: a reason, and perhaps another task."""

    on: int | None
    reason: str


class TaskRow(Struct, frozen=True, kw_only=True):
    """One task. Left out where they say nothing: a normal `priority`, `waits_for` (unfinished dependencies), `stale`.

    `stale`: its owner has not been seen for long; anybody may take it over.
    """

    task_id: int
    title: str
    lane: str | None
    owner: str | None
    status: TaskStatus
    blockers: list[BlockerRow]
    priority: int | UnsetType = UNSET
    waits_for: list[int] | UnsetType = UNSET
    stale: bool | UnsetType = UNSET


class Tasks(Reply, frozen=True, kw_only=True):
    """Tasks, the most urgent first, then the newest. With none in a lane that is unknown, the near one is told.

    `searched_back_to` is there only when the search for finished tasks ended early: it looked at those down to this
    id, and goes on with `before` this one.
    """

    tasks: list[TaskRow]
    nearest_lane: str | UnsetType = UNSET
    searched_back_to: int | UnsetType = UNSET


class BlockerSince(Struct, frozen=True, kw_only=True):
    """A blocker of a task, and since when."""

    on: int | None
    reason: str
    blocked_at: datetime


class Mention(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A post whose `ref` names a task, as `task:<id>`."""

    post_id: int
    sender: str
    subject: str | None
    created_at: datetime


class Moment(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened to a task; `about` says what beyond the type."""

    at: datetime
    by: str
    type: str
    about: dict[str, object] = {}


class WholeTask(Struct, frozen=True, kw_only=True):
    """One task with all there is to know of it. `history` and `posts` are newest first."""

    task_id: int
    title: str
    detail: str | None
    lane: str | None
    owner: str | None
    status: TaskStatus
    priority: int
    by: str
    created_at: datetime
    depends_on: list[int]
    waits_for: list[int]
    blockers: list[BlockerSince]
    stale: bool | UnsetType = UNSET
    posts: list[Mention]
    history: list[Moment]


class OneTask(Reply, frozen=True, kw_only=True):
    """The task that was asked for, or taken."""

    tasks: list[WholeTask]


TaskCommand = TaskCreate | TaskAssign | TaskStart | TaskBlock | TaskResolve | TaskShip | TaskCancel | ListTasks
TaskEvent = TaskCreated | TaskAssigned | TaskStarted | TaskBlocked | TaskResolved | TaskShipped | TaskCancelled


def owned_by_topic(reader: int) -> Topic:
    """The topic of tasks that this reader gets."""
    return f"owner:{reader}"


def topic_of(task_id: int) -> Topic:
    """The topic of what happens to this task."""
    return f"task:{task_id}"
