"""Every bound of this package, in one place.

Measured on two shared cores with PostgreSQL on loopback: a commit takes about a millisecond and grows by some ten
microseconds an event, so batches past a few hundred events gain nothing; folding takes some ten microseconds an event.
"""

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of mailboxes, batches, retries and lifetimes. Seconds, unless the name says otherwise."""

    mailbox_size_max: int = 4096
    """Commands that may wait for one actor; the next is refused as busy. A second's work at full speed."""

    batch_size_max: int = 256
    """Commands decided for one commit: enough to hide the commit's cost, few enough to keep its latency."""

    actors_max: int = 10_000
    """Projects in memory at once; the next is refused as busy until one goes idle."""

    tail_page_events: int = 5_000
    """Events fetched at once while a state is rebuilt."""

    snapshot_every_events: int = 5_000
    """How much history a recovery may have to fold, some 50 ms of it; twice the open posts where that is more, because
    a snapshot costs what they are."""

    commit_seconds_max: float = 10.0
    """After this a commit counts as lost and is settled by looking."""

    retry_seconds_max: float = 15.0
    """How long a batch is retried before its callers hear `unavailable`: longer than a database restart."""

    backoff_seconds_min: float = 0.02
    backoff_seconds_max: float = 1.0
    """Pauses between retries double from the one to the other."""

    idle_seconds: float = 600.0
    """An actor that heard nothing for so long is passivated."""

    liveness_seconds: float = 15.0
    """How often liveness is written behind: what a crash may forget."""

    restart_seconds_min: float = 0.1
    restart_seconds_max: float = 10.0
    """After a crash, an actor is not started again before this; doubles with every crash in a row."""

    stop_seconds_max: float = 10.0
    """How long a shutdown may take to drain, commit and snapshot."""
