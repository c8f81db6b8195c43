"""What can go wrong in the engine that is nobody's input.

    EngineError
    ├── LedgerGap         events were applied out of order: a bug in whoever feeds them
    └── UnknownEventType  the ledger holds a type this version does not know: written by a newer one

Refusals of the domain are values (`engine.refusals`), not exceptions.
"""


class EngineError(Exception):
    """The root of this package's exceptions."""


class LedgerGap(EngineError):
    """An event was applied whose number does not follow the last one."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"expected event {expected}, got {got}")


class UnknownEventType(EngineError):
    """The ledger holds an event type that this version does not know."""

    def __init__(self, type_name: str) -> None:
        super().__init__(f"unknown event type {type_name!r}: was the database written by a newer version?")
