"""Ending tokens: rotated, revoked, one or several members at once. Each asks first, and names the members.

Leads make the same changes with their tools, by the same functions (`web.identity.people`).
"""

from quart import Blueprint, abort, request
from quart.typing import ResponseReturnValue

from store.people import participants, tokens
from store.people.participants import MemberRow
from web.admin.cards import hand_out, token_card
from web.admin.confirming import Question, ask
from web.admin.context import AdminContext
from web.admin.finding import found, the_member, the_project, unless_gone
from web.admin.visitor import PREFIX, current_owner, see_other

REVOKED_AT_ONCE_MAX = 200
"""Members whose tokens one form may end: more than a page shows."""


def revoking_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("revoking", __name__, url_prefix="/projects/<int:project_id>/members")
    _about_one(pages, context)
    _about_several(pages, context)
    _about_a_token(pages, context)
    return pages


def _about_one(pages: Blueprint, context: AdminContext) -> None:
    people = context.services.people

    @pages.get("/<int:participation_id>/rotate")
    async def ask_to_rotate(project_id: int, participation_id: int) -> str:
        project, member = (
            await the_project(context, project_id),
            await the_member(context, project_id, participation_id),
        )
        works = f"{_tokens(member)} working at once." if member.tokens else ""
        return await _ask(
            project_id,
            participation_id,
            title=f"{'Rotate the token of' if member.tokens else 'Create a token for'} {member.name}?",
            sentences=(works, f"You get one new token for {member.name} in {project.name}."),
            button="Rotate token" if member.tokens else "Create token",
            action="rotate",
        )

    @pages.post("/<int:participation_id>/rotate")
    async def rotate(project_id: int, participation_id: int) -> ResponseReturnValue:
        project = await the_project(context, project_id)
        member = await the_member(context, project_id, participation_id)
        with unless_gone():
            rotated = found(await people.rotate(project_id, member.name, by=current_owner().handle))
        return await hand_out(context, token_card(project, rotated))

    @pages.get("/<int:participation_id>/revoke")
    async def ask_to_revoke(project_id: int, participation_id: int) -> str:
        project, member = (
            await the_project(context, project_id),
            await the_member(context, project_id, participation_id),
        )
        return await _ask(
            project_id,
            participation_id,
            title=f"Revoke the access of {member.name}?",
            sentences=(
                f"{_tokens(member)} working in {project.name} at once, also in open "
                "waits. Open invites that it made end, too.",
                "The participant and its history stay; a new token lets it in again.",
            ),
            button="Revoke access",
            action="revoke",
        )

    @pages.post("/<int:participation_id>/revoke")
    async def revoke(project_id: int, participation_id: int) -> ResponseReturnValue:
        member = await the_member(context, project_id, participation_id)
        with unless_gone():
            await people.revoke(project_id, member.name, by=current_owner().handle)
        return _back(project_id, "revoked")


def _about_several(pages: Blueprint, context: AdminContext) -> None:
    people = context.services.people

    @pages.get("/revoke")
    async def ask_to_revoke_several(project_id: int) -> ResponseReturnValue:
        project = await the_project(context, project_id)
        chosen = await _chosen(context, project_id, request.args.getlist("member"))
        if not chosen:
            return _back(project_id, "nobody-chosen")
        question = Question(
            title=f"Revoke the access of {len(chosen)} member{'s' if len(chosen) != 1 else ''}?",
            sentences=(f"All their tokens stop working in {project.name} at once, also in open waits:",),
            names=tuple(member.name for member in chosen),
            button="Revoke access",
            action=f"{PREFIX}/projects/{project_id}/members/revoke",
            back=f"{PREFIX}/projects/{project_id}/members",
            fields=tuple(("member", str(member.participation_id)) for member in chosen),
        )
        return await ask(question, place="projects")

    @pages.post("/revoke")
    async def revoke_several(project_id: int) -> ResponseReturnValue:
        await the_project(context, project_id)
        for member in await _chosen(context, project_id, (await request.form).getlist("member")):
            with unless_gone():
                await people.revoke(project_id, member.name, by=current_owner().handle)
        return _back(project_id, "several-revoked")


def _about_a_token(pages: Blueprint, context: AdminContext) -> None:
    people = context.services.people

    @pages.get("/<int:participation_id>/tokens/<int:token_id>/revoke")
    async def ask_to_revoke_token(project_id: int, participation_id: int, token_id: int) -> str:
        member = await the_member(context, project_id, participation_id)
        rows = await context.store.read(tokens.list_working, participation_id)
        token = found(next((row for row in rows if row.id == token_id), None))
        return await _ask(
            project_id,
            participation_id,
            title=f"Revoke the token {token.name or f'#{token.id}'} of {member.name}?",
            sentences=("It stops working at once, also in open waits. Other tokens keep working.",),
            button="Revoke token",
            action=f"tokens/{token_id}/revoke",
        )

    @pages.post("/<int:participation_id>/tokens/<int:token_id>/revoke")
    async def revoke_token(project_id: int, participation_id: int, token_id: int) -> ResponseReturnValue:
        await the_member(context, project_id, participation_id)
        with unless_gone():
            revoked = await people.revoke_token(project_id, participation_id, token_id, by=current_owner().handle)
            found(revoked or None)
        return see_other(f"{PREFIX}/projects/{project_id}/members/{participation_id}?done=token-revoked")


async def _chosen(context: AdminContext, project_id: int, ids: list[str]) -> list[MemberRow]:
    """The members with these ids who have a token; aborts with 404 for an id of no member."""
    wanted = set(ids[:REVOKED_AT_ONCE_MAX])
    members = found(await context.store.read(participants.members, current_owner().id, project_id))
    chosen = [member for member in members if str(member.participation_id) in wanted]
    if len(chosen) != len(wanted):
        abort(404)
    return [member for member in chosen if member.tokens]


async def _ask(
    project_id: int, participation_id: int, *, title: str, sentences: tuple[str, ...], button: str, action: str
) -> str:
    there = f"{PREFIX}/projects/{project_id}/members"
    question = Question(
        title=title,
        sentences=tuple(filter(None, sentences)),
        button=button,
        action=f"{there}/{participation_id}/{action}",
        back=f"{there}/{participation_id}",
    )
    return await ask(question, place="projects")


def _back(project_id: int, done: str) -> ResponseReturnValue:
    return see_other(f"{PREFIX}/projects/{project_id}/members?done={done}")


def _tokens(member: MemberRow) -> str:
    """The beginning of a sentence on what stops working."""
    if member.tokens == 1:
        return f"The token of {member.name} stops"
    return f"The {member.tokens} tokens of {member.name} stop"
