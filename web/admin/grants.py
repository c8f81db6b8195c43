"""Granting somebody a place in a project, and the token to hand over."""

from quart import Blueprint, render_template
from quart.typing import ResponseReturnValue

from store.errors import InvalidName
from store.ledger.projects import ProjectRow
from store.people import participants
from web.admin import forms
from web.admin.context import AdminContext
from web.admin.finding import the_project
from web.admin.handout import hand_out
from web.admin.visitor import current_owner
from web.mcp.identity_tools import Provision


def grant_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("grants", __name__, url_prefix="/projects/<int:project_id>/grant")

    @pages.get("")
    async def form(project_id: int) -> str:
        return await _grant_page(context, await the_project(context, project_id), forms.blank())

    @pages.post("")
    async def grant(project_id: int) -> ResponseReturnValue:
        form = await forms.posted(Provision)
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
                by=current_owner().handle,
            )
        except InvalidName as error:
            form.refuse(error, "participant_name")
            return await _grant_page(context, project, form), 400
        return await hand_out(context.services.public_url, project, provisioned)

    return pages


async def _grant_page(context: AdminContext, project: ProjectRow, form: forms.AnyForm) -> str:
    known = await context.store.read(participants.persons, current_owner().id)
    return await render_template("grant.html", place="projects", project=project, form=form, participants=known)
