"""Old tasks, played forward from their events to their rows. Pure.

`store.legacy.tasks` says which event belongs to which task. Where a task's events do not lead to its row, as few as
possible are added, in the name of the project's owner, and an event that cannot have happened where it stands is left
out. For a consistent database nothing is added and nothing left out.

Invariant: the fold of the result has every task exactly as its row has it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import inf

from msgspec import Struct
from msgspec.structs import replace

from engine.tasks import TRANSITIONS, TaskAssigned, TaskBlocked, TaskCreated, TaskResolved, TaskShipped, TaskStarted
from engine.terms import TaskStatus
from engine.vocabulary import EventData
from store.legacy.names import Names
from store.legacy.source import BlockerFact, TaskEvent, TaskFact
from store.legacy.tasks import attribute

UNKNOWN_REASON = "not recorded"

Blocker = tuple[int | None, str]


class Addition(Struct, frozen=True):
    """Something that must have happened, and when at the latest."""

    at: datetime
    data: EventData


class Played(Struct):
    """What a project's task events say here: `told` by the old event's id, which of the rest is left out.

    `before` has what is added before an old event, `afterwards` what is added after all of them.
    """

    told: dict[int, EventData]
    before: dict[int, list[Addition]]
    afterwards: list[Addition]


def play(
    events: Sequence[TaskEvent], facts: Sequence[TaskFact], blockers: Sequence[BlockerFact], names: Names
) -> Played:
    """The project's tasks, from 1 in the order in which they first appear."""
    known = attribute(events, [_qualified(fact, names) for fact in facts], blockers, names.qualified)
    of_task: dict[int, list[TaskEvent]] = defaultdict(list)
    for event in events:
        if event.id in known:
            of_task[known[event.id]].append(event)
    of_fact: dict[int, list[BlockerFact]] = defaultdict(list)
    for blocker in blockers:
        if blocker.resolved_at is None:
            of_fact[blocker.task_id].append(blocker)
    ordered = sorted(facts, key=lambda fact: (of_task[fact.id][0].id if of_task[fact.id] else inf, fact.id))
    numbers = {fact.id: number for number, fact in enumerate(ordered, start=1)}
    played = Played({}, defaultdict(list), [])
    for fact in ordered:
        task = _Task(_qualified(fact, names), of_fact[fact.id], numbers, names, played)
        for event in of_task[fact.id]:
            task.tell(event)
        task.settle()
    played.afterwards.sort(key=lambda addition: addition.at)
    return played


def _qualified(fact: TaskFact, names: Names) -> TaskFact:
    owner = names.addressee(fact.owner, fact.owner_participation_id)
    return replace(
        fact,
        owner_participation_id=None if owner is None else owner.id,
        owner=None if owner is None else owner.actor,
    )


