"""A bulkhead: how many pages are made at once, and whose is made next.

A page costs milliseconds of the processor, in short steps (`web.http.templates`), and Trio runs every task that can run
in each pass of its event loop. With hundreds of pages under way, each step of a claim would wait for all of them. So
only a few are under way, and the others wait. `web.http.turns` cannot see to that: strangers come from many addresses.

The next page is of the client that had the fewest lately: owners who open a page now and then do not wait for the
hundreds of addresses that ask all the time. A place is taken when the whole request has arrived and given back when the
answer begins to be sent, so neither slow senders, slow readers nor event streams hold one. A client that closed its
side while it waited has left, or only has nothing more to send: its page is made when nobody else waits. A page that
takes longer than `HELD_SECONDS_MAX` waits for the database, not for the processor: `look` gives its place to the next.

Hooks of agent clients compare paths with leases in the same way (`web.hooks.moments`), by token.
"""

from collections import Counter, deque
from collections.abc import Hashable

import trio

PAGES_AT_ONCE_MAX = 2
"""Pages that are made at once; more would not come faster from one processor."""

PROBES_AT_ONCE_MAX = 2
"""Health checks that are answered at once, beside the pages: a crowd of pages must not delay them."""

HELD_SECONDS_MAX = 1.0
"""How long a page may keep its place; then the next one begins beside it."""

HALF_LIFE_SECONDS = 5.0
"""After this, a page counts half when it is decided whose is next."""


_LAST: Hashable = object()
"""All clients that have stepped back."""


class Bulkhead:
    """Admits `places` requests at a time, those of clients first that had the fewest lately."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._held: dict[trio.Event, float] = {}
        """The requests that have a place, and since when; the oldest is first."""
        self._waiting: dict[Hashable, deque[trio.Event]] = {}
        self._lately: Counter[Hashable] = Counter()
        """Requests of each client, older ones in part."""
        self._halved_at = 0.0

    @property
    def is_full(self) -> bool:
        """Whether the next request waits."""
        return len(self._held) >= self._places

    async def enter(self, client: Hashable) -> trio.Event:
        """Wait for a place; gives what `leave` takes. Cancelled, it holds nothing."""
        ticket = trio.Event()
        if not self.is_full:
            self._admit(client, ticket)
            return ticket
        self._waiting.setdefault(client, deque()).append(ticket)
        try:
            await ticket.wait()
        except trio.Cancelled:
            self._forget(client, ticket)
            raise
        return ticket

    async def step_back(self, ticket: trio.Event) -> trio.Event:
        """Give a place to those who wait, and wait until nobody else wants one. Cancelled, it holds nothing."""
        self.leave(ticket)
        return await self.enter(_LAST)

    def leave(self, ticket: trio.Event) -> None:
        """Give a place back, unless that was done before."""
        if self._held.pop(ticket, None) is not None:
            self._admit_next()

    def look(self) -> None:
        """Give back the places of requests that have kept theirs for too long."""
        late = trio.current_time() - HELD_SECONDS_MAX
        for ticket in [ticket for ticket, since in self._held.items() if since <= late]:
            self.leave(ticket)

    def _admit_next(self) -> None:
        if self._waiting:
            client = min(self._waiting, key=lambda each: (each is _LAST, self._lately[each]))
            ticket = self._waiting[client][0]
            self._forget(client, ticket)
            self._admit(client, ticket)

    def _admit(self, client: Hashable, ticket: trio.Event) -> None:
        now = trio.current_time()
        self._age(now)
        self._lately[client] += 1
        self._held[ticket] = now
        ticket.set()

    def _forget(self, client: Hashable, ticket: trio.Event) -> None:
        line = self._waiting[client]
        line.remove(ticket)
        if not line:
            del self._waiting[client]

    def _age(self, now: float) -> None:
        half_lives = int((now - self._halved_at) / HALF_LIFE_SECONDS)
        if half_lives > 0:
            self._halved_at = now
            self._lately = Counter(
                {client: left for client, count in self._lately.items() if (left := count >> half_lives)}
            )
