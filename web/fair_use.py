"""Fair use of one process: how many calls a token may make, and how much it may write.

Both are token buckets, kept in memory for each token: a bucket holds a burst and is refilled steadily. One token's
calls never count against another token, and a restart fills all buckets. A long body counts as several calls, before it
is read. What an owner may have is bounded in the database (`store.people.quotas`).
"""

from collections.abc import Hashable
from math import ceil

import trio
from msgspec import Struct

from engine.refusals import Refusal

BODY_BYTES_PER_CALL = 10_000
"""Bytes of a body that count as one more call: reading them takes as long as a short call."""

BURST_SECONDS = 10
"""A token that was quiet may make the calls of so many seconds at once."""

DAY_SECONDS = 86_400
KEYS_MAX = 20_000
"""Tokens remembered at once. The one not seen for longest is forgotten; its bucket is most likely full anyway."""


class FairUseStatistics(Struct, frozen=True):
    """What was refused since the start."""

    calls_refused: int
    writes_refused: int


class Buckets:
    """One bucket for each key: `capacity`, refilled at `rate` a second. A rate of 0 bounds nothing."""

    def __init__(self, *, rate: float, capacity: float) -> None:
        self._rate = rate
        self._capacity = capacity
        self._levels: dict[Hashable, tuple[float, float]] = {}
        """Level and when it was that, the bucket not used for longest first."""

    def take(self, key: Hashable, amount: float) -> float:
        """Take `amount`; 0 when it was there, otherwise nothing is taken and it will be there in so many seconds.

        More than the capacity is taken from a full bucket, which then owes the rest.
        """
        if not self._rate:
            return 0.0
        now = trio.current_time()
        level, since = self._levels.pop(key, (self._capacity, now))
        level = min(self._capacity, level + (now - since) * self._rate)
        missing = min(amount, self._capacity) - level
        self._levels[key] = (level if missing > 0 else level - amount, now)
        if len(self._levels) > KEYS_MAX:
            del self._levels[next(iter(self._levels))]
        return max(0.0, missing / self._rate)


class FairUse:
    """What every token may do; 0 turns a bound off."""

    def __init__(self, *, calls_per_second: int, written_bytes_per_day: int) -> None:
        self._calls_per_second = calls_per_second
        self._written_bytes_per_day = written_bytes_per_day
        self._calls = Buckets(rate=calls_per_second, capacity=calls_per_second * BURST_SECONDS)
        self._bytes = Buckets(rate=written_bytes_per_day / DAY_SECONDS, capacity=written_bytes_per_day)
        self._calls_refused = self._writes_refused = 0

    def statistics(self) -> FairUseStatistics:
        """What was refused so far."""
        return FairUseStatistics(self._calls_refused, self._writes_refused)

    def refuse_body(self, token: Hashable, body_bytes: int) -> tuple[Refusal, int] | None:
        """Count a long body, before it is read, as so many calls; or why not now, and the seconds to wait."""
        if body_bytes < BODY_BYTES_PER_CALL:
            return None
        if wait := ceil(self._calls.take(token, body_bytes // BODY_BYTES_PER_CALL)):
            self._calls_refused += 1
            rule = f"this token may make {self._calls_per_second} calls a second"
            return _busy(f"{rule}, and each {BODY_BYTES_PER_CALL} bytes of a body count as one", wait), wait
        return None

    def refuse(self, token: Hashable, written_bytes: int) -> tuple[Refusal, int] | None:
        """Count a call that writes so many bytes (0: it reads); or why not now, and the seconds to wait."""
        if wait := ceil(self._calls.take(token, 1)):
            self._calls_refused += 1
            return _busy(f"this token may make {self._calls_per_second} calls a second", wait), wait
        if written_bytes and (wait := ceil(self._bytes.take(token, written_bytes))):
            self._writes_refused += 1
            return _busy(f"this token may write {self._written_bytes_per_day} bytes a day", wait), wait
        return None


def _busy(rule: str, wait_seconds: int) -> Refusal:
    unit = "second" if wait_seconds == 1 else "seconds"
    return Refusal("busy", f"{rule}; try again in {wait_seconds} {unit}.")
