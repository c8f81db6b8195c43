"""Searches of the ledger: an `EventQuery`, `PostQuery` or `TaskQuery` as one SQL statement, and its rows.

A statement is put together from fixed fragments, one for each field that is given, so that PostgreSQL sees only the
conditions that hold and can use the index that migration 0001 has for each. It is planned every time: the best index
depends on the values.

A search with several filters walks the index of one of them and drops what the others do not want. Walking the index of
a common tag to find a ref that nobody used means all of its posts. So the filters are probed first: where one matches
fewer than `RARE_MAX` events, those are collected and the others applied to them. Where all are common, the one whose
events lie furthest apart is walked, over `WALKED_MAX` events at most; then the search says how far back it came.

Finished tasks are looked for among those of the rarest filter, too, at most `TASKS_WALKED_MAX`.

Free text is found by an index of its own (`store.ledger.free_text`).

Events are numbered in the order of their times, so a bound in time is looked up once, as a bound in number.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from engine.events import decode, stored_payload
from engine.lookups import (
    ACKS_COUNTED_MAX,
    ACKS_SHOWN_MAX,
    AckFact,
    ClaimFact,
    EventQuery,
    EventView,
    FinishedTask,
    Found,
    Item,
    PostQuery,
    PostRecord,
    TaskQuery,
)
from engine.vocabulary import Event
from store.postgres.connection import Connection, Row
from store.postgres.prepared import Prepared

RARE_MAX = 1_000
"""How many events a filter may match to be worth collecting: a few milliseconds' work."""

WALKED_MAX = 20_000
"""How many events of a common filter a search with others looks at: a tenth of a second's work for PostgreSQL."""

TASKS_WALKED_MAX = 5_000
"""How many tasks a search looks at, each in some 5 µs: it finds how they began, who had them last, how they ended."""

_EVENT_FILTERS = {
    "actor": "e.actor = %(actor)s",
    "type": "e.type = %(type)s",
    "sequence": "e.type in ('claim', 'seed', 'void_claim') and e.data ->> 'sequence' = %(sequence)s",
    "number": """e.type in ('claim', 'void_claim') and e.data ->> 'sequence' = %(sequence)s
                 and (e.data ->> 'number')::bigint = %(number)s""",
    "task_id": "(e.data ->> 'task_id')::bigint = %(task_id)s",
    "ref": "e.type = 'post' and e.data ->> 'ref' = %(ref)s",
    "tag": "e.type = 'post' and e.data ->> 'tag' = %(tag)s",
}
"""The condition of each field of an `EventQuery`, where an index finds the events. A number goes with its sequence."""

_EVENT_BOUNDS = {
    "since": """e.seq >= (select seq from events where project_id = %(project)s and at >= %(since)s
                           order by at, seq limit 1)""",
    "until": """e.seq <= (select seq from events where project_id = %(project)s and at <= %(until)s
                           order by at desc, seq desc limit 1)""",
}

# All are ordered, so that PostgreSQL takes the filter's own index also while its statistics are missing. "offset 0"
# keeps it from walking another index after all. A probe gives the less, the fewer events there are in the newest part
# of the ledger: below 0 for a rare filter, otherwise the event down to which the first `RARE_MAX` lie.
_PROBE = (
    "(select case when count(*) < %(rare_max)s then count(*) - %(rare_max)s else min(seq) end"
    " from (select e.seq from events e where {conditions} order by e.seq desc limit %(rare_max)s) as probed)"
)

_COLLECTED = "(select * from events e where {conditions} order by e.seq desc offset 0)"

_WALKED = "(select * from events e where {conditions} order by e.seq desc limit %(walked_max)s)"

_LAST_WALKED = "select e.seq from events e where {conditions} order by e.seq desc offset %(walked_max)s - 1 limit 1"

# A post's body is never shown here, so it is not sent either; the engine decides what else stays hidden.
_EVENTS = """
select e.seq, e.at, e.actor, e.type,
       (case when e.type = 'post' then e.data - 'body' else e.data end)::text
  from {source} e
 where {conditions}
 order by e.seq {direction} limit %(limit)s
"""

_POST_FILTERS = {
    "to_lane": "e.data ->> 'to_lane' = %(to_lane)s",
    "by": "e.participation_id = %(by)s",
    "ref": "e.data ->> 'ref' = %(ref)s",
    "tag": "e.data ->> 'tag' = %(tag)s",
    "thread": "(e.data ->> 'thread')::bigint = %(thread)s",
}
"""The condition of each field of a `PostQuery`, where an index finds the posts; the rest is in `find_posts`."""

