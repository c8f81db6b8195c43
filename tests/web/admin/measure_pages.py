"""`python -m tests.web.admin.measure_pages DIRECTORY [PART]`: what pages cost on a large project, beside an echo.

The first run makes a database with 1,000 members, 10,000 tasks, 100,000 posts and 1,000,000 events in DIRECTORY, and
ends; the next ones measure. `pages` tells every page's first answer, median and length; `streams` what 200 open pages
cost a server at rest, and a claim beside them while they hear of every claim; `readers` the same while each of them
also fetches itself anew, as `live.js` does. Without a PART all are measured. The bounds are those of the issue: a
median under 50 ms on a machine whose echo answers 1,400 times a second, under 200 kB, under 2 % of a core, at most a
tenth more for a claim.

A machine's speed drifts by more than a tenth within minutes. So the claims are measured in short windows, in turn with
and without open pages, and the medians of the windows are compared.
"""

import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import trio

from engine.project import apply, snapshot
from engine.state import State
from store import Store, migrate, open_store
from store.embedded.running import embedded_postgres
from store.ledger import projects
from store.people import grants, owners, sessions
from store.postgres.connection import Connection
from web.admin import cookies
from web.bench import load, processes
from web.bench.generator import Load
from web.bench.processes import Served
from web.bench.results import Sample
from web.errors import BenchFailed

EMAIL = "bench@localhost"
EVENTS = 1_000_000
MEMBER = 5
"""Some participant and participation: all of them are in the one project."""
LEASE = 999_900

OPEN_PAGES = 200
REST_SECONDS = 10
WINDOWS = 12
"""With open pages, and as many without."""
WINDOW_SECONDS = 3.0
READERS_WINDOWS = 6
READERS_WINDOW_SECONDS = 12.0
"""Longer than 200 pages rest after they were told something."""
SETTLING_SECONDS = 1.0
READING_SECONDS_MAX = 30.0
"""Until each page was fetched once."""
PAUSE_SECONDS = 0.4
"""Between two fetches of a page, as in `live.js`."""

ECHO_PER_SECOND = 1_400
PAGE_MILLISECONDS = 50
PAGE_BYTES = 200_000

# In the order: a word of a thousand events; one of 10,000; one of 100,000; its beginning; three that are in one event;
# none; two common ones that never meet; with an accent; marks alone; as long as may be; a common word and a filter
# that always meet, seldom, never since few events meet the filter, never since they are in other blocks; others.
SEARCHES = (
    *("module", "task", "handoff", "hand", "handoff+number+77777", "nowhere", "task+handoff", "caf%C3%A9"),
    *("%27%7C%26%21", "a" * 200, "handoff&type=post", "handoff&actor=member-7", "handoff&actor=member-nobody"),
    *("handoff&type=claim", "task&actor=member-7", "module&type=post", "nowhere&type=post", "nowhere&actor=member-7"),
)

PATHS = (
    *("/admin/", "/admin/find?q=mem", "/admin/participants", "/admin/participants/{member}", "/admin/audit"),
    *("/admin/participants/{member}/delete", "/admin/account", "/admin/projects/new", "/admin/operator"),
    "/admin/operator/server",
    *(
        f"/admin/projects/{{project}}{each}"
        for each in (
            *("", "/tasks", "/tasks?view=table", "/tasks?view=table&status=done", "/tasks?view=graph", "/tasks/9500"),
            *("/tasks/new", "/handoffs", "/handoffs?view=all", "/handoffs/new", "/posts/{post}", "/leases"),
            *("/leases/{lease}/release", "/numbers", "/numbers?sequence=numbers-3", "/numbers?q=1234"),
            *("/numbers/archive?sequence=numbers-3", "/activity", "/activity?type=post"),
            *(f"/activity?q={words}" for words in SEARCHES),
            *("/members", "/members?q=member-77", "/members/{member}", "/members/{member}/rotate"),
            *("/members/{member}/revoke", "/grant", "/invites", "/insights", "/insights?days=30", "/settings"),
            *("/webhook", "/audit", "/archive", "/delete"),
        )
    ),
)

