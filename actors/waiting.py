"""Calls that wait for news, and the topics of what happened lately.

A waiting call names the topics that could end its wait; an event has topics too (`Event.topics`). An event wakes the
calls that name one of its topics and no other, by one look-up per topic. Waking is a hint: what was woken asks again,
a call by going back to the mailbox without its caller's task.

Only durable events are told here.
"""

from collections import deque
from collections.abc import Callable, Collection
from typing import Protocol

import trio

from actors.errors import ActorError, Busy, WaitEnded
from actors.limits import Limits
from actors.looking import Happening
from actors.mailbox import Request, Settled
from engine.vocabulary import Event, Topic

Wake = Callable[[], object]
"""Called for a wait when there may be news for it, perhaps several times."""


class Patience(Protocol):
    """A caller that may end its wait before its time."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended it."""
        ...

    def scope(self, deadline: float) -> trio.CancelScope:
        """A scope for the wait, cancelled at the deadline (in Trio's time) or as soon as the caller ends it."""
        ...


class News:
    """The waits of one project, by topic."""

    def __init__(self, limits: Limits) -> None:
        self._watchers_max = limits.watchers_max
        self._watchers: dict[Topic, dict[Wake, None]] = {}
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
        if self._has_happened(topics, after):
            return
        self._watch(topics, woken.set)
        try:
            await woken.wait()
        finally:
            self._unwatch(topics, woken.set)

    async def submit(
        self,
        request: Request,
        accept: Callable[[Request], object],
        topics: Collection[Topic],
        after: int,
        *,
        until: float,
        patience: Patience | None,
    ) -> Settled | None:
        """Have `accept` take the request when `changed` would return, and wait until it is settled.

        None if that has not happened until `until`, in Trio's time. Raises `Busy` as `changed` does, `WaitEnded` when
        `patience` is over first, and what the request is settled with. Cancelled, it leaves nothing behind but a
        request that was accepted.
        """
        if patience is not None and patience.is_over:
            raise WaitEnded  # also where news comes all the time, as below
        if trio.current_time() >= until:
            return None
        if self._has_happened(topics, after):
            accept(request)
            return await request.settled()
        is_offered = False

        def offer() -> None:
            nonlocal is_offered
            if not is_offered:
                is_offered = True
                try:
                    accept(request)
                except ActorError as refused:
                    request.settle(refused)

        # A thousand of these may be woken at once: one scope for everything that ends the wait, and no generators.
        self._watch(topics, offer)
        try:
            with trio.CancelScope(deadline=until) if patience is None else patience.scope(until):
                await request.done()
        finally:
            self._unwatch(topics, offer)
        if is_offered:
            return await request.settled()
        if patience is not None and patience.is_over:
            raise WaitEnded
        return None

    def _watch(self, topics: Collection[Topic], wake: Wake) -> None:
        """Have `wake` called when an event has one of these topics, until `_unwatch`."""
        if self._count >= self._watchers_max:
            raise Busy("too many calls wait for news of this project; try again in a moment.")
        self._count += 1
        for topic in topics:
            self._watchers.setdefault(topic, {})[wake] = None

    def _unwatch(self, topics: Collection[Topic], wake: Wake) -> None:
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
