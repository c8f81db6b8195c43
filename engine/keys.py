"""Idempotency: the same reader and key within a day get the first answer again, and nothing is written.

A key is part of its event, so it survives restarts. The arguments are compared by fingerprint.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import takewhile

import msgspec
from msgspec import Struct

from engine.decision import Context
from engine.refusals import Refusal, conflict
from engine.vocabulary import Event

KEPT = timedelta(hours=24)
"""How long a key is remembered."""


class UsedKey(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key, and the facts that make its first answer again.

    `number` and `formatted` are those of a claim; `is_new` says that it made its sequence.
    """

    by: int
    key: str
    at: datetime
    fingerprint: str
    seq: int
    number: int = 0
    formatted: str = ""
    is_new: bool = False


class KeyBook:
    """The keys of a project by reader and key, oldest first."""

    __slots__ = ("_used",)

    def __init__(self, records: Iterable[UsedKey] = ()) -> None:
        self._used = {(record.by, record.key): record for record in records}

    def dump(self) -> list[UsedKey]:
        """The records that make this book again."""
        return list(self._used.values())

    def used(self, context: Context, key: str | None, fingerprint: str) -> UsedKey | Refusal | None:
        """The caller's earlier use of `key` with these arguments; None when the command is new.

        Refused when the key was used with other arguments.
        """
        if key is None or (used := self._used.get((context.caller.id, key))) is None:
            return None
        if context.now - used.at >= KEPT:
            return None
        if used.fingerprint != fingerprint:
            return conflict(f"key '{key}' was used with other arguments in the last 24 hours: take a new key.")
        return used

    def keep(
        self, event: Event, key: str, fingerprint: str, *, number: int = 0, formatted: str = "", is_new: bool = False
    ) -> None:
        """Remember a use of a key, and forget the uses that are too old."""
        self._used.pop((event.by, key), None)
        self._used[event.by, key] = UsedKey(
            by=event.by,
            key=key,
            at=event.at,
            fingerprint=fingerprint,
            seq=event.seq,
            number=number,
            formatted=formatted,
            is_new=is_new,
        )
        for old in list(takewhile(lambda slot: event.at - self._used[slot].at >= KEPT, self._used)):
            del self._used[old]


def fingerprint(kind: str, *arguments: object) -> str:
    """What makes two keyed commands the same: their kind and every argument but the key."""
    return blake2b(msgspec.json.encode([kind, *arguments]), digest_size=16).hexdigest()
