"""What can go wrong that is not the input's fault.

    EngineError
    ├── LedgerGap           events were applied out of order: a bug of the caller
    └── MissingAddressee    a command names somebody and its addressee was not resolved: a bug of the caller

    JournalError            between actors and store; declared here because both import this package
    ├── Contended           an event number is taken, or the one before is missing; nothing was written
    ├── JournalUnavailable  the store cannot be reached; nothing was written
    │   └── TooSlow         the store gave a search up because it took too long; a narrower one may do
    ├── NotTogether         a batch could not be written in one commit with others; nothing of it was written
    └── OutcomeUnknown      the connection was lost after the write was sent: it happened or it did not

Refusals of the domain are values (`engine.refusals`), not exceptions.
"""


class EngineError(Exception):
    """The root of this package's own exceptions."""


class LedgerGap(EngineError):
    """An event was applied whose number does not follow the last one."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"expected event {expected}, got {got}")


class MissingAddressee(EngineError):
    """A command that names somebody was sent without its `Context.addressee`."""

    def __init__(self) -> None:
        super().__init__("the command names somebody; resolve the name and pass the addressee")


class JournalError(Exception):
    """The root of what a journal raises."""


class Contended(JournalError):
    """An event number is taken, or the event before it is missing; nothing was written."""


class JournalUnavailable(JournalError):
    """The store cannot be reached in time; nothing was written."""


class TooSlow(JournalUnavailable):
    """The store gave a search up because it took too long; a narrower one may do."""


class NotTogether(JournalError):
    """A batch could not be written in one commit with others; nothing of it was written. It can be written alone."""


class OutcomeUnknown(JournalError):
    """The connection was lost after the write was sent: it happened or it did not."""
