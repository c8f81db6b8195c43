"""Which task an old task event was about: the TypeScript server did not write it down. Pure.

What is known for certain is where each task ended (its row), when it last changed, and when each blocker came and went.
So events are given to tasks by evidence: creations by title and lane, blocks by reason, resolutions and shippings by
their moment. Of starts and assignments the rows keep least; they are given out from the last to the first, because that
is the direction in which a task's outcome is known. `store.legacy.play` then plays each task forward.
"""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import datetime
from math import inf
from random import Random
from typing import Literal, TypeVar

from msgspec import Struct

from store.legacy.source import BlockerFact, TaskEvent, TaskFact

Fact = TypeVar("Fact")

Qualify = Callable[[str], str]

Stage = Literal["started", "wants", "open"]
"""A task, looked at from its end: it was started; its owner was given it; nobody was ever given it."""


ATTEMPTS_MAX = 20
"""How often starts and assignments are given out again, with more and more doubt, until all are explained."""


class _Resolution(Struct, frozen=True):
    """Blockers of one task that went together."""

    task_id: int
    at: datetime
    on: frozenset[int | None]


class _Case(Struct, eq=False):
    """A task between its creation and the first event that shows it was started."""

    fact: TaskFact
    created: int
    given: str | None
    until: float
    stage: Stage


def attribute(
    events: Sequence[TaskEvent], facts: Sequence[TaskFact], blockers: Sequence[BlockerFact], qualify: Qualify
) -> dict[int, int]:
    """The task's id by the event's, for every event that some task can have had; the same tables give the same."""
    known: dict[int, int] = {}
    of_type: dict[str, list[TaskEvent]] = defaultdict(list)
    for event in events:
        of_type[event.type].append(event)
    for event, fact in _pairs(
        of_type["task_create"],
        facts,
        lambda event: (event.payload.get("title"), event.payload.get("lane")),
        lambda fact: (fact.title, fact.lane),
        lambda fact: fact.created_at,
    ):
        known[event.id] = fact.id
    for event, blocker in _pairs(
        of_type["task_block"],
        blockers,
        lambda event: (event.payload.get("on"), event.payload.get("reason")),
        lambda blocker: (blocker.on, blocker.reason),
        lambda blocker: blocker.created_at,
    ):
        known[event.id] = blocker.task_id
    shipped = [fact for fact in facts if fact.status == "done"]
    for event, fact in _pairs(
        of_type["task_ship"], shipped, lambda _: None, lambda _: None, lambda fact: fact.updated_at
    ):
        known[event.id] = fact.id
    known |= _resolved(of_type["task_resolve"], blockers)
    return known | _begun(events, facts, known, qualify)


def _pairs(
    events: Sequence[TaskEvent],
    facts: Iterable[Fact],
    key_of_event: Callable[[TaskEvent], Hashable],
    key_of_fact: Callable[[Fact], Hashable],
    moment: Callable[[Fact], datetime],
) -> Iterator[tuple[TaskEvent, Fact]]:
    """Events and facts of one key that belong together: those of the same moment, the rest in their order."""
    exact: dict[Hashable, deque[int]] = defaultdict(deque)
    in_order: dict[Hashable, deque[int]] = defaultdict(deque)
    ordered = sorted(facts, key=moment)
    for index, fact in enumerate(ordered):
        exact[key_of_fact(fact), moment(fact)].append(index)
    taken: set[int] = set()
    left = []
    for event in events:
        if found := exact[key_of_event(event), event.at]:
            taken.add(found[0])
            yield event, ordered[found.popleft()]
        else:
            left.append(event)
    for index, fact in enumerate(ordered):
        if index not in taken:
            in_order[key_of_fact(fact)].append(index)
    for event in left:
        if found := in_order[key_of_event(event)]:
            yield event, ordered[found.popleft()]


def _resolved(events: Sequence[TaskEvent], blockers: Iterable[BlockerFact]) -> dict[int, int]:
    """Resolutions, told by their moment; of several at once by the blocker they name."""
    together: dict[tuple[int, datetime], set[int | None]] = defaultdict(set)
    for blocker in blockers:
        if blocker.resolved_at is not None:
            together[blocker.task_id, blocker.resolved_at].add(blocker.on)
    left = sorted((_Resolution(task_id, at, frozenset(on)) for (task_id, at), on in together.items()), key=_moment)
    known: dict[int, int] = {}
    for same_moment in (True, False):
        for event in events:
            named = event.payload.get("blocker")
            for found in left:
                if (named is None or named in found.on) and (found.at == event.at or not same_moment):
                    if event.id not in known:
                        known[event.id] = found.task_id
                        left.remove(found)
                    break
    return known


