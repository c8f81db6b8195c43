"""What can go wrong between a caller and a committed event.

    ActorError
    ├── Busy         the caller must slow down: a mailbox or the caller's share of it is full, or too many projects are
    │                active, or too many calls wait
    ├── Unavailable  the environment's fault: the store did not answer within the retries, the ledger has a gap, or the
    │                server is stopping
    ├── Crashed      ours: the actor died of a bug while it held the command
    ├── Passivated   the actor has ended; its directory finds another one, and no caller sees it
    └── WaitEnded    the caller ended its own wait

What a journal raises is declared in `engine.errors`; callers never see it.
"""

STOPPING = "the server is stopping; try again in a moment."
"""What `Unavailable` says while the process ends."""


class ActorError(Exception):
    """The root of this package's exceptions."""


class Busy(ActorError):
    """A bound is reached; nothing was accepted. Try again in a moment."""


class Unavailable(ActorError):
    """The command was not carried out, or its outcome could not be learnt; repeat it with its `key`."""


class Crashed(ActorError):
    """The actor died while it held the command; its outcome is unknown. Repeat it with its `key`."""


class Passivated(ActorError):
    """The actor ended before it accepted the command; find it again."""


class WaitEnded(ActorError):
    """The caller ended its wait before there was news; it may ask again without waiting."""
