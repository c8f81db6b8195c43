"""The roots of what the engine speaks: commands, events and replies.

Each concern (`engine.sequences`, `leases`, `posts`, `tasks`, `presence`, `ledger`) declares its own; the closed unions
of all of them are in `engine.events` and `engine.project`.
"""

from datetime import datetime
from typing import ClassVar

from msgspec import Struct

Topic = str
"""What an event is news about, such as `post`, `lane:api` or `to:7`. A waiting caller names topics, and events of these
topics wake it: those that could end its wait, and few others."""

ANY: Topic = "any"
"""The topic of every event."""


class Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something a caller can ask of a project.

    The fields are the arguments of the MCP tool: one declaration validates them, describes them, and is what
    `engine.project.decide` matches on.
    """

    @property
    def addressee_name(self) -> str | None:
        """The participant this command mentions. The sender resolves the name and passes `Context.addressee`."""
        return None

    @property
    def wait_seconds(self) -> int:
        """How long the caller waits for an answer worth having."""
        return 0


class EventData(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened, with exactly the facts needed to fold it again. `type` is its name in the ledger.

    Events are stored for ever: add fields with defaults, never rename a field or change its meaning. A field without a
    default is always written, also when null, because readers of the ledger rely on it.
    """

    type: ClassVar[str]

    def topics(self, by: int) -> tuple[Topic, ...]:
        """The topics of this event when `by` did it."""
        return ()


class Event(Struct, frozen=True, kw_only=True):
    """One row of a project's ledger.

    `seq` counts from 1 without gaps; `at` is UTC in whole milliseconds and never runs backwards; `actor` is the name at
    that time and `by` the participation's id (`engine.identity.OWNER` for the owner in person).
    """

    seq: int
    at: datetime
    actor: str
    by: int
    data: EventData

    @property
    def topics(self) -> tuple[Topic, ...]:
        """The topics of this event."""
        return (ANY, *self.data.topics(self.by))


class Reply(Struct, frozen=True, kw_only=True):
    """An answer of a project: its fields are the result that an agent pays for.

    Times are UTC in whole milliseconds. Shapes are stable: a field of the contract is present also when null; a field
    that appears only when it has something to say has a default and is left out at it.
    """

    @property
    def is_news(self) -> bool:
        """Whether this answer ends a wait."""
        return True
