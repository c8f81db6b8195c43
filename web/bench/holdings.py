"""A project that holds much beside the same project that holds little: what every tool costs, and memory.

The ledger of such a project is written by SQL: tasks that shipped, posts to lanes that nobody reads, posts that the
runner has acknowledged, keyed claims, and active leases. Both end with the same recent events. Then every tool is
called over HTTP on one connection in a round of calls that can be repeated, one project after the other. A round ends
with changes of people, so the next one begins with a call whose token must be looked up again: that call is a row of
its own.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from actors import Limits
from engine.project import restore_steps, snapshot_steps
from engine.state import State
from store import Store
from store.people import grants
from web.bench import load as bench_load
from web.bench.processes import Served, bus_server, resident_bytes
from web.bench.results import Holding, Holdings, Size, percentile
from web.bench.seed import PEER, RUNNER, Project, create_project, database, fold_to, seeding, settle, unhurried
from web.bench.tool_calls import Session

SMALL = Size(shipped_tasks=1_000, lane_posts=1_000, acks=1_000, keys=1_000, leases=1_000)
LARGE = Size(shipped_tasks=200_000, lane_posts=200_000, acks=100_000, keys=50_000, leases=2_000)

HOLDERS = 8
"""Participants that hold the leases, evenly."""

RECENT = 1_000
"""Events at the end of either ledger, so that the newest pages look alike."""

_TASKS = """
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %(project)s, %(after)s + i, %(began)s::timestamptz + (%(after)s + i) * interval '5 milliseconds',
       %(runner)s, %(runner_id)s, (array['task_create', 'task_start', 'task_ship'])[1 + (i - 1) %% 3],
       case (i - 1) %% 3
       when 0 then jsonb_build_object('task_id', 1 + (i - 1) / 3, 'title', 'task ' || i, 'lane', 'builders',
            'owner', %(runner)s::text, 'owner_id', %(runner_id)s)
       else jsonb_build_object('task_id', 1 + (i - 1) / 3) end, 0
  from generate_series(1, 3 * %(count)s::bigint) as i
"""

_LANE_POSTS = """
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %(project)s, %(after)s + i, %(began)s::timestamptz + (%(after)s + i) * interval '5 milliseconds',
       %(peer)s, %(peer_id)s, 'post',
       jsonb_build_object('to_lane', 'lane-' || i %% 10, 'to_actor', null, 'subject', 'note ' || i, 'body',
            repeat('Nobody is here. ', 10), 'ref', 'PR-' || i, 'tag', null, 'thread', %(after)s + i), 0
  from generate_series(1, %(count)s::bigint) as i
"""

_ACKED_POSTS = """
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %(project)s, %(after)s + i, %(began)s::timestamptz + (%(after)s + i) * interval '5 milliseconds',
       case i %% 2 when 1 then %(peer)s else %(runner)s end,
       case i %% 2 when 1 then %(peer_id)s else %(runner_id)s end,
       case i %% 2 when 1 then 'post' else 'ack' end,
       case i %% 2
       when 1 then jsonb_build_object('to_lane', null, 'to_actor', %(runner)s::text, 'to_id', %(runner_id)s,
            'subject', 'handoff ' || i, 'body', repeat('Done so far. ', 10), 'ref', null, 'tag', null,
            'thread', %(after)s + i)
       else jsonb_build_object('post_id', %(after)s + i - 1) end, 0
  from generate_series(1, 2 * %(count)s::bigint) as i
"""

_KEYED_CLAIMS = """
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %(project)s, %(after)s + i, %(began)s::timestamptz + (%(after)s + i) * interval '5 milliseconds',
       %(runner)s, %(runner_id)s, 'claim',
       jsonb_build_object('sequence', 'keyed', 'number', i, 'formatted', i::text, 'note', null, 'key', 'key-' || i), 0
  from generate_series(1, %(count)s::bigint) as i
"""

_RECENT_CLAIMS = """
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %(project)s, %(after)s + i, %(began)s::timestamptz + (%(after)s + i) * interval '5 milliseconds',
       %(runner)s, %(runner_id)s, 'claim',
       jsonb_build_object('sequence', 'recent', 'number', i, 'formatted', i::text, 'note', null), 0
  from generate_series(1, %(count)s::bigint) as i
