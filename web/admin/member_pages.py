"""The members of a project: all by presence, and one member with its work, its tokens and its adherence.

Presence comes first and is told apart from access: a member who is away may have a token, and one without a token may
have called a moment ago. `web.admin.members` and `web.admin.revoking` have the forms.
"""

from datetime import datetime

from msgspec import Struct
from quart import Blueprint, render_template, request

from engine.lookups import EventQuery
from engine.state import State
from engine.terms import ID_MAX
from store.people import participants, tokens
from store.people.participants import Sort
from web.admin import forms, paging
from web.admin.activity import named, with_former_names
from web.admin.context import AdminContext
from web.admin.finding import found, the_member, the_project
from web.admin.visitor import current_owner

PAGE_MEMBERS = 50
TIMELINE_EVENTS = 30
WORK_SHOWN_MAX = 50
"""Tasks, and leases, that a member's page names."""

SORTS = (("presence", "Last seen"), ("name", "Name"), ("events", "Most events"), ("newest", "Newest"))


class Listed(paging.Listed, frozen=True, kw_only=True):
    """Which members are shown: `q` is part of a name or a lane."""

    sort: Sort = "presence"


class Work(Struct, frozen=True, kw_only=True):
    """The work of a member now; `lane` and `status` are as registered.

    `last_seen` is newer than the member's row, which is written some seconds later. It is None after a day.
    """

    lane: str | None
    status: str | None
    unread: int
    last_seen: datetime | None
    tasks: tuple[tuple[int, str, str], ...] = ()
    leases: tuple[tuple[str, datetime], ...] = ()


def member_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("member_pages", __name__, url_prefix="/projects/<int:project_id>/members")

    @pages.get("")
    async def index(project_id: int) -> str:
        project = await the_project(context, project_id)
        form = forms.read(Listed, request.args)
        wanted = form.fields or Listed()
        first = wanted.offset(PAGE_MEMBERS)
        members = found(
            await context.store.read(
                participants.find_members,
                current_owner().id,
                project_id,
                part=wanted.q or "",
                sort=wanted.sort,
                limit=PAGE_MEMBERS,
                offset=first,
            )
        )
        ids = [member.participation_id for member in members.shown]
        return await render_template(
            "members.html",
            place="projects",
            project=project,
            form=form,
            sorts=SORTS,
            sort=wanted.sort,
            members=members.shown,
            work=await context.services.directory.look(project_id, lambda state, now: _registered(state, ids)),
            is_empty=not members.matching and not wanted.q,
            matching=members.matching,
            earlier=wanted.earlier if members.shown else None,
            later=wanted.later if members.matching > first + PAGE_MEMBERS else None,
        )

    @pages.get("/<int:participation_id>")
    async def member(project_id: int, participation_id: int) -> str:
        return await member_page(context, project_id, participation_id)

    return pages


async def member_page(
    context: AdminContext, project_id: int, participation_id: int, form: forms.AnyForm | None = None
) -> str:
    """One member's page; `form`: a lane that was refused."""
    project = await the_project(context, project_id)
    member = await the_member(context, project_id, participation_id)
    actor = f"{current_owner().handle}/{member.name}"
    newest = EventQuery(upto=ID_MAX, actor=actor, limit=TIMELINE_EVENTS)
    events = await context.store.journal.events(project_id, await with_former_names(context, project_id, newest))
    return await render_template(
        "member.html",
        place="projects",
        project=project,
        member=member,
        actor=actor,
        form=form or forms.blank(lane=member.lane),
        work=await context.services.directory.look(
            project_id, lambda state, now: working(state, now, member.participation_id)
        ),
        weeks=(await context.adherences.of(project_id)).of(participation_id),
        tokens=await context.store.read(tokens.list_working, participation_id),
        events=events,
        names=await named(context, project_id, events),
    )


def working(state: State, now: datetime, reader: int) -> Work:
    """The work of a member, from a project's state."""
    presence = state.presence.get(reader)
    tasks = state.tasks.find(None, reader, None, ready=False, limit=WORK_SHOWN_MAX)
    held = [lease for lease in state.leases.active(now) if lease.by == reader]
    return Work(
        lane=None if presence is None else presence.lane,
        status=None if presence is None else presence.status,
        unread=state.posts.unread(reader),
        last_seen=_last_seen(state, reader),
        tasks=tuple((task.id, task.title, task.status) for task in tasks),
        leases=tuple((lease.surface, lease.expires_at) for lease in held[:WORK_SHOWN_MAX]),
    )


def _registered(state: State, readers: list[int]) -> dict[int, Work]:
    """The registrations of these readers, and how many posts each still has to acknowledge."""
    known = {}
    for reader in readers:
        presence = state.presence.get(reader)
        known[reader] = Work(
            lane=None if presence is None else presence.lane,
            status=None if presence is None else presence.status,
            unread=state.posts.unread(reader),
            last_seen=_last_seen(state, reader),
        )
    return known


def _last_seen(state: State, reader: int) -> datetime | None:
    return None if (seen := state.seen.get(reader)) is None else seen.at
