"""What is kept of a project, and what is handed over when its state is rebuilt.

The vocabulary between `actors`, which folds, and `store`, which keeps; neither imports the other.
"""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct

from engine.events import Event


class Liveness(Struct, frozen=True):
    """When a reader last called, and under which name."""

    actor: str
    at: datetime


class History(Struct, frozen=True, kw_only=True):
    """What a project's state is rebuilt from: the newest snapshot and what is beside it."""

    snapshot: bytes | None
    seq: int
    """The last event the snapshot has folded; 0 without one."""
    cursors: Mapping[int, int]
    liveness: Mapping[int, Liveness]


class Stored(Struct, frozen=True):
    """An event as the journal holds it, and the writer that appended it."""

    event: Event
    writer: int
