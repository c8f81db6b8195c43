"""Rounds: the batches of many projects are decided by few tasks, and committed together.

Waking an actor, sending its batch and waking it again costs this process more than deciding one command. So an actor
that has nothing to do but decide and commit joins a round instead, and its own task sleeps on. What takes more than
that (reading the ledger, taking a turn, retrying) is left to the actor's own task (`actors.project`).

A few tasks decide whatever has joined and commit it, each as much as has gathered: while one commit is under way, the
next gathers. Where a commit ends the next one begins, before its answers go out: the database works on meanwhile. One
more task decides while all of these commit. A lone actor joins rounds too, and waits for no other.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

import trio

from actors.batch import Work
from actors.journal import Journal
from actors.limits import Limits
from actors.pace import Pace, Stopwatch
from actors.statistics import Totals
from engine.errors import NotTogether, OutcomeUnknown
from engine.history import Batch


class Joining(Protocol):
    """An actor, as rounds see it."""

    project_id: int

    def decide_in_round(self, now: datetime, moment: float, pace: Pace) -> Work | None:
        """Decide what waits: what is to be written; None when there is nothing to be written in a round.

        `now` and, in Trio's time, `moment` are when the slice began.
        """
        ...

    def end_round(self, work: Work, failure: Exception | None, now: float) -> None:
        """The work is durable, or why that is not known. `now` is Trio's time."""
        ...


class Rounds:
    """The rounds of one process. `run` serves them; `add` lets an actor join the next one."""

    def __init__(
        self,
        journal: Journal,
        clock: Callable[[], datetime],
        limits: Limits,
        totals: Totals,
        stopwatch: Stopwatch,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._totals = totals
        self._pace = Pace(limits, stopwatch)
        self._joining: deque[Joining] = deque()
        self._decided: deque[tuple[Joining, Work]] = deque()
        self._free = trio.lowlevel.ParkingLot()
        """Where those wait that may commit."""
        self._others_commit = trio.lowlevel.ParkingLot()
        """Where the one waits that only decides."""
        self._gives_way = False
        """Whether that one lets other tasks run after a slice: nobody decides before it goes on."""

    def add(self, actor: Joining) -> None:
        """Let an actor join the next round."""
        if not (self._joining or self._gives_way or self._free.unpark()):
            self._others_commit.unpark()
        self._joining.append(actor)

    async def run(self) -> None:
        """Serve rounds until cancelled; a commit under way is finished first, and other work is left to its actors."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_deciding)
                for _ in range(self._limits.rounds_max):
                    nursery.start_soon(self._keep_committing)
        finally:
            for actor, work in self._decided:
                actor.end_round(work, NotTogether("no round commits it any more"), trio.current_time())
            self._decided.clear()

    async def _keep_committing(self) -> None:
        while True:
            if not self._gives_way:
                self._decide()
            if self._decided:
                decided = list(self._next_round())
                if self._decided:  # more than goes into one commit: the next one need not wait for this one
                    self._free.unpark()
                await self._commit(decided)
            else:
                await self._free.park()

    async def _keep_deciding(self) -> None:
        while True:
            if not self._gives_way:
                await self._others_commit.park()
            if self._gives_way:
                await self._pace.give_way()
                self._gives_way = False
            self._decide()
            if self._decided:
                self._free.unpark()

    def _decide(self) -> None:
        """Decide what has joined, as much as a slice allows."""
        if not self._joining:
            return
        self._pace.begin()
        now, moment = self._clock(), trio.current_time()
        while self._joining and not self._pace.spent:
            actor = self._joining.popleft()
            if (work := actor.decide_in_round(now, moment, self._pace)) is not None:
                self._decided.append((actor, work))
        if self._joining:
            self._gives_way = True
            self._others_commit.unpark()

    def _next_round(self) -> Iterator[tuple[Joining, Work]]:
        room = self._limits.round_commands_max
        while self._decided and room > 0:
            actor, work = self._decided.popleft()
            room -= len(work.answers)
            yield actor, work

    async def _commit(self, decided: Sequence[tuple[Joining, Work]]) -> None:
        batches = [Batch(actor.project_id, work.events, work.predecessor) for actor, work in decided]
        failures: Sequence[Exception | None]
        began = trio.current_time()
        with trio.CancelScope(shield=True, deadline=began + self._limits.commit_seconds_max) as scope:
            try:
                failures = await self._journal.append_together(batches)
            except Exception as error:  # noqa: BLE001 - a bug of the journal too: each actor raises it again
                failures = [error] * len(decided)
        if scope.cancelled_caught:
            failures = [OutcomeUnknown("the commit took too long")] * len(decided)
        now = trio.current_time()
        self._totals.commits += 1
        self._totals.commit_seconds.observe(now - began)
        for (actor, work), failure in zip(decided, failures, strict=True):
            actor.end_round(work, failure, now)
