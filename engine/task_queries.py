"""Reading tasks: the list, one task whole, and which tasks are stale.

Unfinished tasks are in the book. Finished ones, details, and what happened to a task are looked up in history.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
from msgspec import UNSET, UnsetType

from engine.decision import Context, Decision, Pending
from engine.history import Liveness
from engine.lookups import (
    EventLookup,
    EventQuery,
    EventView,
    FinishedTask,
    Found,
    Lookup,
    PostLookup,
    PostQuery,
    PostRecord,
    TaskLookup,
    TaskQuery,
    goes_on_before,
)
from engine.posts import Posted
from engine.presence import PresenceBook, lane_close_to
from engine.refusals import Refusal, invalid, not_found
from engine.task_graph import Task, TaskBook
from engine.tasks import (
    PRIORITY_NORMAL,
    BlockerRow,
    BlockerSince,
    ListTasks,
    Mention,
    Moment,
    OneTask,
    TaskAssigned,
    TaskRow,
    Tasks,
    TaskState,
    WholeTask,
    topic_of,
)
from engine.terms import ID_MAX, TaskStatus
from engine.vocabulary import EventData, Reply

HISTORY_SHOWN_MAX = 50
"""Events of a task that it is shown with, the newest ones."""

MENTIONS_SHOWN_MAX = 20
"""Posts about a task that it is shown with, the newest ones."""

_FINISHED = frozenset({"done", "cancelled"})
_ENDS: dict[str, TaskStatus] = {"task_ship": "done", "task_cancel": "cancelled"}

Seen = Mapping[int, Liveness]


def list_tasks(
    book: TaskBook, presence: PresenceBook, seen: Seen, command: ListTasks, context: Context
) -> Decision | Refusal:
    """Tasks that match every filter. Finished ones are looked up in history; they count as normally urgent.

    `owner` is the addressee, if there is one: it may have had another name when a task was assigned to it.
    """
    only_unfinished = command.ready or command.status not in {None, *_FINISHED}
    if only_unfinished and command.before is not None:
        return invalid("before goes through finished tasks: leave it out, or ask for status done or cancelled.")
    owner = command.owner if context.addressee is None else context.addressee.id
    found = (
        []
        if command.status in _FINISHED or command.before is not None
        else book.find(command.status, owner, command.lane, ready=command.ready, limit=command.limit)
    )
    rows = [_row(book, seen, task, context) for task in found]
    close = lane_close_to(presence, command.lane, book.lanes())
    is_full = len(found) == command.limit
    if only_unfinished or not book.finished or (is_full and found[-1].priority > PRIORITY_NORMAL):
        return Decision(reply=_listed(rows, close))
    query = TaskQuery(
        upto=context.seq,
        above=found[-1].id if is_full and found[-1].priority == PRIORITY_NORMAL else 0,
        below=ID_MAX + 1 if command.before is None else command.before,
        status=command.status,
        owner=command.owner,
        former_names=() if context.addressee is None else context.addressee.former_names,
        lane=command.lane,
        limit=command.limit,
    )

    def with_finished(finished: Found[FinishedTask]) -> Reply:
        merged = _merged(rows, finished, command.limit)
        return _listed(merged, close, goes_on_before(finished, len(rows) + len(finished) - len(merged)))

    return Decision(reply=TaskLookup(query, with_finished))


def read(
    book: TaskBook, seen: Seen, command: ListTasks, task_id: int, context: Context
) -> Decision | Pending | Refusal:
    """One task whole, or once it has changed when the caller waits for that."""
    if command.filters:
        given = " and ".join(command.filters)
        return invalid(f"task_id names one task: leave {given} out, or leave task_id out.")
    if task_id > book.last_id:
        return not_found(f"no task {task_id}.")
    task = book.get(task_id)
    since = context.seq if context.since is None else context.since
    if context.patient and task is not None and task.changed <= since:
        return Pending(until=context.now + timedelta(seconds=command.wait_seconds), awaits=(topic_of(task_id),))
    stale = task is not None and is_stale(seen, task, context)
    waiting = [] if task is None else waits_for(book, task)
    return Decision(reply=_whole(task_id, task, waiting, stale=stale, upto=context.seq))


def whole_after(task: Task, events: Sequence[EventData], context: Context) -> Lookup:
    """The task whole, as it is once the caller has started it by these events."""
    return _whole(task.id, None, [], stale=False, upto=context.seq + len(events))


def state_of_finished(task_id: int, context: Context) -> Lookup:
    """Whether a finished task was shipped or cancelled."""
    query = EventQuery(upto=context.seq, task_id=task_id, limit=1)
    return EventLookup(query, lambda newest: TaskState(task_id=task_id, status=_ENDS[newest[0].type]))


def waits_for(book: TaskBook, task: Task) -> list[int]:
    """The task's dependencies that are unfinished."""
    return [task_id for task_id in task.depends_on if task_id in book]