class _Task:
    """One task on its way to what its row says."""

    def __init__(
        self, fact: TaskFact, held_up: Iterable[BlockerFact], numbers: Mapping[int, int], names: Names, played: Played
    ) -> None:
        self._fact = fact
        self._id = numbers[fact.id]
        self._numbers = numbers
        self._names = names
        self._played = played
        self._held_up: list[Blocker] = [(self._number(row.on), row.reason) for row in held_up]
        self._status: TaskStatus | None = None
        self._owner: str | None = None
        self._blockers: list[Blocker] = []
        self._event: TaskEvent | None = None

    def tell(self, event: TaskEvent) -> None:
        """Take one event, after whatever must have come before it; or leave it out."""
        self._event = event
        match event.type:
            case "task_create" if self._status is None:
                owner = event.payload.get("owner")
                self._apply(self._created(owner), event)
            case "task_assign" if self._reach("assigned", owned=False):
                owner = self._names.addressee(str(event.payload.get("owner")), None)
                assert owner is not None  # noqa: S101  # a name was given
                self._apply(TaskAssigned(task_id=self._id, owner=owner.actor, owner_id=owner.id), event)
            case "task_start" if self._reach("assigned"):
                self._apply(TaskStarted(task_id=self._id), event)
            case "task_block" if self._status == "blocked" or self._reach("in_progress"):
                on, reason = self._number(event.payload.get("on")), str(event.payload.get("reason") or UNKNOWN_REASON)
                self._apply(TaskBlocked(task_id=self._id, on=on, reason=reason), event)
            case "task_resolve" if self._status == "blocked":
                self._apply(TaskResolved(task_id=self._id, blocker=self._number(event.payload.get("blocker"))), event)
            case "task_ship" if self._reach("in_progress"):
                self._apply(TaskShipped(task_id=self._id), event)
            case _:
                pass

    def settle(self) -> None:
        """Add what is missing between the last event and the row."""
        self._event = None
        match self._fact.status:
            case "assigned":
                self._reach("assigned")
            case "in_progress":
                self._reach("in_progress")
            case "blocked":
                self._hold_up()
            case "done" if self._status != "done":
                self._reach("in_progress")
                self._add(TaskShipped(task_id=self._id))
            case _:
                self._exist()

    def _exist(self) -> None:
        if self._status is None:
            self._add(self._created(None if self._fact.status == "open" else self._fact.owner))

    def _reach(self, status: TaskStatus, *, owned: bool = True) -> bool:
        """Add what leads to `status`, under the owner of the row if `owned`; False when nothing does any more."""
        self._exist()
        if self._status in {"open", "assigned"}:
            if owned and (self._status == "open" or self._owner != self._fact.owner):
                self._add(self._assigned())
            if status == "in_progress":
                self._add(TaskStarted(task_id=self._id))
            return True
        if status == "in_progress" and self._status == "blocked":
            self._add(TaskResolved(task_id=self._id, blocker=None))
        return self._status == status

    def _hold_up(self) -> None:
        wanted = self._held_up or [(None, UNKNOWN_REASON)]
        if self._status == "blocked" and self._blockers == wanted:
            return
        if self._reach("in_progress"):
            for on, reason in wanted:
                self._add(TaskBlocked(task_id=self._id, on=on, reason=reason))

    def _created(self, owner_name: str | None) -> TaskCreated:
        fact, owner = self._fact, self._names.addressee(owner_name, None)
        return TaskCreated(
            task_id=self._id,
            title=fact.title,
            lane=fact.lane,
            owner=None if owner is None else owner.actor,
            owner_id=None if owner is None else owner.id,
            detail=fact.detail,
        )

    def _assigned(self) -> TaskAssigned:
        owner = self._fact.owner or self._names.handle
        reader = self._names.reader(self._fact.owner_participation_id, owner)
        return TaskAssigned(task_id=self._id, owner=owner, owner_id=reader)

    def _number(self, task_id: object) -> int | None:
        return self._numbers.get(task_id) if isinstance(task_id, int) else None

    def _add(self, data: EventData) -> None:
        self._apply(data, None)
        if self._event is None:
            self._played.afterwards.append(Addition(self._fact.updated_at, data))
        else:
            self._played.before[self._event.id].append(Addition(self._event.at, data))

    def _apply(self, data: EventData, event: TaskEvent | None) -> None:
        """Fold an event into the task, as the engine will."""
        match data:
            case TaskCreated():
                self._status, self._owner = "open" if data.owner is None else "assigned", data.owner
            case TaskBlocked():
                self._blockers.append((data.on, data.reason))
            case TaskResolved():
                self._blockers = [] if data.blocker is None else [b for b in self._blockers if b[0] != data.blocker]
            case TaskAssigned():
                self._owner = data.owner
            case _:
                pass
        if self._status is not None and not isinstance(data, TaskCreated) and not self._is_held_up_still(data):
            self._status = TRANSITIONS[self._status, data.type]
        if event is not None:
            self._played.told[event.id] = data

    def _is_held_up_still(self, data: EventData) -> bool:
        return isinstance(data, TaskResolved) and bool(self._blockers)