# "offset 0" has acknowledgements looked up post by post; a join might go through all of them for each.
_UNACKED_BY = {
    "unacked_by": """not exists (
          select from events a
           where a.project_id = %(project)s and a.type = 'ack' and (a.data ->> 'post_id')::bigint = e.seq
             and a.participation_id = %(unacked_by)s offset 0)""",
}

_TO_READER = "(e.data ->> 'to_id')::bigint = %(to_reader)s"
_TO_READER_LANE = "e.data ->> 'to_lane' = %(reader_lane)s"

_FOUND = "(select e.seq from {source} e where {conditions} order by e.seq desc limit %(limit)s)"

_POSTS_BY_ID = Prepared("""
select seq, at, actor, participation_id, data::text from events
 where project_id = %(project)s and seq = any(%(ids)s::bigint[]) and seq <= %(upto)s and type = 'post'
""")

# One look at the primary key for each id; a plain join might go through all posts instead.
_FOUND_BY_ID = """
(select e.seq from unnest(%(ids)s::bigint[]) as wanted (seq)
  cross join lateral (select e.seq from events e where {conditions} and e.seq = wanted.seq limit 1) as e
  order by e.seq desc limit %(limit)s)
"""

_ACKS = """
       select a.participation_id as id, a.actor, a.at, a.seq, a.data ->> 'note' as note from events a
        where a.project_id = %(project)s and a.type = 'ack' and (a.data ->> 'post_id')::bigint = p.seq"""

_POSTS = f"""
select p.seq, p.at, p.actor, p.participation_id, p.data::text, acks.ids, acks.actors, acks.times, acks.notes,
       case when acks.first < {ACKS_SHOWN_MAX} then 0
            else (select count(*) - {ACKS_SHOWN_MAX}
                    from ({_ACKS} limit {ACKS_SHOWN_MAX + ACKS_COUNTED_MAX}) as counted) end
  from (select seq from ({{found}}) as branch order by seq desc limit %(limit)s) as found
 cross join lateral (select p.* from events p where p.project_id = %(project)s and p.seq = found.seq limit 1) as p
 cross join lateral (
       select array_agg(ack.id order by ack.seq) as ids, array_agg(ack.actor order by ack.seq) as actors,
              array_agg(ack.at order by ack.seq) as times, array_agg(ack.note order by ack.seq) as notes,
              count(*) as first
         from (({_ACKS} order by a.seq limit {ACKS_SHOWN_MAX})
               union (select one.* from unnest(%(acks_of)s::bigint[]) as wanted (reader)
                       cross join lateral ({_ACKS} and a.participation_id = wanted.reader
                                           order by a.participation_id, a.seq limit 1) as one)) as ack
       ) as acks
 order by p.seq desc
"""  # noqa: S608 - put together from constants


_OF_NUMBER = """
  from events e
 where e.project_id = %(project)s and e.data ->> 'sequence' = %(sequence)s
   and (e.data ->> 'number')::bigint = %(number)s and e.type"""

_CLAIM = f"""
select e.participation_id, e.actor, e.data ->> 'formatted', exists (select {_OF_NUMBER} = 'void_claim')
{_OF_NUMBER} = 'claim'
 order by e.seq desc limit 1
"""

_OF_TASK = "from events e where e.project_id = %(project)s and (e.data ->> 'task_id')::bigint = task.id and e.type"

_TASK_ID = "(e.data ->> 'task_id')::bigint"

_TASK_FILTERS = {
    "owner": ("e.type in ('task_create', 'task_assign') and e.data ->> 'owner' = %(owner)s", _TASK_ID),
    "lane": ("e.type = 'task_create' and e.data ->> 'lane' = %(lane)s", _TASK_ID),
    "status": ("e.type = 'task_cancel'", "e.seq"),
}
"""The event of a task that meets a field of a `TaskQuery`, and the order of the index that finds it.

Most tasks ship, so of the statuses only `cancelled` narrows a search.
"""

_FINISHED = ("e.type in ('task_ship', 'task_cancel')", _TASK_ID)

_TASK_CONDITIONS = {
    "owner": "coalesce(assigned.owner, created.owner) = %(owner)s",
    "lane": "created.lane = %(lane)s",
    "status": "ended.type = case %(status)s when 'done' then 'task_ship' else 'task_cancel' end",
}
"""The condition of each field on a task in `_TASKS`."""

_COUNTED_TASKS = """(select count(*) from (
       select from events e where e.project_id = %(project)s and {condition}
        order by {order} desc limit %(rare_max)s) as probed)"""

