"""A bounded cache whose entries grow old: what was read from the store a moment ago, kept in memory.

A change made by this process calls `drop` and holds at once, also against a read that was already under way; a change
made by another process holds after `ttl_seconds` at the latest.
"""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import trio

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class AgeingCache(Generic[Key, Value]):
    """Values by key; read with `get`, filled by `load`."""

    def __init__(self, *, ttl_seconds: float, entries_max: int, loads_max: int = 4) -> None:
        self._ttl_seconds = ttl_seconds
        self._entries_max = entries_max
        self._entries: dict[Key, tuple[Value, float]] = {}
        self._drops = 0
        self._loading = trio.CapacityLimiter(loads_max)

    def get(self, key: Key) -> Value | None:
        """The value, unless there is none or it is too old."""
        entry = self._entries.get(key)
        return entry[0] if entry is not None and trio.current_time() < entry[1] else None

    async def load(self, key: Key, read: Callable[[Key], Awaitable[Value | None]]) -> Value | None:
        """The value, read anew unless somebody else just did; None is not kept.

        At most `loads_max` reads are under way at once, so that strangers cannot take the whole store. Raises what
        `read` raises.
        """
        async with self._loading:
            if (value := self.get(key)) is not None:
                return value
            drops = self._drops
            value = await read(key)
            if value is not None and drops == self._drops:
                self._keep(key, value)
            return value

    def drop(self, *keys: Key) -> None:
        """Forget these entries now."""
        self._drops += 1
        for key in keys:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything now."""
        self._drops += 1
        self._entries.clear()

    def _keep(self, key: Key, value: Value) -> None:
        self._entries.pop(key, None)
        while len(self._entries) >= self._entries_max:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = (value, trio.current_time() + self._ttl_seconds)
