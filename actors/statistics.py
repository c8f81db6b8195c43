"""What the actors of a process do and have done, for the operator's metrics."""

from msgspec import Struct


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


class DirectoryStatistics(Struct, frozen=True, kw_only=True):
    """A moment's view: actors in memory, commands in mailboxes, callers that wait for news; and the totals so far.

    `read_only` are actors whose ledger has a gap.
    """

    actors: int
    mailbox_depth: int
    waiting: int
    read_only: int
    totals: Totals
