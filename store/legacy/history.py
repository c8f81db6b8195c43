"""One project's ledger, from the TypeScript server's events to ours, folded and written on the way.

Ids that were global there are the project's own here: an event's number is its place in the project, a post's is its
event's, tasks count from 1. What the old server kept in tables beside the ledger is told as events, because here the
ledger is the state: what its events leave out is added at the end (`_Settling`), so that the fold says what the tables
said.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from math import inf
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from engine.held_leases import HeldLease
from engine.leases import Leased, Released
from engine.posts import Acked, Posted
from engine.presence import UNSET_LANE, Registered
from engine.refusals import Refusal
from engine.sequences import Claimed, Seeded
from engine.surfaces import meaning, parse
from engine.vocabulary import Event, EventData
from store.legacy.names import Names
from store.legacy.play import Played, play
from store.legacy.source import Source, Told, told
from store.postgres.connection import Connection
from store.transfer.ledger import LedgerWriter

MAKE_POSTS = "create temporary table legacy_posts (id bigint primary key, seq bigint not null) on commit drop"
"""Where a transaction that carries over histories keeps the new number of every old post."""

_ADD_POSTS = "insert into legacy_posts select key::bigint, value::bigint from jsonb_each_text(%s::jsonb)"
_FIND_POSTS = "select id, seq from legacy_posts where id = any(%s)"

_HERE = """
select o.handle, (select coalesce(jsonb_object_agg(p.id, a.label), '{}')
                    from participations p join participants a on a.id = p.participant_id where p.project_id = j.id)
  from projects j join owners o on o.id = j.owner_id where j.id = %s
"""
_THERE = """
select a.name, p.id from participations p join participants a on a.id = p.participant_id where p.project_id = %s
"""
_CURSORS = """
select participation_id, last_event_id from actor_cursors
 where project_id = %s and last_event_id is not null order by last_event_id
"""
_ADD_CURSOR = "insert into cursors (project_id, participation_id, seq) values (%s, %s, %s)"
_PRESENCE = (
    "select participation_id, lane, status, last_seen from presence where project_id = %s order by registered_at"
)
_ADD_LIVENESS = """
insert into liveness (project_id, participation_id, actor, at)
values (%s, %s, %s, date_trunc('milliseconds', %s::timestamptz))
"""
_SEQUENCES = """
select name, coalesce(current, 0), coalesce(prefix, ''), coalesce(pad, 0)
  from sequences where project_id = %s order by name
"""
# PostgreSQL knows an infinite time, Python does not.
_LEASES = """
select surface, participation_id, coalesce(actor_name, ''), note, coalesce(acquired_at, now()),
       least(expires_at, '9999-01-01Z')
  from leases where project_id = %s and released_at is null and expires_at > now() order by id
