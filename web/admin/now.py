"""A project's first page: who works on what, lease conflicts, and the last events."""

from datetime import datetime, timedelta

from msgspec import Struct
from quart import Blueprint, render_template

from engine.held_leases import HeldLease, comparing_newest, conflicts
from engine.identity import OWNER
from engine.lookups import EventQuery
from engine.state import State
from engine.task_graph import Task
from engine.terms import ID_MAX
from store.ledger.projects import ProjectRow
from web.admin.activity import named
from web.admin.context import AdminContext
from web.admin.finding import the_project

AGENTS_SHOWN_MAX = 48
"""Cards: those who called last."""

TASKS_PER_AGENT_MAX = 3
LEASES_PER_AGENT_MAX = 4
CONFLICTS_SHOWN_MAX = 12

LEASES_COMPARED_MAX = 100
"""The newest leases, which are compared with all others."""

EVENTS_SHOWN = 20


class Agent(Struct, frozen=True, kw_only=True):
    """Somebody at work. `tasks` and `leases` are the first few; the others are counted."""

    reader: int
    actor: str
    last_seen: datetime
    lane: str | None
    status: str | None
    tasks: tuple[Task, ...]
    tasks_more: int
    leases: tuple[HeldLease, ...]
    leases_more: int
    unread: int


class Scene(Struct, frozen=True, kw_only=True):
    """The present work in a project: `agents` by their last call, and how many more called within a day."""

    agents: list[Agent]
    agents_more: int
    active: int
    conflicts: list[tuple[HeldLease, HeldLease]]
    conflicts_more: int
    mine: int
    """Posts that the owner still has to acknowledge."""


def now_pages(context: AdminContext) -> Blueprint:
    """The route."""
    pages = Blueprint("now", __name__)

    @pages.get("/projects/<int:project_id>")
    async def now(project_id: int) -> str:
        project = await the_project(context, project_id)
        scene = await context.services.directory.look(
            project_id,
            lambda state, now: scene_of(state, now, project),
            lambda state, now: comparing_newest(state.leases, now, LEASES_COMPARED_MAX),
        )
        newest = EventQuery(upto=ID_MAX, limit=EVENTS_SHOWN)
        events = await context.store.journal.events(project_id, newest)
        return await render_template(
            "now.html",
            place="projects",
            project=project,
            scene=scene,
            events=events,
            names=await named(context, project_id, events),
        )

    return pages


def scene_of(state: State, now: datetime, project: ProjectRow) -> Scene:
    """The present work in a project, from its state."""
    readers = list(state.seen)[::-1]
    met = conflicts(state.leases, now, LEASES_COMPARED_MAX)
    return Scene(
        agents=[_agent(state, reader, now) for reader in readers[:AGENTS_SHOWN_MAX]],
        agents_more=max(0, len(readers) - AGENTS_SHOWN_MAX),
        active=active_in(state, now, project.liveness_window_seconds),
        conflicts=met[:CONFLICTS_SHOWN_MAX],
        conflicts_more=max(0, len(met) - CONFLICTS_SHOWN_MAX),
        mine=state.posts.unread(OWNER),
    )


def active_in(state: State, now: datetime, window_seconds: int) -> int:
    """How many participants called within a project's liveness window."""
    window = timedelta(seconds=window_seconds)
    return sum(now - liveness.at <= window for liveness in state.seen.values())


def _agent(state: State, reader: int, now: datetime) -> Agent:
    seen, presence = state.seen[reader], state.presence.get(reader)
    tasks, leases = state.tasks.in_progress_of(reader), state.leases.active_of(reader, now)
    return Agent(
        reader=reader,
        actor=seen.actor,
        last_seen=seen.at,
        lane=None if presence is None else presence.lane,
        status=None if presence is None else presence.status,
        tasks=tuple(tasks[:TASKS_PER_AGENT_MAX]),
        tasks_more=max(0, len(tasks) - TASKS_PER_AGENT_MAX),
        leases=tuple(leases[:LEASES_PER_AGENT_MAX]),
        leases_more=max(0, len(leases) - LEASES_PER_AGENT_MAX),
        unread=state.posts.unread(reader),
    )
