"""The last events of a project as readers are shown them, so that most of them need no read of the ledger.

Only durable events are added, in order. A reader who asks for more than is remembered reads the ledger; the posts of an
inbox that were read there are remembered, too, because posts never change.
"""

from collections.abc import Awaitable, Callable, Iterable

from actors.limits import Limits
from engine.events import view
from engine.lookups import EventQuery, EventView, Found, PostQuery, PostRecord
from engine.posts import Posted
from engine.vocabulary import Event

POST_BYTES = 1_000
"""The memory of a post besides its body."""


class Recent:
    """The newest events without gaps, at most `recent_events`, and `recent_post_bytes` of the posts used last."""

    def __init__(self, limits: Limits) -> None:
        self._size_max = limits.recent_events
        self._events: dict[int, Event | EventView] = {}
        self._post_bytes_left = limits.recent_post_bytes
        self._posts: dict[int, Event] = {}
        self._times_cleared = 0
        """An event that was read before the last time may be gone from the ledger."""

    def clear(self) -> None:
        """Forget everything: the state is rebuilt."""
        self._times_cleared += 1
        self._events.clear()
        while self._posts:
            self._forget_post()

    def add(self, event: Event) -> None:
        """Remember the next event."""
        if self._events and event.seq - 1 not in self._events:
            self._events.clear()
        self._events[event.seq] = event
        if isinstance(event.data, Posted):
            self._events[event.seq] = view(event)  # without the body, which the posts below have for a while
            self._remember(event)
        self._events.pop(event.seq - self._size_max, None)

    def find(self, query: EventQuery) -> Found[EventView] | None:
        """The events that match; None if not all that may match are remembered."""
        if not query.is_range:
            return None
        if query.oldest_first:
            numbers = range(query.after + 1, min(query.upto, query.after + query.limit) + 1)
        else:
            numbers = range(query.upto, max(query.after, query.upto - query.limit), -1)
        if not numbers or numbers[0] not in self._events or numbers[-1] not in self._events:
            return None
        return Found(self._view(number) for number in numbers)

    async def posts(
        self, query: PostQuery, read: Callable[[PostQuery], Awaitable[Found[PostRecord]]]
    ) -> Found[PostRecord]:
        """The posts that match, remembered or read, and then remembered. Raises what `read` raises."""
        if (found := self.find_posts(query)) is None:
            times_cleared = self._times_cleared
            found = await read(query)
            if times_cleared == self._times_cleared:
                self._add_posts(query, found)
        return found

    def find_posts(self, query: PostQuery) -> Found[PostRecord] | None:
        """The posts that match; None if not all of them are remembered."""
        if query.ids is None or query.with_acks:
            return None  # not an inbox
        wanted = sorted((post_id for post_id in query.ids if post_id <= query.upto), reverse=True)
        if not all(post_id in self._posts for post_id in wanted):
            return None
        return Found(PostRecord(event=self._posts[post_id]) for post_id in wanted[: query.limit])

    def _add_posts(self, query: PostQuery, found: Iterable[PostRecord]) -> None:
        """Remember what a query found in the ledger, if such queries are answered from here."""
        if query.ids is not None and not query.with_acks:
            for record in found:
                self._remember(record.event)

    def _remember(self, event: Event) -> None:
        assert isinstance(event.data, Posted)  # noqa: S101 - only such are kept
        if event.seq not in self._posts:
            self._posts[event.seq] = event
            self._post_bytes_left -= _size(event.data)
        while self._post_bytes_left < 0:
            self._forget_post()

    def _forget_post(self) -> None:
        oldest = self._posts.pop(next(iter(self._posts)))
        assert isinstance(oldest.data, Posted)  # noqa: S101 - only such are kept
        self._post_bytes_left += _size(oldest.data)

    def _view(self, number: int) -> EventView:
        event = self._events[number]
        if isinstance(event, Event):
            event = self._events[number] = view(event)
        return event


def _size(post: Posted) -> int:
    return POST_BYTES + 4 * len(post.body)  # Python keeps a text with one wide character four bytes wide
