"""The event that a repair writes in place of a lost one. It folds to nothing."""

from typing import ClassVar

from engine.fields import Shown
from engine.vocabulary import EventData


class Lost(EventData, frozen=True, kw_only=True, omit_defaults=True):
    """An event that the database lost, or that no longer makes sense because of one; `llm-bus repair` wrote this.

    `was` is the type of an event that is still there, and `data` what the ledger held of it.
    """

    type: ClassVar[str] = "lost"
    reason: Shown[str]
    was: Shown[str | None] = None
    data: str | None = None
