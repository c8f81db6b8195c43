"""What can go wrong between a caller and a committed event.

    ActorError
    ├── Busy         the caller's turn to slow down: a mailbox is full, or too many projects are active
    ├── Unavailable  the environment's fault: the store did not answer within the retries, or the server is stopping
    └── Crashed      ours: the actor died of a bug while it held the command

What a journal raises is declared in `engine.errors`; callers never see it.
"""

STOPPING = "the server is stopping; try again in a moment."
"""What `Unavailable` says while the process ends."""


class ActorError(Exception):
    """The root of this package's exceptions."""


class Busy(ActorError):
    """The mailbox is full, or as many actors live as may; nothing was accepted. Try again in a moment."""


class Unavailable(ActorError):
    """The command was not carried out, or its outcome could not be learnt; repeat it with its `key`."""


class Crashed(ActorError):
    """The actor died while it held the command; its outcome is unknown. Repeat it with its `key`."""
