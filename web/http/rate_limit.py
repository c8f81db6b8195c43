"""At most so many tries per caller in a sliding window, in bounded memory."""

from collections import deque

import trio

KEYS_MAX = 10_000
"""Callers remembered at once; beyond it the least recently seen one is forgotten and starts again."""


class RateLimit:
    """`tries_max` tries per key in any `window_seconds`."""

    def __init__(self, *, tries_max: int, window_seconds: float) -> None:
        self._tries_max = tries_max
        self._window_seconds = window_seconds
        self._tries: dict[str, deque[float]] = {}

    def admits(self, key: str) -> bool:
        """Count a try; False when it is one too many, and then it does not count."""
        now = trio.current_time()
        tries = self._tries.pop(key, None) or deque()
        while tries and now - tries[0] >= self._window_seconds:
            tries.popleft()
        admitted = len(tries) < self._tries_max
        if admitted:
            tries.append(now)
        while len(self._tries) >= KEYS_MAX:
            del self._tries[next(iter(self._tries))]
        self._tries[key] = tries
        return admitted
