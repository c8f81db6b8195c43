"""Handoffs: writing posts, delivering them, acknowledging them, and reading them.

A post to a lane is delivered to everybody registered in the lane at that moment, except its author. A participant that
registers later also gets the lane's posts that nobody has acknowledged. A post to a participant is delivered to that
participant. A delivered post stays in the reader's inbox, also when they change lanes, until they acknowledge it.
Anyone may acknowledge any post.

A post may say how soon somebody should acknowledge it. When that time has passed and nobody has, it is overdue:
`whats_new` says so to those who owe the acknowledgement and to the sender.

The rules are in `engine.post_rules`, the book is `engine.open_posts`.
"""

from datetime import datetime
from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, Struct, UnsetType

from engine import terms
from engine.fields import Shown
from engine.ready_tasks import ReadyTask
from engine.vocabulary import Command, EventData, Reply, Topic


class Post(Command, frozen=True, kw_only=True):
    """Hand something over to a lane or a participant."""

    to_lane: Annotated[terms.Lane | None, Meta(description="To everyone in this lane, now or later.")] = None
    to_actor: Annotated[
        terms.ActorName | None,
        Meta(description="To whom: a label, `handle/label`, or the owner's bare handle."),
    ] = None
    subject: terms.Subject | None = None
    body: terms.Body
    ref: terms.Ref | None = None
    tag: terms.Tag | None = None
    reply_to: Annotated[
        terms.Id | None, Meta(description="The post that this one answers; both are then in one thread.")
    ] = None
    ack_within_seconds: terms.AckWithinSeconds | None = None
    key: terms.Key | None = None

    @property
    def addressee_name(self) -> str | None:
        """The participant who gets the post in person."""
        return self.to_actor


class ReadPosts(Command, frozen=True, kw_only=True):
    """Read posts, newest first."""

    to_lane: Annotated[terms.Lane | None, Meta(description="To everyone in this lane, now or later.")] = None
    to_me: Annotated[bool, Meta(description="Only what is addressed to the caller or to the lane it registered.")] = (
        False
    )
    from_me: Annotated[bool, Meta(description="Only the caller's own posts; each then tells who acknowledged it.")] = (
        False
    )
    tag: terms.Tag | None = None
    ref: terms.Ref | None = None
    thread: Annotated[terms.Id | None, Meta(description="Only this post and everything in its thread.")] = None
    unacked_only: Annotated[bool, Meta(description="Only what the caller has not acknowledged.")] = False
    before: terms.Before | None = None
    after: terms.After | None = None
    limit: terms.PageLimit = 50
    wait_seconds: terms.WaitSeconds = 0


class Ack(Command, frozen=True, kw_only=True):
    """Acknowledge a post, or several."""

    post_id: Annotated[
        terms.Id | None, Meta(description="The post, by the id that `read_posts` and `whats_new` show.")
    ] = None
    post_ids: terms.PostIds = ()
    note: terms.AckNote | None = None

    @property
    def posts(self) -> tuple[int, ...]:
        """Every post that is named, once."""
        first = () if self.post_id is None else (self.post_id,)
        return tuple(dict.fromkeys((*first, *self.post_ids)))


def post_topic(post_id: int) -> Topic:
    """News about one post that is already there."""
    return f"post:{post_id}"


class Posted(EventData, frozen=True, kw_only=True):
    """A handoff was written. Its id is the event's number; `thread` is the id of the thread's first post.

    Somebody should acknowledge it within `ack_within_seconds` of the event, if that is there. `nearest_lane` was told
    with a key: a repeat is answered the same.
    """

    type: ClassVar[str] = "post"
    to_lane: Shown[str | None]
    to_actor: Shown[str | None]
    subject: Shown[str | None]
    body: str
    ref: Shown[str | None]
    tag: Shown[str | None]
    thread: Shown[int]
    to_id: int | None = None
    reply_to: Shown[int | None] = None
    ack_within_seconds: Shown[int | None] = None
    key: str | None = None
    nearest_lane: str | None = None

    def topics(self, by: int) -> tuple[Topic, ...]:
        """All topics by which somebody may look for the post."""
        named = {"to": self.to_id, "lane": self.to_lane, "ref": self.ref, "tag": self.tag, "thread": self.thread}
        return (self.type, *(f"{name}:{value}" for name, value in named.items() if value is not None))


class Acked(EventData, frozen=True, kw_only=True):
    """A post was acknowledged for the first time by this participant, perhaps with a note to its sender."""

    type: ClassVar[str] = "ack"
    post_id: Shown[int]
    note: Shown[str | None] = None

    def topics(self, by: int) -> tuple[Topic, ...]:
        """The post that is acknowledged."""
        return (post_topic(self.post_id),)


class PostedPost(Reply, frozen=True, kw_only=True):
    """A post's ids, which are the same number twice, and its time. It is told when nobody is in the lane yet."""

    post_id: int
    event_id: int
    created_at: datetime
    nobody_in_lane: bool | UnsetType = UNSET
    nearest_lane: str | UnsetType = UNSET


class AckRow(Struct, frozen=True, kw_only=True):
    """An acknowledgement of a post: the reader, the time, and the note if there was one."""

    actor: str
    at: datetime
    note: str | UnsetType = UNSET


class PostView(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """One post; `acked` is by the caller, `acked_by` is there only when asked with `from_me`.

    `acked_by` has the first `ACKS_SHOWN_MAX`; `acked_by_more` counts the others, up to `ACKS_COUNTED_MAX`.
    `due_at`: somebody should acknowledge it by then. `overdue`: that time has passed and nobody has.
    """

    post_id: int
    sender: str
    to_lane: str | None
    to_actor: str | None
    subject: str | None
    body: str
    ref: str | None
    tag: str | None
    created_at: datetime
    acked: bool
    reply_to: int | UnsetType = UNSET
    acked_by: list[AckRow] | UnsetType = UNSET
    acked_by_more: int | UnsetType = UNSET
    due_at: datetime | UnsetType = UNSET
    overdue: bool | UnsetType = UNSET


class Posts(Reply, frozen=True, kw_only=True):
    """Posts, newest first.

    `omitted` is there only when a page became too large: so many older ones were found, to be read with `before`.
    `searched_back_to` is there only when the search ended early: it looked at the posts down to this id, and goes on
    with `before` this one.
    `ready_tasks` is there only after a wait with `to_me`: tasks of the caller's that others let go on meanwhile.
    """

    posts: list[PostView]
    omitted: int | UnsetType = UNSET
    searched_back_to: int | UnsetType = UNSET
    ready_tasks: list[ReadyTask] | UnsetType = UNSET

    @property
    def is_news(self) -> bool:
        """Whether anything was found."""
        return bool(self.posts) or self.ready_tasks is not UNSET


class AckedPost(Reply, frozen=True, kw_only=True):
    """When the caller first acknowledged the post."""

    post_id: int
    acked_at: datetime


class AckedPosts(Reply, frozen=True, kw_only=True):
    """When the caller first acknowledged each of several posts."""

    acked: list[AckedPost]


PostCommand = Post | ReadPosts | Ack
PostEvent = Posted | Acked
