"""Deciding a batch: what its commands come to on the state in memory, and what is to be written for it.

The events are folded as they are decided, so that the next command of the batch sees them; `Work` is what came of it.
Nothing here waits: a decision is never interrupted between reading the state and folding its events.
"""

from collections.abc import Callable, Hashable, Iterable
from datetime import datetime

import trio
from msgspec import Struct

from actors.errors import Unavailable
from actors.looking import Look, Looked
from actors.mailbox import Request, Settled
from actors.pace import Pace
from actors.preparing import is_prepared
from engine.decision import Context, Decision
from engine.errors import LedgerGap
from engine.history import Head
from engine.identity import Principal
from engine.ledger import WhatsNew
from engine.lookups import Recall
from engine.post_rules import fold_recall
from engine.project import AnyCommand, apply, decide, stamp
from engine.state import State
from engine.vocabulary import Event


class Work(Struct):
    """A batch, or its beginning, decided: what to write after `predecessor`, and what to answer once it is durable."""

    predecessor: Head
    events: list[Event] = []
    cursors: dict[int, int] = {}
    answers: list[tuple[Request, Settled | Unavailable]] = []


_NOTHING_RECALLED = Recall()
"""For all batches that need no posts: only posts in it would be changed."""


class Deciding:
    """One batch being decided on one state. `run` may be called once. It calls `saw` with each caller first."""

    def __init__(  # noqa: PLR0917 - handed on from one place
        self,
        state: State,
        now: datetime,
        gap: LedgerGap | None,
        saw: Callable[[Principal, datetime], object],
        recall: Recall = _NOTHING_RECALLED,
        wanted: frozenset[int] | set[int] = frozenset(),
    ) -> None:
        self._state = state
        self._saw = saw
        self._now = now
        self._recall = recall
        self._wanted = wanted
        self._gap = gap
        self._work = Work(Head(state.seq, state.at))
        self._digests: dict[Hashable, Settled | Unavailable] = {}
        """What each reader's `whats_new` came to since the last event: news may wake many equal ones at once."""

    def run(self, requests: Iterable[Request], pace: Pace) -> Work:
        """Decide the requests in order, until the slice is spent or one is not prepared.

        At least one is decided: the first was prepared before. Others may need a post that left the state on the way,
        or a long comparison.
        """
        for request in requests:
            if self._work.answers and not is_prepared(self._state, request, self._now, self._wanted):
                break
            self._work.answers.append((request, self._decide(request)))
            if pace.spent:
                break
        now = trio.current_time()
        for request, _ in self._work.answers:
            request.stages.decided = now
        return self._work

    def _decide(self, request: Request) -> Settled | Unavailable:
        command = request.command
        if isinstance(command, Look):
            return Settled(Decision(reply=Looked(seen=command.view(self._state, self._now))), 0, self._state.seq)
        self._saw(request.caller, self._now)
        if not isinstance(command, WhatsNew):
            return self._settle(request, command)
        question = (request.caller.id, command, request.cursor, request.since, request.patient)
        if question not in self._digests:
            self._digests[question] = self._settle(request, command)
        return self._digests[question]

    def _settle(self, request: Request, command: AnyCommand) -> Settled | Unavailable:
        state, caller = self._state, request.caller
        context = Context(
            caller=caller,
            seq=state.seq,
            now=self._now,
            at=max(self._now, state.at),
            addressee=request.addressee,
            cursor=request.cursor,
            claim=request.claim,
            since=request.since,
            recall=self._recall,
            patient=request.patient,
        )
        outcome = decide(state, command, context)
        if isinstance(outcome, Decision) and outcome.events and self._gap is not None:
            return Unavailable(
                f"this project's ledger has a gap ({self._gap}): it can be read and not changed until its operator"
                " has run 'llm-bus repair'; nothing was written."
            )
        # A cursor does not move while there is a gap: its reader is shown the same events again.
        if isinstance(outcome, Decision) and (outcome.events or outcome.cursor is not None) and self._gap is None:
            self._fold(caller.id, outcome, stamp(state, caller, context.at, outcome.events))
        return Settled(outcome, state.posts.unread(caller.id), state.seq)

    def _fold(self, reader: int, decision: Decision, events: list[Event]) -> None:
        for event in events:
            apply(self._state, event)
            fold_recall(self._recall, event)
        if events:
            self._digests.clear()
        self._work.events += events
        if decision.cursor is not None:
            self._work.cursors[reader] = max(decision.cursor, self._work.cursors.get(reader, 0))