"""

_LEASES = """
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %(project)s, %(after)s + i, %(began)s::timestamptz + (%(after)s + i) * interval '5 milliseconds',
       %(handle)s || '/holder-' || i %% cardinality(%(holders)s::bigint[]),
       (%(holders)s::bigint[])[1 + i %% cardinality(%(holders)s::bigint[])], 'lease',
       jsonb_build_object('surface', 'src/module-' || i || '/part.py', 'ttl_seconds', 86400), 0
  from generate_series(1, %(count)s::bigint) as i
"""


Reach = Callable[[], AbstractAsyncContextManager[Session]]
"""Connects to a server; a connection that rests for long is closed."""


async def holdings(conninfo: str, workspace: Path, *, small: Size, large: Size, rounds: int) -> Holdings:
    """Both sizes, each with a database and a server of its own, measured in turns."""
    times: dict[str, tuple[list[float], list[float]]] = {}
    async with (
        _held(conninfo, workspace, small) as (little, reach_little),
        _held(conninfo, workspace, large) as (much, reach_much),
        reach_little() as one,
        reach_much() as other,
    ):
        for number in range(-1, rounds):  # the round before the first warms up
            # Always in this order: a call is dearer after the other server's turn than after one's own.
            for session in (one, other):
                for what, milliseconds in await _round(session, number):
                    if number >= 0:
                        times.setdefault(what, ([], []))[session is other].append(milliseconds)
    p50s = {what: (_median(one), _median(other)) for what, (one, other) in times.items()}
    return Holdings(small=little, large=much, p50s_ms=p50s)


def _median(milliseconds: list[float]) -> float:
    return percentile(sorted(milliseconds), 0.5)


@asynccontextmanager
async def _held(conninfo: str, workspace: Path, size: Size) -> AsyncIterator[tuple[Holding, Reach]]:
    async with database(conninfo) as fresh:
        async with seeding(fresh) as store:
            empty, _ = await create_project(store, fresh, is_admin=True)
            project, peer_id = await create_project(store, fresh, is_admin=True)
            await _write(store, project, peer_id, size)
            await settle(fresh)
            slowest_ms, snapshot_bytes = await _fold(store, project)
        async with bus_server(fresh, workspace, workspace / f"holding-{size.shipped_tasks}.log") as served:
            before = await _activated(served, empty)
            asked = perf_counter()
            after = await _activated(served, project)
            holding = Holding(
                size=size,
                memory_bytes=None if before is None or after is None else after - before,
                first_answer_seconds=perf_counter() - asked,
                snapshot_bytes=snapshot_bytes,
                slowest_step_ms=slowest_ms,
            )
            yield holding, partial(Session.opened, served, project.token)


async def _activated(served: Served, project: Project) -> int | None:
    """The server's memory once this project's actor is there."""
    await bench_load.call_once(bench_load.tool_load(served, "whoami", project.token))
    return resident_bytes(served.pid)


async def _write(store: Store, project: Project, peer_id: int, size: Size) -> None:
    """The ledger of a project that holds so much; its last event is of now."""
    principal = project.principal
    holders = [
        await store.write(grants.provision, principal.project_id, f"holder-{number}", by=principal.handle)
        for number in range(HOLDERS)
    ]
    blocks: tuple[tuple[str, int, int], ...] = (
        (_TASKS, size.shipped_tasks, 3),
        (_LANE_POSTS, size.lane_posts, 1),
        (_ACKED_POSTS, size.acks, 2),
        (_KEYED_CLAIMS, size.keys, 1),
        (_LEASES, size.leases, 1),
        (_RECENT_CLAIMS, RECENT, 1),
    )
    events = sum(count * each for _, count, each in blocks)
    parameters: dict[str, Any] = {
        "project": principal.project_id,
        "began": datetime.now(UTC).replace(microsecond=0) - events * timedelta(milliseconds=5),
        "runner": principal.actor,
        "runner_id": principal.id,
        "peer": f"{principal.handle}/{PEER}",
        "peer_id": peer_id,
        "handle": principal.handle,
        "holders": [holder.participation_id for holder in holders],
    }
    after = 0
    async with unhurried(project.conninfo) as connection:
        for statement, count, each in blocks:
            await connection.execute(statement, {**parameters, "after": after, "count": count})
            after += count * each


async def _fold(store: Store, project: Project) -> tuple[float, int]:
    """Leave the snapshot that an actor would; gives the slowest of its steps, written and read, and its bytes."""
    state = State()
    project_id = project.principal.project_id
    last = (await store.journal.head(project_id)).seq
    await fold_to(last - min(RECENT, Limits().snapshot_every_events - 1), state, store, project, lambda _: None)
    written = list(_timed(snapshot_steps(state)))
    stored = b"".join(part for _, part in written)
    read = list(_timed(restore_steps(stored)))
    await store.journal.write_snapshot(project_id, state.seq, stored, open_posts=len(state.posts))
    return max(milliseconds for milliseconds, _ in (*written, *read)), len(stored)


def _timed(steps: Iterator[Any]) -> Iterator[tuple[float, Any]]:
    while True:
        began = perf_counter()
        try:
            step = next(steps)
        except StopIteration:
            return
        yield (perf_counter() - began) * 1000, step


async def _round(session: Session, number: int) -> list[tuple[str, float]]:
    """Every tool once or more; what was called, and how long each call took in milliseconds."""
    took: list[tuple[str, float]] = []

    async def call(tool: str, what: str = "", /, **arguments: Any) -> dict[str, Any]:
        answer, milliseconds = await session.call(tool, arguments)
        took.append((f"{tool} {what}".strip(), milliseconds))
        return answer

    await _numbers(call, number)
    await _messages(call)
    await _leases(call, number)
    await _tasks(call)
    await _ledger(call)
    await _people(call)
    return took


Call = Callable[..., Any]


async def _numbers(call: Call, number: int) -> None:
    await call("whoami", "after a change of people")
    await call("whoami")
    claimed = await call("claim", sequence="bench", note="the storage format")
    await call("void_claim", sequence="bench", number=claimed["number"], reason="a mistake")
    await call("claim", "with a key", sequence="bench", key=f"bench-{number}")
    await call("seed_sequence", sequence="seeded", current=number + 2)
    await call("list_sequences")
    await call("latest_claims")


async def _messages(call: Call) -> None:
    await call("register", lane="lane-1")
    await call("who_is_active")
    posted = await call("post", to_lane="lane-2", subject="the parser is done", body="Its tests pass. " * 10)
    await call("read_posts", "to me, unread", to_me=True, unacked_only=True, limit=20)
    await call("read_posts", "of a lane", to_lane="lane-3", limit=20)
    await call("ack", post_id=posted["post_id"])


async def _leases(call: Call, number: int) -> None:
    surface = f"src/bench-{number + 1}/part.py"
    await call("lease", surface=surface)
    await call("who_holds", "a file", surface=surface)
    await call("who_holds", "anything")
    await call("release", surface=surface)


async def _tasks(call: Call) -> None:
    task_id = (await call("task_create", title="a task", owner=RUNNER))["task_id"]
    await call("task_assign", task_id=task_id, owner=RUNNER)
    await call("task_start", task_id=task_id)
    await call("task_block", task_id=task_id, reason="a review")
    await call("task_resolve", task_id=task_id)
    await call("list_tasks")
    await call("list_tasks", "that are ready", ready=True)
    await call("list_tasks", "that are done", status="done")
    await call("task_ship", task_id=task_id)
    other = (await call("task_create", title="another task", owner=RUNNER))["task_id"]
    await call("task_cancel", task_id=other, reason="no longer needed")


async def _ledger(call: Call) -> None:
    await call("query_events", limit=100)
    await call("query_events", "of a sequence", sequence="keyed", limit=20)
    await call("whats_new", advance_cursor=False)


async def _people(call: Call) -> None:
    await call("list_participants")
    await call("admin_provision", participant_name="holder-0")
    await call("admin_rotate", participant_name="holder-0")
    await call("admin_revoke", participant_name="holder-0")
    await call("create_invite", participant_name="guest")
    invites = (await call("list_invites"))["invites"]
    await call("revoke_invite", invite_id=invites[0]["invite_id"])
