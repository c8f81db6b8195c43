"""Events and snapshots as a journal stores them, and what it returns when a state is rebuilt.

`actors` and `store` share these types; neither imports the other.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import Struct

from engine.vocabulary import Event


class Liveness(Struct, frozen=True):
    """When a reader last called, and under which name."""

    actor: str
    at: datetime


class Kept(Struct, frozen=True):
    """The newest snapshot of a project's state, and the last event it has folded."""

    seq: int
    state: bytes


class Head(Struct, frozen=True):
    """The last event of a ledger: its number and its time, by which two ledgers that parted are told apart."""

    seq: int
    at: datetime


EMPTY = Head(0, datetime(1970, 1, 1, tzinfo=UTC))
"""The head of a ledger without events."""


class Batch(Struct, frozen=True):
    """Events of one project that are to be written right after `predecessor`."""

    project_id: int
    events: Sequence[Event]
    predecessor: Head


class Stored(Struct, frozen=True):
    """An event as the journal holds it, and the writer that appended it."""

    event: Event
    writer: int