_CANDIDATES = f"""
select {_TASK_ID} as id from events e
 where e.project_id = %(project)s and {{condition}}
   and {_TASK_ID} > %(above)s and {_TASK_ID} < %(below)s
 order by {{order}} desc limit %(walked_max)s"""  # noqa: S608 - put together from constants

# No index has cancelled tasks in the order of their numbers; only few are sorted.
_SORTED = "select id from ({candidates}) as found order by id desc"

# An owner who had a task twice has two events of it. PostgreSQL drops the second one as it comes, without sorting.
_ONCE = "select distinct on (id) id from ({candidates}) as found order by id desc"

_LAST_CANDIDATE = "select id from ({candidates}) as found order by id desc offset %(walked_max)s - 1"

# Task by task from the newest on, until there are enough. "offset 0" keeps it from being a join of everything.
_TASKS = f"""
select task.id, created.title, created.lane, coalesce(assigned.owner, created.owner),
       case ended.type when 'task_ship' then 'done' else 'cancelled' end
  from ({{candidates}} offset 0) as task
 cross join lateral (select e.type {_OF_TASK} in ('task_ship', 'task_cancel') and e.seq <= %(upto)s limit 1) as ended
 cross join lateral (
       select e.data ->> 'title' as title, e.data ->> 'lane' as lane, e.data ->> 'owner' as owner
         {_OF_TASK} = 'task_create' limit 1) as created
  left join lateral (
       select e.data ->> 'owner' as owner {_OF_TASK} = 'task_assign' order by e.seq desc limit 1) as assigned on true
 where {{conditions}}
 order by task.id desc limit %(limit)s
"""  # noqa: S608 - put together from constants


class Place(Struct, frozen=True):
    """Where a search looks: a part of its SQL, and the conditions of the events that it walks over, if it walks."""

    source: str
    walked: str | None = None


async def find_events(connection: Connection, project_id: int, query: EventQuery) -> Found[EventView]:
    """The events that match, newest first unless the query says otherwise."""
    return await by_every_name(query, partial(_find_events, connection, project_id))


async def by_every_name(
    query: EventQuery, search: Callable[[EventQuery], Awaitable[Found[EventView]]]
) -> Found[EventView]:
    """What `search` finds under any name of the actor, in the order of the query.

    One search a name: no index has the events of several names in order.
    """
    each = [await search(replace(query, actor=name)) for name in (query.actor, *query.former_names)]
    return _merged(each, "id", query.limit, oldest_first=query.oldest_first)


def _merged(each: list[Found[Item]], number: str, limit: int, *, oldest_first: bool = False) -> Found[Item]:
    """The results of searches that have none in common, in the order of their numbers."""
    if len(each) == 1:
        return each[0]
    number_of = attrgetter(number)
    back_to = max((found.searched_back_to for found in each if found.searched_back_to is not None), default=None)
    # Older than where one of the searches ended, the others alone have found something.
    every = [item for found in each for item in found if back_to is None or number_of(item) >= back_to]
    every.sort(key=number_of, reverse=not oldest_first)
    return Found(every[:limit], back_to if len(every) < limit else None)


async def _find_events(connection: Connection, project_id: int, query: EventQuery) -> Found[EventView]:
    """`find_events` under the one name that the query has for the actor."""
    base, filters, parameters = asked(project_id, query)
    # Nobody asks for the oldest by several filters.
    place = Place("events") if query.oldest_first else await _place(connection, base, filters, [], parameters)
    found = await events_of(connection, place.source, base + filters, parameters, oldest_first=query.oldest_first)
    back_to = None if len(found) == query.limit else await _last_walked(connection, [place], parameters)
    return Found(found, back_to)


def asked(project_id: int, query: EventQuery) -> tuple[list[str], list[str], dict[str, Any]]:
    """The conditions that bound a search, those of its filters, and the parameters of both."""
    base = ["e.project_id = %(project)s", "e.seq <= %(upto)s"]
    parameters: dict[str, Any] = {"project": project_id, "upto": query.upto, "limit": query.limit}
    if query.after:  # said only when it says something: PostgreSQL takes every bound for a narrow one
        base.append("e.seq > %(after)s")
        parameters["after"] = query.after
    base += _given(query, _EVENT_BOUNDS, parameters)
    filters = _given(query, _EVENT_FILTERS, parameters)
    if query.number is not None:
        filters.remove(_EVENT_FILTERS["sequence"])
    return base, filters, parameters


