"""Events as rows of the table `events`: written many at once from one JSON document, and read page by page.

What an event means is not known here, nor in which transaction it is written.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import Struct

from engine.events import Unknown, encode
from engine.vocabulary import Event, EventData

COLUMNS = 'seq bigint, at timestamptz, actor text, "by" bigint, type text, data jsonb'
"""The columns that `jsonb_to_recordset` makes of a document. It costs the client half of what six arrays do."""

READ_PAGE = """
select seq, at, actor, participation_id, type, data::text from events
 where project_id = %s and seq > %s order by seq limit %s
"""


class _Row(Struct, frozen=True, omit_defaults=True):
    seq: int
    at: datetime
    actor: str
    by: int
    type: str
    data: EventData | msgspec.Raw
    project: int | None = None


def encode_rows(events: Iterable[Event], project: int | None = None) -> bytes:
    """These events as one JSON array of rows, which name the project if it is given."""
    rows = [
        _Row(event.seq, event.at, event.actor, event.by, event.data.type, _json(event.data), project)
        for event in events
    ]
    return msgspec.json.encode(rows)


def _json(data: EventData) -> EventData | msgspec.Raw:
    """What is encoded to the same JSON as `encode` gives, in one go with the row."""
    return msgspec.Raw(encode(data)) if isinstance(data, Unknown) else data
