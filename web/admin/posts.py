"""One post: its text, its thread, who acknowledged it and who still has to. The owner answers and acknowledges it.

Readers are found by id, because they, and the owner's handle, may have other names now than when the post was sent.
"""

from datetime import datetime
from typing import Annotated

import trio
from markupsafe import Markup
from msgspec import Meta, Struct
from quart import Blueprint, render_template
from quart.typing import ResponseReturnValue

from engine import posts, terms
from engine.identity import OWNER
from engine.lookups import AckFact, PostQuery, PostRecord
from engine.refusals import Refusal
from engine.terms import ID_MAX
from store import Store
from store.ledger.projects import ProjectRow
from store.people import grants
from web.admin import acting, forms
from web.admin.context import AdminContext
from web.admin.finding import found, the_project
from web.admin.markdown import pieces, ref_address, rendered
from web.admin.visitor import PREFIX, see_other

THREAD_POSTS_MAX = 50

THREAD_CHARACTERS_MAX = 60_000
THREAD_PIECES_MAX = 3_000
"""Pieces of the bodies that a thread shows (`markdown.pieces`); the page of each post has the rest."""

SUBJECT_LENGTH_MAX = 200


class Reply(Struct, frozen=True, kw_only=True):
    """An answer to a post."""

    body: Annotated[terms.Body, Meta(extra=forms.LINES)]


class Post(Struct, frozen=True, kw_only=True):
    """A post as its page shows it; its acknowledgements oldest first.

    `by` and `to_id` are readers; `sender` and `to_actor` are the names that they had then.
    """

    id: int
    at: datetime
    by: int
    sender: str
    to_lane: str | None
    to_id: int | None
    to_actor: str | None
    subject: str | None
    body: str
    ref: str | None
    tag: str | None
    reply_to: int | None
    thread: int
    acks: tuple[AckFact, ...]


def post_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("posts", __name__, url_prefix="/projects/<int:project_id>/posts/<int:post_id>")

    @pages.get("")
    async def post(project_id: int, post_id: int) -> str:
        return await _post_page(context, await the_project(context, project_id), post_id, forms.blank())

    @pages.post("/reply")
    async def reply(project_id: int, post_id: int) -> ResponseReturnValue:
        form, project = await forms.posted(Reply), await the_project(context, project_id)
        post = found(await _find(context.store, project_id, post_id))
        if form.fields is None:
            return await _post_page(context, project, post_id, form), 400
        answered = await _answered(context.store, project_id, post)
        command = posts.Post(
            to_actor=answered,
            to_lane=post.to_lane if answered is None else None,
            subject=None if post.subject is None else f"Re: {post.subject.removeprefix('Re: ')}"[:SUBJECT_LENGTH_MAX],
            body=form.fields.body,
            ref=post.ref,
            tag=post.tag,
            reply_to=post.id,
        )
        answer = await acting.act(context, project, command)
        if isinstance(answer, Refusal):
            form.wrong["body"] = answer.message
            return await _post_page(context, project, post_id, form), acting.status_of(answer)
        return see_other(f"{PREFIX}/projects/{project_id}/posts/{post_id}?done=posted")

    @pages.post("/ack")
    async def acknowledge(project_id: int, post_id: int) -> ResponseReturnValue:
        project = await the_project(context, project_id)
        found(await _find(context.store, project_id, post_id))
        there = f"{PREFIX}/projects/{project_id}/posts/{post_id}"
        answer = await acting.act(context, project, posts.Ack(post_id=post_id))
        if isinstance(answer, Refusal):
            return await acting.refused_page(project, answer, there)
        return see_other(f"{there}?done=acknowledged")

    return pages


async def _post_page(context: AdminContext, project: ProjectRow, post_id: int, form: forms.AnyForm) -> str:
    post = found(await _find(context.store, project.id, post_id))
    query = PostQuery(upto=ID_MAX, thread=post.thread, limit=THREAD_POSTS_MAX)
    thread = [_post(record) for record in reversed(await context.store.journal.posts(project.id, query))]
    if all(each.id != post.id for each in thread):
        thread.insert(0, post)
    return await render_template(
        "post.html",
        place="projects",
        project=project,
        post=post,
        thread=[(each, text) for each, text in zip(thread, await _texts(thread, post), strict=True)],
        is_cut=len(thread) >= THREAD_POSTS_MAX,
        owing=await _owing(context, project.id, post_id),
        refs={each.id: ref_address(project, each.ref) for each in thread},
        form=form,
    )


async def _texts(thread: list[Post], current: Post) -> list[Markup | None]:
    """The bodies as HTML; None for those that are too much for one page, but never for the current post.

    Other tasks run between them.
    """
    characters, marks = THREAD_CHARACTERS_MAX - len(current.body), THREAD_PIECES_MAX - pieces(current.body)
    texts = list[Markup | None]()
    for each in thread:
        if each.id != current.id:
            characters -= len(each.body)
            marks -= pieces(each.body)
        is_shown = each.id == current.id or (characters >= 0 and marks >= 0)
        texts.append(rendered(each.body) if is_shown else None)
        await trio.lowlevel.checkpoint()
    return texts


async def _find(store: Store, project_id: int, post_id: int) -> Post | None:
    if post_id > ID_MAX:
        return None
    records = await store.journal.posts(project_id, PostQuery(upto=ID_MAX, ids=(post_id,), limit=1))
    return _post(records[0]) if records else None


async def _owing(context: AdminContext, project_id: int, post_id: int) -> list[str]:
    """The names of those who still have to acknowledge the post, as far as the project remembers."""
    names = await _names(context.store, project_id)
    owing = await context.services.directory.look(
        project_id, lambda state, now: [reader for reader in names if state.posts.owes(reader, post_id)]
    )
    return sorted(names[reader] for reader in owing)


async def _answered(store: Store, project_id: int, post: Post) -> str | None:
    """Whom the owner's answer to a post is for: its sender, or, when that is the owner, its addressee, if any."""
    names = await _names(store, project_id)
    if post.by != OWNER:
        return names.get(post.by, post.sender)
    return post.to_actor if post.to_id is None else names.get(post.to_id, post.to_actor)


async def _names(store: Store, project_id: int) -> dict[int, str]:
    """What everybody in the project is called now, by reader; the owner first."""
    roster = found(await store.read(grants.roster, project_id))
    return {OWNER: roster.handle} | {reader: f"{roster.handle}/{label}" for label, reader in roster.labels.items()}


def _post(record: PostRecord) -> Post:
    event, data = record.event, record.posted
    return Post(
        id=event.seq,
        at=event.at,
        by=event.by,
        sender=event.actor,
        to_lane=data.to_lane,
        to_id=data.to_id,
        to_actor=data.to_actor,
        subject=data.subject,
        body=data.body,
        ref=data.ref,
        tag=data.tag,
        reply_to=data.reply_to,
        thread=data.thread,
        acks=record.acks,
    )
