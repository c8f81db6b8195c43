"""A project in memory, so that a test of the rules is a row: history, command, expected answer.

`Project` does what an actor and a journal do between them, the dullest way: it decides, stamps and folds, keeps every
event, and answers lookups by going through all of them. Here too are the people of the tests and `check`, which plays a
row and holds it to what is true of every command.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from engine.decision import Context, Decision, Outcome, Pending
from engine.events import payload
from engine.identity import OWNER, Addressee, Principal, Roster, resolve
from engine.ledger import AdvanceCursor
from engine.lookups import (
    AckFact,
    ClaimFact,
    EventLookup,
    EventQuery,
    EventView,
    Found,
    Lookup,
    PostLookup,
    PostQuery,
    PostRecord,
    Recall,
    TaskLookup,
)
from engine.posts import Acked, Posted
from engine.project import AnyCommand, apply, decide, needed, restore, snapshot, stamp
from engine.refusals import Code, Refusal
from engine.sequences import Claimed, Seeded, VoidClaim, Voided
from engine.state import State
from engine.vocabulary import Event, EventData, Reply
from tests.history import claim_of, finished_tasks, with_first_acks

T0 = datetime(2026, 1, 1, tzinfo=UTC)
ROSTER = Roster(handle="kim", labels={"ada": 1, "ben": 2, "cay": 3, "lea": 4})

Step = tuple[Principal, AnyCommand]
"""Somebody asks for something."""

History = list[Step | timedelta]
"""What came before: steps, and time that passed between them."""


@dataclass(frozen=True)
class Person:
    """Calling a person with a command makes the step in which they ask for it."""

    principal: Principal

    def __call__(self, command: AnyCommand) -> Step:
        return self.principal, command

    @property
    def id(self) -> int:
        return self.principal.id

    @property
    def actor(self) -> str:
        return self.principal.actor


def person(label: str | None) -> Person:
    reader = OWNER if label is None else ROSTER.labels[label]
    is_admin = label in {None, "lea"}
    return Person(
        Principal(id=reader, project_id=7, handle=ROSTER.handle, label=label, project="bus", is_admin=is_admin)
    )


ada, ben, cay, lea = map(person, ROSTER.labels)
kim = person(None)
PEOPLE = (kim, ada, ben, cay, lea)


@dataclass(frozen=True)
class Refused:
    """The refusal that a row expects: its code, and words that its sentence must have."""

    code: Code
    words: str


def after(seconds: float = 0) -> str:
    """The wire form of a time this long after the history began."""
    return str(encoded(T0 + timedelta(seconds=seconds)))


def encoded(value: object) -> Any:
    """What a client gets to see of a value."""
    return msgspec.json.decode(msgspec.json.encode(value))


@dataclass
class Project:
    """A state, every event that led to it, and a clock that moves only when told."""

    state: State = field(default_factory=State)
    events: list[Event] = field(default_factory=list)
    now: datetime = T0
    cursors: dict[int, int] = field(default_factory=dict)

    def play(self, history: History) -> None:
        """Carry out what came before; none of it may be refused."""
        for step in history:
            if isinstance(step, timedelta):
                self.now += step
            else:
                outcome = self.ask(*step)
                assert not isinstance(outcome, Refusal), outcome

    def ask(
        self, caller: Principal, command: AnyCommand, *, patient: bool = False, since: int | None = None
    ) -> Reply | Pending | Refusal:
        """Decide, fold, and complete the answer."""
        outcome = self.decide(caller, command, patient=patient, since=since)
        if not isinstance(outcome, Decision):
            return outcome
        for event in stamp(self.state, caller, self.now, outcome.events):
            self.fold(event)
        if outcome.cursor is not None:
            self.cursors[caller.id] = outcome.cursor
        reply = self.complete(outcome.reply)
        if outcome.advances is not None:
            self.ask(caller, AdvanceCursor(upto=outcome.advances))
        return reply

    def decide(
        self, caller: Principal, command: AnyCommand, *, patient: bool = False, since: int | None = None
    ) -> Outcome:
        wanted = needed(self.state, command, caller.id)
        recall = Recall()
        if wanted:
            query = PostQuery(upto=max(wanted), ids=tuple(wanted), acks_of=(caller.id,), limit=len(wanted))
            recall = Recall(self.find_posts(query))
        addressee: Addressee | None = None
        if command.addressee_name is not None:
            found = resolve(command.addressee_name, ROSTER)
            if isinstance(found, Refusal):
                return found
            addressee = found
        claim: ClaimFact | None = None
        if isinstance(command, VoidClaim):
            claim = claim_of(self.events, command.sequence, command.number)
        context = Context(
            caller=caller,
            seq=self.state.seq,
            now=self.now,
            at=max(self.now, self.state.at),
            cursor=self.cursors.get(caller.id),
            addressee=addressee,
            claim=claim,
            since=since,
            recall=recall,
            patient=patient,
        )
        return decide(self.state, command, context)

    def fold(self, event: Event) -> None:
        apply(self.state, event)
        self.events.append(event)

    def complete(self, reply: Reply | Lookup) -> Reply:
        match reply:
            case EventLookup(query, complete):
                return self.complete(complete(self.find_events(query)))
            case PostLookup(query, complete):
                return self.complete(complete(self.find_posts(query)))
            case TaskLookup(query, complete):
                return self.complete(complete(finished_tasks(self.events, query)))
            case _:
                return reply

    def reopen(self) -> None:
        """Go on from a snapshot, as after a restart."""
        restored = restore(snapshot(self.state))
        assert restored is not None
        restored.seen = self.state.seen
        self.state = restored

    def records(self) -> list[PostRecord]:
        """Every post there ever was, with its acknowledgements, newest first."""
        return [
            PostRecord(
                event=event,
                acks=tuple(
                    AckFact(by=ack.by, actor=ack.actor, at=ack.at, note=ack.data.note)
                    for ack in self.events
                    if isinstance(ack.data, Acked) and ack.data.post_id == event.seq
                ),
            )
            for event in reversed(self.events)
            if isinstance(event.data, Posted)
        ]

    def find_posts(self, query: PostQuery) -> Found[PostRecord]:
        found = [
            record
            for record in self.records()
            if query.after < record.event.seq <= query.upto and _is_asked(record, query)
        ]
        return Found(with_first_acks(record, query) for record in found[: query.limit])

    def find_events(self, query: EventQuery) -> Found[EventView]:
        found = [event for event in self.events if query.after < event.seq <= query.upto and _is_meant(event, query)]
        if not query.oldest_first:
            found.reverse()
        return Found(
            EventView(id=event.seq, ts=event.at, actor=event.actor, type=event.data.type, payload=payload(event.data))
            for event in found[: query.limit]
        )


def check(history: History, step: Step, answer: dict[str, Any] | Refused, *events: EventData) -> Project:
    """Play a row: after `history`, `step` gets exactly `answer` and leaves exactly `events`."""
    project = Project()
    project.play(history)
    before, seq = snapshot(project.state), project.state.seq
    project.decide(*step)
    assert snapshot(project.state) == before, "deciding changed the state"
    outcome = project.ask(*step)
    if isinstance(answer, Refused):
        assert isinstance(outcome, Refusal)
        assert (outcome.code, answer.words in outcome.message) == (answer.code, True), str(outcome)
    else:
        assert not isinstance(outcome, Refusal), str(outcome)
        assert encoded(outcome) == answer
    assert tuple(event.data for event in project.events[seq:]) == events
    if not events:
        assert snapshot(project.state) == before, "the state changed without an event"
    return project


def asked(project: Project, step: Step) -> Any:
    """The answer to one more step, as a client gets to see it."""
    return encoded(project.ask(*step))


def _is_meant(event: Event, query: EventQuery) -> bool:
    data = event.data
    return (
        (query.actor in {None, event.actor} or event.actor in query.former_names)
        and query.type in {None, data.type}
        and (
            query.sequence is None or (isinstance(data, Claimed | Seeded | Voided) and data.sequence == query.sequence)
        )
        and (query.number is None or (isinstance(data, Claimed | Voided) and data.number == query.number))
        and query.task_id in {None, getattr(data, "task_id", None)}
        and (query.ref is None or (isinstance(data, Posted) and data.ref == query.ref))
        and (query.tag is None or (isinstance(data, Posted) and data.tag == query.tag))
        and (query.since is None or event.at >= query.since)
        and (query.until is None or event.at <= query.until)
    )


def _is_asked(record: PostRecord, query: PostQuery) -> bool:
    data = record.posted
    return (
        (query.ids is None or record.event.seq in query.ids)
        and (
            query.to_reader is None
            or data.to_id == query.to_reader
            or (query.reader_lane is not None and data.to_lane == query.reader_lane)
        )
        and query.to_lane in {None, data.to_lane}
        and query.by in {None, record.event.by}
        and query.ref in {None, data.ref}
        and query.tag in {None, data.tag}
        and query.thread in {None, data.thread}
        and (query.unacked_by is None or all(fact.by != query.unacked_by for fact in record.acks))
    )
