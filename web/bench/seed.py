"""Databases with a past: a project whose ledger already has so many events, written by SQL and proved by folding.

The history is a day in the life of a busy project, the same few events again and again: in ten, one post to the runner
(`PEER` to `RUNNER`), one acknowledgement, a lease and its release, and claims. The newest posts are not acknowledged,
so that the runner has an inbox; the newest events look alike at every size, so that sizes can be compared. What SQL
wrote is folded by the engine, as an actor would, and the snapshot is that fold.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_hex

from msgspec import Struct
from psycopg.conninfo import make_conninfo

from actors.limits import Limits
from engine.identity import Principal
from engine.open_posts import INBOX_MAX
from engine.project import apply, snapshot
from engine.state import State
from store import Store, migrate, open_store
from store.ledger import projects
from store.people import grants, owners, sessions, tokens
from store.postgres.connection import Connection
from web.errors import BenchFailed

OWNER = "bench@localhost"
RUNNER = "runner"
PEER = "peer"
SENT = 20
"""The runner's own newest posts that nobody has acknowledged."""

UNREAD_MIN = 20
"""The number that one answer shows, so that small and large histories answer at the same length."""

CHUNK_EVENTS = 50_000
TAIL_EVENTS = Limits().snapshot_every_events - 1
"""What an actor folds at worst after the snapshot."""

_SEED = """
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %(project)s, i, %(until)s::timestamptz - (%(events)s - i) * interval '100 milliseconds',
       case when r = 0 then %(peer)s else %(runner)s end,
       case when r = 0 then %(peer_id)s else %(runner_id)s end,
       case kind when 'sent' then 'post' when 'got' then 'post' else kind end,
       case kind
       when 'got' then jsonb_build_object(
            'to_lane', null, 'to_actor', %(runner)s::text, 'subject', 'handoff ' || k,
            'body', repeat('Done so far. ', 15), 'ref', 'PR-' || k, 'tag', null, 'thread', i, 'to_id', %(runner_id)s)
       when 'sent' then jsonb_build_object(
            'to_lane', null, 'to_actor', %(peer)s::text, 'subject', 'reply ' || k, 'body', repeat('Seen. ', 15),
            'ref', null, 'tag', null, 'thread', i, 'to_id', %(peer_id)s)
       when 'ack' then jsonb_build_object('post_id', i - 5)
       when 'lease' then jsonb_build_object('surface', 'src/module-' || k %% 50 || '.py', 'ttl_seconds', 600)
       when 'release' then jsonb_build_object('surface', 'src/module-' || k %% 50 || '.py')
       else jsonb_build_object(
            'sequence', 'module-' || r, 'number', number, 'formatted', number::text, 'note', null)
       end, 0
  from (select i, k, r,
               case when r = 0 then 'got'
                    when r = 5 and k between 1 and %(acked)s then 'ack'
                    when r = 6 then 'lease'
                    when r = 7 then 'release'
                    when r = 8 and k >= %(events)s / 10 - %(sent)s then 'sent'
                    else 'claim' end as kind,
               case when r = 5 and k > 0 then k - %(acked)s + 1 else k + 1 end as number
          from (select i, i / 10 as k, i %% 10 as r
                  from generate_series(%(first)s::bigint, %(last)s::bigint) as i) as decades) as kinds
"""


