"""The book of `engine.posts`: open posts, found by their readers, by lane, and by author.

A post is open until somebody acknowledged it and nobody it was delivered to still owes an acknowledgement; then it
leaves the book, and only the journal has it. The rules are in `engine.posts`.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TypeVar

from msgspec import Struct

Key = TypeVar("Key", int, str)


class OpenPost(Struct, kw_only=True):
    """A post without its body: `waiting` are the readers who owe an ack, `acks` those who gave one, and when."""

    id: int
    by: int
    sender: str
    to_lane: str | None
    to_actor: str | None
    subject: str | None
    ref: str | None
    tag: str | None
    thread: int
    at: datetime
    waiting: set[int]
    acks: dict[int, datetime]


class PostBook:
    """Open posts by id, with three indexes of ascending ids that never disagree with them.

    `inbox`: delivered to a reader and not acknowledged by them. `unanswered_in`: a lane's posts that nobody has
    acknowledged. `unanswered_from`: an author's posts that nobody has acknowledged.
    """

    __slots__ = ("_by_author", "_by_id", "_by_lane", "_by_reader")

    def __init__(self, records: Iterable[OpenPost] = ()) -> None:
        self._by_id: dict[int, OpenPost] = {}
        self._by_reader: dict[int, list[int]] = {}
        self._by_lane: dict[str, list[int]] = {}
        self._by_author: dict[int, list[int]] = {}
        for post in records:
            self.add(post)

    def dump(self) -> list[OpenPost]:
        """The records that make this book again."""
        return list(self._by_id.values())

    def __iter__(self) -> Iterator[OpenPost]:
        return iter(self._by_id.values())

    def __getitem__(self, post_id: int) -> OpenPost:
        return self._by_id[post_id]

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, post_id: int) -> OpenPost | None:
        """The post, if it is open."""
        return self._by_id.get(post_id)

    def inbox(self, reader: int) -> list[int]:
        """Ids of the posts this reader still has to acknowledge, ascending. Not to be changed."""
        return self._by_reader.get(reader, [])

    def unanswered_in(self, lane: str) -> list[int]:
        """Ids of the lane's posts that nobody has acknowledged, ascending. Not to be changed."""
        return self._by_lane.get(lane, [])

    def unanswered_from(self, author: int) -> list[int]:
        """Ids of the author's posts that nobody has acknowledged, ascending. Not to be changed."""
        return self._by_author.get(author, [])

    def add(self, post: OpenPost) -> None:
        """Open a post; ids only grow."""
        self._by_id[post.id] = post
        for reader in post.waiting:
            self._by_reader.setdefault(reader, []).append(post.id)
        if not post.acks:
            self._by_author.setdefault(post.by, []).append(post.id)
            if post.to_lane is not None:
                self._by_lane.setdefault(post.to_lane, []).append(post.id)

    def deliver(self, post: OpenPost, reader: int) -> None:
        """Let one more reader owe an acknowledgement; no-op when they already do."""
        if reader not in post.waiting:
            post.waiting.add(reader)
            insort(self._by_reader.setdefault(reader, []), post.id)

    def acknowledge(self, post: OpenPost, reader: int, at: datetime) -> None:
        """Keep the reader's first acknowledgement, and let the post go when nobody owes one any more."""
        if not post.acks:
            _discard(self._by_author, post.by, post.id)
            if post.to_lane is not None:
                _discard(self._by_lane, post.to_lane, post.id)
        post.acks.setdefault(reader, at)
        if reader in post.waiting:
            post.waiting.remove(reader)
            _discard(self._by_reader, reader, post.id)
        if not post.waiting:
            del self._by_id[post.id]


def _discard(index: dict[Key, list[int]], key: Key, post_id: int) -> None:
    ids = index[key]
    del ids[bisect_left(ids, post_id)]
    if not ids:
        del index[key]
