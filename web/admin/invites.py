"""A project's invites: made, listed and revoked.

A code is on the card that its form leads to (`web.admin.cards`), and nowhere else. Revoking one asks first.
"""

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, render_template, request
from quart.typing import ResponseReturnValue

from engine import terms
from store.errors import InvalidName
from store.ledger.projects import ProjectRow
from store.people import invites
from store.people.names import EMAIL_LENGTH_MAX
from web.admin import forms
from web.admin.cards import InviteCard, hand_out
from web.admin.confirming import Question, ask
from web.admin.context import AdminContext
from web.admin.finding import found, the_project
from web.admin.visitor import PREFIX, current_owner, see_other
from web.mcp.identity_tools import CreateInvite

PAGE_INVITES = 50


class Listed(Struct, frozen=True, kw_only=True):
    """Where the page begins: right before this invite, or at the newest."""

    before: terms.Id | None = None


class NewInvite(CreateInvite, frozen=True, kw_only=True):
    """The terms of a code: name, kind, uses and hours; with an email, only for the owner of that email."""

    email: Annotated[str, Meta(max_length=EMAIL_LENGTH_MAX)] | None = None


def invite_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("invites", __name__, url_prefix="/projects/<int:project_id>/invites")

    @pages.get("")
    async def index(project_id: int) -> str:
        form = forms.blank(uses=1, ttl_hours=24)
        return await _invites_page(context, await the_project(context, project_id), form)

    @pages.post("")
    async def create(project_id: int) -> ResponseReturnValue:
        form = await forms.posted(NewInvite)
        project = await the_project(context, project_id)
        if form.typed["email"].strip() and not _takes_email(context):
            form.wrong["email"] = "Nobody can show here that an email address is theirs."
        if (wanted := form.fields) is None or form.wrong:
            return await _invites_page(context, project, form), 400
        try:
            invite = await context.services.people.invite(
                project_id,
                wanted.participant_name,
                kind=wanted.kind,
                lane=wanted.lane,
                is_admin=wanted.is_admin,
                email=wanted.email,
                uses=1 if wanted.email else wanted.uses,
                ttl_hours=wanted.ttl_hours,
                by=current_owner().handle,
            )
        except InvalidName as error:
            form.refuse(error, "participant_name")
            return await _invites_page(context, project, form), 400
        card = InviteCard(
            project_id=project.id,
            project_name=project.name,
            code=invite.code,
            uses=1 if wanted.email else wanted.uses,
            expires_at=invite.expires_at,
            participant=wanted.participant_name,
            email=wanted.email,
        )
        return await hand_out(context, card)

    @pages.get("/<int:invite_id>/revoke")
    async def ask_to_revoke(project_id: int, invite_id: int) -> str:
        project = await the_project(context, project_id)
        invite = found(await context.store.read(invites.find_one, current_owner().id, project.id, invite_id))
        there = f"{PREFIX}/projects/{project_id}/invites"
        question = Question(
            title=f"Revoke the invite for {invite.email or invite.label or 'anyone with the code'}?",
            sentences=(f"Nobody can join {project.name} with it any more. Those who have already joined stay.",),
            button="Revoke invite",
            action=f"{there}/{invite_id}/revoke",
            back=there,
        )
        return await ask(question, place="projects")

    @pages.post("/<int:invite_id>/revoke")
    async def revoke(project_id: int, invite_id: int) -> ResponseReturnValue:
        owner = current_owner()
        revoked = await context.store.write(invites.revoke, owner.id, project_id, invite_id, by=owner.handle)
        found(revoked or None)
        return see_other(f"{PREFIX}/projects/{project_id}/invites?done=invite-revoked")

    return pages


def _takes_email(context: AdminContext) -> bool:
    return context.settings.admin_auth != "link"  # where links sign in, no provider and no proxy vouches for emails


async def _invites_page(context: AdminContext, project: ProjectRow, form: forms.AnyForm) -> str:
    before = (forms.read(Listed, request.args).fields or Listed()).before
    # One more than is shown tells whether there are older ones.
    listed = found(
        await context.store.read(
            invites.list_all, current_owner().id, project.id, before=before, limit=PAGE_INVITES + 1
        )
    )
    shown = listed[:PAGE_INVITES]
    return await render_template(
        "invites.html",
        place="projects",
        project=project,
        invites=shown,
        newest=None if before is None else f"{PREFIX}/projects/{project.id}/invites",
        older=f"?before={shown[-1].id}" if len(listed) > PAGE_INVITES else None,
        form=form,
        takes_email=_takes_email(context),
    )