class Project(Struct, frozen=True, kw_only=True):
    """A seeded project, and how its runner calls: by `token` over HTTP, as `principal` without."""

    conninfo: str
    token: str
    peer_token: str
    principal: Principal
    events: int

    @property
    def posts(self) -> int:
        """Posts that were written to the runner."""
        return self.events // 10

    @property
    def unread(self) -> int:
        """Posts that the runner has not acknowledged."""
        return min(self.posts, max(UNREAD_MIN, self.events // 100))


@asynccontextmanager
async def database(conninfo: str) -> AsyncIterator[str]:
    """A new, migrated database on the server of `conninfo`, dropped afterwards."""
    async with unmigrated_database(conninfo) as fresh:
        await migrate(fresh)
        yield fresh


@asynccontextmanager
async def unmigrated_database(conninfo: str) -> AsyncIterator[str]:
    """A new database without a schema, for a server that makes its own."""
    name = f"llm_bus_bench_{token_hex(4)}"
    await run_statement(conninfo, f"create database {name}")
    try:
        yield make_conninfo(conninfo, dbname=name)
    finally:
        await run_statement(conninfo, f"drop database if exists {name} with (force)")


async def seed(store: Store, conninfo: str, events: int, advance: Callable[[int], object]) -> Project:
    """A new project with `events` events of history; `advance` is called with how many more are written and folded."""
    project, peer_id = await create_project(store, conninfo, events)
    await _write(project, peer_id, advance)
    await _fold(store, project, advance)
    return project


async def create_projects(conninfo: str, count: int) -> list[Project]:
    """Make `count` new projects without any history."""
    async with seeding(conninfo) as store:
        return [(await create_project(store, conninfo))[0] for _ in range(count)]


async def add_readers(conninfo: str, project: Project, count: int) -> list[str]:
    """The tokens of so many new participants of a project."""
    async with seeding(conninfo) as store:
        made = [
            await store.write(
                grants.provision, project.principal.project_id, participant_name=f"reader {number}", by=OWNER
            )
            for number in range(count)
        ]
    return [each.token for each in made]


async def open_session(store: Store) -> str:
    """The id of a new session, signed in as the owner of all seeded projects, of which there is one at least."""
    owner = await store.read(owners.find_owner, OWNER)
    if owner is None:
        raise BenchFailed("nobody owns the projects that were just made: something else works on this database.")
    await store.write(owners.rename, owner.id, owner.handle, by=owner.handle)
    return (await store.write(sessions.open_session, owner.id, user_agent="llm-bus bench", replacing=None)).id


async def create_project(
    store: Store, conninfo: str, events: int = 0, *, is_admin: bool = False
) -> tuple[Project, int]:
    """A project whose runner may be a lead, and the id of its other participant. No event is written."""
    owner = await store.write(owners.ensure_owner, OWNER)
    row = await store.write(projects.ensure, owner.id, f"bench-{token_hex(4)}")
    runner = await store.write(grants.provision, row.id, participant_name=RUNNER, is_admin=is_admin, by=owner.handle)
    peer = await store.write(grants.provision, row.id, participant_name=PEER, by=owner.handle)
    grant = await store.read(tokens.authenticate, sha256(runner.token.encode()).digest())
    if grant is None:
        raise BenchFailed("a token that was just made is not known: something else works on this database.")
    project = Project(
        conninfo=conninfo, token=runner.token, peer_token=peer.token, principal=grant.principal, events=events
    )
    return project, peer.participation_id


async def _write(project: Project, peer_id: int, advance: Callable[[int], object]) -> None:
    principal = project.principal
    now = datetime.now(UTC)
    parameters = {
        "project": principal.project_id,
        "events": project.events,
        "acked": project.posts - project.unread,
        "sent": SENT,
        "until": now.replace(microsecond=now.microsecond // 1000 * 1000),
        "runner": principal.actor,
        "runner_id": principal.id,
        "peer": f"{principal.handle}/{PEER}",
        "peer_id": peer_id,
    }
    async with unhurried(project.conninfo) as connection:
        for first in range(1, project.events + 1, CHUNK_EVENTS):
            last = min(project.events, first + CHUNK_EVENTS - 1)
            await connection.execute(_SEED, {**parameters, "first": first, "last": last})
            advance(last - first + 1)


async def _fold(store: Store, project: Project, advance: Callable[[int], object]) -> None:
    """Prove that the history folds to what was meant, and leave a snapshot as old as an actor would."""
    state = State()
    if (snapshot_seq := project.events - TAIL_EVENTS) > 0:
        await fold_to(snapshot_seq, state, store, project, advance)
        await store.journal.write_snapshot(
            project.principal.project_id, state.seq, snapshot(state), open_posts=len(state.posts)
        )
    await fold_to(project.events, state, store, project, advance)
    inbox = len(state.posts.inbox(project.principal.id))
    if (state.seq, inbox) != (project.events, min(project.unread, INBOX_MAX)):
        raise BenchFailed(
            f"the history folds to {state.seq} events with {inbox} unread posts, which is not what was meant."
        )


async def fold_to(seq: int, state: State, store: Store, project: Project, advance: Callable[[int], object]) -> None:
    """Fold the ledger up to event `seq`; `advance` is called with how many more."""
    while state.seq < seq:
        limit = min(Limits().tail_page_events, seq - state.seq)
        page = await store.journal.tail(project.principal.project_id, state.seq, limit)
        if not page:
            return
        for row in page:
            apply(state, row.event)
        advance(len(page))


async def settle(conninfo: str) -> None:
    """Let PostgreSQL finish what seeding left behind, so that it does not do so while something is measured."""
    await run_statement(conninfo, "vacuum analyze")
    await run_statement(conninfo, "checkpoint")


async def run_statement(conninfo: str, statement: str) -> None:
    """Run one statement on a session of its own, however long it takes."""
    async with unhurried(conninfo) as connection:
        await connection.run_script(statement.encode())


@asynccontextmanager
async def unhurried(conninfo: str) -> AsyncIterator[Connection]:
    """A session whose statements may take as long as they need."""
    connection = await Connection.open(conninfo, statement_timeout_seconds=float("inf"))
    try:
        yield connection
    finally:
        connection.close()


@asynccontextmanager
async def seeding(conninfo: str) -> AsyncIterator[Store]:
    """A store to seed with."""
    async with open_store(conninfo, pool_size_max=2) as store:
        yield store
