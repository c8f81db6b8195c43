"""What hooks remember of agents' sessions: in memory, for the sessions that were heard of last.

A forgotten session costs a mention in the middle of a turn, never a post: the end of a turn is the program's, which
remembers in the work tree.
"""

from dataclasses import dataclass, field
from hashlib import blake2b

from kit.state import Session

SESSIONS_MAX = 2_000
"""Sessions in memory: some 200 MB with all that they may remember."""

SESSIONS_OF_ONE_MAX = 20
"""Sessions of one participant: more sub-agents and work trees than share a token."""

Reader = tuple[int, int]
"""A project and a participation in it."""


@dataclass(slots=True)
class KnownSession:
    """A session, and what the program has told of it: the work trees, and what the repository's config chose."""

    memory: Session = field(default_factory=Session)
    roots: tuple[str, ...] = ()
    minds_leases: bool = False
    auto_lease: bool = False


class Sessions:
    """Sessions by participant and the name that the client gave them."""

    def __init__(self) -> None:
        self._by_reader: dict[Reader, dict[bytes, KnownSession]] = {}
        self._count = 0

    def find(self, reader: Reader, name: str) -> KnownSession | None:
        """A session that is remembered."""
        return self._by_reader.get(reader, {}).get(_slot(name))

    def begin(self, reader: Reader, name: str) -> KnownSession:
        """Remember a session from now on; those that were begun first are forgotten when there are too many."""
        self.end(reader, name)
        mine = self._by_reader.setdefault(reader, {})
        if len(mine) >= SESSIONS_OF_ONE_MAX:
            self._forget(reader, next(iter(mine)))
        elif self._count >= SESSIONS_MAX:
            oldest = next(iter(self._by_reader))
            self._forget(oldest, next(iter(self._by_reader[oldest])))
        known = KnownSession()
        self._by_reader.setdefault(reader, {})[_slot(name)] = known
        self._count += 1
        return known

    def end(self, reader: Reader, name: str) -> None:
        """Forget a session."""
        if _slot(name) in self._by_reader.get(reader, {}):
            self._forget(reader, _slot(name))

    def _forget(self, reader: Reader, slot: bytes) -> None:
        mine = self._by_reader[reader]
        del mine[slot]
        self._count -= 1
        if not mine:
            del self._by_reader[reader]


def _slot(name: str) -> bytes:
    return blake2b(name.encode("utf-8", "replace"), digest_size=16).digest()
