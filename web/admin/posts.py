"""One post: its text, its thread, who acknowledged it and who still owes that.

Who owes is told from the ledger: the addressee, and whoever was registered in the lane when the post came or registered
there before anybody had acknowledged it (`engine.posts`).
"""

from datetime import datetime

from msgspec import Struct
from quart import Blueprint, render_template

from engine.lookups import AckFact, EventQuery, EventView, PostQuery, PostRecord
from engine.posts import Posted
from engine.terms import ID_MAX
from store import Store
from web.admin.context import AdminContext
from web.admin.finding import found, the_project

THREAD_POSTS_MAX = 200

REGISTRATIONS_MAX = 1000
"""How many registrations before a post, and after it, are looked through for who was in its lane."""


class Post(Struct, frozen=True, kw_only=True):
    """A post as its page shows it; its acknowledgements oldest first."""

    id: int
    at: datetime
    sender: str
    to_lane: str | None
    to_actor: str | None
    subject: str | None
    body: str
    ref: str | None
    tag: str | None
    reply_to: int | None
    thread: int
    acks: tuple[AckFact, ...]


def post_pages(context: AdminContext) -> Blueprint:
    """The route."""
    pages = Blueprint("posts", __name__)

    @pages.get("/projects/<int:project_id>/posts/<int:post_id>")
    async def post(project_id: int, post_id: int) -> str:
        project = await the_project(context, project_id)
        post = found(await _find(context.store, project_id, post_id))
        query = PostQuery(upto=ID_MAX, thread=post.thread, limit=THREAD_POSTS_MAX)
        thread = [_post(record) for record in reversed(await context.store.journal.posts(project_id, query))]
        return await render_template(
            "post.html",
            place="projects",
            project=project,
            post=post,
            thread=thread,
            is_cut=len(thread) == THREAD_POSTS_MAX,
            owing=await _owing(context.store, project_id, post),
        )

    return pages


def owing(post: Post, before: list[EventView], after: list[EventView]) -> list[str]:
    """Who owes the post an acknowledgement, from the registrations before it and after it, both oldest first."""
    lanes = {event.actor: event.payload["lane"] for event in before}
    delivered = {actor for actor, lane in lanes.items() if post.to_lane is not None and lane == post.to_lane}
    answered_at = post.acks[0].at if post.acks else None
    delivered |= {
        event.actor
        for event in after
        if event.payload["lane"] == post.to_lane and (answered_at is None or event.ts <= answered_at)
    }
    delivered.discard(post.sender)
    if post.to_actor is not None:
        delivered.add(post.to_actor)
    return sorted(delivered - {fact.actor for fact in post.acks})


async def _find(store: Store, project_id: int, post_id: int) -> Post | None:
    if post_id > ID_MAX:
        return None
    records = await store.journal.posts(project_id, PostQuery(upto=ID_MAX, ids=(post_id,), limit=1))
    return _post(records[0]) if records else None


async def _owing(store: Store, project_id: int, post: Post) -> list[str]:
    if post.to_lane is None:
        return owing(post, [], [])
    before = EventQuery(type="register", upto=post.id, limit=REGISTRATIONS_MAX)
    after = EventQuery(type="register", after=post.id, upto=ID_MAX, oldest_first=True, limit=REGISTRATIONS_MAX)
    earlier = await store.journal.events(project_id, before)
    return owing(post, earlier[::-1], await store.journal.events(project_id, after))


def _post(record: PostRecord) -> Post:
    event, data = record.event, record.event.data
    assert isinstance(data, Posted)  # noqa: S101 - the journal's promise, told to the type checker
    return Post(
        id=event.seq,
        at=event.at,
        sender=event.actor,
        to_lane=data.to_lane,
        to_actor=data.to_actor,
        subject=data.subject,
        body=data.body,
        ref=data.ref,
        tag=data.tag,
        reply_to=data.reply_to,
        thread=data.thread,
        acks=record.acks,
    )
