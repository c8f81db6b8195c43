"""A project's handoffs: what nobody has acknowledged, what the owner owes, and all of them; and writing one.

The owner writes, answers and acknowledges as the bare handle (`web.admin.acting`). One post and its thread is in
`web.admin.posts`.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct
from quart import Blueprint, render_template, request
from quart.typing import ResponseReturnValue

from engine import terms
from engine.identity import OWNER
from engine.lookups import PostQuery
from engine.posts import Post, PostedPost
from engine.refusals import Refusal
from engine.state import State
from engine.terms import ID_MAX
from store.ledger.projects import ProjectRow
from store.people import participants
from web.admin import acting, forms
from web.admin.context import AdminContext
from web.admin.finding import found, the_project
from web.admin.visitor import PREFIX, current_owner, see_other

PAGE_POSTS = 50

View = Literal["open", "mine", "all"]


class Listed(Struct, frozen=True, kw_only=True):
    """Which handoffs are shown, and where the page begins: right after this id, or before it when all are shown."""

    view: View = "open"
    after: terms.Id | None = None
    before: terms.Id | None = None


class NewPost(Struct, frozen=True, kw_only=True):
    """The form of a handoff; `to` is a lane or somebody's name."""

    to_lane: terms.Lane | None = None
    to_actor: terms.ActorName | None = None
    subject: terms.Subject | None = None
    body: Annotated[terms.Body, Meta(extra=forms.LINES)]
    ref: terms.Ref | None = None
    tag: terms.Tag | None = None


class Handoff(Struct, frozen=True, kw_only=True):
    """A handoff in a list; `owing` counts who still has to acknowledge it, as far as the project remembers."""

    id: int
    at: datetime
    sender: str
    to_lane: str | None
    to_actor: str | None
    subject: str | None
    ref: str | None
    tag: str | None
    owing: int | None = None
    acked: int | None = None


class OpenPage(Struct, frozen=True, kw_only=True):
    """A page of open handoffs, oldest first, and how many there are of each kind."""

    handoffs: list[Handoff]
    open: int
    mine: int
    lanes: list[str]


def handoff_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("handoffs", __name__, url_prefix="/projects/<int:project_id>/handoffs")

    @pages.get("")
    async def index(project_id: int) -> str:
        project = await the_project(context, project_id)
        wanted = forms.read(Listed, request.args).fields or Listed()
        page = await context.services.directory.look(project_id, lambda state, now: open_page(state, wanted))
        shown = await _all(context, project_id, wanted) if wanted.view == "all" else page.handoffs
        more = shown[PAGE_POSTS - 1].id if len(shown) > PAGE_POSTS else None
        return await render_template(
            "handoffs.html",
            place="projects",
            project=project,
            view=wanted.view,
            page=page,
            handoffs=shown[:PAGE_POSTS],
            first=f"?view={wanted.view}" if wanted.after or wanted.before else None,
            more=more and f"?view={wanted.view}&{'before' if wanted.view == 'all' else 'after'}={more}",
        )

    @pages.get("/new")
    async def new(project_id: int) -> str:
        typed = forms.blank(to_actor=request.args.get("to_actor"), to_lane=request.args.get("to_lane"))
        return await _new_page(context, await the_project(context, project_id), typed)

    @pages.post("/new")
    async def write(project_id: int) -> ResponseReturnValue:
        form, project = await forms.posted(NewPost), await the_project(context, project_id)
        if (wanted := form.fields) is None:
            return await _new_page(context, project, form), 400
        command = Post(
            to_lane=wanted.to_lane,
            to_actor=wanted.to_actor,
            subject=wanted.subject,
            body=wanted.body,
            ref=wanted.ref,
            tag=wanted.tag,
        )
        answer = await acting.act(context, project, command)
        if isinstance(answer, Refusal):
            return await _new_page(context, project, form, answer), acting.status_of(answer)
        assert isinstance(answer.reply, PostedPost)  # noqa: S101 - what the command answers
        return see_other(f"{PREFIX}/projects/{project_id}/posts/{answer.reply.post_id}?done=posted")

    return pages


def open_page(state: State, wanted: Listed) -> OpenPage:
    """The open handoffs of a project's state after a number, all or those that the owner owes, oldest first."""
    after = wanted.after or 0
    if wanted.view == "mine":
        posts = [state.posts[post_id] for post_id in state.posts.inbox(OWNER) if post_id > after][: PAGE_POSTS + 1]
    else:
        posts = state.posts.open_after(after, PAGE_POSTS + 1)
    handoffs = [
        Handoff(
            id=post.id,
            at=post.at,
            sender=post.sender,
            to_lane=post.to_lane,
            to_actor=post.to_actor,
            subject=post.subject,
            ref=post.ref,
            tag=post.tag,
            owing=state.posts.owing(post.id),
        )
        for post in posts
    ]
    lanes = sorted(state.presence.lanes())[:PAGE_POSTS]
    return OpenPage(handoffs=handoffs, open=len(state.posts), mine=state.posts.unread(OWNER), lanes=lanes)


async def _all(context: AdminContext, project_id: int, wanted: Listed) -> list[Handoff]:
    upto = ID_MAX if wanted.before is None else wanted.before - 1
    records = await context.store.journal.posts(project_id, PostQuery(upto=upto, limit=PAGE_POSTS + 1))
    listed = []
    for record in records:
        event, data = record.event, record.posted
        listed.append(
            Handoff(
                id=event.seq,
                at=event.at,
                sender=event.actor,
                to_lane=data.to_lane,
                to_actor=data.to_actor,
                subject=data.subject,
                ref=data.ref,
                tag=data.tag,
                acked=len(record.acks) + record.acks_more,
            )
        )
    return listed


async def _new_page(
    context: AdminContext, project: ProjectRow, form: forms.AnyForm, refusal: Refusal | None = None
) -> str:
    members = found(await context.store.read(participants.members, current_owner().id, project.id))
    return await render_template(
        "handoff_new.html",
        place="projects",
        project=project,
        form=form,
        refusal=refusal,
        names=[member.name for member in members],
        lanes=sorted({member.lane for member in members if member.lane}),
    )
