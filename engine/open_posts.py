"""The book of `engine.posts`: open posts, found by their readers, by lane, and by author.

A post is open until somebody acknowledged it and nobody it was delivered to still owes an acknowledgement; then it
leaves the book, and only the journal has it. So does a post that is older than the bounds below allow: it can still be
read, answered and acknowledged, but it counts in no digest and is delivered to nobody who comes later.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from engine.undo import Index, Ordered, Table, Undo

OPEN_POSTS_MAX = 20_000
"""Open posts that a project keeps in memory, the newest."""

INBOX_MAX = 500
"""Posts that a reader owes and that are kept in memory, the newest. Older pages are read from history."""

LANE_BACKLOG_MAX = 200
"""Posts of a lane that nobody has acknowledged and that a newcomer gets, the newest."""


class OpenPost(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A post without its body.

    `due_at`: somebody should acknowledge it by then. `answered`: somebody has acknowledged it. `in_backlog`: who
    registers in its lane gets it.
    """

    id: int
    by: int
    sender: str
    to_lane: str | None = None
    to_actor: str | None = None
    subject: str | None = None
    ref: str | None = None
    tag: str | None = None
    thread: int
    at: datetime
    due_at: datetime | None = None
    answered: bool = False
    in_backlog: bool = False

    def is_overdue(self, now: datetime) -> bool:
        """Whether nobody has acknowledged it in time."""
        return self.due_at is not None and self.due_at < now and not self.answered


