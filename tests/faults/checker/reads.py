"""Whether an answer was true at a moment of the ledger. Refusals are answers too: "no such post" can be false.

Tools that are not named here tell nothing that the checker has a model of; their answers fit every moment.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from tests.faults.checker.history import Operation, label_of
from tests.faults.checker.timeline import TASK_MOVES, Held, Key, Timeline

CLOCKS_APART_SECONDS_MAX = 2.0
"""Around its end a lease may be shown or not: that is how far the clocks of clients and servers may be apart."""


class Reader:
    """Judges answers against a timeline."""

    def __init__(self, timeline: Timeline, clocks_apart_seconds: float = CLOCKS_APART_SECONDS_MAX) -> None:
        self._timeline = timeline
        self._apart = clocks_apart_seconds
        self._judges: dict[str, tuple[Callable[[Operation], Iterable[Key]], Callable[[Operation, int], bool]]] = {
            "list_sequences": (lambda _: timeline.keys("sequence"), self._sequences),
            "who_holds": (lambda read: self._overlapping(read.arguments["surface"]), self._holders),
            "release": (lambda read: [("lease", read.client, read.arguments["surface"])], self._not_held),
            "read_posts": (lambda read: [("inbox", read.client)], self._inbox),
            "ack": (lambda read: [("post", read.arguments["post_id"])], self._no_post),
            "list_tasks": (lambda _: [("tasks",), *timeline.keys("task")], self._tasks),
            **{move: (lambda read: [("task", read.arguments["task_id"])], self._cannot_move) for move in TASK_MOVES},
        }

    def judges(self, tool: str) -> bool:
        """Whether there is a model of what this tool tells."""
        return tool in self._judges

    def earliest(self, read: Operation, first: int) -> int | None:
        """The first moment, from `first` on, at which this answer was true; None when there is none."""
        if read.tool in {"query_events", "whats_new"}:
            head = self._head(read)
            return head if first <= head <= self._timeline.last else None
        if read.tool not in self._judges:
            return first
        keys, is_true = self._judges[read.tool]
        return next((seq for seq in self._timeline.moments(keys(read), first) if is_true(read, seq)), None)

    def knew_of_others(self, lease: Operation, seq: int) -> bool:
        """Whether the grant at moment `seq` named everybody whose lease conflicted then, and nobody else."""
        assert lease.answer is not None
        mode = lease.arguments.get("mode", "exclusive")
        conflicting = [
            held
            for held in self._held(lease.arguments["surface"], seq - 1)
            if held.holder != lease.client and not held.mode == mode == "shared"
        ]
        told = {(label_of(row["actor"]), row["surface"]) for row in lease.answer["others"]}
        return self._is_between(lease, told, conflicting)

    def _head(self, read: Operation) -> int:
        """The moment at which a read of history was made: it shows the ledger's end, or says how far that is."""
        assert read.answer is not None
        events = read.answer["events"]
        if read.tool == "query_events":
            return int(events[0]["id"]) if events else 0
        return int(read.answer["since_event_id"]) + len(events) + int(read.answer["remaining"])

    def _sequences(self, read: Operation, seq: int) -> bool:
        stands = {key[1]: self._timeline.at(seq, key) for key in self._timeline.keys("sequence")}
        return _rows(read, "sequences", "name", "last_used") == {name: n for name, n in stands.items() if n is not None}

    def _holders(self, read: Operation, seq: int) -> bool:
        assert read.answer is not None
        told = {(label_of(row["actor"]), row["surface"]) for row in read.answer["leases"]}
        return self._is_between(read, told, self._held(read.arguments["surface"], seq))

    def _not_held(self, read: Operation, seq: int) -> bool:
        held = self._timeline.at(seq, ("lease", read.client, read.arguments["surface"]))
        return held is None or not self._lasts(held, read)

    def _inbox(self, read: Operation, seq: int) -> bool:
        """Only what is addressed to the reader in person; what came by a lane is left out."""
        assert read.answer is not None
        posts = read.answer["posts"]
        told = [row["post_id"] for row in posts if row["to_lane"] is None]
        inbox = list(reversed(self._timeline.at(seq, ("inbox", read.client), ())))
        is_whole = len(posts) < read.arguments["limit"]
        return told == (inbox if is_whole else inbox[: len(told)])

    def _no_post(self, read: Operation, seq: int) -> bool:
        return self._timeline.at(seq, ("post", read.arguments["post_id"]), read) is read

    def _tasks(self, read: Operation, seq: int) -> bool:
        newest = self._timeline.at(seq, ("tasks",), 0)
        shown = range(newest, max(newest - read.arguments["limit"], 0), -1)
        return _rows(read, "tasks", "task_id", "status") == {
            task: self._timeline.at(seq, ("task", task)) for task in shown
        }

    def _cannot_move(self, read: Operation, seq: int) -> bool:
        needed, _ = TASK_MOVES[read.tool]
        return self._timeline.at(seq, ("task", read.arguments["task_id"])) not in needed

    def _overlapping(self, surface: str) -> list[Key]:
        return [key for key in self._timeline.keys("lease") if overlap(str(key[2]), surface)]

    def _held(self, surface: str, seq: int) -> list[Held]:
        held = (self._timeline.at(seq, key) for key in self._overlapping(surface))
        return [each for each in held if each is not None]

    def _is_between(self, read: Operation, told: set[tuple[str, str]], leases: list[Held]) -> bool:
        """Whether everything that surely lasted was told, and nothing that had surely ended."""
        sure = {(held.holder, held.surface) for held in leases if self._lasts(held, read)}
        possible = {(held.holder, held.surface) for held in leases if not self._has_ended(held, read)}
        return sure <= told <= possible

    def _lasts(self, held: Held, read: Operation) -> bool:
        return _seconds(held.expires_at) > read.ended + self._apart

    def _has_ended(self, held: Held, read: Operation) -> bool:
        return _seconds(held.expires_at) < read.began_last - self._apart


def overlap(one: str, other: str) -> bool:
    """Whether two surfaces overlap; for plain paths and `directory/**`, which are all that our clients use."""
    return one == other or _covers(one, other) or _covers(other, one)


def _covers(glob: str, path: str) -> bool:
    return glob.endswith("/**") and path.startswith(glob[:-2])


def _rows(read: Operation, table: str, name: str, value: str) -> dict[Any, Any]:
    assert read.answer is not None
    return {row[name]: row[value] for row in read.answer[table]}


def _seconds(moment: datetime) -> float:
    return moment.astimezone(UTC).timestamp()
