"""The forms that change a participant: a new token or none, another lane, a lead's rights.

Leads make the same changes with their tools, by the same functions (`web.identity.people`). This module reads the forms
and finds the participant among those of the owner. `web.admin.grants` creates participants.
"""

from msgspec import Struct
from quart import Blueprint, redirect, render_template
from quart.typing import ResponseReturnValue

from engine import terms
from store.errors import InvalidName
from store.people import participants
from store.people.participants import MemberRow
from web.admin import forms
from web.admin.context import AdminContext
from web.admin.finding import found, the_project, unless_gone
from web.admin.handout import hand_out
from web.admin.visitor import current_owner


class Lead(Struct, frozen=True, kw_only=True):
    """Whether somebody is a lead from now on."""

    is_admin: bool


class Lane(Struct, frozen=True, kw_only=True):
    """The lane somebody is meant for; blank for none."""

    lane: terms.Lane | None = None


def member_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("members", __name__, url_prefix="/projects/<int:project_id>/members/<int:participation_id>")
    store, people = context.store, context.services.people

    async def the_member(project_id: int, participation_id: int) -> MemberRow:
        return found(await store.read(participants.member, current_owner().id, project_id, participation_id))

    async def change(project_id: int, member: MemberRow, *, lane: str | None, is_admin: bool) -> None:
        owner = current_owner()
        changing = store.write(
            participants.change_member,
            owner.id,
            project_id,
            member.participation_id,
            lane=lane,
            is_admin=is_admin,
            by=owner.handle,
        )
        found(await people.change(changing, project_id=project_id))

    @pages.post("/rotate")
    async def rotate(project_id: int, participation_id: int) -> ResponseReturnValue:
        project = await the_project(context, project_id)
        member = await the_member(project_id, participation_id)
        with unless_gone():
            rotated = found(await people.rotate(project_id, member.name, by=current_owner().handle))
        return await hand_out(context.services.public_url, project, rotated)

    @pages.post("/revoke")
    async def revoke(project_id: int, participation_id: int) -> ResponseReturnValue:
        member = await the_member(project_id, participation_id)
        with unless_gone():
            await people.revoke(project_id, member.name, by=current_owner().handle)
        return redirect(f"/admin/projects/{project_id}/members?done=revoked", 303)

    @pages.post("/lead")
    async def lead(project_id: int, participation_id: int) -> ResponseReturnValue:
        wanted = (await forms.posted(Lead)).fields
        member = await the_member(project_id, participation_id)
        is_admin = wanted is not None and wanted.is_admin
        await change(project_id, member, lane=member.lane, is_admin=is_admin)
        return redirect(f"/admin/projects/{project_id}/members?done={'lead' if is_admin else 'no-lead'}", 303)

    @pages.post("/lane")
    async def lane(project_id: int, participation_id: int) -> ResponseReturnValue:
        form = await forms.posted(Lane)
        member = await the_member(project_id, participation_id)
        try:
            if form.fields is not None:
                await change(project_id, member, lane=form.fields.lane, is_admin=member.is_admin)
        except InvalidName as error:
            form.refuse(error, "lane")
        if form.wrong:
            return await _refused_lane_page(context, project_id, member, form), 400
        return redirect(f"/admin/projects/{project_id}/members?done=lane", 303)

    return pages


async def _refused_lane_page(context: AdminContext, project_id: int, member: MemberRow, form: forms.AnyForm) -> str:
    return await render_template(
        "project.html",
        place="projects",
        project=await the_project(context, project_id),
        members=found(await context.store.read(participants.members, current_owner().id, project_id)),
        refused={"member": member, "form": form},
    )