"""


Cursors = deque[tuple[int, int]]
"""Readers and the last old event that each has seen, in the order of those."""

Data = TypeVar("Data", Claimed, Seeded, Registered, Leased, Released)


class History:
    """Carries one project over.

    `left_out` counts, by type, the old events that cannot have happened; `added` those that no old event told.
    """

    def __init__(self, source: Source, target: Connection, project_id: int, names: Names) -> None:
        self.left_out: Counter[str] = Counter()
        self.added = 0
        self._source = source
        self._target = target
        self._project_id = project_id
        self._names = names
        self._writer = LedgerWriter(target, project_id)
        self._posts: dict[int, int] = {}
        self._recalled: frozenset[int] = frozenset()

    @classmethod
    async def of(cls, source: Source, target: Connection, project_id: int, nobody: Iterator[int]) -> "History":
        """The history of a project whose people are carried over already."""
        ((handle, labels),) = await target.fetch(_HERE, (project_id,))
        mended = {int(id_): label for id_, label in labels.items()}
        known = dict(await source.fetch(_THERE, (project_id,))) | {label: id_ for id_, label in mended.items()}
        return cls(source, target, project_id, Names(handle, known, mended, nobody))

    async def carry_over(self, advance: Callable[[int], object]) -> int:
        """All of it; gives how many events the ledger has. `advance` is called with how many old events were read."""
        played = play(*await self._source.tasks(self._project_id), self._names)
        cursors: Cursors = deque(await self._source.fetch(_CURSORS, (self._project_id,)))
        rows = await self._source.history(self._project_id)
        while page := [told(row) for row in await rows.page()]:
            await self._recall(page)
            for old in page:
                if old.id is not None:
                    await self._pass(old.id, cursors)
                await self._tell(old, played)
            await self._remember()
            advance(sum(old.id is not None for old in page))
        await self._pass(inf, cursors)
        for addition in played.afterwards:
            await self._add(addition.data, at=addition.at)
        await self._settle()
        await self._writer.finish()
        return self._writer.state.seq

    async def _tell(self, old: Told, played: Played) -> None:
        for addition in played.before.get(old.id or 0, ()):
            await self._add(addition.data, at=old.at)
        data = played.told.get(old.id or 0) or self._translated(old)
        if data is None:
            self.left_out[old.type] += 1
            return
        await self._write(data, self._names.reader(old.participation_id, old.actor), old.actor, old.at)
        if old.post is not None:
            self._posts[old.post.id] = self._writer.state.seq

    def _translated(self, old: Told) -> EventData | None:
        """The old event as one of ours; None when it names what does not exist, or is of no type that is known."""
        payload = old.payload
        match old.type:
            case "claim":
                return _read({"formatted": str(payload.get("number")), "note": None, **payload}, Claimed)
            case "seed":
                name = str(payload.get("sequence"))
                before = self._writer.state.sequences.get(name)
                given = {name: value for name, value in payload.items() if value is not None}
                return _read({"prefix": before.prefix, "pad": before.pad, **given}, Seeded)
            case "register":
                return _read({"status": None, **payload}, Registered)
            case "post":
                return self._posted(old)
            case "ack":
                seq = self._posts.get(_post_id(old))
                return None if seq is None else Acked(post_id=seq)
            case "lease":
                leased = _read({**payload, "note": old.lease_note}, Leased)
                return leased and replace(leased, surface=_surface(leased.surface))
            case "release":
                released = _read(payload, Released)
                return released and replace(released, surface=_surface(released.surface))
            case _:
                return None

    def _posted(self, old: Told) -> Posted | None:
        if (post := old.post) is None:
            return None
        name = old.payload.get("to_actor")
        addressee = self._names.addressee(None if name is None else str(name), post.to_participation_id)
        return Posted(
            to_lane=post.to_lane,
            to_actor=None if addressee is None else addressee.actor,
            to_id=None if addressee is None else addressee.id,
            subject=post.subject,
            body=post.body,
            ref=post.ref,
            tag=post.tag,
            thread=self._writer.state.seq + 1,
        )

    async def _recall(self, page: list[Told]) -> None:
        """Look up the new numbers of the posts that this page acknowledges."""
        ids = {_post_id(old) for old in page if old.type == "ack"}
        self._posts = dict(await self._target.fetch(_FIND_POSTS, (list(ids),))) if ids else {}
        self._recalled = frozenset(self._posts)

    async def _remember(self) -> None:
        """Keep the new numbers of the posts of this page."""
        new = {id_: seq for id_, seq in self._posts.items() if id_ not in self._recalled}
        if new:
            await self._target.execute(_ADD_POSTS, (msgspec.json.encode(new).decode(),))

    async def _pass(self, event_id: float, cursors: Cursors) -> None:
        """Set the cursors that stand before this old event."""
        while cursors and cursors[0][1] < event_id:
            reader, _ = cursors.popleft()
            await self._target.execute(_ADD_CURSOR, (self._project_id, reader, self._writer.state.seq))

    async def _settle(self) -> None:
        """Add what the tables say and the events do not."""
        await self._settle_sequences()
        await self._settle_presence()
        await self._settle_leases()

    async def _settle_sequences(self) -> None:
        for name, current, prefix, pad in await self._source.fetch(_SEQUENCES, (self._project_id,)):
            sequences = self._writer.state.sequences
            known = sequences.get(name)
            is_same = (known.current, known.prefix, known.pad) == (current, prefix, pad)
            if name not in sequences or not is_same:
                await self._add(Seeded(sequence=name, current=current, prefix=prefix, pad=pad))

    async def _settle_presence(self) -> None:
        for reader, lane, status, last_seen in await self._source.fetch(_PRESENCE, (self._project_id,)):
            actor = self._names.member(reader)
            if last_seen is not None:
                await self._target.execute(_ADD_LIVENESS, (self._project_id, reader, actor, last_seen))
            known = self._writer.state.presence.get(reader)
            is_known = known is not None and (known.lane, known.status) == (lane, status)
            if lane not in {None, UNSET_LANE} and not is_known:
                await self._add(Registered(lane=lane, status=status), reader, actor)

    async def _settle_leases(self) -> None:
        wanted: dict[tuple[int, str], tuple[str, str | None, datetime, datetime]] = {}
        for path, by, actor, note, acquired_at, expires_at in await self._source.fetch(_LEASES, (self._project_id,)):
            reader, surface = self._names.reader(by, actor), _surface(path)
            wanted[reader, surface] = (actor, note, acquired_at, expires_at)
        for held in list(self._writer.state.leases.active(self._source.now)):
            if (held.by, held.surface) not in wanted:
                await self._add(Released(surface=held.surface), held.by, held.actor)
        for (reader, surface), (actor, note, acquired_at, expires_at) in wanted.items():
            if not _is_same(self._writer.state.leases.get(reader, surface, self._source.now), note, expires_at):
                # Begun so that it ends when it did, to the moment, after a whole number of seconds.
                begin = max(self._writer.state.at, acquired_at)
                seconds = max(1, int((expires_at - begin).total_seconds()))
                data = Leased(surface=surface, ttl_seconds=seconds, note=note)
                await self._add(data, reader, actor, at=expires_at - timedelta(seconds=seconds))

    async def _add(
        self, data: EventData, reader: int | None = None, actor: str | None = None, *, at: datetime | None = None
    ) -> None:
        """Write what no old event said: in the name of the project's owner unless it is somebody's own."""
        actor = self._names.handle if actor is None else actor
        await self._write(data, self._names.reader(reader, actor), actor, at)
        self.added += 1

    async def _write(self, data: EventData, reader: int, actor: str, at: datetime | None) -> None:
        state = self._writer.state
        at = state.at if at is None else max(state.at, at)
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        await self._writer.add(Event(seq=state.seq + 1, at=at, actor=actor, by=reader, data=data))


def _read(payload: Mapping[str, Any], kind: type[Data]) -> Data | None:
    """An event as another program wrote it; None when it is no such event."""
    try:
        return msgspec.convert(payload, kind, strict=False)
    except msgspec.ValidationError:
        return None


def _surface(old: str) -> str:
    """The surface of an old lease as we spell it; one that we would refuse keeps its old name until it runs out."""
    surface = parse(old)
    return meaning(old if isinstance(surface, Refusal) else surface)


def _post_id(old: Told) -> int:
    """Which post an old event acknowledges; 0, which none has, when it does not say."""
    found = str(old.payload.get("post_id"))
    return int(found) if found.isdecimal() else 0


def _is_same(held: HeldLease | None, note: str | None, expires_at: datetime) -> bool:
    return held is not None and held.note == note and abs(held.expires_at - expires_at) < timedelta(seconds=1)
