"""What a journal answers about history, the dullest way: by going through every event."""

from collections.abc import Iterable

from msgspec.structs import replace

from engine.lookups import (
    ACKS_COUNTED_MAX,
    ACKS_SHOWN_MAX,
    ClaimFact,
    FinishedTask,
    Found,
    PostQuery,
    PostRecord,
    TaskQuery,
)
from engine.sequences import Claimed, Voided
from engine.tasks import TaskAssigned, TaskCancelled, TaskCreated, TaskShipped
from engine.vocabulary import Event


def finished_tasks(events: Iterable[Event], query: TaskQuery) -> Found[FinishedTask]:
    """The finished tasks that match, newest first."""
    known: dict[int, FinishedTask] = {}
    finished = set[int]()
    for event in events:
        match event.data:
            case TaskCreated(task_id=task_id, title=title, lane=lane, owner=owner):
                known[task_id] = FinishedTask(task_id=task_id, title=title, lane=lane, owner=owner, status="done")
            case TaskAssigned(task_id=task_id, owner=owner):
                known[task_id] = replace(known[task_id], owner=owner)
            case TaskShipped(task_id=task_id) if event.seq <= query.upto:
                finished.add(task_id)
            case TaskCancelled(task_id=task_id) if event.seq <= query.upto:
                known[task_id] = replace(known[task_id], status="cancelled")
                finished.add(task_id)
            case _:
                pass
    found = [
        known[task_id]
        for task_id in sorted(finished, reverse=True)
        if query.above < task_id < query.below
        and query.status in {None, known[task_id].status}
        and (query.owner in {None, known[task_id].owner} or known[task_id].owner in query.former_names)
        and query.lane in {None, known[task_id].lane}
    ]
    return Found(found[: query.limit])


def claim_of(events: Iterable[Event], sequence: str, number: int) -> ClaimFact | None:
    """Who claimed this number of the sequence; None when nobody did."""
    found: ClaimFact | None = None
    for event in events:
        match event.data:
            case Claimed(sequence=name, number=taken, formatted=formatted) if (name, taken) == (sequence, number):
                found = ClaimFact(by=event.by, actor=event.actor, formatted=formatted)
            case Voided(sequence=name, number=taken) if (name, taken) == (sequence, number) and found is not None:
                found = replace(found, void=True)
            case _:
                pass
    return found


def with_first_acks(record: PostRecord, query: PostQuery) -> PostRecord:
    """The record with no more acknowledgements than a journal returns."""
    if not query.with_acks:
        return replace(record, acks=())
    first, further = record.acks[:ACKS_SHOWN_MAX], record.acks[ACKS_SHOWN_MAX:]
    asked = tuple(fact for fact in further if fact.by in query.acks_of)
    return replace(record, acks=(*first, *asked), acks_more=min(len(further), ACKS_COUNTED_MAX))
