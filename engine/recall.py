"""Posts fetched back from history for one batch of decisions.

An acknowledged post leaves the state, yet may be acknowledged or answered again. Before it decides, an actor fetches
such posts; while it decides, `fold` keeps them true to the events of the same batch.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from engine.events import Acked, Event
from engine.lookups import AckFact, PostRecord


class Recall:
    """Posts by id, as durable history has them plus the events folded since."""

    __slots__ = ("_records",)

    def __init__(self, records: Iterable[PostRecord] = ()) -> None:
        self._records = {record.event.seq: record for record in records}

    def get(self, post_id: int) -> PostRecord | None:
        """The post, if it was asked for and exists."""
        return self._records.get(post_id)

    def fold(self, event: Event) -> None:
        """Add an acknowledgement that this batch decided."""
        if isinstance(event.data, Acked) and (record := self._records.get(event.data.post_id)) is not None:
            ack = AckFact(by=event.by, actor=event.actor, at=event.at)
            self._records[event.data.post_id] = replace(record, acks=(*record.acks, ack))
