"""What the ledger means at each of its moments: a small model of its own, written from the documentation.

The moment `seq` is the state after event `seq`; moment 0 is the empty ledger. Values are kept by version, so that any
moment can be asked for.
"""

import heapq
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from tests.faults.checker.history import Row

Key = tuple[Hashable, ...]

TASK_MOVES = {
    "task_assign": (("open", "assigned"), "assigned"),
    "task_start": (("assigned",), "in_progress"),
    "task_ship": (("in_progress",), "done"),
}
"""Each tool that moves a task: the states it needs, and the one it leads to."""


@dataclass(slots=True, frozen=True)
class Held:
    """A lease that was granted and not released; it may have run out."""

    holder: str
    surface: str
    mode: str
    expires_at: datetime


class Timeline:
    """The value of everything that answers depend on, at every moment.

    Keys: `("sequence", name)` a number, `("lease", holder, surface)` a `Held`, `("inbox", client)` the ids of posts to
    acknowledge, `("task", id)` a status, `("tasks",)` how many there are, `("post", id)` the addressee.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.last = rows[-1].seq if rows else 0
        self._seqs: dict[Key, list[int]] = {}
        self._values: dict[Key, list[Any]] = {}
        for row in rows:
            self._fold(row)

    def at(self, seq: int, key: Key, default: Any = None) -> Any:
        """The value of `key` at a moment."""
        found = bisect_right(self._seqs.get(key, ()), seq)
        return self._values[key][found - 1] if found else default

    def keys(self, kind: str) -> list[Key]:
        """All keys of a kind that ever had a value."""
        return [key for key in self._seqs if key[0] == kind]

    def moments(self, keys: Iterable[Key], first: int) -> Iterator[int]:
        """`first`, and the moments after it at which one of these values changes."""
        yield first
        seqs = (self._seqs.get(key, []) for key in keys)
        yield from heapq.merge(*(islice(each, bisect_right(each, first), None) for each in seqs))

    def _set(self, seq: int, key: Key, value: Any) -> None:
        self._seqs.setdefault(key, []).append(seq)
        self._values.setdefault(key, []).append(value)

    def _fold(self, row: Row) -> None:
        seq, data = row.seq, row.data
        match row.type:
            case "claim":
                self._set(seq, ("sequence", data["sequence"]), data["number"])
            case "seed":
                self._set(seq, ("sequence", data["sequence"]), data["current"])
            case "lease":
                expires_at = row.at + timedelta(seconds=data["ttl_seconds"])
                if explicit := data.get("expires_at"):
                    expires_at = datetime.fromisoformat(explicit)
                held = Held(row.client, data["surface"], data.get("mode", "exclusive"), expires_at)
                self._set(seq, ("lease", row.client, data["surface"]), held)
            case "release":
                self._set(seq, ("lease", row.client, data["surface"]), None)
            case "post":
                self._post(row)
            case "ack":
                inbox = self.at(seq, ("inbox", row.client), ())
                self._set(seq, ("inbox", row.client), tuple(post for post in inbox if post != data["post_id"]))
            case "task_create":
                self._set(seq, ("tasks",), data["task_id"])
                self._set(seq, ("task", data["task_id"]), "open" if data.get("owner") is None else "assigned")
            case "task_assign" | "task_start" | "task_ship":
                self._set(seq, ("task", data["task_id"]), TASK_MOVES[row.type][1])
            case _:
                pass

    def _post(self, row: Row) -> None:
        addressee = row.data["to_actor"]
        self._set(row.seq, ("post", row.seq), addressee)
        if addressee is not None:
            key = ("inbox", addressee.rpartition("/")[2])
            self._set(row.seq, key, (*self.at(row.seq, key, ()), row.seq))