def is_gone(seen: Seen, reader: int, context: Context) -> bool:
    """Whether this reader has not been seen for long."""
    last = seen.get(reader)
    return last is None or context.now - last.at > _patience(context)


def is_stale(seen: Seen, task: Task, context: Context) -> bool:
    """Whether a task is in progress, and neither moved nor had its owner seen for long."""
    return (
        task.status == "in_progress"
        and task.owner_id is not None
        and context.now - task.moved_at > _patience(context)
        and is_gone(seen, task.owner_id, context)
    )


def _patience(context: Context) -> timedelta:
    return timedelta(seconds=context.caller.stale_after_seconds)


def _row(book: TaskBook, seen: Seen, task: Task, context: Context) -> TaskRow:
    return TaskRow(
        task_id=task.id,
        title=task.title,
        lane=task.lane,
        owner=task.owner,
        status=task.status,
        blockers=[BlockerRow(on=blocker.on, reason=blocker.reason) for blocker in task.blockers],
        priority=UNSET if task.priority == PRIORITY_NORMAL else task.priority,
        waits_for=waits_for(book, task) or UNSET,
        stale=is_stale(seen, task, context) or UNSET,
    )


def _listed(rows: list[TaskRow], close: str | None, goes_on: int | UnsetType = UNSET) -> Tasks:
    return Tasks(tasks=rows, nearest_lane=UNSET if rows or close is None else close, searched_back_to=goes_on)


def _merged(rows: list[TaskRow], finished: list[FinishedTask], limit: int) -> list[TaskRow]:
    done = [TaskRow(**msgspec.structs.asdict(task), blockers=[]) for task in finished]
    return sorted([*rows, *done], key=_place, reverse=True)[:limit]


def _place(row: TaskRow) -> tuple[int, int]:
    return PRIORITY_NORMAL if row.priority is UNSET else row.priority, row.task_id


def _whole(task_id: int, task: Task | None, waiting: list[int], *, stale: bool, upto: int) -> Lookup:
    """A task from its first event, its newest ones, and the posts about it; `task` is what the book has of it."""

    def with_first(first: list[EventView]) -> Lookup:
        return EventLookup(newest, lambda events: with_events(first[0], events))

    def with_events(first: EventView, events: list[EventView]) -> Lookup:
        return PostLookup(mentions, lambda posts: told(first, events, posts))

    def told(first: EventView, events: list[EventView], posts: list[PostRecord]) -> Reply:
        return OneTask(tasks=[_told(first, events, posts, task, waiting, stale=stale)])

    newest = EventQuery(upto=upto, task_id=task_id, limit=HISTORY_SHOWN_MAX)
    mentions = PostQuery(upto=upto, ref=f"task:{task_id}", limit=MENTIONS_SHOWN_MAX)
    return EventLookup(EventQuery(upto=upto, task_id=task_id, oldest_first=True, limit=1), with_first)


def _told(
    first: EventView,
    events: list[EventView],
    posts: list[PostRecord],
    task: Task | None,
    waiting: list[int],
    *,
    stale: bool,
) -> WholeTask:
    made = first.payload
    blockers = () if task is None else task.blockers
    return WholeTask(
        task_id=made["task_id"],
        title=made["title"],
        detail=made.get("detail"),
        lane=made["lane"],
        owner=task.owner if task is not None else _owner(first, events),
        status=task.status if task is not None else _ENDS.get(events[0].type, "in_progress"),
        priority=made.get("priority", PRIORITY_NORMAL),
        by=first.actor,
        created_at=first.ts,
        depends_on=list(made.get("depends_on", ())),
        waits_for=waiting,
        blockers=[BlockerSince(on=each.on, reason=each.reason, blocked_at=each.at) for each in blockers],
        stale=stale or UNSET,
        posts=[_mention(post) for post in posts],
        history=[_moment(event) for event in events],
    )


def _owner(first: EventView, events: list[EventView]) -> str | None:
    """The last owner of a task, by its newest events."""
    last = next((event for event in events if event.type == TaskAssigned.type), first)
    owner: str | None = last.payload["owner"]
    return owner


def _mention(post: PostRecord) -> Mention:
    data = post.event.data
    subject = data.subject if isinstance(data, Posted) else None
    return Mention(post_id=post.event.seq, sender=post.event.actor, subject=subject, created_at=post.event.at)


def _moment(event: EventView) -> Moment:
    known = {"task_id", "title", "detail", "lane", "depends_on", "priority"}
    about = {name: value for name, value in event.payload.items() if name not in known and value is not None}
    return Moment(at=event.ts, by=event.actor, type=event.type, about=about)
