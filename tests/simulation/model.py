"""What a ledger means, told a second time and naively, to judge the engine's own fold by.

Only what callers were promised: who owes an acknowledgement for what, and where the sequences stand. A `Model` holds
the answer for every prefix of one ledger.
"""

from dataclasses import dataclass, field

from engine.posts import Acked, Posted
from engine.presence import Registered
from engine.sequences import Claimed, Seeded, Voided
from engine.vocabulary import Event


@dataclass
class _Letter:
    by: int
    to_lane: str | None
    owed: set[int]
    acked: set[int] = field(default_factory=set)


class Model:
    """Inboxes and sequences after each event: index 0 is the empty ledger."""

    def __init__(self, ledger: list[Event]) -> None:
        self._lanes: dict[int, str] = {}
        self._letters: dict[int, _Letter] = {}
        self._readers = {event.by for event in ledger}
        self._sequences: dict[str, int] = {}
        self._archived = frozenset[str]()
        self._void = set[tuple[str, int]]()
        self.inboxes: list[dict[int, list[int]]] = [{}]
        self.sequences: list[dict[str, int]] = [{}]
        for event in ledger:
            self._follow(event)
            self.inboxes.append({reader: self._inbox(reader) for reader in self._readers})
            self.sequences.append(dict(self._sequences))

    def inbox(self, after: int, reader: int) -> list[int]:
        """Ids of the posts that `reader` has to acknowledge after event `after`, oldest first."""
        return self.inboxes[after].get(reader, [])

    def _inbox(self, reader: int) -> list[int]:
        return [
            number for number, letter in self._letters.items() if reader in letter.owed and reader not in letter.acked
        ]

    def _follow(self, event: Event) -> None:
        match event.data:
            case Claimed(sequence=name, number=number):
                assert number == self._sequences.get(name, 0) + 1, f"event {event.seq}: a number skipped or given twice"
                assert name not in self._archived, f"event {event.seq}: a claim on an archived sequence"
                self._sequences[name] = number
            case Seeded(sequence=name, current=current, archived=archived):
                assert current >= self._sequences.get(name, 0), f"event {event.seq}: a sequence went back"
                self._sequences[name] = current
                self._archived = self._archived | {name} if archived else self._archived - {name}
            case Voided(sequence=name, number=number):
                assert number <= self._sequences.get(name, 0), f"event {event.seq}: a void of what nobody claimed"
                assert (name, number) not in self._void, f"event {event.seq}: voided twice"
                self._void.add((name, number))
            case Registered(lane=lane):
                self._lanes[event.by] = lane
                for letter in self._letters.values():
                    if letter.to_lane == lane and not letter.acked and letter.by != event.by:
                        letter.owed.add(event.by)
            case Posted(to_lane=lane, to_id=reader):
                owed = {each for each, theirs in self._lanes.items() if theirs == lane and each != event.by}
                owed |= set() if reader is None else {reader}
                self._readers |= owed
                self._letters[event.seq] = _Letter(by=event.by, to_lane=lane, owed=owed)
            case Acked(post_id=post_id):
                self._letters[post_id].acked.add(event.by)
            case _:
                pass
