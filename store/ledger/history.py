"""Searches of the ledger: an `EventQuery` or a `PostQuery` as one SQL statement, and its rows as the engine wants them.

A statement is put together from fixed fragments, one for each field that is given, so that PostgreSQL sees only the
conditions that hold and can use the index that migration 0001 has for each. It is planned every time: the best index
depends on the values.

Events are numbered in the order of their times, so a bound in time is looked up once, as a bound in number.
"""

from typing import Any

from engine.events import decode, payload
from engine.lookups import AckFact, EventQuery, EventView, PostQuery, PostRecord
from engine.vocabulary import Event
from store.postgres.connection import Connection

_EVENT_FILTERS = {
    "actor": "e.actor = %(actor)s",
    "type": "e.type = %(type)s",
    "sequence": "e.type in ('claim', 'seed') and e.data ->> 'sequence' = %(sequence)s",
    "number": "e.type = 'claim' and (e.data ->> 'number')::bigint = %(number)s",
    "ref": "e.type = 'post' and e.data ->> 'ref' = %(ref)s",
    "tag": "e.type = 'post' and e.data ->> 'tag' = %(tag)s",
    "since": """e.seq >= (select seq from events where project_id = %(project)s and at >= %(since)s
                           order by at, seq limit 1)""",
    "until": """e.seq <= (select seq from events where project_id = %(project)s and at <= %(until)s
                           order by at desc, seq desc limit 1)""",
}
"""What each field of an `EventQuery` asks of an event; the rest is in `_EVENTS`."""

# A post's body is never shown here, so it is not sent either; the engine decides what else stays hidden.
_EVENTS = """
select e.seq, e.at, e.actor, e.type,
       (case when e.type = 'post' then e.data || '{{"body": ""}}' else e.data end)::text
  from events e
 where {conditions}
 order by e.seq {direction} limit %(limit)s
"""

# "offset 0" has acknowledgements looked up post by post; a join might go through all of them for each.
_POST_FILTERS = {
    "to_lane": "e.data ->> 'to_lane' = %(to_lane)s",
    "by": "e.participation_id = %(by)s",
    "ref": "e.data ->> 'ref' = %(ref)s",
    "tag": "e.data ->> 'tag' = %(tag)s",
    "thread": "(e.data ->> 'thread')::bigint = %(thread)s",
    "unacked_by": """not exists (
          select from events a
           where a.project_id = %(project)s and a.type = 'ack' and (a.data ->> 'post_id')::bigint = e.seq
             and a.participation_id = %(unacked_by)s offset 0)""",
}
"""What each field of a `PostQuery` asks of a post; `ids`, `to_reader` and `reader_lane` are in `find_posts`."""

_TO_READER = "(e.data ->> 'to_id')::bigint = %(to_reader)s"
_TO_READER_LANE = "e.data ->> 'to_lane' = %(reader_lane)s"

_FOUND = "(select e.seq from events e where {conditions} order by e.seq desc limit %(limit)s)"

# One look at the primary key for each id; a plain join might go through all posts instead.
_FOUND_BY_ID = """
(select e.seq from unnest(%(ids)s::bigint[]) as wanted (seq)
  cross join lateral (select e.seq from events e where {conditions} and e.seq = wanted.seq limit 1) as e
  order by e.seq desc limit %(limit)s)
"""

_POSTS = """
select p.seq, p.at, p.actor, p.participation_id, p.data::text, acks.ids, acks.actors, acks.times
  from (select seq from ({found}) as branch order by seq desc limit %(limit)s) as found
  join events p on p.project_id = %(project)s and p.seq = found.seq
 cross join lateral (
       select array_agg(a.participation_id order by a.seq) as ids, array_agg(a.actor order by a.seq) as actors,
              array_agg(a.at order by a.seq) as times
         from events a
        where a.project_id = %(project)s and a.type = 'ack' and (a.data ->> 'post_id')::bigint = p.seq
       ) as acks
 order by p.seq desc
"""


async def find_events(connection: Connection, project_id: int, query: EventQuery) -> list[EventView]:
    """The events that match, newest first unless the query says otherwise."""
    conditions = ["e.project_id = %(project)s", "e.seq <= %(upto)s"]
    parameters: dict[str, Any] = {"project": project_id, "upto": query.upto, "limit": query.limit}
    if query.after:  # said only when it says something: PostgreSQL takes every bound for a narrow one
        conditions.append("e.seq > %(after)s")
        parameters["after"] = query.after
    _add_given(query, _EVENT_FILTERS, conditions, parameters)
    statement = _EVENTS.format(
        conditions="\n   and ".join(conditions), direction="asc" if query.oldest_first else "desc"
    )
    return [
        EventView(id=seq, ts=at, actor=actor, type=type_name, payload=payload(decode(type_name, data)))
        for seq, at, actor, type_name, data in await connection.fetch(statement, parameters)
    ]


async def find_posts(connection: Connection, project_id: int, query: PostQuery) -> list[PostRecord]:
    """The posts that match, newest first, each with all its acknowledgements."""
    conditions = ["e.project_id = %(project)s", "e.type = 'post'", "e.seq <= %(upto)s"]
    parameters: dict[str, Any] = {"project": project_id, "upto": query.upto, "limit": query.limit}
    _add_given(query, _POST_FILTERS, conditions, parameters)
    found_by = _FOUND
    if query.ids is not None:
        found_by, parameters["ids"] = _FOUND_BY_ID, list(query.ids)
    # Two ordered walks put together, rather than an "or" that would sort everything the reader ever got.
    branches = [conditions]
    if query.to_reader is not None:
        parameters["to_reader"] = query.to_reader
        branches = [[*conditions, _TO_READER]]
        if query.reader_lane is not None:
            parameters["reader_lane"] = query.reader_lane
            branches.append([*conditions, _TO_READER_LANE])
    found = " union ".join(found_by.format(conditions="\n   and ".join(branch)) for branch in branches)
    statement = _POSTS.format(found=found)
    return [_post_record(row) for row in await connection.fetch(statement, parameters)]


def _add_given(
    query: EventQuery | PostQuery, filters: dict[str, str], conditions: list[str], parameters: dict[str, Any]
) -> None:
    for field, condition in filters.items():
        if (value := getattr(query, field)) is not None:
            conditions.append(condition)
            parameters[field] = value


def _post_record(row: tuple[Any, ...]) -> PostRecord:
    seq, at, actor, by, data, ids, actors, times = row
    event = Event(seq=seq, at=at, actor=actor, by=by, data=decode("post", data))
    acks: dict[int, AckFact] = {}
    for reader, name, acked_at in zip(ids or (), actors or (), times or (), strict=True):
        # A ledger from elsewhere (store.legacy) may have a reader's acknowledgement again; the first one counts.
        acks.setdefault(reader, AckFact(by=reader, actor=name, at=acked_at))
    return PostRecord(event=event, acks=tuple(acks.values()))
