"""The ledger explorer: a project's events by any filter, newest first and page by page.

Read from the journal, not asked of the project: looking wakes no actor, and makes nobody active.
"""

from datetime import datetime
from urllib.parse import urlencode

from msgspec import Struct
from quart import Blueprint, render_template, request
from quart.typing import ResponseReturnValue

from engine import terms
from engine.events import EVENT_TYPES, EventType
from engine.lookups import EventQuery
from store.people import participants
from store.people.owners import OwnerRow
from web.admin import forms
from web.admin.context import AdminContext
from web.admin.finding import found, the_project
from web.admin.visitor import current_owner

PAGE_EVENTS = 50

TYPES = (("", "any"), *((name, name.replace("_", " ")) for name in EVENT_TYPES))


class Filters(Struct, frozen=True, kw_only=True):
    """What an event must be like, and where the page begins: right before this id, or at the newest."""

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


def ledger_pages(context: AdminContext) -> Blueprint:
    """The route."""
    pages = Blueprint("ledger", __name__)

    @pages.get("/projects/<int:project_id>/ledger")
    async def ledger(project_id: int) -> ResponseReturnValue:
        owner, project = current_owner(), await the_project(context, project_id)
        members = found(await context.store.read(participants.members, owner.id, project_id))
        form = forms.read(Filters, request.args)
        events = []
        if form.fields is not None:
            query = form.fields.query(
                owner, PAGE_EVENTS + 1
            )  # one more than is shown tells whether there are older ones
            events = await context.store.journal.events(project_id, query)
        given = {name: text for name, text in form.typed.items() if text.strip()}
        is_later_page = given.pop("before", None) is not None
        shown = events[:PAGE_EVENTS]
        page = await render_template(
            "ledger.html",
            place="projects",
            project=project,
            form=form,
            types=TYPES,
            actors=[owner.handle, *(f"{owner.handle}/{member.name}" for member in members)],
            events=shown,
            filtered=bool(given),
            newest=f"?{urlencode(given)}" if is_later_page else None,
            older=f"?{urlencode({**given, 'before': shown[-1].id})}" if len(events) > len(shown) else None,
        )
        return page, 400 if form.wrong else 200

    return pages


def _through_minute(moment: datetime) -> datetime:
    """The last millisecond of a minute that was named without seconds, so that the whole of it is meant."""
    whole = moment.second == 0 and moment.microsecond == 0
    return moment.replace(second=59, microsecond=999_000) if whole else moment
