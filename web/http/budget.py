"""A budget in bytes for what this process holds for clients: answers not yet taken, bodies not yet complete."""

from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class ByteBudget:
    """Counts bytes by key (a token's hash, or an address) and in all."""

    def __init__(self, bytes_max: int, bytes_per_key_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes_per_key_max = bytes_per_key_max
        self._by_key: Counter[Hashable] = Counter()
        self.held_bytes = 0

    @contextmanager
    def reserved(self, key: Hashable, size: int) -> Iterator[bool]:
        """Hold room for `size` bytes as long as this is open; False when there is none.

        A key that holds nothing may exceed its own bound, so that one large answer is always possible.
        """
        held = self._by_key[key]
        fits = held == 0 or held + size <= self._bytes_per_key_max
        if not fits or self.held_bytes + size > self._bytes_max:
            yield False
            return
        self._by_key[key] += size
        self.held_bytes += size
        try:
            yield True
        finally:
            self.held_bytes -= size
            self._by_key[key] -= size
            if not self._by_key[key]:
                del self._by_key[key]