_MEMBERS = (
    """
insert into participants (owner_id, label, kind)
select {owner}, 'member-' || i, 'agent' from generate_series(1, 999) as i;
insert into participations (participant_id, project_id, lane)
select id, {project}, 'lane-' || id %% 20 from participants where owner_id = {owner} and label like 'member-%';
insert into liveness (project_id, participation_id, actor, at)
select {project}, p.id, '{handle}/' || a.label, now() - p.id * interval '1 second'
  from participations p join participants a on a.id = p.participant_id where p.project_id = {project}
on conflict do nothing;
"""
).replace("%%", "%")

# In order: everybody registers; tasks are made, most of them started and shipped; posts are sent and acknowledged;
# numbers are claimed; at the end some surfaces are leased.
_EVENTS = """
with people as materialized (
    select row_number() over (order by p.id) - 1 as place, p.id, '{handle}/' || a.label as actor
      from participations p join participants a on a.id = p.participant_id where p.project_id = {project})
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select {project}, i, now() - ({events} - i) * interval '60 milliseconds', who.actor, who.id, kind.name,
       case kind.name
       when 'register' then jsonb_build_object('lane', 'lane-' || i % 20, 'status', 'at work on module ' || i)
       when 'task_create' then jsonb_strip_nulls(jsonb_build_object(
            'task_id', i - 1000, 'title', 'Task number ' || i, 'owner', who.actor, 'owner_id', who.id, 'lane',
            'lane-' || i % 20, 'priority', i % 5, 'depends_on',
            case when i - 1000 > 9000 and i % 4 > 0 then jsonb_build_array(i - 1001) end))
       when 'task_start' then jsonb_build_object('task_id', i - 11000)
       when 'task_ship' then jsonb_build_object('task_id', i - 20000)
       when 'post' then jsonb_build_object(
            'to_lane', null, 'to_actor', other.actor, 'to_id', other.id, 'subject', 'handoff number ' || i, 'body',
            repeat('Done so far. ', 15), 'ref', 'PR-' || i % 999, 'tag', null, 'thread', i)
       when 'ack' then jsonb_build_object('post_id', i - 100000)
       when 'lease' then jsonb_build_object('surface', 'src/module-' || i % 600 || '/**', 'ttl_seconds', 86400)
       else jsonb_build_object(
            'sequence', 'numbers-' || i % 20, 'number', i / 20, 'formatted', (i / 20)::text, 'note', null)
       end, 0
  from generate_series({first}::bigint, {last}::bigint) as i
 cross join lateral (select case when i <= 1000 then 'register' when i <= 11000 then 'task_create'
                                 when i <= 20000 then 'task_start' when i <= 28500 then 'task_ship'
                                 when i <= 128500 then 'post' when i <= 223500 then 'ack'
                                 when i > {events} - 800 then 'lease' else 'claim' end as name) as kind
  join people who on who.place = case when kind.name in ('task_start', 'task_ship') then (i + 1000) % 1000
                                      when kind.name = 'ack' then (i + 7) % 1000 else i % 1000 end
  join people other on other.place = (i + 7) % 1000
 order by i
"""


class Furnished(msgspec.Struct):
    """What is in the database: its project, one post of it, and a token."""

    project: int
    post: int
    token: str


