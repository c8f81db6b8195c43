"""What a journal stores of a project, and what it returns when a state is rebuilt.

`actors` and `store` share these types; neither imports the other.
"""

from collections.abc import Mapping
from datetime import datetime

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


class Marks(Struct, frozen=True):
    """What is true of a project's readers and is not an event: how far they have caught up, when they last called."""

    cursors: Mapping[int, int]
    liveness: Mapping[int, Liveness]


class Stored(Struct, frozen=True):
    """An event as the journal holds it, and the writer that appended it."""

    event: Event
    writer: int
