"""Idempotency: the same reader and key within a day get the first answer again, and nothing is written.

A key is part of its event, so it survives restarts. The arguments are compared by fingerprint.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import blake2b

import msgspec
from msgspec import Struct

from engine.decision import Context
from engine.refusals import Refusal, conflict
from engine.undo import Ordered, Table, Undo
from engine.vocabulary import Event

KEPT = timedelta(hours=24)
"""How long a key is remembered."""

KEYS_MAX = 50_000
"""Keys that a project remembers; the oldest one is forgotten first."""

_FORGOTTEN_AT_ONCE = 10
"""More than come at once, so that old keys go, and few enough to cost nothing."""


class UsedKey(Struct, frozen=True, kw_only=True, order=True, gc=False, omit_defaults=True):
    """A use of a key, and the facts that make its first answer again. `seq` is its event's number.

    `slot` is the reader and the key; `number` and `formatted` are those of a claim. `is_new`: the claim made its
    sequence, or nobody was in the post's lane; `nearest` is the name that was close then.
    """

    seq: int
    slot: str
    at: datetime
    fingerprint: bytes
    number: int = 0
    formatted: str = ""
    is_new: bool = False
    nearest: str | None = None


class KeyBook:
    """The keys of a project: by reader and key, and by age."""

    __slots__ = ("_by_age", "_by_slot")

    def __init__(self, undo: Undo) -> None:
        self._by_slot: Table[str, UsedKey] = Table(undo)
        self._by_age: Ordered[UsedKey] = Ordered(undo)

    def dump(self) -> list[UsedKey]:
        """The records that make this book again, oldest first."""
        return list(self._by_age)

    def load(self, records: Iterable[UsedKey]) -> None:
        """Put dumped records into an empty book; in as many parts as needed."""
        for record in records:
            self._put(record)

    def used(self, context: Context, key: str, fingerprint: bytes) -> UsedKey | Refusal | None:
        """The caller's earlier use of `key` with these arguments; None when the command is new.

        Refused when the key was used with other arguments.
        """
        used = self._by_slot.get(_slot(context.caller.id, key))
        if used is None or context.now - used.at >= KEPT:
            return None
        if used.fingerprint != fingerprint:
            return conflict(f"key '{key}' was used with other arguments in the last 24 hours: take a new key.")
        return used

    def keep(
        self,
        event: Event,
        key: str,
        fingerprint: bytes,
        *,
        number: int = 0,
        formatted: str = "",
        is_new: bool = False,
        nearest: str | None = None,
    ) -> None:
        """Remember a use of a key, and forget the oldest uses: those that are too old, or too many."""
        slot = _slot(event.by, key)
        if (before := self._by_slot.get(slot)) is not None:
            self._by_age.discard(before)
        self._put(
            UsedKey(
                seq=event.seq,
                slot=slot,
                at=event.at,
                fingerprint=fingerprint,
                number=number,
                formatted=formatted,
                is_new=is_new,
                nearest=nearest,
            )
        )
        for _ in range(_FORGOTTEN_AT_ONCE):
            oldest = self._by_age[0]
            if len(self._by_age) <= KEYS_MAX and event.at - oldest.at < KEPT:
                break
            self._by_age.discard(oldest)
            del self._by_slot[oldest.slot]

    def _put(self, used: UsedKey) -> None:
        self._by_slot[used.slot] = used
        self._by_age.add(used)


def fingerprint(kind: str, *arguments: object) -> bytes:
    """What makes two keyed commands the same: their kind and every argument but the key."""
    return blake2b(msgspec.json.encode([kind, *arguments]), digest_size=16).digest()


def _slot(reader: int, key: str) -> str:
    return f"{reader} {key}"
