"""The first page: what needs the owner, and the owner's projects by activity.

Only projects with recent events are asked for what needs the owner; others, and archived ones, are not started. A
project that does not answer within a second is named instead.
"""

from datetime import timedelta

import trio
from msgspec import Struct
from quart import Blueprint, g, render_template, request

from actors import Busy, Crashed, Unavailable
from store.ledger import overview, pulse
from store.ledger.overview import ProjectOverview
from store.people import invites, participants
from web.admin import forms
from web.admin.acting import owner_in_person
from web.admin.context import AdminContext
from web.admin.now import active_in
from web.admin.paging import Listed
from web.admin.visitor import PREFIX, Live, current_owner
from web.needs import Needs, needs_of, prepare_needs

PARTICIPANTS_SHOWN_MAX = 24
"""How many participants are named here; the page of participants has them all."""

PAGE_PROJECTS = 20

LOOKED_AT_MAX = 20
"""Projects whose state is looked at: those in which something happened last."""

LOOKED_AT_DAYS = 30
PATIENCE_SECONDS = 1.0

INVITES_LAPSE_HOURS = 24


class Seen(Struct, frozen=True, kw_only=True):
    """A project's state at one moment, for this page; `active` is as the project's own page counts."""

    needs: Needs
    active: int


def home_pages(context: AdminContext) -> Blueprint:
    """The route."""
    pages = Blueprint("home", __name__)
    store = context.store

    @pages.get("/")
    async def home() -> str:
        owner = current_owner()
        g.live = Live(stream=f"{PREFIX}/stream", after=None)
        projects = sorted(await store.read(overview.dashboard, owner.id), key=_activity, reverse=True)
        seen, silent = await _seen(context, projects)
        needs = {project_id: each.needs for project_id, each in seen.items() if each.needs.total}
        wanted = (forms.read(Listed, request.args).fields or Listed()).within(len(projects), PAGE_PROJECTS)
        first = wanted.offset(PAGE_PROJECTS)
        shown = projects[first : first + PAGE_PROJECTS]
        live = {project.id: context.services.directory.open_posts(project.id) for project in shown}
        lapsing = await store.read(invites.lapsing, owner.id, hours=INVITES_LAPSE_HOURS)
        return await render_template(
            "home.html",
            place="projects",
            projects=shown,
            total=len(projects),
            earlier=wanted.earlier,
            later=wanted.later if len(projects) > first + PAGE_PROJECTS else None,
            needs=[(project, needs[project.id]) for project in projects if project.id in needs],
            needs_count=sum(each.total for each in needs.values()) + len(lapsing),
            silent=silent,
            lapsing=lapsing,
            pulse=await store.read(pulse.pulse, [project.id for project in shown]),
            active={each.id: seen[each.id].active if each.id in seen else each.active for each in shown},
            open_posts={each.id: each.open_posts if live[each.id] is None else live[each.id] for each in shown},
            participants=await store.read(participants.persons, owner.id),
            shown_max=PARTICIPANTS_SHOWN_MAX,
        )

    return pages


async def _seen(context: AdminContext, projects: list[ProjectOverview]) -> tuple[dict[int, Seen], list[str]]:
    """The state of the projects, and the names of projects that did not answer in time."""
    found: dict[int, Seen] = {}
    silent: list[str] = []

    async def look(project: ProjectOverview) -> None:
        caller = owner_in_person(project)
        try:
            with trio.fail_after(PATIENCE_SECONDS):
                found[project.id] = await context.services.directory.look(
                    project.id,
                    lambda state, now: Seen(
                        needs=needs_of(state, now, caller),
                        active=active_in(state, now, project.liveness_window_seconds),
                    ),
                    prepare_needs,
                )
        except (trio.TooSlowError, Busy, Crashed, Unavailable):
            silent.append(project.name)

    since = context.store.clock.now() - timedelta(days=LOOKED_AT_DAYS)
    at_work = [each for each in projects if not each.archived and each.last_event_at and each.last_event_at >= since]
    async with trio.open_nursery() as nursery:
        for project in at_work[:LOOKED_AT_MAX]:
            nursery.start_soon(look, project)
    return found, sorted(silent)


def _activity(project: ProjectOverview) -> tuple[float, str]:
    return (0.0 if project.last_event_at is None else project.last_event_at.timestamp(), project.slug)
