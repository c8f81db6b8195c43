"""The TypeScript server, as far as its database goes: a model that lives through a random, seeded past and writes it.

The tables are those of the description that `store.legacy.source` reads by. The model knows what that database does
not: which task each task event was about (`task_of`).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

SCHEMA = """
create table owners (id bigint primary key, email text unique, is_operator boolean, created_at timestamptz, plan text,
    suspended_at timestamptz, username text, username_confirmed_at timestamptz);
create unique index on owners (lower(username));
create table projects (id bigint primary key, owner_id bigint references owners, slug text, name text,
    liveness_window_sec integer, created_at timestamptz, unique (owner_id, slug));
create table participants (id bigint primary key, owner_id bigint references owners, name text, kind text,
    created_at timestamptz, unique (owner_id, name));
create table participations (id bigint primary key, participant_id bigint references participants on delete cascade,
    project_id bigint references projects, lane text, is_admin boolean, created_at timestamptz,
    unique (participant_id, project_id));
create table tokens (id bigint primary key, participation_id bigint references participations on delete cascade,
    token_hash text unique, label text, created_at timestamptz, revoked_at timestamptz);
create table sequences (project_id bigint references projects, name text, current bigint, prefix text, pad integer,
    created_at timestamptz, primary key (project_id, name));
create table presence (participation_id bigint primary key references participations on delete cascade,
    project_id bigint, lane text, status text, registered_at timestamptz, last_seen timestamptz);
create table events (id bigint primary key, project_id bigint references projects, ts timestamptz,
    participation_id bigint references participations on delete set null, actor_name text, type text, payload jsonb);
create table posts (id bigint primary key, project_id bigint, event_id bigint references events,
    from_participation_id bigint references participations on delete set null, from_actor_name text, to_lane text,
    to_participation_id bigint references participations on delete set null, subject text, body text, ref text,
    tag text, created_at timestamptz);
create table post_acks (post_id bigint references posts, participation_id bigint
    references participations on delete cascade, actor_name text, acked_at timestamptz,
    primary key (post_id, participation_id));
create table leases (id bigint primary key, project_id bigint, surface text,
    participation_id bigint references participations on delete set null, actor_name text, note text,
    acquired_at timestamptz, expires_at timestamptz, released_at timestamptz);
create table tasks (id bigint primary key, project_id bigint, title text, detail text, lane text,
    owner_participation_id bigint references participations on delete set null, owner_name text, status text,
    created_by_id bigint references participations on delete set null, created_at timestamptz, updated_at timestamptz);
create table task_blockers (task_id bigint references tasks, blocked_on_task_id bigint references tasks, reason text,
    created_at timestamptz, resolved_at timestamptz);
create table actor_cursors (participation_id bigint primary key references participations on delete cascade,
    project_id bigint, last_event_id bigint, updated_at timestamptz);
create table join_codes (id bigint primary key, code text unique, project_id bigint references projects,
    intended_name text, kind text, lane text, is_admin boolean, max_uses integer, uses integer, expires_at timestamptz,
    created_at timestamptz, revoked_at timestamptz);
create table owner_identities (provider text, provider_subject text, owner_id bigint references owners, email text,
    created_at timestamptz, primary key (provider, provider_subject));
