"""A bounded cache with a time to live, filled from the store.

A change in this process calls `drop`, which holds at once, even against a read that is under way. A change elsewhere
holds when its news arrives (`expire`) or when the entry is `ttl_seconds` old. Expired entries are kept for times when
the store cannot be read (`get_old`).
"""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from math import inf
from typing import Generic, TypeVar

import trio

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(slots=True)
class _Entry(Generic[Value]):
    value: Value
    epoch: int
    read_at: float
    fresh_until: float


class AgeingCache(Generic[Key, Value]):
    """Values by key; read with `get`, filled by `load`."""

    def __init__(self, *, ttl_seconds: float, entries_max: int, loads_max: int = 4) -> None:
        self._ttl_seconds = ttl_seconds
        self._entries_max = entries_max
        self._entries: dict[Key, _Entry[Value]] = {}
        self._epoch = 0
        """Counts how often all entries expired at once."""
        self._changes = 0
        """Counts changes; a read that began before the last one is not kept."""
        self._loading = trio.CapacityLimiter(loads_max)

    def get(self, key: Key) -> Value | None:
        """The value, unless there is none or it is too old."""
        entry = self._entries.get(key)
        if entry is None or entry.epoch != self._epoch or trio.current_time() >= entry.fresh_until:
            return None
        return entry.value

    async def load(
        self, key: Key, read: Callable[[Key], Awaitable[Value | None]], *, outdated: Value | None = None
    ) -> Value | None:
        """The value, read again unless another task has just read it; None is not kept.

        `outdated` is a value from `get` that will not do; it stays for everybody else until there is a newer one.
        At most `loads_max` reads are under way at once, so that strangers cannot take the whole store. Raises what
        `read` raises.
        """
        async with self._loading:
            if (value := self.get(key)) is not None and value is not outdated:
                return value
            changes = self._changes
            value = await read(key)
            if changes == self._changes:
                self._keep(key, value)
            return value

    def get_old(self, key: Key, age_seconds_max: float, again_after_seconds: float) -> Value | None:
        """The expired value, because the store cannot be read; it counts as fresh for `again_after_seconds`."""
        if not self.holds_old(key, age_seconds_max):
            return None
        entry = self._entries[key]
        entry.epoch, entry.fresh_until = self._epoch, trio.current_time() + again_after_seconds
        return entry.value

    def holds_old(self, key: Key, age_seconds_max: float) -> bool:
        """Whether there is a value for `get_old`."""
        entry = self._entries.get(key)
        return entry is not None and trio.current_time() <= entry.read_at + age_seconds_max

    def drop(self, *keys: Key) -> None:
        """Forget these entries now."""
        self._changes += 1
        for key in keys:
            self._entries.pop(key, None)

    def expire(self, matching: Callable[[Value], bool] | None = None) -> None:
        """Take everything for old now, or every value that matches."""
        self._changes += 1
        if matching is None:
            self._epoch += 1
            return
        for entry in self._entries.values():
            if matching(entry.value):
                entry.fresh_until = -inf

    def _keep(self, key: Key, value: Value | None) -> None:
        self._entries.pop(key, None)
        if value is None:
            return
        while len(self._entries) >= self._entries_max:
            del self._entries[next(iter(self._entries))]
        now = trio.current_time()
        self._entries[key] = _Entry(value, self._epoch, now, now + self._ttl_seconds)
