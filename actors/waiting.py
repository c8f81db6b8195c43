"""Calls that wait for news, and the topics of what happened lately.

A waiting call names the topics that could end its wait; an event has topics too (`Event.topics`). An event wakes the
calls that name one of its topics and no other, by one look-up per topic. Waking is a hint: the caller asks again.

Only durable events are told here.
"""

from collections import deque
from collections.abc import Collection

import trio

from actors.errors import Busy
from actors.limits import Limits
from actors.looking import Happening
from engine.vocabulary import Event, Topic


class News:
    """Who waits for what in one project."""

    def __init__(self, limits: Limits) -> None:
        self._watchers_max = limits.watchers_max
        self._watchers: dict[Topic, set[trio.Event]] = {}
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
            Happening(seq=event.seq, at=event.at, type=event.data.type, actor=event.actor, topics=topics)
        )
        for topic in topics:
            for woken in self._watchers.get(topic, ()):
                woken.set()

    def wake_all(self) -> None:
        """Let everybody ask again."""
        for watchers in self._watchers.values():
            for woken in watchers:
                woken.set()

    def recent(self, after: int, upto: int) -> list[Happening] | None:
        """The events above number `after`, to `upto`; None when some of them are no longer remembered."""
        if after < self._complete_after:
            return None
        return [event for event in self._recent if after < event.seq <= upto]

    async def changed(self, topics: Collection[Topic], after: int) -> None:
        """Wait until an event above number `after` has one of these topics. May return early: ask again and see.

        Raises `Busy` when too many wait already. Cancelled, it leaves nothing behind.
        """
        if self._has_happened(topics, after):
            return
        if self._count >= self._watchers_max:
            raise Busy("too many calls wait for news of this project; try again in a moment.")
        woken = trio.Event()
        self._count += 1
        for topic in topics:
            self._watchers.setdefault(topic, set()).add(woken)
        try:
            await woken.wait()
        finally:
            self._count -= 1
            for topic in topics:
                self._watchers[topic].discard(woken)
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
