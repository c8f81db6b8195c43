"""Every bound of this package, in one place.

Measured on two shared cores with PostgreSQL on loopback: a commit takes about a millisecond and grows by some ten
microseconds an event, so batches past a few hundred events gain nothing; folding takes some ten microseconds an event.
"""

from msgspec import Struct


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of mailboxes, batches, retries and lifetimes. Seconds, unless the name says otherwise."""

    mailbox_size_max: int = 4096
    """Commands that may wait for one actor; the next is refused as busy. A second's work at full speed."""

    mailbox_share_max: int = 1024
    """Commands of one caller that may wait for one actor, so that nobody fills the mailbox alone."""

    batch_size_max: int = 256
    """Commands decided for one commit: enough to hide the commit's cost, few enough to keep its latency."""

    rounds_max: int = 2
    """Commits of several projects' batches that are under way at once: the database works on the one while the next
    gathers."""

    round_commands_max: int = 32
    """Commands after which no further batch is added to such a commit: past some dozens it does not get cheaper, and
    two commits that overlap are faster than one with everything."""

    slice_seconds_max: float = 0.002
    """How long an actor works before it lets other tasks run: for deciding a batch, folding history, writing a
    snapshot. A batch that reaches it is committed as it is. One command or event more may exceed it by its own time."""

    passes_per_second: float = 4_000.0
    """How often other tasks get to run after a slice, by the time the slice took: eight times after 2 ms. An idle event
    loop makes as many passes in a tenth of that time, so that waiting costs a busy actor a tenth."""

    actors_max: int = 10_000
    """Projects in memory at once; the next is refused as busy until one goes idle."""

    watchers_max: int = 10_000
    """Calls that may wait for news of one project; the next is refused as busy."""

    news_kept_events: int = 1_024
    """How many of the last events an actor can name the topics of. A wait that begins after more asks again."""

    recent_events: int = 512
    """How many of the last events an actor remembers as they are shown, some 300 kB: who has seen all but these is
    answered without a read of the ledger."""

    recent_post_bytes: int = 500_000
    """How much of the posts that were written or read last an actor remembers with their bodies: an inbox is read from
    there."""

    seen_max: int = 10_000
    """Readers whose last call an actor remembers; the ones that called longest ago are forgotten first."""

    tail_page_events: int = 500
    """Events fetched at once while a state is rebuilt: some 5 ms of decoding."""

    snapshot_every_events: int = 5_000
    """How much history a recovery may have to fold, some 50 ms of it; more where the state holds more, because a
    snapshot costs what the state holds."""

    meeting_seconds: float = 2.0
    """How long after an event of another server an actor takes its turn before it decides what it writes."""

    commit_seconds_max: float = 10.0
    """After this a commit counts as lost and is settled by looking."""

    retry_seconds_max: float = 15.0
    """How long a call is retried before it is `unavailable`: longer than a database restart."""

    backoff_seconds_min: float = 0.02
    backoff_seconds_max: float = 1.0
    """Pauses between retries double from the one to the other."""

    idle_seconds: float = 600.0
    """An actor without a message for so long is passivated."""

    liveness_seconds: float = 15.0
    """How often liveness is written behind and read from other servers: what a crash may forget."""

    restart_seconds_min: float = 0.1
    restart_seconds_max: float = 10.0
    """After a crash, an actor is not started again before this; doubles with every crash in a row."""

    stop_seconds_max: float = 10.0
    """How long a shutdown may take to drain, commit and snapshot."""
