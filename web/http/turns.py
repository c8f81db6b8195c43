"""Turns among clients: many requests of one client do not hold up the few of another.

Trio runs every task that can run in each pass of its event loop, so a client with many connections would have as many
requests handled in every pass, and each step of somebody else's request would wait for all of them. While several
clients send requests, more than a few that one client sends at the same time therefore wait in line, and one of each
line begins at a time. Before the next ones begin, the server lets twice the processor time pass that it has used since:
lines leave half of its time to others. A client that is alone does not wait, and its line ends when the others stop. A
client that sends one request after another does not wait, however fast its answers come: one connection brings one
request at a time.

Where many clients fill the server, that time is long. So each line also moves on when every client outside the lines
has had a turn on average: a client in line gets no less than one of the others. Otherwise a client that came into line
by chance would have more requests than its line lets begin, and would stay in it.

A client is alone when nobody else has a request under way, nor began one within the last second. So a flood does not
get the whole server because it holds up the others' requests for longer than that. A request that waits for news, or
whose answer is being sent, is not under way: agents wait most of the time.

Only the beginning of a request is delayed here. How many requests a client may make is `web.fair_use`'s.
"""

from collections import Counter, deque
from collections.abc import Callable, Hashable
from time import perf_counter, thread_time

import trio

ALONE_SECONDS = 1.0
"""How long a request counts after its beginning, however soon it ends."""

AT_ONCE_MAX = 3
"""So many requests of a client may begin at once: where clients share connections, a few come together by chance."""

AT_ONCE_SECONDS = 0.0015
"""One more within this time was sent at once with them: most answers take longer to bring the next requests."""

REST_SECONDS_MIN = 0.001
REST_SECONDS_MAX = 0.02
"""How long a line waits for its next turn, however busy the server is with others."""

REST_TO_WORK = 2.0
"""How long a line waits for one second of processor time."""

OTHERS_TURNS_MIN = 16
"""So many requests of others begin at least before a line moves on without having rested: a few clients cannot fill the
server, and one more request beside theirs would be felt."""


class Turns:
    """Who may begin a request now. `run` moves the lines on."""

    def __init__(
        self, processor_time: Callable[[], float] = thread_time, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._processor_time = processor_time
        self._clock = clock
        self._begun: dict[Hashable, deque[tuple[float, Hashable]]] = {}
        """When each client began its last requests, and on which connections; who began the longest ago is first.

        Of the last `ALONE_SECONDS`. A request that had to wait counts as one of any other connection.
        """
        self._lines: dict[Hashable, trio.lowlevel.ParkingLot] = {}
        self._under_way: Counter[Hashable] = Counter()
        """Requests of each client that have begun and not ended."""
        self._others_turns = 0
        """Requests that began outside the lines since these moved on."""
        self._somebody_waits = trio.Event()

    async def take(self, client: Hashable, connection: Hashable) -> None:
        """Return when a request of this client may begin; ends with `end`. Cancelled, it leaves the line."""
        now = self._clock()
        if client not in self._lines and (self._is_alone(client, now) or self._has_room(client, connection, now)):
            self._begin(client, now, connection)
            self._count_turn()
        else:
            line = self._lines.setdefault(client, trio.lowlevel.ParkingLot())
            self._somebody_waits.set()
            await line.park()
        self._under_way[client] += 1

    def end(self, client: Hashable) -> None:
        """A request of this client has ended, or waits for news or for its reader from now on."""
        self._under_way[client] -= 1
        if not self._under_way[client]:
            del self._under_way[client]

    @property
    def is_under_way(self) -> bool:
        """Whether a request of anybody has begun and not ended."""
        return bool(self._under_way)

    async def run(self) -> None:
        """Let those who wait in line begin, one of each client at a time; never returns."""
        while True:
            await self._somebody_waits.wait()
            worked_seconds = 0.0
            while self._lines:
                began = self._processor_time()
                await trio.sleep(min(max(REST_TO_WORK * worked_seconds, REST_SECONDS_MIN), REST_SECONDS_MAX))
                worked_seconds = self._processor_time() - began
                self._move_on()
            self._somebody_waits = trio.Event()

    def _count_turn(self) -> None:
        self._others_turns += 1
        if self._lines and self._others_turns >= max(OTHERS_TURNS_MIN, len(self._begun) - len(self._lines)):
            self._move_on()

    def _move_on(self) -> None:
        self._others_turns = 0
        now = self._clock()
        for client, line in list(self._lines.items()):
            if self._is_alone(client, now):
                line.unpark_all()
                del self._lines[client]
            elif line.unpark():
                self._begin(client, now)
            else:
                del self._lines[client]

    def _begin(self, client: Hashable, now: float, connection: Hashable = None) -> None:
        begun = self._begun.pop(client, None) or deque(maxlen=AT_ONCE_MAX)
        begun.append((now, connection))
        self._begun[client] = begun

    def _has_room(self, client: Hashable, connection: Hashable, now: float) -> bool:
        """Whether fewer than `AT_ONCE_MAX` requests on the client's other connections came together with this one."""
        begun = self._begun.get(client)
        if begun is None or len(begun) < AT_ONCE_MAX or now - begun[0][0] >= AT_ONCE_SECONDS:
            return True
        return any(other == connection for _, other in begun)

    def _is_alone(self, client: Hashable, now: float) -> bool:
        while self._begun and self._begun[oldest := next(iter(self._begun))][-1][0] < now - ALONE_SECONDS:
            del self._begun[oldest]
        nobody_began = len(self._begun) == (client in self._begun)
        return nobody_began and len(self._under_way) == (client in self._under_way)
