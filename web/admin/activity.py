"""The events of a project: its ledger live, by any filter and by free text, newest first and page by page.

Read from the journal, so it starts no actor and makes nobody active. What is shown can be downloaded as CSV or JSON.
"""

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct
from quart import Blueprint, abort, render_template, request
from quart.typing import ResponseReturnValue
from quart.wrappers import Response

from engine import terms
from engine.events import EVENT_TYPES, EventType
from engine.lookups import EventQuery, EventView, Found
from engine.refusals import Refusal
from store.ledger import free_text, words
from store.ledger.words import Names
from store.people.owners import OwnerRow
from web.admin import forms
from web.admin.context import AdminContext
from web.admin.finding import the_project
from web.admin.presenting import iso
from web.admin.visitor import PREFIX, current_owner, see_other

PAGE_EVENTS = 50
ACTORS_SUGGESTED_MAX = 100

EXPORT_EVENTS_MAX = 1_000
"""Events in a download, from the page's first event on; `llm-bus export` writes a whole ledger."""

TYPES = (("", "any"), *((name, name.replace("_", " ")) for name in EVENT_TYPES))

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""The first characters of a cell that a spreadsheet would run (OWASP, CSV injection)."""


class Filters(Struct, frozen=True, kw_only=True):
    """The filters of events, and where the page begins: right before this id, or at the newest."""

    q: Annotated[str, Meta(max_length=200)] | None = None
    actor: terms.ActorName | None = None
    type: EventType | None = None
    sequence: terms.SequenceName | None = None
    ref: terms.Ref | None = None
    tag: terms.Tag | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: terms.Id | None = None

    def query(self, owner: OwnerRow, limit: int) -> EventQuery:
        """These filters as a question; an actor without a handle is one of the owner's participants."""
        actor = self.actor
        if actor is not None and "/" not in actor and actor != owner.handle:
            actor = f"{owner.handle}/{actor}"
        return EventQuery(
            upto=terms.ID_MAX if self.before is None else self.before - 1,
            actor=actor,
            type=self.type,
            sequence=self.sequence,
            ref=self.ref,
            tag=self.tag,
            since=self.since,
            until=None if self.until is None else _through_minute(self.until),
            limit=limit,
        )


class Export(Filters, frozen=True, kw_only=True):
    """The same filters, and the format to download."""

    format: Literal["csv", "json"]


def activity_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("activity", __name__, url_prefix="/projects/<int:project_id>")
    store = context.store

    @pages.get("/ledger")
    async def moved(project_id: int) -> ResponseReturnValue:
        await the_project(context, project_id)
        query = request.query_string.decode("latin-1")
        return see_other(f"{PREFIX}/projects/{project_id}/activity{'?' if query else ''}{query}")

    @pages.get("/activity")
    async def activity(project_id: int) -> ResponseReturnValue:
        project = await the_project(context, project_id)
        form = forms.read(Filters, request.args)
        # One more than is shown tells whether there are older ones.
        events = await _found(context, project_id, form.fields, PAGE_EVENTS + 1)
        actors = await store.read(words.last_callers, project_id, ACTORS_SUGGESTED_MAX)
        given = {name: text for name, text in form.typed.items() if text.strip()}
        is_later_page = given.pop("before", None) is not None
        shown = events[:PAGE_EVENTS]
        goes_on = shown[-1].id if len(events) > len(shown) else events.searched_back_to
        page = await render_template(
            "activity.html",
            place="projects",
            project=project,
            form=form,
            types=TYPES,
            actors=actors,
            events=shown,
            names=await named(context, project_id, shown),
            facets=await store.read(words.facets, project_id, start_of_today(project.time_zone, store.clock.now())),
            given=given,
            is_later_page=is_later_page,
            newest=f"?{urlencode(given)}" if is_later_page else None,
            searched_back_to=events.searched_back_to,
            older=None if goes_on is None else f"?{urlencode({**given, 'before': goes_on})}",
            taking=urlencode({name: text for name, text in form.typed.items() if text.strip()}),
        )
        return page, 400 if form.wrong else 200

    @pages.get("/activity/export")
    async def export(project_id: int) -> ResponseReturnValue:
        project = await the_project(context, project_id)
        form = forms.read(Export, request.args)
        if (wanted := form.fields) is None:
            abort(400)
        events = await _found(context, project_id, wanted, EXPORT_EVENTS_MAX)
        content = as_csv(events) if wanted.format == "csv" else msgspec.json.encode(events)
        kind = "text/csv; charset=utf-8" if wanted.format == "csv" else "application/json"
        name = f"{project.slug}-activity.{wanted.format}"
        return Response(content, 200, {"Content-Type": kind, "Content-Disposition": f'attachment; filename="{name}"'})

    return pages


async def named(context: AdminContext, project_id: int, events: Iterable[EventView]) -> Names:
    """The titles and subjects of the tasks and posts that these events mention."""
    tasks, posts = set[int](), set[int]()
    for event in events:
        mentioned = event.payload
        tasks |= {mentioned[field] for field in ("task_id", "on", "blocker") if isinstance(mentioned.get(field), int)}
        tasks |= {task_id for task_id in mentioned.get("depends_on") or () if isinstance(task_id, int)}
        posts |= {mentioned[field] for field in ("post_id", "reply_to") if isinstance(mentioned.get(field), int)}
    return await context.store.read(words.names_of, project_id, tasks, posts)


def start_of_today(time_zone: str, now: datetime) -> datetime:
    """The first midnight of the day that it is now in this zone: where clocks go back at night, a day has two."""
    return now.astimezone(ZoneInfo(time_zone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def as_csv(events: Iterable[EventView]) -> str:
    """The events as a table for spreadsheets; nothing in it is a formula."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(("id", "at", "actor", "type", "payload"))
    for event in events:
        cells = (str(event.id), iso(event.ts), event.actor, event.type, msgspec.json.encode(event.payload).decode())
        table.writerow(f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells)
    return written.getvalue()


async def _found(context: AdminContext, project_id: int, wanted: Filters | None, limit: int) -> Found[EventView]:
    if wanted is None:
        return Found()
    searched = None
    if wanted.q is not None and (searched := free_text.query_of(wanted.q)) is None:
        return Found()
    query = await with_former_names(context, project_id, wanted.query(current_owner(), limit))
    return await context.store.journal.events(project_id, query, searched)


async def with_former_names(context: AdminContext, project_id: int, query: EventQuery) -> EventQuery:
    """The same question, also about what its actor did under former names."""
    if query.actor is None:
        return query
    found = await context.services.rosters.resolve(query.actor, project_id)
    if isinstance(found, Refusal) or found.actor != query.actor:
        return query
    return msgspec.structs.replace(query, former_names=found.former_names)


def _through_minute(moment: datetime) -> datetime:
    """The last millisecond of a minute that was named without seconds, so that the whole of it is meant."""
    whole = moment.second == 0 and moment.microsecond == 0
    return moment.replace(second=59, microsecond=999_000) if whole else moment