async def events_of(
    connection: Connection,
    source: str,
    conditions: list[str],
    parameters: dict[str, Any],
    *,
    oldest_first: bool = False,
) -> list[EventView]:
    """The events of a part of SQL that meet the conditions, without bodies: the newest, or the oldest."""
    direction = "asc" if oldest_first else "desc"
    statement = _EVENTS.format(source=source, conditions=_all_of(conditions), direction=direction)
    return await connection.fetch_each(statement, parameters, _event_view)


async def rarest(
    connection: Connection, base: list[str], filters: list[str], parameters: dict[str, Any], rare_max: int
) -> tuple[str, bool]:
    """The filter whose events lie furthest apart, and whether there are fewer than `rare_max` of them."""
    probes = ", ".join(_PROBE.format(conditions=_all_of([*base, each])) for each in filters)
    (counts,) = await connection.fetch(f"select {probes}", {**parameters, "rare_max": rare_max})
    count, only = min(zip(counts, filters, strict=True))
    return only, count < 0


def collected(base: list[str], rare: str) -> str:
    """The events of a rare filter, as a source for `events_of`."""
    return _COLLECTED.format(conditions=_all_of([*base, rare]))


async def find_posts(connection: Connection, project_id: int, query: PostQuery) -> Found[PostRecord]:
    """The posts that match, newest first, each with its first acknowledgements and those of `acks_of`."""
    if query.ids is not None and not query.with_acks:
        return Found(await _find_by_id(connection, project_id, query, query.ids))
    base = ["e.project_id = %(project)s", "e.type = 'post'", "e.seq <= %(upto)s"]
    parameters: dict[str, Any] = {"project": project_id, "upto": query.upto, "limit": query.limit}
    parameters["acks_of"] = list(query.acks_of)
    if query.after:
        base.append("e.seq > %(after)s")
        parameters["after"] = query.after
    filters = _given(query, _POST_FILTERS, parameters)
    extra = _given(query, _UNACKED_BY, parameters)
    if query.ids is not None:
        parameters["ids"] = list(query.ids)
        places = []
        branches = [_FOUND_BY_ID.format(conditions=_all_of(base + filters + extra))]
    else:
        branched = _branches(query, filters, parameters)
        places = [await _place(connection, base, branch, extra, parameters) for branch in branched]
        branches = [
            _FOUND.format(source=place.source, conditions=_all_of(base + branch + extra))
            for place, branch in zip(places, branched, strict=True)
        ]
    statement = _POSTS.format(found=" union ".join(branches))
    found = await connection.fetch_each(statement, parameters, _post_record)
    if len(places) < 2 and len(found) == query.limit:
        return Found(found)
    # Older than where one of two walks ended, the other one alone has found something.
    back_to = await _last_walked(connection, places, parameters)
    found = [record for record in found if back_to is None or record.event.seq >= back_to]
    return Found(found, back_to if len(found) < query.limit else None)


async def find_claim(connection: Connection, project_id: int, sequence: str, number: int) -> ClaimFact | None:
    """The claim of this number of the sequence; None when nobody claimed it."""
    parameters = {"project": project_id, "sequence": sequence, "number": number}
    for by, actor, formatted, void in await connection.fetch(_CLAIM, parameters):
        return ClaimFact(by=by, actor=actor, formatted=formatted, void=void)
    return None


async def find_finished_tasks(connection: Connection, project_id: int, query: TaskQuery) -> Found[FinishedTask]:
    """The finished tasks that match, newest first. As for events, one search a name."""
    names = (query.owner, *query.former_names)
    each = [await _find_finished_tasks(connection, project_id, replace(query, owner=name)) for name in names]
    return _merged(each, "task_id", query.limit)


async def _find_finished_tasks(connection: Connection, project_id: int, query: TaskQuery) -> Found[FinishedTask]:
    """`find_finished_tasks` under the one name that the query has for the owner."""
    parameters = {"project": project_id, "walked_max": TASKS_WALKED_MAX, **msgspec.structs.asdict(query)}
    walked = await _walked_for_tasks(connection, query, parameters)
    condition, order = _FINISHED if walked is None else _TASK_FILTERS[walked]
    walk = candidates = _CANDIDATES.format(condition=condition, order=order)
    if walked == "owner":
        candidates = _ONCE.format(candidates=walk)
    elif walked == "status":
        candidates = _SORTED.format(candidates=walk)
    # The owner of an old event may have lost the task since.
    others = [
        field
        for field in _TASK_CONDITIONS
        if (field != walked or field == "owner") and getattr(query, field) is not None
    ]
    conditions = _all_of(["true", *(_TASK_CONDITIONS[field] for field in others)])
    rows = await connection.fetch(_TASKS.format(candidates=candidates, conditions=conditions), parameters)
    found = [
        FinishedTask(task_id=task_id, title=title, lane=lane, owner=owner, status=status)
        for task_id, title, lane, owner, status in rows
    ]
    if len(found) == query.limit:
        return Found(found)
    last = await connection.fetch(_LAST_CANDIDATE.format(candidates=walk), parameters)
    return Found(found, last[0][0] if last else None)