async def furnish(store: Store, conninfo: str) -> Furnished:
    """Make the project, and the snapshot that an actor would have written."""
    owner = await store.write(owners.ensure_owner, EMAIL)
    await store.write(owners.rename, owner.id, owner.handle, by="measure")
    project = await store.write(projects.add, owner.id, "large", "Large project", by="measure")
    made = await store.write(grants.provision, project.id, participant_name="runner", by="measure")
    connection = await Connection.open(conninfo, statement_timeout_seconds=float("inf"))
    try:
        names = {"owner": owner.id, "project": project.id, "handle": owner.handle, "events": EVENTS}
        await connection.run_script(_MEMBERS.format(**names).encode())
        for first in range(1, EVENTS, 50_000):
            statement = _EVENTS.format(**names, first=first, last=first + 49_999)
            await connection.run_script(statement.encode())
            sys.stderr.write(f"{first:,} events\n")
        await connection.run_script(b"vacuum analyze")
    finally:
        connection.close()
    state = State()
    while page := await store.journal.tail(project.id, state.seq, 2_000):
        for row in page:
            apply(state, row.event)
    assert state.seq == EVENTS
    await store.journal.write_snapshot(project.id, state.seq, snapshot(state), open_posts=len(state.posts))
    return Furnished(project.id, 128_000, made.token)


async def measure_pages(served: Served, furnished: Furnished, cookie: str, bound: float) -> None:
    """Tell every page's first answer, median and length."""
    for pattern in PATHS:
        path = pattern.format(project=furnished.project, post=furnished.post, member=MEMBER, lease=LEASE)
        page = Load(
            url=f"{served.url}{path}",
            method="GET",
            headers={"Cookie": cookie, "Accept": "text/html"},
            connections=1,
            seconds=1.5,
        )
        began = trio.current_time()
        try:
            length = len((await load.look_once(page)).encode())
        except BenchFailed as failed:
            tell(f"{path:55} {failed}")
            continue
        first_ms = 1000 * (trio.current_time() - began)
        sample = await load.measure(page, served, Path("/tmp"))
        verdict = "" if sample.p50_ms < bound and length < PAGE_BYTES else "  OVER"
        tell(f"{path:55} first {first_ms:7.1f} ms  p50 {sample.p50_ms:7.1f} ms  {length:8,} bytes{verdict}")


class Opened(msgspec.Struct):
    """Streams that are open now, what they told, and whether each page was fetched since."""

    streams: int = 0
    messages: int = 0
    fetches: int = 0
    are_read: trio.Event = msgspec.field(default_factory=trio.Event)


