"""Calls that wait for news: how many one participant may have, and their end when its token stops working.

`actors.directory` does the waiting. This module counts the waits and ends those of revoked tokens: at once when this
process revokes the token, otherwise when the store confirms a doubt (`doubt`, `run`). A caller re-checks its token
after it has registered its wait: an earlier revocation could not signal it.

An owner's page that is open waits too, with the id of its session for a token (`web.admin.live`).
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Iterator
from contextlib import contextmanager

import structlog
import trio

from engine.refusals import Refusal
from store.errors import StoreUnavailable

log = structlog.get_logger(__name__)

WAITS_MAX = 64
"""Far more than an agent and its sub-agents need."""

RECHECK_SECONDS = 1.0
"""How soon the store is asked again that could not say which tokens still work."""

TOO_MANY_WAITS = Refusal(
    "busy", f"{WAITS_MAX} of your calls already wait; let one of them end, or call with wait_seconds 0."
)

StillValid = Callable[[Collection[bytes]], Awaitable[set[bytes]]]
"""Which of these tokens and sessions, by SHA-256, work; raises `StoreUnavailable`."""


class Waits:
    """Counts waits by who waits (participants, owners), and knows them by the hashes of their tokens and sessions."""

    def __init__(self) -> None:
        self._parked: Counter[Hashable] = Counter()
        self._endings: dict[bytes, set[trio.Event]] = {}
        self._doubted = trio.Event()

    @contextmanager
    def parked(self, who: Hashable, token_hash: bytes, *, places_max: int = WAITS_MAX) -> Iterator[trio.Event | None]:
        """Hold a place for one wait of `who` as long as this is open; None when they have no place left.

        The event is set when the wait must end because the token no longer works.
        """
        if self._parked[who] >= places_max:
            yield None
            return
        ending = trio.Event()
        self._parked[who] += 1
        self._endings.setdefault(token_hash, set()).add(ending)
        try:
            yield ending
        finally:
            self._parked[who] -= 1
            if not self._parked[who]:
                del self._parked[who]
            self._endings[token_hash].discard(ending)
            if not self._endings[token_hash]:
                del self._endings[token_hash]

    def end(self, token_hashes: Iterable[bytes]) -> None:
        """End the waits of these tokens now."""
        for token_hash in token_hashes:
            for ending in self._endings.get(token_hash, ()):
                ending.set()

    def doubt(self) -> None:
        """Have the tokens of all waits looked at again, because some may have stopped working."""
        self._doubted.set()

    async def run(self, still_valid: StillValid) -> None:
        """End the waits of tokens that the store calls invalid, whenever there is doubt, until cancelled."""
        while True:
            await self._doubted.wait()
            self._doubted = trio.Event()
            try:
                await self._recheck(still_valid)
            except StoreUnavailable as silent:
                log.warning("cannot recheck waits", reason=str(silent))
                self.doubt()
                await trio.sleep(RECHECK_SECONDS)

    async def _recheck(self, still_valid: StillValid) -> None:
        if waiting := frozenset(self._endings):
            self.end(waiting - await still_valid(waiting))
