"""What the TypeScript server would answer, by SQL on its tables: to be compared with what ours answers after the move.

Ids were global there; `Before` tells which of a project's own each one is now: an event's place, a post's event's
place, a task's place.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from tests.postgres import query
from tests.store.legacy_server import Member

Answer = dict[str, Any]

_EVENTS = """
select e.id, e.ts, e.actor_name, e.type, e.payload from events e left join posts p on p.event_id = e.id
 where e.project_id = %s and {where} order by e.id desc limit {limit}
"""

_POSTS = """
select p.id, p.from_actor_name, p.to_lane,
       (select payload ->> 'to_actor' from events e where e.id = p.event_id), p.subject, p.body, p.ref, p.tag,
       p.created_at, exists (select from post_acks a where a.post_id = p.id and a.participation_id = {me})
  from posts p where p.project_id = %s and {where} order by p.id desc limit {limit}
"""

_CLAIMS = """
select distinct on (payload ->> 'sequence') payload ->> 'sequence' as sequence, (payload ->> 'number')::int as number,
       payload ->> 'formatted' as formatted, actor_name as by, ts as at
  from events where project_id = %s and type = 'claim' order by payload ->> 'sequence', id desc
"""

_SEQUENCES = """
select name, prefix, pad, current as last_used, current + 1 as next, prefix || lpad((current + 1)::text,
       greatest(pad, length((current + 1)::text)), '0') as next_formatted
  from sequences where project_id = %s order by name
"""

_ACTIVE = """
select o.username || '/' || a.name as actor, s.lane, coalesce(s.status, '') as status, s.last_seen
  from presence s join participations p on p.id = s.participation_id join participants a on a.id = p.participant_id
  join owners o on o.id = a.owner_id
 where s.project_id = %s and s.participation_id <> {me} order by s.last_seen desc, actor
"""

_LEASES = """
select surface, actor_name as actor, expires_at, note, 'exclusive' as mode
  from leases where project_id = %s and released_at is null and expires_at > now() order by id desc
"""

_TASKS = """
select t.id, t.title, t.lane, t.owner_name, t.status
  from tasks t where t.project_id = %s and {where} order by t.id desc limit 200
"""

_BLOCKERS = """
select blocked_on_task_id, reason from task_blockers where task_id = %s and resolved_at is null order by created_at
"""

_PEOPLE = """
select a.name, o.username || '/' || a.name as actor, a.kind, p.lane, p.is_admin,
       exists (select from tokens t where t.participation_id = p.id and t.revoked_at is null) as token_active
  from participations p join participants a on a.id = p.participant_id join owners o on o.id = a.owner_id
 where p.project_id = %s order by a.name
"""


class Before:
    """The answers of the old server to one member."""

    def __init__(self, conninfo: str, member: Member) -> None:
        self._conninfo = conninfo
        self._me = member.id
        self._project = member.project_id
        self.event = self._places("select id from events where project_id = %s order by id")
        self.task = self._places("select id from tasks where project_id = %s order by id")
        posts = self._rows("select id, event_id from posts where project_id = %s")
        self.post = {post_id: self.event[event_id] for post_id, event_id in posts}

    def sequences(self) -> list[Answer]:
        return self._answers(_SEQUENCES, "name", "prefix", "pad", "last_used", "next", "next_formatted")

    def latest_claims(self) -> list[Answer]:
        return self._answers(_CLAIMS, "sequence", "number", "formatted", "by", "at")

    def active(self) -> list[Answer]:
        return self._answers(_ACTIVE.format(me=self._me), "actor", "lane", "status", "last_seen")

    def leases(self) -> list[Answer]:
        return self._answers(_LEASES, "surface", "actor", "expires_at", "note", "mode")

    def participants(self) -> list[Answer]:
        return self._answers(_PEOPLE, "name", "actor", "kind", "lane", "is_admin", "token_active")

    def posts(self, where: str = "true", limit: int = 50) -> list[Answer]:
        fields = ("post_id", "from", "to_lane", "to_actor", "subject", "body", "ref", "tag", "created_at", "acked")
        found = self._answers(_POSTS.format(where=where.format(me=self._me), me=self._me, limit=limit), *fields)
        return [{**row, "post_id": self.post[row["post_id"]]} for row in found]

    def tasks(self, where: str = "true") -> list[Answer]:
        found = self._answers(_TASKS.format(where=where), "task_id", "title", "lane", "owner", "status")
        return [
            {**row, "task_id": self.task[row["task_id"]], "blockers": self._blockers(row["task_id"])} for row in found
        ]

    def events(self, where: str = "true", limit: int = 100) -> list[Answer]:
        found = self._answers(_EVENTS.format(where=where, limit=limit), "id", "ts", "actor", "type", "payload")
        return [{**row, "id": self.event[row["id"]], "payload": self._renumbered(row["payload"])} for row in found]

    def cursor(self) -> int | None:
        rows = self._rows(f"select last_event_id from actor_cursors where participation_id = {self._me}"
                          " and project_id = %s")  # fmt: skip
        return self.event.get(rows[0][0], 0) if rows else None

    def acked_at(self) -> dict[int, str]:
        """When this member first acknowledged what, by the post's number now."""
        rows = self._rows(
            "select a.post_id, a.acked_at from post_acks a join posts p on p.id = a.post_id where p.project_id = %s "
            f"and a.participation_id = {self._me}"
        )
        return {self.post[post_id]: encoded(at) for post_id, at in rows}

    def _blockers(self, task_id: int) -> list[Answer]:
        rows = query(self._conninfo, _BLOCKERS, (task_id,))
        return [{"on": self.task.get(on) if isinstance(on, int) else None, "reason": reason} for on, reason in rows]

    def _renumbered(self, payload: Answer) -> Answer:
        numbers = {"post_id": self.post, "on": self.task, "blocker": self.task}
        return {
            name: numbers[name][value] if name in numbers and value is not None else value
            for name, value in payload.items()
        }

    def _answers(self, statement: str, *fields: str) -> list[Answer]:
        return [encoded(dict(zip(fields, row, strict=True))) for row in self._rows(statement)]

    def _rows(self, statement: str) -> list[tuple[Any, ...]]:
        return query(self._conninfo, statement, (self._project,))

    def _places(self, statement: str) -> dict[int, int]:
        return {row[0]: place for place, row in enumerate(self._rows(statement), start=1)}


def encoded(value: object) -> Any:
    """What a client gets to see of a value; the old server told times in milliseconds."""
    return msgspec.json.decode(msgspec.json.encode(_in_milliseconds(value)))


def _in_milliseconds(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case dict():
            return {name: _in_milliseconds(one) for name, one in value.items()}
        case _:
            return value