def _moment(resolution: _Resolution) -> tuple[datetime, int]:
    return resolution.at, resolution.task_id


def _begun(
    events: Sequence[TaskEvent], facts: Sequence[TaskFact], known: dict[int, int], qualify: Qualify
) -> dict[int, int]:
    """Starts and assignments: the first attempt that explains every one, or the best."""
    best: _Backwards | None = None
    for attempt in range(ATTEMPTS_MAX):
        tried = _Backwards(events, facts, known, qualify, attempt)
        if best is None or tried.unexplained < best.unexplained:
            best = tried
        if not best.unexplained:
            break
    assert best is not None  # noqa: S101  # there is a first attempt
    return best.known


class _Backwards:
    """Gives starts and assignments to tasks, from the last to the first; `unexplained` counts what did not come out."""

    def __init__(
        self,
        events: Sequence[TaskEvent],
        facts: Sequence[TaskFact],
        known: dict[int, int],
        qualify: Qualify,
        attempt: int,
    ) -> None:
        self.known: dict[int, int] = {}
        self.unexplained = 0
        self._qualify = qualify
        self._attempt = attempt
        self._chance = Random(attempt)  # noqa: S311  # another order of trying, the same every time
        cases = _cases(events, facts, known, qualify)
        self._begun = [case for case in cases if case.stage == "started"]
        self._wanting: dict[str | None, list[_Case]] = defaultdict(list)
        self._free: list[_Case] = []
        for case in cases:
            if case.stage == "wants":
                self._wanting[case.fact.owner].append(case)
        self._assigned: dict[str, list[int]] = defaultdict(list)
        begun = [event for event in events if event.type in {"task_start", "task_assign"}]
        for event in begun:
            if event.type == "task_assign":
                self._assigned[self._owner(event)].append(event.id)
        for event in reversed(begun):
            found = self._started(event) if event.type == "task_start" else self._given(event)
            if found is None:
                self.unexplained += 1
            else:
                self.known[event.id] = found.fact.id
        ownerless = (case for cases in self._wanting.values() for case in cases if not self._has_owner(case))
        self.unexplained += len(self._begun) + sum(1 for _ in ownerless)

    def _owner(self, event: TaskEvent) -> str:
        return self._qualify(str(event.payload.get("owner")))

    def _has_owner(self, case: _Case) -> bool:
        """Whether its creation gave the task to the owner it has."""
        return case.given is not None and case.given == case.fact.owner

    def _started(self, event: TaskEvent) -> _Case | None:
        starter = self._qualify(event.actor)

        def evidence(case: _Case) -> tuple[bool, bool, float]:
            is_last_change = case.until == inf and case.fact.updated_at == event.at
            is_owners = self._attempt % 2 == 0 and case.fact.owner == starter
            # The task that could have been started least long before: the others can wait for an earlier start.
            earliest = self._earliest(case)
            doubt = self._chance.random() * (event.id - earliest) * self._attempt / ATTEMPTS_MAX
            return is_last_change, is_owners, earliest + doubt

        possible = (case for case in self._begun if case.created < event.id < case.until)
        found = max(possible, key=evidence, default=None)
        if found is not None:
            self._begun.remove(found)
            self._wanting[found.fact.owner].append(found)
        return found

    def _earliest(self, case: _Case) -> int:
        if self._has_owner(case):
            return case.created
        ids = self._assigned.get(case.fact.owner or "", [])
        place = bisect_left(ids, case.created)
        return ids[place] if place < len(ids) else case.created

    def _given(self, event: TaskEvent) -> _Case | None:
        wanting = self._wanting[self._owner(event)]

        def evidence(case: _Case) -> tuple[bool, bool, int]:
            return case.fact.updated_at == event.at, not self._has_owner(case), case.created

        if possible := [case for case in wanting if case.created < event.id]:
            found = max(possible, key=evidence)
            wanting.remove(found)
            self._free.append(found)
            return found
        free = (case for case in self._free if case.created < event.id)
        return max(free, key=lambda case: case.created, default=None)


def _cases(
    events: Sequence[TaskEvent], facts: Sequence[TaskFact], known: dict[int, int], qualify: Qualify
) -> list[_Case]:
    cases = {
        fact.id: _Case(
            fact, 0, None, inf, "wants" if fact.status == "assigned" else "open" if fact.status == "open" else "started"
        )
        for fact in facts
    }
    for event in reversed(events):
        if (task_id := known.get(event.id)) is None:
            continue
        case = cases[task_id]
        if event.type == "task_create":
            owner = event.payload.get("owner")
            case.created, case.given = event.id, None if owner is None else qualify(owner)
        else:
            case.until = event.id
            case.stage = "started"
    return list(cases.values())