class Inbox(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The posts that a reader owes: ids, ascending. Posts up to `gone_upto` may be owed and are not in memory."""

    reader: int
    posts: tuple[int, ...] = ()
    gone_upto: int = 0


class PostBook:
    """Open posts by id, with indexes of ascending ids.

    `_owed` counts the readers who owe a post. `_dated` has those posts of an inbox that are due at some time. Both may
    still hold ids of posts that were evicted: all of them are smaller than the smallest open id.
    """

    __slots__ = ("_backlogs", "_by_author", "_by_id", "_dated", "_due", "_gone", "_ids", "_inboxes", "_owed")

    def __init__(self, undo: Undo) -> None:
        self._by_id: Table[int, OpenPost] = Table(undo)
        self._ids: Ordered[int] = Ordered(undo)
        self._owed: Table[int, int] = Table(undo)
        self._inboxes: Index[int, int] = Index(undo)
        self._dated: Index[int, int] = Index(undo)
        self._backlogs: Index[str, int] = Index(undo)
        self._by_author: Index[int, int] = Index(undo)
        self._due: Index[int, tuple[datetime, int]] = Index(undo)
        self._gone: Table[int | None, int] = Table(undo)

    def dump(self) -> list[OpenPost]:
        """The posts that make this book again, by id."""
        return [self._by_id[post_id] for post_id in self._ids]

    def dump_inboxes(self) -> list[Inbox]:
        """The inboxes that make this book again, by reader."""
        readers = sorted({*self._inboxes, *(reader for reader in self._gone if reader is not None)})
        return [
            Inbox(reader=reader, posts=tuple(self.inbox(reader)), gone_upto=self._gone.get(reader, 0))
            for reader in readers
        ]

    def load(self, records: Iterable[OpenPost]) -> None:
        """Put dumped posts into an empty book; in as many parts as needed, before the inboxes."""
        for record in records:
            self._put(record)

    def load_inboxes(self, records: Iterable[Inbox], gone_upto: int = 0) -> None:
        """Put dumped inboxes into the book; in as many parts as needed."""
        if gone_upto:
            self._gone[None] = gone_upto
        for record in records:
            for post_id in record.posts:
                self._owe(record.reader, post_id)
            if record.gone_upto:
                self._gone[record.reader] = record.gone_upto

    def __len__(self) -> int:
        return len(self._by_id)

    def __getitem__(self, post_id: int) -> OpenPost:
        return self._by_id[post_id]

    def get(self, post_id: int) -> OpenPost | None:
        """The post, if it is open."""
        return self._by_id.get(post_id)

    def open_after(self, post_id: int, limit: int) -> list[OpenPost]:
        """The open posts with larger ids than this one, ascending."""
        first = self._ids.below(post_id + 1)
        return [self._by_id[each] for each in self._ids[first : first + limit]]

    def owing(self, post_id: int) -> int:
        """How many readers still have to acknowledge an open post."""
        return self._owed.get(post_id, 0)

    @property
    def oldest(self) -> OpenPost | None:
        """The open post with the smallest id."""
        return self._by_id[self._ids[0]] if self._ids else None

    def count_before(self, moment: datetime) -> int:
        """How many open posts were sent before this moment."""
        return bisect_left(self._ids, moment, key=lambda post_id: self._by_id[post_id].at)

    def before(self, moment: datetime, limit: int) -> list[OpenPost]:
        """Open posts that were sent before this moment, the oldest first, at most `limit`."""
        return [self._by_id[post_id] for post_id in self._ids[: min(limit, self.count_before(moment))]]

    @property
    def gone_upto(self) -> int:
        """The newest post that was open and left the book because there were too many."""
        return self._gone.get(None, 0)

    def inbox(self, reader: int) -> list[int]:
        """Ids of the posts this reader still has to acknowledge, ascending."""
        ids = self._inboxes.get(reader)
        return [] if ids is None else ids[self._gone_of(ids) :]

    def inbox_gone_upto(self, reader: int) -> int:
        """The newest post that the reader may owe and that is not in memory; 0 when there is none."""
        return max(self.gone_upto, self._gone.get(reader, 0))

    def unread(self, reader: int) -> int:
        """How many posts in memory this reader still has to acknowledge."""
        ids = self._inboxes.get(reader)
        return 0 if ids is None else len(ids) - self._gone_of(ids)

    def owes(self, reader: int, post_id: int) -> bool:
        """Whether the post is open and this reader still has to acknowledge it."""
        return post_id in self._by_id and post_id in self._inboxes.get(reader, ())

    def backlog(self, lane: str) -> Sequence[int]:
        """Ids of the lane's posts that nobody has acknowledged, ascending."""
        return self._backlogs.get(lane, ())

    def unanswered_from(self, author: int) -> Sequence[int]:
        """Ids of the author's posts that nobody has acknowledged, ascending."""
        return self._by_author.get(author, ())

    def overdue_from(self, author: int, now: datetime, limit: int) -> list[int]:
        """Ids of the author's posts that are overdue, the longest overdue first."""
        due = self._due.get(author)
        return [] if due is None else [post_id for _, post_id in due[: min(limit, due.below((now,)))]]

    def overdue_for(self, reader: int, now: datetime, limit: int) -> list[int]:
        """Ids of the overdue posts that this reader has to acknowledge, the longest overdue first."""
        ids = self._dated.get(reader)
        if ids is None:
            return []
        dated = (self._by_id[post_id] for post_id in ids[self._gone_of(ids) :])
        overdue = (post for post in dated if post.is_overdue(now))
        return [post.id for post in sorted(overdue, key=lambda post: (post.due_at, post.id))[:limit]]

    def add(self, post: OpenPost, readers: Iterable[int]) -> None:
        """Open a post and deliver it; ids only grow."""
        self._put(post)
        for reader in readers:
            self.deliver(post.id, reader)
        if post.to_lane is not None and len(self._backlogs[post.to_lane]) > LANE_BACKLOG_MAX:
            self._leave_backlog(self._backlogs[post.to_lane][0])
        if len(self._ids) > OPEN_POSTS_MAX:
            self._evict(self._ids[0])

    def deliver(self, post_id: int, reader: int) -> None:
        """Let one more reader owe an acknowledgement; no-op when they already do."""
        if self.owes(reader, post_id):
            return
        self._owe(reader, post_id)
        if len(ids := self._inboxes[reader]) > INBOX_MAX:
            self._gone[reader] = oldest = ids[0]
            self._settle(reader, oldest)

    def acknowledge(self, reader: int, post_id: int) -> None:
        """Note an acknowledgement, and let the post go when nobody owes one any more."""
        if (post := self._by_id.get(post_id)) is None:
            return
        if not post.answered:
            self._unlist(post)
            self._by_id[post_id] = replace(post, answered=True, in_backlog=False)
        if self.owes(reader, post_id):
            self._settle(reader, post_id)
        elif post_id not in self._owed:
            self._close(post_id)

    def _put(self, post: OpenPost) -> None:
        self._by_id[post.id] = post
        self._ids.add(post.id)
        if not post.answered:
            self._by_author.add(post.by, post.id)
            if post.due_at is not None:
                self._due.add(post.by, (post.due_at, post.id))
        if post.in_backlog and post.to_lane is not None:
            self._backlogs.add(post.to_lane, post.id)

    def _owe(self, reader: int, post_id: int) -> None:
        self._inboxes.add(reader, post_id)
        if self._by_id[post_id].due_at is not None:
            self._dated.add(reader, post_id)
        self._owed[post_id] = self._owed.get(post_id, 0) + 1

    def _settle(self, reader: int, post_id: int) -> None:
        """The reader owes the post no more, at least not in memory."""
        self._inboxes.discard(reader, post_id)
        self._dated.discard(reader, post_id)
        if (post := self._by_id.get(post_id)) is None:
            return
        if (left := self._owed[post_id] - 1) > 0:
            self._owed[post_id] = left
            return
        del self._owed[post_id]
        if post.answered or not post.in_backlog:
            self._close(post_id)

    def _leave_backlog(self, post_id: int) -> None:
        """Newcomers do not get this post any more: the lane has too many."""
        post = self._by_id[post_id]
        self._backlogs.discard(str(post.to_lane), post_id)
        self._by_id[post_id] = replace(post, in_backlog=False)
        if post_id not in self._owed:
            self._close(post_id)

    def _close(self, post_id: int) -> None:
        """Let a post go that nobody owes."""
        post = self._by_id[post_id]
        if not post.answered:
            self._unlist(post)
        self._ids.discard(post_id)
        del self._by_id[post_id]

    def _evict(self, post_id: int) -> None:
        """Drop the oldest post, even if it is still owed. Inboxes keep its id, which counts no more (`_gone_of`)."""
        self._owed.pop(post_id)
        self._close(post_id)
        self._gone[None] = post_id

    def _unlist(self, post: OpenPost) -> None:
        """Take a post out of what nobody has acknowledged."""
        self._by_author.discard(post.by, post.id)
        if post.due_at is not None:
            self._due.discard(post.by, (post.due_at, post.id))
        if post.in_backlog:
            self._backlogs.discard(str(post.to_lane), post.id)

    def _gone_of(self, ids: Ordered[int]) -> int:
        """How many ids of an inbox are of evicted posts."""
        return ids.below(self._ids[0]) if self._ids else len(ids)
