"""The ledger as PostgreSQL holds it, and what it must be, whatever died while it was written."""

import logging
from collections import Counter
from dataclasses import dataclass

import msgspec

from engine.decision import Context, Decision
from engine.events import decode
from engine.identity import Principal
from engine.leases import Leased, WhoHolds
from engine.lookups import Recall
from engine.posts import Posted
from engine.presence import Registered
from engine.project import apply, decide
from engine.sequences import Claimed, LatestClaims, ListSequences, Seeded
from engine.state import State
from engine.tasks import ListTasks, TaskBlocked, TaskCreated
from engine.vocabulary import Event, EventData
from tests.load import Answered, Attempt, Client, Record
from tests.postgres import query

log = logging.getLogger(__name__)

_EVENTS = "select seq, at, actor, participation_id, type, data::text from events where project_id = %s order by seq"


@dataclass(frozen=True)
class Ledger:
    """All events of one project, in order."""

    events: list[Event]

    @classmethod
    def read(cls, conninfo: str) -> "Ledger":
        """What is durable now, of the only project."""
        [(project_id,)] = query(conninfo, "select id from projects")
        rows = query(conninfo, _EVENTS, (project_id,))
        return cls(
            [
                Event(seq=seq, at=at, actor=actor, by=by, data=decode(type_name, data))  # type: ignore[arg-type]
                for seq, at, actor, by, type_name, data in rows
            ]
        )

    @property
    def claims(self) -> list[Claimed]:
        """All claims, in order."""
        return [event.data for event in self.events if isinstance(event.data, Claimed)]

    def fold(self) -> State:
        """The state that these events come to; raises when one is missing."""
        state = State()
        for event in self.events:
            apply(state, event)
        return state


def judge(ledger: Ledger, record: Record) -> None:
    """Hold what clients were told against what is durable: no gap, no number twice, nothing lost or done twice."""
    log.info("%d events; %s", len(ledger.events), dict(record.kinds()))
    assert [event.seq for event in ledger.events] == list(range(1, len(ledger.events) + 1))
    _judge_numbers(ledger)
    _judge_once(ledger)
    facts = {event.seq: event for event in ledger.events}
    claimed = {(claim.sequence, claim.number): claim for claim in ledger.claims}
    for attempt, value in record.answered("claim"):
        claim = claimed[value["sequence"], value["number"]]
        assert (claim.note, claim.key) == (attempt.arguments.get("note"), attempt.arguments.get("key")), attempt
    for attempt, value in record.answered("post"):
        posted = facts[value["post_id"]].data
        assert isinstance(posted, Posted)
        assert (posted.body, posted.key) == (attempt.arguments["body"], attempt.arguments.get("key")), attempt
    for attempt, value in record.answered("lease"):
        leased = facts[value["lease_id"]].data
        assert isinstance(leased, Leased)
        assert leased.surface == attempt.arguments["surface"], attempt
    created = {event.data.task_id: event.data.title for event in ledger.events if isinstance(event.data, TaskCreated)}
    for attempt, value in record.answered("task_create"):
        assert created[value["task_id"]] == attempt.arguments["title"], attempt
    _judge_answered_once(record)


def judge_insistence(ledger: Ledger, record: Record) -> None:
    """Who insists is answered in the end: what has a key was answered, and nothing else was done."""
    for tool, kept in (("claim", Claimed), ("post", Posted)):
        done = {event.data.key for event in ledger.events if isinstance(event.data, kept)}
        assert done == {attempt.arguments["key"] for attempt, _ in record.answered(tool)}


def _judge_numbers(ledger: Ledger) -> None:
    """Every sequence counts by one, from where it was set."""
    current = Counter[str]()
    for event in ledger.events:
        match event.data:
            case Claimed(sequence=sequence, number=number):
                assert number == current[sequence] + 1, event
                current[sequence] = number
            case Seeded(sequence=sequence, current=number):
                assert number >= current[sequence], event
                current[sequence] = number
            case _:
                pass


def _judge_once(ledger: Ledger) -> None:
    """A call is carried out at most once: with a key however often it is repeated, and without one by itself.

    Every call of the workload that writes words writes its own.
    """
    done = Counter((event.by, event.data.type, words) for event in ledger.events if (words := _words(event.data)))
    assert [call for call, times in done.items() if times > 1] == []


def _words(data: EventData) -> str | None:
    match data:
        case Claimed(key=words) | Posted(key=words) | Registered(status=words):
            return words
        case TaskCreated(title=words) | TaskBlocked(reason=words):
            return words
        case _:
            return None


def _judge_answered_once(record: Record) -> None:
    """No two calls got the same number, and all attempts of one call that were answered got the same one."""
    holders = dict[tuple[str, int], Attempt]()
    for attempt, value in record.answered("claim"):
        first = holders.setdefault((value["sequence"], value["number"]), attempt)
        assert (first.client, first.arguments) == (attempt.client, attempt.arguments)


async def judge_answers_of(client: Client, ledger: Ledger) -> None:
    """Hold what a server answers now, while nobody writes, against the fold of the ledger."""
    state = ledger.fold()
    caller = Principal(id=-1, project_id=0, handle="", label=None, project="")
    for tool, command in (
        ("list_sequences", ListSequences()),
        ("latest_claims", LatestClaims()),
        ("list_tasks", ListTasks(limit=200)),
        ("who_holds", WhoHolds()),
    ):
        arguments = {"limit": 200} if tool == "list_tasks" else {}
        outcome = await client.insist(tool, **arguments)
        assert isinstance(outcome, Answered)
        decision = decide(state, command, Context(caller=caller, seq=state.seq, now=state.at, recall=Recall()))
        assert isinstance(decision, Decision)
        expected = msgspec.json.decode(msgspec.json.encode(decision.reply))
        assert _timeless(outcome.value) == _timeless(expected), tool
    assert await event_ids(client) == [event.seq for event in reversed(ledger.events)]


async def event_ids(client: Client) -> list[int]:
    """The numbers of all events that a server tells of, newest first."""
    ids = list[int]()
    while True:
        before = {"before": ids[-1]} if ids else {}
        outcome = await client.insist("query_events", limit=1000, **before)
        assert isinstance(outcome, Answered)
        page = [event["id"] for event in outcome.value["events"]]
        if not page:
            return ids
        ids += page


def _timeless(answer: dict[str, object]) -> dict[str, object]:
    """An answer without what depends on when it is given, or to whom."""
    rows = answer.get("leases")
    if isinstance(rows, list):
        return {"leases": [{name: row[name] for name in row if name != "expires_in_seconds"} for row in rows]}
    return {name: value for name, value in answer.items() if name != "_unread_posts"}
