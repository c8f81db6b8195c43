"""Old task events find their tasks again, and the outcome is always what the rows say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any

import pytest

from engine.project import apply
from engine.state import State
from engine.vocabulary import Event, EventData
from store.legacy.names import Names
from store.legacy.play import UNKNOWN_REASON, Played, play
from store.legacy.source import BlockerFact, TaskEvent, TaskFact
from tests.store.legacy_server import LegacyServer, Row

T0 = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = {"lead": 1, "agent-1": 2, "agent-2": 3}


def names() -> Names:
    return Names("ann", NAMES, {id_: name for name, id_ in NAMES.items()}, count(100))


def fact(number: int, status: str, owner: str | None = None, *, created: int = 0, updated: int = 0) -> TaskFact:
    reader = None if owner is None else NAMES.get(owner.rpartition("/")[2])
    at, changed = (T0 + timedelta(seconds=seconds) for seconds in (created, updated))
    return TaskFact(number, f"t{number}", None, None, reader, owner, status, at, changed)


def event(number: int, type_name: str, actor: str = "lead", **payload: Any) -> TaskEvent:
    return TaskEvent(number, T0 + timedelta(seconds=number), type_name, payload, NAMES[actor], f"ann/{actor}")


def created(number: int, task: int, owner: str | None = None) -> TaskEvent:
    return event(number, "task_create", title=f"t{task}", lane=None, owner=owner)


def folded(events: Sequence[TaskEvent], played: Played) -> State:
    """The state after all of it, in the order in which it is written."""
    state = State()
    told: list[EventData] = []
    for one in events:
        told += [addition.data for addition in played.before.get(one.id, ())]
        told += [played.told[one.id]] if one.id in played.told else []
    told += [addition.data for addition in played.afterwards]
    for seq, data in enumerate(told, start=1):
        apply(state, Event(seq=seq, at=T0, actor="ann/lead", by=1, data=data))
    return state


def is_as_the_rows_say(state: State, facts: Sequence[TaskFact], blockers: Sequence[BlockerFact]) -> None:
    """A state holds the tasks that have not shipped; the others must be gone from it."""
    unshipped = {one.id: one for one in facts if one.status != "done"}
    ours = sorted((task.title, task.lane or "", task.owner or "", task.status) for task in state.tasks.dump())
    assert ours == sorted((one.title, one.lane or "", one.owner or "", one.status) for one in unshipped.values())
    held = sorted(blocker.reason for task in state.tasks.dump() for blocker in task.blockers)
    assert held == sorted(row.reason for row in blockers if row.resolved_at is None and row.task_id in unshipped)


def rows(kind: type[Any], found: Sequence[Row], **renamed: str) -> list[Any]:
    fields = kind.__struct_fields__
    return [kind(*(row[renamed.get(name, name)] for name in fields)) for row in found]


@dataclass
class Past:
    """One project's tasks after a random past."""

    server: LegacyServer

    @property
    def events(self) -> list[TaskEvent]:
        return rows(TaskEvent, self.server.rows("events"), at="ts", actor="actor_name")

    @property
    def facts(self) -> list[TaskFact]:
        return rows(TaskFact, self.server.rows("tasks"), owner="owner_name")

    @property
    def blockers(self) -> list[BlockerFact]:
        return rows(BlockerFact, self.server.rows("task_blockers"), on="blocked_on_task_id")

    def played(self, events: Sequence[TaskEvent]) -> Played:
        labels = {member.label: member.id for member in self.server.members}
        whose = Names("ann", labels, {id_: label for label, id_ in labels.items()}, count(10_000))
        return play(events, self.facts, self.blockers, whose)


def lived(seed: int, steps: int, *pauses_ms: int) -> Past:
    server = LegacyServer(Random(seed))
    project = server.project(server.owner("ann@example.com", "ann"), "shop")
    for name in NAMES:
        server.join(project, name)
    for _ in range(steps):
        server.now += timedelta(milliseconds=server.random.choice(pauses_ms))
        member = server.random.choice(server.members)
        server.random.choice((server.create, server.work, server.work, server.work, server.work))(member)
    return Past(server)


