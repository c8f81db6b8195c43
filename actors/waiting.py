"""Calls that wait for news, and the topics of what happened lately.

A waiting call names the topics that could end its wait; an event has topics too (`Event.topics`). An event wakes the
calls that name one of its topics and no other, by one look-up per topic. Waking is a hint: what was woken asks again,
a call by going back to the mailbox without its caller's task.

Only durable events are told here.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import trio

from actors.errors import ActorError, Busy
from actors.limits import Limits
from actors.looking import Happening
from actors.mailbox import Request, Settled
from engine.vocabulary import Event, Topic


class News:
    """The waits of one project, by topic."""

    def __init__(self, limits: Limits) -> None:
        self._watchers_max = limits.watchers_max
        self._watchers: dict[Topic, dict[Callable[[], object], None]] = {}
        """In the order in which they began to wait: of those who wait for work, the first gets it."""
        self._count = 0
        self._recent: deque[Happening] = deque(maxlen=limits.news_kept_events)
        self._complete_after = 0
        self.last = 0
        """The number of the last durable event that is known."""

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        return self._count

    def begin(self, seq: int) -> None:
        """Event `seq` is the last one that is known; what came before it is forgotten and everybody woken."""
        self._recent.clear()
        self._complete_after = self.last = seq
        self.wake_all()

    def tell(self, event: Event) -> None:
        """An event, the next one, is durable."""
        if len(self._recent) == self._recent.maxlen:
            self._complete_after = self._recent[0].seq
        topics = event.topics
        self.last = event.seq
        self._recent.append(
            Happening(seq=event.seq, at=event.at, type=event.data.type, actor=event.actor, by=event.by, topics=topics)
        )
        for topic in topics:
            for wake in self._watchers.get(topic, ()):
                wake()

    def wake_all(self) -> None:
        """Let everybody ask again."""
        for watchers in self._watchers.values():
            for wake in watchers:
                wake()

    def recent(self, after: int, upto: int) -> list[Happening] | None:
        """The events above number `after`, to `upto`; None when some of them are no longer remembered."""
        if after < self._complete_after:
            return None
        return [event for event in self._recent if after < event.seq <= upto]

    async def changed(self, topics: Collection[Topic], after: int) -> None:
        """Wait until an event above number `after` has one of these topics. May return early: ask again and see.

        Raises `Busy` when too many wait already. Cancelled, it leaves nothing behind.
        """
        woken = trio.Event()
        with self._watched(topics, after, woken.set):
            await woken.wait()

    async def submit(
        self,
        request: Request,
        accept: Callable[[Request], object],
        topics: Collection[Topic],
        after: int,
        until: float,
    ) -> Settled | None:
        """Have `accept` take the request when `changed` would return, and wait until it is settled.

        None if that has not happened until `until`, in Trio's time. Raises `Busy` as `changed` does, and what the
        request is settled with. Cancelled, it leaves nothing behind but a request that was accepted.
        """
        if trio.current_time() >= until:
            return None  # also where news comes all the time
        is_offered = False

        def offer() -> None:
            nonlocal is_offered
            if not is_offered:
                is_offered = True
                try:
                    accept(request)
                except ActorError as refused:
                    request.settle(refused)

        with trio.move_on_at(until), self._watched(topics, after, offer):
            await request.done()
        return await request.settled() if is_offered else None

    @contextmanager
    def _watched(self, topics: Collection[Topic], after: int, wake: Callable[[], object]) -> Iterator[None]:
        """Have `wake` called, perhaps several times, as `changed` says: at once if there is such an event."""
        if self._has_happened(topics, after):
            wake()
            yield
            return
        if self._count >= self._watchers_max:
            raise Busy("too many calls wait for news of this project; try again in a moment.")
        self._count += 1
        for topic in topics:
            self._watchers.setdefault(topic, {})[wake] = None
        try:
            yield
        finally:
            self._count -= 1
            for topic in topics:
                self._watchers[topic].pop(wake, None)
                if not self._watchers[topic]:
                    del self._watchers[topic]

    def _has_happened(self, topics: Collection[Topic], after: int) -> bool:
        if after < self._complete_after:
            return True
        for event in reversed(self._recent):
            if event.seq <= after:
                return False
            if not set(topics).isdisjoint(event.topics):
                return True
        return False
