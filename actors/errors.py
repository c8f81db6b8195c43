"""What can go wrong between a caller and a committed event.

    ActorError
    ├── Busy                  the caller's turn to slow down: a mailbox is full
    ├── Unavailable           the environment's fault: the store did not answer within the retries, or we shut down
    ├── Crashed               ours: the actor died of a bug while it held the command
    └── JournalError          between an actor and its journal only; callers never see these
        ├── Contended         another writer took one of the event numbers
        ├── JournalUnavailable  the store cannot be reached; nothing was written
        └── OutcomeUnknown    the connection was lost after the write was sent
"""


class ActorError(Exception):
    """The root of this package's exceptions."""


class Busy(ActorError):
    """The mailbox is full; nothing was accepted. Try again in a moment."""


class Unavailable(ActorError):
    """The command was not carried out, or its outcome could not be learnt; repeat it with its `key`."""


class Crashed(ActorError):
    """The actor died while it held the command; its outcome is unknown. Repeat it with its `key`."""


class JournalError(ActorError):
    """The root of what a journal raises."""


class Contended(JournalError):
    """Another writer took one of the event numbers; nothing was written."""


class JournalUnavailable(JournalError):
    """The store cannot be reached; nothing was written."""


class OutcomeUnknown(JournalError):
    """The connection was lost after the write was sent: it happened or it did not."""
