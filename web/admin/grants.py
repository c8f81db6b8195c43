"""Granting somebody a place in a project, and the token to hand over."""

from typing import Annotated

from msgspec import Meta
from quart import Blueprint, render_template, request
from quart.typing import ResponseReturnValue

from store.errors import InvalidName
from store.ledger.projects import ProjectRow
from store.people import participants, tokens
from web.admin import forms
from web.admin.cards import hand_out, token_card
from web.admin.context import AdminContext
from web.admin.finding import the_project
from web.admin.visitor import current_owner
from web.mcp.identity_tools import Provision


class NewToken(Provision, frozen=True, kw_only=True):
    """The participant of a new token, its kind, the purpose of the token, and its days; blank: without an end."""

    token_name: Annotated[str, Meta(max_length=tokens.NAME_LENGTH_MAX)] | None = None
    token_days: Annotated[int, Meta(ge=1, le=tokens.DAYS_MAX)] | None = None


def grant_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("grants", __name__, url_prefix="/projects/<int:project_id>/grant")

    @pages.get("")
    async def form(project_id: int) -> str:
        typed = forms.blank(participant_name=request.args.get("participant_name"))
        return await _grant_page(context, await the_project(context, project_id), typed)

    @pages.post("")
    async def grant(project_id: int) -> ResponseReturnValue:
        form = await forms.posted(NewToken)
        project = await the_project(context, project_id)
        if (wanted := form.fields) is None:
            return await _grant_page(context, project, form), 400
        try:
            provisioned = await context.services.people.provision(
                project_id,
                wanted.participant_name,
                kind=wanted.kind,
                lane=wanted.lane,
                is_admin=wanted.is_admin or None,  # a grant makes a lead, and never takes that from one
                token_name=wanted.token_name,
                token_days=wanted.token_days,
                by=current_owner().handle,
            )
        except InvalidName as error:
            form.refuse(error, "participant_name")
            return await _grant_page(context, project, form), 400
        return await hand_out(context, token_card(project, provisioned))

    return pages


async def _grant_page(context: AdminContext, project: ProjectRow, form: forms.AnyForm) -> str:
    known = await context.store.read(participants.persons, current_owner().id)
    return await render_template("grant.html", place="projects", project=project, form=form, participants=known)
