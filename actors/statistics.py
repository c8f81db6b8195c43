"""What the actors of a process do and have done, for the operator's metrics."""

from bisect import bisect_left

from msgspec import Struct, field

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
"""Who called within this time counts as active, whatever window a project has."""


class Figures(Struct, frozen=True, kw_only=True):
    """What the projects in memory hold, all together. `agents` called lately; handoffs are open until acknowledged."""

    events: int = 0
    agents: int = 0
    leases: int = 0
    tasks_unfinished: int = 0
    handoffs_open: int = 0
    handoff_oldest_seconds: float = 0.0
