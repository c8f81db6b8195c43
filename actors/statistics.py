"""Figures of a process's actors and projects, for the operator's metrics."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct, field

from engine.state import State

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
COMMANDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Distribution(Struct, kw_only=True):
    """How many values were at most each bound, and above the one before; the last count is of those above all."""

    bounds: tuple[float, ...]
    counts: list[int]
    total: float = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


def distribution(bounds: tuple[float, ...]) -> Distribution:
    """One with no values yet."""
    return Distribution(bounds=bounds, counts=[0] * (len(bounds) + 1))


class Totals(Struct, kw_only=True):
    """Running totals over all actors of a directory; each only grows."""

    batches: int = 0
    commands: int = 0
    commits: int = 0
    events: int = 0
    conflicts: int = 0
    rebuilds: int = 0
    snapshots: int = 0
    snapshots_unreadable: int = 0
    ledgers_lost: int = 0
    """States that were dropped because the ledger had lost events of theirs."""
    refused_busy: int = 0
    unavailable: int = 0
    crashes: int = 0
    commit_seconds: Distribution = field(default_factory=lambda: distribution(SECONDS))
    queue_seconds: Distribution = field(default_factory=lambda: distribution(SECONDS))
    """From a command's acceptance to the batch that decides it."""
    batch_commands: Distribution = field(default_factory=lambda: distribution(COMMANDS))


class DirectoryStatistics(Struct, frozen=True, kw_only=True):
    """A moment's view: actors in memory, commands in mailboxes, callers that wait for news; and the totals so far.

    `read_only` are actors whose ledger has a gap.
    """

    actors: int
    mailbox_depth: int
    waiting: int
    read_only: int
    totals: Totals


ACTIVE_SECONDS = 900
"""A reader who called within this time counts as active, whatever window a project has."""

STALE_SECONDS = 1800
"""A task in progress is stale when neither it nor its owner has moved for so long, whatever a project has set."""

OVERDUE_SECONDS = 86_400
"""A post that is open for longer counts as overdue."""


class Figures(Struct, frozen=True, kw_only=True):
    """What the projects in memory hold, all together. `agents` called lately; handoffs are open until acknowledged."""

    events: int = 0
    agents: int = 0
    leases: int = 0
    tasks_unfinished: int = 0
    tasks_stale: int = 0
    handoffs_open: int = 0
    handoffs_overdue: int = 0
    handoff_oldest_seconds: float = 0.0


def figures(states: Sequence[State], now: datetime) -> Figures:
    """What these projects hold at this moment."""
    active, stale, overdue = (
        now - timedelta(seconds=seconds) for seconds in (ACTIVE_SECONDS, STALE_SECONDS, OVERDUE_SECONDS)
    )
    oldest = [found.at for state in states if (found := state.posts.oldest) is not None]
    return Figures(
        events=sum(state.seq for state in states),
        agents=sum(liveness.at >= active for state in states for liveness in state.seen.values()),
        leases=sum(1 for state in states for _ in state.leases.active(now)),
        tasks_unfinished=sum(len(state.tasks) for state in states),
        tasks_stale=sum(_stale_tasks(state, stale) for state in states),
        handoffs_open=sum(len(state.posts) for state in states),
        handoffs_overdue=sum(state.posts.count_before(overdue) for state in states),
        handoff_oldest_seconds=max(((now - at).total_seconds() for at in oldest), default=0.0),
    )


def _stale_tasks(state: State, since: datetime) -> int:
    gone = (owner for owner in state.tasks.working() if (last := state.seen.get(owner)) is None or last.at < since)
    return sum(task.moved_at < since for owner in gone for task in state.tasks.in_progress_of(owner))
