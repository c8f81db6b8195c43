"""Calls that wait for news: how many one participant may have, and what ends them before their time.

`actors.directory` does the waiting. This module counts the waits and ends them: all when the server stops, and those of
revoked tokens, at once when this process revokes the token, otherwise when the store confirms a doubt (`doubt`, `run`).
Those of tokens that have run out end at the next look at all.
A caller re-checks its token after it has registered its wait: an earlier revocation could not signal it.

An owner's page that is open waits too, with the id of its session for a token (`web.admin.live`).
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable
from enum import Enum
from math import inf

import structlog
import trio

from engine.refusals import Refusal
from store.errors import StoreUnavailable
from store.outages import Outage

log = structlog.get_logger(__name__)

WAITS_MAX = 64
"""Far more than an agent and its sub-agents need."""

LOOK_SECONDS = 15.0
"""How often the tokens of all waits are looked at without a doubt: one that only runs out tells nobody."""

RECHECK_SECONDS = 1.0
"""How soon the store is asked again that could not say which tokens still work."""

TOO_MANY_WAITS = Refusal(
    "busy", f"{WAITS_MAX} of your calls already wait; let one of them end, or call with wait_seconds 0."
)

StillValid = Callable[[Collection[bytes]], Awaitable[set[bytes]]]
"""Which of these tokens and sessions, by SHA-256, work; raises `StoreUnavailable`."""


class Ending(Enum):
    """Why a wait ends before its time."""

    NOT_ADMITTED = "the token no longer works"
    CLIENT_LEFT = "the client has left"
    SERVER_STOPS = "the server stops"


class Wait:
    """One wait. `ending` says why it must end before its time; None: it need not."""

    __slots__ = ("_scope", "ending")

    def __init__(self, ending: Ending | None = None) -> None:
        self.ending = ending
        self._scope: trio.CancelScope | None = None

    @property
    def is_over(self) -> bool:
        """Whether it must end."""
        return self.ending is not None

    def end(self, why: Ending) -> None:
        """End it. No other reason replaces `NOT_ADMITTED`."""
        if self.ending is not Ending.NOT_ADMITTED:
            self.ending = why
        if self._scope is not None:
            self._scope.cancel()

    def scope(self, deadline: float = inf) -> trio.CancelScope:
        """A scope, one at a time, for what is cancelled at the deadline or as soon as the wait must end."""
        self._scope = trio.CancelScope(deadline=deadline)
        if self.is_over:
            self._scope.cancel()
        return self._scope


class Waits:
    """Counts waits by who waits (participants, owners), and knows them by the hashes of their tokens and sessions."""

    def __init__(self, stopping: trio.Event) -> None:
        """`stopping` is set when the server no longer accepts connections: waits then end with what there is."""
        self._stopping = stopping
        self._counts: Counter[Hashable] = Counter()
        self._waits: dict[bytes, set[Wait]] = {}
        self._doubted = trio.Event()

    def parked(self, who: Hashable, token_hash: bytes, *, places_max: int = WAITS_MAX) -> "_Place":
        """Hold a place for one wait of `who` as long as this is open; None when they have no place left."""
        return _Place(self, who, token_hash, places_max)

    def _enter(self, who: Hashable, token_hash: bytes, places_max: int) -> Wait | None:
        if self._counts[who] >= places_max:
            return None
        wait = Wait(Ending.SERVER_STOPS if self._stopping.is_set() else None)
        self._counts[who] += 1
        self._waits.setdefault(token_hash, set()).add(wait)
        return wait

    def _leave(self, who: Hashable, token_hash: bytes, wait: Wait) -> None:
        self._counts[who] -= 1
        if not self._counts[who]:
            del self._counts[who]
        self._waits[token_hash].discard(wait)
        if not self._waits[token_hash]:
            del self._waits[token_hash]

    def end(self, token_hashes: Iterable[bytes], why: Ending = Ending.NOT_ADMITTED) -> None:
        """End the waits of these tokens now."""
        for token_hash in token_hashes:
            for wait in self._waits.get(token_hash, ()):
                wait.end(why)

    def doubt(self) -> None:
        """Have the tokens of all waits looked at again, because some may have stopped working."""
        self._doubted.set()

    async def run(self, still_valid: StillValid) -> None:
        """End all waits when the server stops, and before that those of tokens in doubt that the store calls invalid.

        Runs until it is cancelled.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._settle_doubts, still_valid)
            await self._stopping.wait()
            self.end(self._waits, Ending.SERVER_STOPS)

    async def _settle_doubts(self, still_valid: StillValid) -> None:
        outage = Outage()
        while True:
            with trio.move_on_after(LOOK_SECONDS):
                await self._doubted.wait()
            self._doubted = trio.Event()
            try:
                await self._recheck(still_valid)
                if (away := outage.over()) is not None:
                    log.warning("waits rechecked again", after_seconds=away)
            except StoreUnavailable as silent:
                if outage.failed():
                    log.warning("cannot recheck waits", seconds=outage.seconds, reason=str(silent))
                self.doubt()
                await trio.sleep(RECHECK_SECONDS)

    async def _recheck(self, still_valid: StillValid) -> None:
        if waiting := frozenset(self._waits):
            self.end(waiting - await still_valid(waiting))


class _Place:
    """A place for a wait, held for a block; a thousand may be left at once, which is slower with generators."""

    __slots__ = ("_places_max", "_token_hash", "_wait", "_waits", "_who")

    def __init__(self, waits: Waits, who: Hashable, token_hash: bytes, places_max: int) -> None:
        self._waits = waits
        self._who = who
        self._token_hash = token_hash
        self._places_max = places_max

    def __enter__(self) -> Wait | None:
        self._wait = self._waits._enter(self._who, self._token_hash, self._places_max)  # noqa: SLF001 - a part of it
        return self._wait

    def __exit__(self, *_: object) -> None:
        if self._wait is not None:
            self._waits._leave(self._who, self._token_hash, self._wait)  # noqa: SLF001 - a part of it