@pytest.mark.parametrize("seed", range(20))
def test_a_random_past_ends_as_its_rows_say_with_hardly_anything_added(seed: int) -> None:
    past = lived(seed, 600, 1, 700)
    played = past.played(past.events)
    is_as_the_rows_say(folded(past.events, played), past.facts, past.blockers)
    added = sum(map(len, played.before.values())) + len(played.afterwards)
    left_out = len(past.events) - len(played.told)
    assert added + left_out <= 3


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.9, 1.0])
def test_a_past_with_holes_and_much_at_once_still_ends_as_its_rows_say(seed: int, kept: float) -> None:
    past = lived(seed, 300, 0, 0, 1)
    chance = Random(seed)
    events = [one for one in past.events if chance.random() < kept]
    is_as_the_rows_say(folded(events, past.played(events)), past.facts, past.blockers)


@pytest.mark.parametrize("seed", range(10))
def test_whatever_left_evidence_is_given_to_its_task(seed: int) -> None:
    past = lived(seed, 400, 1, 700)
    server = past.server
    for row in server.rows("tasks"):
        row["title"] = f"t{row['id']}"
    for row in server.rows("events"):
        if row["type"] == "task_create":
            row["payload"]["title"] = f"t{server.task_of[row['id']]}"
    told: dict[int, Any] = dict(past.played(past.events).told)
    numbers = {one.id: number for number, one in enumerate(past.facts, start=1)}
    certain = [one.id for one in past.events if one.type not in {"task_start", "task_assign"}]
    assert len(certain) > 100
    assert {id_: told[id_].task_id for id_ in certain} == {id_: numbers[server.task_of[id_]] for id_ in certain}


def test_a_start_goes_to_the_task_that_its_owner_was_given() -> None:
    facts = [fact(1, "in_progress", "ann/agent-1", updated=9), fact(2, "assigned", "ann/agent-2", updated=2)]
    events = [created(1, 1, "ann/agent-1"), created(2, 2, "ann/agent-2"), event(8, "task_start", "agent-1")]
    played = play(events, facts, [], names())
    assert played.told[8].__class__.__name__ == "TaskStarted"
    assert folded(events, played).tasks[1].status == "in_progress"
    assert not played.before
    assert not played.afterwards


@pytest.mark.parametrize(
    ("status", "added"),
    [
        ("open", ["task_create"]),
        ("assigned", ["task_create"]),
        ("in_progress", ["task_create", "task_start"]),
        ("blocked", ["task_create", "task_start", "task_block"]),
        ("done", ["task_create", "task_start", "task_ship"]),
    ],
)
def test_a_task_without_any_event_is_made_up_of_the_fewest(status: str, added: list[str]) -> None:
    played = play([], [fact(7, status, None if status == "open" else "ann/lead")], [], names())
    assert [addition.data.type for addition in played.afterwards] == added
    state = folded([], played)
    assert [task.status for task in state.tasks.dump()] == [status] * (status != "done")
    if status == "blocked":
        assert [(each.on, each.reason) for each in state.tasks[1].blockers] == [(None, UNKNOWN_REASON)]


def test_an_event_that_no_task_can_have_had_is_left_out() -> None:
    events = [created(1, 1), event(2, "task_ship"), event(3, "task_start"), event(4, "task_resolve", blocker=None)]
    played = play(events, [fact(1, "open")], [], names())
    assert list(played.told) == [1]
    assert not played.afterwards


def test_an_owner_who_is_gone_stays_the_owner() -> None:
    events = [created(1, 1, "ann/ghost")]
    played = play(events, [fact(1, "assigned", "ann/ghost")], [], names())
    assert folded(events, played).tasks[1].owner == "ann/ghost"
    assert not played.afterwards
    data: Any = played.told[1]
    assert data.owner_id == 100
