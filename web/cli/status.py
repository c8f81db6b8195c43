"""`llm-bus status`: how a bus is at a glance: server, database, projects, who is active, what is overdue."""

from datetime import UTC, datetime, timedelta
from functools import partial

import click
import httpx2
import trio
from msgspec import Struct

from actors.replica import read_state
from engine.state import State
from store import Store
from store.ledger.named import NamedProject
from store.people import participants
from store.postgres import vitals
from web.cli.bus_http import AROUND_PROXIES, json_in
from web.cli.database import on_store
from web.cli.options import HOURS_MAX, Number, data_options, json_option, port_option
from web.cli.projects import all_projects, describe, show_projects
from web.cli.terminal import say, say_json, table
from web.config import Settings, read_settings

ANSWER_SECONDS_MAX = 3.0
_EPILOG = """\b
Active is who called within the project's liveness window; calls of the last 15 seconds may
not count yet. Overdue is a handoff that nobody has acknowledged for --hours. 'llm-bus
doctor' says what is wrong; this says what is going on.
\b
  llm-bus status
  llm-bus status --json --hours 4
"""


class ActiveParticipant(Struct, frozen=True, kw_only=True):
    """One who called lately, in the lane that it registered, or else in the one it was given."""

    project: str
    participant: str
    lane: str | None
    last_seen: datetime


class Overdue(Struct, frozen=True, kw_only=True):
    """A handoff that waits for its acknowledgement."""

    project: str
    post_id: int
    sender: str
    to: str
    subject: str | None
    at: datetime


class Status(Struct, frozen=True, kw_only=True):
    """All figures that are shown."""

    server: dict[str, object]
    database: dict[str, object]
    projects: list[dict[str, object]]
    active: list[ActiveParticipant]
    overdue: list[Overdue]


@click.command(epilog=_EPILOG)
@click.option("--hours", type=Number(0, HOURS_MAX), default=24, show_default=True, help="When a handoff is overdue.")
@json_option
@port_option
@data_options
def status(hours: float, *, as_json: bool, **flags: str | None) -> None:
    """See what is going on.

    Server, database, projects, who is active, what is overdue.
    """
    settings = read_settings(**flags)
    found = trio.run(partial(on_store, settings, partial(_look, settings, timedelta(hours=hours))))
    if as_json:
        say_json(found)
    else:
        _show(found)


async def _look(settings: Settings, patience: timedelta, store: Store) -> Status:
    database = await vitals.examine(store.conninfo)
    projects = await all_projects(store)
    told, active, overdue = list[dict[str, object]](), list[ActiveParticipant](), list[Overdue]()
    for which, row in projects:
        state = await read_state(store.journal, which.id)
        told.append(describe(which, row) | {"open_handoffs": len(state.posts)})
        active += await _active(store, which, state, database.now - timedelta(seconds=row.liveness_window_seconds))
        overdue += _overdue(which, state, database.now - patience)
    disk = {} if settings.disk is None else {"free_bytes": settings.disk.statistics().free_bytes}
    return Status(
        server=await _server(settings.known_url),
        database={"version": database.version, "name": database.name, **disk},
        projects=told,
        active=sorted(active, key=lambda row: row.last_seen, reverse=True),
        overdue=sorted(overdue, key=lambda row: row.at),
    )


async def _server(url: str) -> dict[str, object]:
    try:
        async with httpx2.AsyncClient(timeout=ANSWER_SECONDS_MAX, mounts=AROUND_PROXIES) as http:
            version = json_in(await http.get(f"{url}/healthz"))["version"]
            ready = (await http.get(f"{url}/readyz")).is_success
    except (httpx2.HTTPError, LookupError, TypeError):
        return {"url": url, "answers": False}
    return {"url": url, "answers": True, "version": version, "ready": ready}


async def _active(store: Store, which: NamedProject, state: State, since: datetime) -> list[ActiveParticipant]:
    rows = await store.read(participants.members, which.owner_id, which.id) or []
    return [
        ActiveParticipant(
            project=which.name,
            participant=row.name,
            lane=state.presence.lane_of(row.participation_id) or row.lane,
            last_seen=row.last_seen,
        )
        for row in rows
        if row.last_seen is not None and row.last_seen >= since
    ]


def _overdue(which: NamedProject, state: State, before: datetime) -> list[Overdue]:
    return [
        Overdue(
            project=which.name,
            post_id=post.id,
            sender=post.sender,
            to=post.to_actor or f"lane {post.to_lane}",
            subject=post.subject,
            at=post.at,
        )
        for post in state.posts.dump()
        if post.at < before and not post.answered
    ]


def _show(found: Status) -> None:
    server, database = found.server, found.database
    if server["answers"]:
        readiness = "ready" if server["ready"] else "not ready: its database does not answer"
        say(f"server    LLM Bus {server['version']} at {server['url']}, {readiness}")
    else:
        say(f"server    nobody answers at {server['url']}")
    room = f", {int(str(database['free_bytes'])) / 2**30:.1f} GiB free" if "free_bytes" in database else ""
    say(f"database  PostgreSQL {database['version']}, {database['name']}{room}")
    say()
    show_projects(found.projects)
    if found.active:
        say()
        seen = [(row.participant, row.project, row.lane, _ago(row.last_seen)) for row in found.active]
        table(("active", "project", "lane", "last seen"), seen, nothing="")
    if found.overdue:
        say()
        late = [
            (f"#{row.post_id}", row.project, row.sender, row.to, row.subject, _ago(row.at)) for row in found.overdue
        ]
        table(("overdue", "project", "from", "to", "subject", "since"), late, nothing="")


def _ago(moment: datetime) -> str:
    minutes = max(0, round((datetime.now(UTC) - moment).total_seconds() / 60))
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