async def _walked_for_tasks(connection: Connection, query: TaskQuery, parameters: dict[str, Any]) -> str | None:
    """The field whose tasks are walked: the rarest, or the owner or the lane where all are common; None for all."""
    narrow = [field for field in ("owner", "lane") if getattr(query, field) is not None]
    if query.status == "cancelled":
        narrow.append("status")
    if len(narrow) > 1 or narrow == ["status"]:
        filters = [_TASK_FILTERS[field] for field in narrow]
        probes = ", ".join(_COUNTED_TASKS.format(condition=each, order=order) for each, order in filters)
        (counts,) = await connection.fetch(f"select {probes}", {**parameters, "rare_max": RARE_MAX})
        count, rarest = min(zip(counts, narrow, strict=True), key=itemgetter(0))
        if count < RARE_MAX:
            return rarest
    return next((field for field in narrow if field != "status"), None)


async def _find_by_id(
    connection: Connection, project_id: int, query: PostQuery, ids: tuple[int, ...]
) -> list[PostRecord]:
    rows = await connection.run(_POSTS_BY_ID, {"project": project_id, "ids": ids, "upto": query.upto})
    found = [
        PostRecord(event=Event(seq=seq, at=at, actor=actor, by=by, data=decode("post", data)))
        for seq, at, actor, by, data in rows
    ]
    return sorted(found, key=lambda record: record.event.seq, reverse=True)[: query.limit]


def _branches(query: PostQuery, filters: list[str], parameters: dict[str, Any]) -> list[list[str]]:
    """The alternatives of a search: two ordered walks, where an "or" would sort everything the reader ever got."""
    if query.to_reader is None:
        return [filters]
    parameters["to_reader"] = query.to_reader
    if query.reader_lane is None:
        return [[*filters, _TO_READER]]
    parameters["reader_lane"] = query.reader_lane
    return [[*filters, _TO_READER], [*filters, _TO_READER_LANE]]


async def _place(
    connection: Connection, base: list[str], filters: list[str], rest: list[str], parameters: dict[str, Any]
) -> Place:
    """Where to look for what meets these filters and the `rest`, which no index finds.

    One filter alone is an index of its own. Of several, the one with the fewest events decides.
    """
    if len(filters) < 2 and not rest:
        return Place("events")
    fewest = filters
    if len(filters) > 1:
        only, is_rare = await rarest(connection, base, filters, parameters, RARE_MAX)
        fewest = [only]
        if is_rare:
            return Place(collected(base, only))
    walked = _all_of(base + fewest)
    parameters["walked_max"] = WALKED_MAX
    return Place(_WALKED.format(conditions=walked), walked)


async def _last_walked(connection: Connection, places: list[Place], parameters: dict[str, Any]) -> int | None:
    """The event at which a walk ended before the ledger did: the newest such of several walks."""
    ends = [
        seq
        for place in places
        if place.walked is not None
        for (seq,) in await connection.fetch(_LAST_WALKED.format(conditions=place.walked), parameters)
    ]
    return max(ends, default=None)


def _all_of(conditions: list[str]) -> str:
    return "\n   and ".join(conditions)


def _given(query: EventQuery | PostQuery, filters: dict[str, str], parameters: dict[str, Any]) -> list[str]:
    """The conditions of the fields that are given, whose values are put among the parameters."""
    fields = [field for field in filters if getattr(query, field) is not None]
    parameters.update({field: getattr(query, field) for field in fields})
    return [filters[field] for field in fields]


def _event_view(row: Row) -> EventView:
    seq, at, actor, type_name, data = row
    return EventView(id=seq, ts=at, actor=actor, type=type_name, payload=stored_payload(type_name, data))


def _post_record(row: Row) -> PostRecord:
    seq, at, actor, by, data, ids, actors, times, notes, more = row
    event = Event(seq=seq, at=at, actor=actor, by=by, data=decode("post", data))
    acks: dict[int, AckFact] = {}
    for reader, name, acked_at, note in zip(ids or (), actors or (), times or (), notes or (), strict=True):
        # A ledger from elsewhere (store.legacy) may have a reader's acknowledgement again; the first one counts.
        acks.setdefault(reader, AckFact(by=reader, actor=name, at=acked_at, note=note))
    return PostRecord(event=event, acks=tuple(acks.values()), acks_more=more)