@asynccontextmanager
async def open_pages(served: Served, project: int, cookie: str, *, fetching: bool) -> AsyncIterator[Opened]:
    """So many streams of a project's page, which is fetched anew after news if `fetching`."""
    host, port = served.url.removeprefix("http://").split(":")
    page = f"/admin/projects/{project}"
    opened = Opened()

    def request(path: str) -> bytes:
        return f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nCookie: {cookie}\r\n\r\n".encode()

    async def fetch() -> None:
        async with await trio.open_tcp_stream(host, int(port)) as connection:
            await connection.send_all(request(page))
            async for _ in connection:
                pass
        opened.fetches += 1
        if opened.fetches == OPEN_PAGES:
            opened.are_read.set()

    async def keep_up(news: trio.MemoryReceiveChannel[None]) -> None:
        async for _ in news:
            await fetch()
            await trio.sleep(PAUSE_SECONDS)

    async def hold(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        stream = await trio.open_tcp_stream(host, int(port))
        await stream.send_all(request(f"{page}/stream"))
        await stream.receive_some()
        opened.streams += 1
        send, receive = trio.open_memory_channel[None](1)
        nursery.start_soon(keep_up, receive)
        task_status.started()
        async for _ in stream:
            opened.messages += 1
            if fetching:
                with suppress(trio.WouldBlock):
                    send.send_nowait(None)
        opened.streams -= 1

    async with trio.open_nursery() as nursery:
        for _ in range(OPEN_PAGES):
            await nursery.start(hold)
        yield opened
        nursery.cancel_scope.cancel()


async def claims(served: Served, token: str, seconds: float) -> Sample:
    """Claims of one client, one after another."""
    claim = load.tool_load(served, "claim", token, seconds=seconds)
    return await load.measure(claim, served, Path("/tmp"))


async def measure_rest(served: Served, furnished: Furnished, cookie: str) -> None:
    """Tell what open pages cost while nothing happens."""
    async with open_pages(served, furnished.project, cookie, fetching=False) as opened:
        await trio.sleep(2)
        before = processes.cpu_seconds(served.pid) or 0.0
        await trio.sleep(REST_SECONDS)
        used = (processes.cpu_seconds(served.pid) or 0.0) - before
        tell(f"{opened.streams} open pages at rest: {100 * used / REST_SECONDS:.2f} % of a core")


async def measure_claims(served: Served, furnished: Furnished, cookie: str, *, fetching: bool) -> None:
    """Tell how much longer a claim takes beside open pages: windows with and without them, in turn."""
    alone, beside, told = list[Sample](), list[Sample](), Opened()
    windows, seconds = (READERS_WINDOWS, READERS_WINDOW_SECONDS) if fetching else (WINDOWS, WINDOW_SECONDS)
    await claims(served, furnished.token, 1.0)
    for _ in range(windows):
        alone.append(await claims(served, furnished.token, seconds))
        async with open_pages(served, furnished.project, cookie, fetching=fetching) as opened:
            with trio.move_on_after(READING_SECONDS_MAX if fetching else SETTLING_SECONDS):
                await opened.are_read.wait()
            beside.append(await claims(served, furnished.token, seconds))
        told.messages += opened.messages
        told.fetches += opened.fetches
    compare("p50 of a claim", [sample.p50_ms for sample in alone], [sample.p50_ms for sample in beside])
    compare("processor time", [sample.cpu_ms or 0.0 for sample in alone], [sample.cpu_ms or 0.0 for sample in beside])
    tell(f"pages of a window: told {told.messages / windows:.0f} times, fetched {told.fetches / windows:.0f} times")


def compare(name: str, alone: list[float], beside: list[float]) -> None:
    """Tell a figure of each window, without and with open pages, and how much more it is with them."""
    more = statistics.median(beside) / statistics.median(alone) - 1
    in_pairs = statistics.median(after / before for before, after in zip(alone, beside, strict=True)) - 1
    tell(f"{name} alone {written(alone)}\n{'beside':>{len(name) + 6}} {written(beside)}")
    tell(f"{'':{len(name)}} {100 * more:+.1f} %; median of pairs {100 * in_pairs:+.1f} %")


def written(windows: list[float]) -> str:
    """The windows' medians, and the median of them."""
    return f"{statistics.median(windows):.3f} ms ({', '.join(f'{each:.2f}' for each in windows)})"


def tell(text: str) -> None:
    """One line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main(directory: Path, part: str | None) -> None:
    """Make the database, or measure what is there."""
    note = directory / "furnished.json"
    async with embedded_postgres(directory) as conninfo:
        await migrate(conninfo)
        async with open_store(conninfo, pool_size_max=2) as store:
            if not note.exists():
                note.write_bytes(msgspec.json.encode(await furnish(store, conninfo)))
                return
            owner = await store.write(owners.ensure_owner, EMAIL, is_operator=True)
            opened = await store.write(sessions.open_session, owner.id, user_agent="measure", replacing=None)
        furnished = msgspec.json.decode(note.read_bytes(), type=Furnished)
        cookie = f"{cookies.SESSION}={opened.id}"
        async with processes.echo_server(directory / "echo.log") as echo:
            echoing: dict[str, Any] = {"headers": {"Content-Type": "application/json"}, "body": "{}"}
            floor = await load.measure(
                Load(url=f"{echo.url}/", connections=16, seconds=3.0, turns=[], **echoing), echo, directory
            )
        bound = PAGE_MILLISECONDS * ECHO_PER_SECOND / floor.requests_per_second
        tell(f"echo: {floor.requests_per_second:,.0f} requests/s; a page may take {bound:.0f} ms")
        async with processes.bus_server(conninfo, directory, directory / "bus.log") as served:
            if part in (None, "pages"):
                await measure_pages(served, furnished, cookie, bound)
            if part in (None, "streams"):
                await measure_rest(served, furnished, cookie)
                await measure_claims(served, furnished, cookie, fetching=False)
            if part in (None, "readers"):
                await measure_claims(served, furnished, cookie, fetching=True)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
