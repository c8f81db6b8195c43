"""Reads of history that the state no longer holds.

A `Lookup` is part of a decision: a question to the journal, bounded by what was durable when it was decided (`upto`),
and how the rows complete the reply. It runs in the caller's own task, so a slow read never holds an actor up.

A `Recall` goes the other way: posts that were fetched from history before a batch of commands is decided.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import accumulate
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from engine.posts import Posted
from engine.terms import ID_MAX
from engine.vocabulary import Event, Reply

ACKS_SHOWN_MAX = 100
"""Acknowledgements that a post is shown with."""

ACKS_COUNTED_MAX = 1_000
"""Further acknowledgements that are counted."""

PAGE_BYTES_MAX = 500_000
"""How large the items of one page may be together, as JSON; an answer holds them twice."""

MEASURED_AT_ONCE = 32
"""Items that are measured together, which is faster; few, since those that do not fit are measured in vain."""

Item = TypeVar("Item", bound=Struct)


class Found(list[Item]):
    """The results of a search, in order.

    `searched_back_to`: the search looked at as many events (or finished tasks) as one may, down to the one of this
    number; older ones may match, too. None: it looked at all of them.
    """

    def __init__(self, items: Iterable[Item] = (), searched_back_to: int | None = None) -> None:
        super().__init__(items)
        self.searched_back_to = searched_back_to


class EventQuery(Struct, frozen=True, kw_only=True):
    """Events of one project that match every given field.

    `after` and `upto` bound the event number (exclusive, inclusive); `since` and `until` bound the time (both
    inclusive). `former_names` are those of `actor`, whose events match as well. Newest first unless `oldest_first`.
    """

    upto: int
    after: int = 0
    actor: str | None = None
    former_names: tuple[str, ...] = ()
    type: str | None = None
    sequence: str | None = None
    number: int | None = None
    task_id: int | None = None
    ref: str | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    oldest_first: bool = False
    limit: int

    @property
    def is_range(self) -> bool:
        """Whether every event between the bounds matches."""
        return self == EventQuery(upto=self.upto, after=self.after, oldest_first=self.oldest_first, limit=self.limit)


class EventView(Struct, frozen=True, kw_only=True, gc=False):
    """One event of the ledger. A page has a thousand, which no garbage collection needs to look at."""

    id: int
    ts: datetime
    actor: str
    type: str
    payload: dict[str, Any]


class EventLookup(Struct, frozen=True):
    """A question about events, and what makes a reply of the answer, or the next question."""

    query: EventQuery
    complete: "Callable[[Found[EventView]], Reply | Lookup]"


class PostQuery(Struct, frozen=True, kw_only=True):
    """Posts of one project, newest first, that match every given field.

    `after` and `upto` bound the id (exclusive, inclusive); `ids` names them outright. `to_reader` finds those addressed
    to this reader in person, or to `reader_lane` where that is given too; `unacked_by` leaves out those that this
    reader has acknowledged. `acks_of` are readers whose own acknowledgements the records must have. Without
    `with_acks`, which goes with `ids`, the records have none.
    """

    upto: int
    after: int = 0
    ids: tuple[int, ...] | None = None
    to_reader: int | None = None
    reader_lane: str | None = None
    to_lane: str | None = None
    by: int | None = None
    ref: str | None = None
    tag: str | None = None
    thread: int | None = None
    unacked_by: int | None = None
    acks_of: tuple[int, ...] = ()
    with_acks: bool = True
    limit: int


class AckFact(Struct, frozen=True, kw_only=True):
    """One acknowledgement: the reader's id, the name then, when, and what the reader said."""

    by: int
    actor: str
    at: datetime
    note: str | None = None


class ClaimFact(Struct, frozen=True, kw_only=True):
    """The claim of one number: who made it (the reader's id, the name then), and whether it was voided since."""

    by: int
    actor: str
    formatted: str
    void: bool = False


class PostRecord(Struct, frozen=True, kw_only=True):
    """A post from history.

    `acks` are its first `ACKS_SHOWN_MAX` acknowledgements, oldest first, then those of the readers that the query names
    in `acks_of`. `acks_more` counts those after the first ones, up to `ACKS_COUNTED_MAX`.
    """

    event: Event
    acks: tuple[AckFact, ...] = ()
    acks_more: int = 0

    @property
    def posted(self) -> Posted:
        """The event's data."""
        assert isinstance(self.event.data, Posted)  # noqa: S101 - what the query finds, told to the type checker
        return self.event.data


class TaskQuery(Struct, frozen=True, kw_only=True):
    """Finished tasks of one project, newest first, that match every given field.

    `upto` bounds the number of the event that finished them; `above` and `below` the task's id (both exclusive).
    `status` is `done` or `cancelled`. `former_names` are those of `owner`, whose tasks match as well.
    """

    upto: int
    above: int = 0
    below: int = ID_MAX + 1
    status: str | None = None
    owner: str | None = None
    former_names: tuple[str, ...] = ()
    lane: str | None = None
    limit: int


class FinishedTask(Struct, frozen=True, kw_only=True):
    """A task that was shipped or cancelled, as history tells it."""

    task_id: int
    title: str
    lane: str | None
    owner: str | None
    status: Literal["done", "cancelled"]


class TaskLookup(Struct, frozen=True):
    """A question about finished tasks, and what makes a reply of the answer, or the next question."""

    query: TaskQuery
    complete: "Callable[[Found[FinishedTask]], Reply | Lookup]"


class PostLookup(Struct, frozen=True):
    """A question about posts, and what makes a reply of the answer, or the next question."""

    query: PostQuery
    complete: "Callable[[Found[PostRecord]], Reply | Lookup]"


Lookup = EventLookup | PostLookup | TaskLookup


class Recall:
    """Posts by id, as durable history has them plus the acknowledgements decided since."""

    __slots__ = ("_records",)

    def __init__(self, records: Iterable[PostRecord] = ()) -> None:
        self._records = {record.event.seq: record for record in records}

    def get(self, post_id: int) -> PostRecord | None:
        """The post, if it was asked for and exists."""
        return self._records.get(post_id)

    def acknowledge(self, post_id: int, fact: AckFact) -> None:
        """Add an acknowledgement that is not in history yet; no-op for a post that was not fetched."""
        if (record := self._records.get(post_id)) is not None:
            self._records[post_id] = replace(record, acks=(*record.acks, fact))


def within_a_page(items: list[Item]) -> tuple[list[Item], int]:
    """The first items that fit into `PAGE_BYTES_MAX`, one at least; and how many are left out."""
    room = PAGE_BYTES_MAX
    for at in range(0, len(items), MEASURED_AT_ONCE):
        some = items[at : at + MEASURED_AT_ONCE]
        size = len(msgspec.json.encode(some))
        if size > room:
            shown = max(1, at + _how_many_fit(some, room))
            return items[:shown], len(items) - shown
        room -= size
    return items, 0


def _how_many_fit(items: list[Item], room: int) -> int:
    sizes = accumulate(len(msgspec.json.encode(item)) for item in items)
    return sum(size <= room for size in sizes)


def goes_on_before(found: Found[Item], omitted: int) -> int | UnsetType:
    """Before which number a search that ended early goes on; with items left out, it goes on after the last shown."""
    return UNSET if found.searched_back_to is None or omitted else found.searched_back_to