"""

LANES = ("api", "web", "ops")
SURFACES = ("src/a.py", "src/b", "docs", "tests", "app/[id]/page.tsx", "Makefile")
TITLES = ("Cut over", "Write docs", "Fix the build", "Cut over")
Row = dict[str, Any]


@dataclass
class Member:
    """Somebody in a project, and the token in clear."""

    id: int
    project_id: int
    actor: str
    label: str
    token: str


@dataclass
class LegacyServer:
    """A server with people in it; `live` lets them work, `write` makes the database."""

    random: Random
    now: datetime = field(default_factory=lambda: _before_today(timedelta(hours=1)))
    tables: dict[str, list[Row]] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    task_of: dict[int, int] = field(default_factory=dict)
    _last_id: int = 0

    def add(self, table: str, **row: Any) -> Row:
        self.tables.setdefault(table, []).append(row)
        return row

    def rows(self, table: str) -> list[Row]:
        return self.tables.setdefault(table, [])

    def new_id(self) -> int:
        """Ids have gaps, and are one count for all projects."""
        self._last_id += self.random.choice((1, 1, 1, 2, 7))
        return self._last_id

    # People.

    def owner(self, email: str, username: str | None, **more: Any) -> Row:
        given = {"is_operator": False, "plan": "free", "suspended_at": None, "username_confirmed_at": None, **more}
        return self.add("owners", id=self.new_id(), email=email, username=username, created_at=self.now, **given)

    def project(self, owner: Row, slug: str, name: str = "The project") -> Row:
        return self.add(
            "projects",
            id=self.new_id(),
            owner_id=owner["id"],
            slug=slug,
            name=name,
            liveness_window_sec=self.random.choice((900, 60)),
            created_at=self.now,
        )

    def join(self, project: Row, name: str, *, is_admin: bool = False) -> Member:
        """Let somebody in, with a token that works, and one that was taken back."""
        owner = next(owner for owner in self.rows("owners") if owner["id"] == project["owner_id"])
        known = (row for row in self.rows("participants") if (row["owner_id"], row["name"]) == (owner["id"], name))
        participant = next(known, None) or self.add(
            "participants", id=self.new_id(), owner_id=owner["id"], name=name, kind="agent", created_at=self.now
        )
        participation = self.add(
            "participations",
            id=self.new_id(),
            participant_id=participant["id"],
            project_id=project["id"],
            lane=self.random.choice((None, *LANES)),
            is_admin=is_admin,
            created_at=self.now,
        )
        actor = f"{owner['username']}/{name}" if owner["username"] else name
        member = Member(participation["id"], project["id"], actor, name, f"bus_{self.random.randbytes(16).hex()}")
        for token, revoked_at in ((member.token, None), (f"{member.token}-old", self.now)):
            self.add(
                "tokens",
                id=self.new_id(),
                participation_id=member.id,
                token_hash=sha256(token.encode()).hexdigest(),
                label="first",
                created_at=self.now,
                revoked_at=revoked_at,
            )
        self.add(
            "presence",
            participation_id=member.id,
            project_id=project["id"],
            lane="(unset)",
            status=None,
            registered_at=self.now,
            last_seen=self.now,
        )
        self.members.append(member)
        return member

    def invite(self, project: Row, code: str, name: str | None = None, **more: Any) -> Row:
        given = {
            "kind": "agent",
            "lane": "api",
            "is_admin": False,
            "max_uses": 2,
            "uses": 0,
            "expires_at": datetime.now(UTC) + timedelta(days=1),
            "revoked_at": None,
            **more,
        }
        return self.add(
            "join_codes", id=self.new_id(), code=code, project_id=project["id"], intended_name=name,
            created_at=self.now, **given,
        )  # fmt: skip

    # Work.

    def live(self, steps: int) -> None:
        """Let everybody do so many things; somebody may call without doing anything."""
        seldom: list[Callable[[Member], object]] = [self.seed, self.register, self.release, self.create, self.look]
        often: list[Callable[[Member], object]] = [self.claim, self.post, self.ack, self.lease]
        doings = [self.presence, *seldom, *often, *often, *4 * [self.work]]
        for _ in range(steps):
            self.now += timedelta(milliseconds=self.random.choice((0, 1, 37, 900, 60_000)))
            member = self.random.choice(self.members)
            acting = self.random.choice(doings)
            acting(member)
            self.presence(member)["last_seen"] = self.now

    def event(self, member: Member, type_name: str, **payload: Any) -> Row:
        return self.add(
            "events",
            id=self.new_id(),
            project_id=member.project_id,
            ts=self.now,
            participation_id=member.id,
            actor_name=member.actor,
            type=type_name,
            payload=payload,
        )

    def presence(self, member: Member) -> Row:
        return next(row for row in self.rows("presence") if row["participation_id"] == member.id)

    def in_project(self, table: str, member: Member) -> list[Row]:
        return [row for row in self.rows(table) if row["project_id"] == member.project_id]

    def fellow(self, member: Member) -> Member:
        return self.random.choice([one for one in self.members if one.project_id == member.project_id])

    def sequence(self, member: Member) -> Row:
        name = self.random.choice(("adr", "migration"))
        known = (row for row in self.in_project("sequences", member) if row["name"] == name)
        return next(known, None) or self.add(
            "sequences",
            project_id=member.project_id,
            name=name,
            current=0,
            prefix="",
            pad=0,
            created_at=self.now,
        )

    def claim(self, member: Member) -> None:
        row = self.sequence(member)
        row["current"] += 1
        formatted = f"{row['prefix']}{row['current']:0{row['pad']}d}"
        note = self.random.choice((None, "why"))
        self.event(member, "claim", sequence=row["name"], number=row["current"], formatted=formatted, note=note)

    def seed(self, member: Member) -> None:
        row = self.sequence(member)
        row.update(current=row["current"] + self.random.randint(0, 3), prefix="N-", pad=self.random.choice((0, 4)))
        self.event(member, "seed", sequence=row["name"], current=row["current"], prefix="N-", pad=row["pad"])

    def register(self, member: Member) -> None:
        lane, status = self.random.choice(LANES), self.random.choice((None, "busy"))
        self.presence(member).update(lane=lane, status=status, registered_at=self.now)
        self.event(member, "register", lane=lane, status=status)

    def post(self, member: Member) -> None:
        lane, to = self.random.choice((*LANES, None)), self.random.choice((self.fellow(member), None))
        if lane is None and to is None:
            return
        to_actor = None if to is None else to.actor
        said = {
            "subject": self.random.choice((None, "s")),
            "ref": self.random.choice((None, "PR-1", "PR-2")),
            "tag": "t",
        }
        event = self.event(member, "post", to_lane=lane, to_actor=to_actor, **said)
        self.add(
            "posts",
            id=self.new_id(),
            project_id=member.project_id,
            event_id=event["id"],
            from_participation_id=member.id,
            from_actor_name=member.actor,
            to_lane=lane,
            to_participation_id=None if to is None else to.id,
            body=f"Body {event['id']} ż",
            created_at=self.now,
            **said,
        )

    def ack(self, member: Member) -> None:
        """Also again, which leaves another event."""
        if not (posts := self.in_project("posts", member)):
            return
        post = self.random.choice(posts[-8:])
        given = ((row["post_id"], row["participation_id"]) for row in self.rows("post_acks"))
        if (post["id"], member.id) not in given:
            self.add(
                "post_acks", post_id=post["id"], participation_id=member.id, actor_name=member.actor, acked_at=self.now
            )
        self.event(member, "ack", post_id=post["id"])

    def lease(self, member: Member) -> None:
        """Leasing again ends the lease before."""
        surface, ttl = self.random.choice(SURFACES), self.random.choice((5, 1800, 86_400, 400_000))
        self._release(member, surface)
        self.add(
            "leases",
            id=self.new_id(),
            project_id=member.project_id,
            surface=surface,
            participation_id=member.id,
            actor_name=member.actor,
            note=self.random.choice((None, "mine", "for now")),
            acquired_at=self.now,
            expires_at=self.now + timedelta(seconds=ttl),
            released_at=None,
        )
        self.event(member, "lease", surface=surface, ttl_seconds=ttl)

    def release(self, member: Member) -> None:
        """Also what is not held, which leaves an event all the same."""
        surface = self.random.choice(SURFACES)
        self._release(member, surface)
        self.event(member, "release", surface=surface)

    def _release(self, member: Member, surface: str) -> None:
        for row in self.rows("leases"):
            if (row["participation_id"], row["surface"], row["released_at"]) == (member.id, surface, None):
                row["released_at"] = self.now

    def create(self, member: Member) -> None:
        owner = self.random.choice((self.fellow(member), None))
        said = {"title": self.random.choice(TITLES), "lane": self.random.choice(LANES)}
        task = self.add(
            "tasks",
            id=self.new_id(),
            project_id=member.project_id,
            detail=self.random.choice((None, "More of it.")),
            owner_participation_id=None if owner is None else owner.id,
            owner_name=None if owner is None else owner.actor,
            status="open" if owner is None else "assigned",
            created_by_id=member.id,
            created_at=self.now,
            updated_at=self.now,
            **said,
        )
        event = self.event(member, "task_create", owner=task["owner_name"], **said)
        self.task_of[event["id"]] = task["id"]

    def work(self, member: Member) -> None:
        """Move some task on, if it can be moved that way."""
        open_ones = [task for task in self.in_project("tasks", member) if task["status"] != "done"]
        if not open_ones:
            return
        task = self.random.choice(open_ones)
        moves = {
            "open": (self._assign,),
            "assigned": (self._assign, self._start, self._start),
            "in_progress": (self._block, self._ship),
            "blocked": (self._block, self._resolve),
        }
        event = self.random.choice(moves[task["status"]])(member, task)
        task["updated_at"] = self.now
        self.task_of[event["id"]] = task["id"]

    def _assign(self, member: Member, task: Row) -> Row:
        owner = self.fellow(member)
        task.update(status="assigned", owner_participation_id=owner.id, owner_name=owner.actor)
        return self.event(member, "task_assign", owner=owner.actor)

    def _start(self, member: Member, task: Row) -> Row:
        task["status"] = "in_progress"
        return self.event(member, "task_start")

    def _block(self, member: Member, task: Row) -> Row:
        others = [one["id"] for one in self.in_project("tasks", member) if one is not task and one["status"] != "done"]
        on, reason = self.random.choice((None, *others[:3])), self.random.choice(("no keys", "waits"))
        task["status"] = "blocked"
        self.add(
            "task_blockers",
            task_id=task["id"],
            blocked_on_task_id=on,
            reason=reason,
            created_at=self.now,
            resolved_at=None,
        )
        return self.event(member, "task_block", on=on, reason=reason)

    def _resolve(self, member: Member, task: Row) -> Row:
        held = [row for row in self.rows("task_blockers") if row["task_id"] == task["id"] and not row["resolved_at"]]
        blocker = self.random.choice((None, held[0]["blocked_on_task_id"]))
        for row in held:
            if blocker is None or row["blocked_on_task_id"] == blocker:
                row["resolved_at"] = self.now
        task["status"] = "in_progress" if all(row["resolved_at"] for row in held) else "blocked"
        return self.event(member, "task_resolve", blocker=blocker)

    def _ship(self, member: Member, task: Row) -> Row:
        task["status"] = "done"
        return self.event(member, "task_ship")

    def look(self, member: Member) -> None:
        """Catch up: a cursor, and no event."""
        seen = max((row["id"] for row in self.in_project("events", member)), default=0)
        rows = [row for row in self.rows("actor_cursors") if row["participation_id"] == member.id]
        row = rows[0] if rows else self.add(
            "actor_cursors", participation_id=member.id, project_id=member.project_id
        )  # fmt: skip
        row.update(last_event_id=seen, updated_at=self.now)

    # The database.

    def write(self, conninfo: str) -> None:
        """Make the tables in an empty database."""
        with psycopg.connect(conninfo, autocommit=True) as session:
            session.execute(SCHEMA.encode())
            for table in re.findall(r"create table (\w+)", SCHEMA):
                write_rows(session, table, self.rows(table))


def _before_today(ago: timedelta) -> datetime:
    """So long ago that the past ends before now."""
    return datetime.now(UTC).replace(microsecond=0) - ago


def write_rows(session: psycopg.Connection[Any], table: str, rows: Sequence[Row]) -> None:
    if rows:
        names, places = ", ".join(rows[0]), ", ".join("%s" for _ in rows[0])
        statement = f"insert into {table} ({names}) values ({places})".encode()
        values = [[Jsonb(value) if isinstance(value, dict) else value for value in row.values()] for row in rows]
        session.cursor().executemany(statement, values)


def small_world(seed: int, steps: int) -> LegacyServer:
    """Two owners with three projects in which much happened."""
    server = LegacyServer(Random(seed), now=_before_today(timedelta(hours=2, seconds=steps * 12)))
    ann = server.owner("ann@example.com", "ann", username_confirmed_at=server.now, is_operator=True)
    bob = server.owner("Bob.Lee@example.com", "bobby")
    for owner, slug in ((ann, "shop"), (ann, "site"), (bob, "shop")):
        project = server.project(owner, slug)
        for name in ("lead", "agent-1", "agent-2"):
            server.join(project, name, is_admin=name == "lead")
    server.live(steps)
    return server
