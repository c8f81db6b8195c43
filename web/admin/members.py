"""The forms that change a member's place: another lane, a lead's rights.

Leads make the same changes with their tools, by the same functions. `web.admin.grants` creates members,
`web.admin.revoking` ends their tokens, `web.admin.member_pages` shows them.
"""

from msgspec import Struct
from quart import Blueprint
from quart.typing import ResponseReturnValue

from engine import terms
from store.errors import InvalidName
from store.people import participants
from store.people.participants import MemberRow
from web.admin import forms
from web.admin.context import AdminContext
from web.admin.finding import found, the_member
from web.admin.member_pages import member_page
from web.admin.refusals import refusal_page
from web.admin.visitor import PREFIX, current_owner, see_other


class Lead(Struct, frozen=True, kw_only=True):
    """Whether somebody is a lead from now on."""

    is_admin: bool


class Lane(Struct, frozen=True, kw_only=True):
    """The lane somebody is meant for; blank for none."""

    lane: terms.Lane | None = None


def member_forms(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("member_forms", __name__, url_prefix="/projects/<int:project_id>/members")
    store, people = context.store, context.services.people

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

    @pages.post("/<int:participation_id>/lead")
    async def lead(project_id: int, participation_id: int) -> ResponseReturnValue:
        form = await forms.posted_whole(Lead)
        member = await the_member(context, project_id, participation_id)
        if form.fields is None:
            return await refusal_page(400, "Nothing was changed", form.wrong["is_admin"])
        is_admin = form.fields.is_admin
        await change(project_id, member, lane=member.lane, is_admin=is_admin)
        return _back(project_id, "lead" if is_admin else "no-lead")

    @pages.post("/<int:participation_id>/lane")
    async def lane(project_id: int, participation_id: int) -> ResponseReturnValue:
        form = await forms.posted_whole(Lane)
        member = await the_member(context, project_id, participation_id)
        try:
            if form.fields is not None:
                await change(project_id, member, lane=form.fields.lane, is_admin=member.is_admin)
        except InvalidName as error:
            form.refuse(error, "lane")
        if form.wrong:
            return await member_page(context, project_id, participation_id, form), 400
        return _back(project_id, "lane")

    return pages


def _back(project_id: int, done: str) -> ResponseReturnValue:
    return see_other(f"{PREFIX}/projects/{project_id}/members?done={done}")
