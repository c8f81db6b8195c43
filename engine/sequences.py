"""Gap-free numbers: a sequence gives each number once, in order, to one caller.

Gap-free holds because a number is decided on a state that includes every earlier claim, and is answered only when its
event is durable.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar, assert_never

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from engine import terms
from engine.decision import Context, Decision
from engine.fields import Shown
from engine.keys import KeyBook, fingerprint
from engine.nearest import nearest
from engine.refusals import Refusal, conflict
from engine.undo import Ordered, Table, Undo
from engine.vocabulary import Command, Event, EventData, Reply

SEQUENCES_PER_PROJECT_MAX = 1_000
"""Far more kinds of numbers than a project has. All of them are kept in memory and listed together."""


class Claim(Command, frozen=True, kw_only=True):
    """Take the next number of a sequence."""

    sequence: terms.SequenceName
    note: terms.Note | None = None
    key: terms.Key | None = None
    by: terms.Maker = None


class SeedSequence(Command, frozen=True, kw_only=True):
    """Create a sequence, or move it forward, or change how its numbers look."""

    sequence: terms.SequenceName
    current: terms.Counter
    prefix: terms.Prefix | None = None
    pad: terms.Pad | None = None


class ListSequences(Command, frozen=True, kw_only=True):
    """Show every sequence."""


class LatestClaims(Command, frozen=True, kw_only=True):
    """Show the newest claim of each sequence."""


class Claimed(EventData, frozen=True, kw_only=True):
    """A number of a sequence was taken."""

    type: ClassVar[str] = "claim"
    sequence: Shown[str]
    number: Shown[int]
    formatted: Shown[str]
    note: Shown[str | None]
    key: str | None = None
    by: Shown[terms.Maker] = None


class Seeded(EventData, frozen=True, kw_only=True):
    """A sequence was created or moved forward."""

    type: ClassVar[str] = "seed"
    sequence: Shown[str]
    current: Shown[int]
    prefix: Shown[str]
    pad: Shown[int]


class ClaimedNumber(Reply, frozen=True, kw_only=True):
    """The number that now belongs to the caller. It is told when the sequence did not exist, and which is close."""

    sequence: str
    number: int
    formatted: str
    note: str | None
    new_sequence: bool | UnsetType = UNSET
    nearest_sequence: str | UnsetType = UNSET


class SequenceSet(Reply, frozen=True, kw_only=True):
    """A sequence as it stands after seeding."""

    sequence: str
    current: int
    prefix: str
    pad: int


class SequenceRow(Struct, frozen=True, kw_only=True):
    """One sequence and the number it gives next."""

    name: str
    prefix: str
    pad: int
    last_used: int
    next: int
    next_formatted: str


class Sequences(Reply, frozen=True, kw_only=True):
    """Every sequence, by name."""

    sequences: list[SequenceRow]


class ClaimRow(Struct, frozen=True, kw_only=True):
    """The newest claim of one sequence."""

    sequence: str
    number: int
    formatted: str
    by: str
    at: datetime


class LatestClaimRows(Reply, frozen=True, kw_only=True):
    """The newest claim of each sequence, by name."""

    sequences: list[ClaimRow]


class Latest(Struct, frozen=True, kw_only=True):
    """The newest claim of a sequence, as the book keeps it. `id` is its event's number."""

    id: int
    number: int
    formatted: str
    by: str
    at: datetime


class Sequence(Struct, frozen=True, kw_only=True):
    """A counter: the last number used, how its numbers look, and its newest claim."""

    name: str
    current: int = 0
    prefix: str = ""
    pad: int = 0
    latest: Latest | None = None

    def formatted(self, number: int) -> str:
        """How `number` looks in this sequence."""
        return f"{self.prefix}{number:0{self.pad}d}"


class SequenceBook:
    """The sequences of a project: by name, and by the age of their newest claim."""

    __slots__ = ("_by_name", "_claimed", "_names")

    def __init__(self, undo: Undo) -> None:
        self._by_name: Table[str, Sequence] = Table(undo)
        self._names: Ordered[str] = Ordered(undo)
        self._claimed: Ordered[tuple[int, str]] = Ordered(undo)

    def dump(self) -> list[Sequence]:
        """The records that make this book again: every sequence, by name."""
        return [self._by_name[name] for name in self._names]

    def load(self, records: Iterable[Sequence]) -> None:
        """Put dumped records into an empty book; in as many parts as needed."""
        for record in records:
            self.put(record)

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def get(self, name: str) -> Sequence:
        """The sequence of this name; a new one when the book has none."""
        return self._by_name.get(name) or Sequence(name=name)

    def put(self, sequence: Sequence) -> None:
        """Add a sequence, or replace the one of its name."""
        before = self._by_name.get(sequence.name)
        if before is None:
            self._names.add(sequence.name)
        elif before.latest is not None:
            self._claimed.discard((before.latest.id, before.name))
        if sequence.latest is not None:
            self._claimed.add((sequence.latest.id, sequence.name))
        self._by_name[sequence.name] = sequence

    def names(self) -> Iterable[str]:
        """The name of every sequence, in order."""
        return self._names

    def claimed_lately(self, limit: int) -> list[Sequence]:
        """The sequences with the newest claims, newest first."""
        return [self._by_name[name] for _, name in self._claimed[: -limit - 1 : -1]]

    @property
    def claimed(self) -> int:
        """How many sequences have a claim."""
        return len(self._claimed)


SequenceCommand = Claim | SeedSequence | ListSequences | LatestClaims
SequenceEvent = Claimed | Seeded


def decide(book: SequenceBook, keys: KeyBook, command: SequenceCommand, context: Context) -> Decision | Refusal:
    """What a command about sequences comes to."""
    match command:
        case Claim():
            return claim(book, keys, command, context)
        case SeedSequence():
            return seed(book, command)
        case ListSequences():
            return list_sequences(book)
        case LatestClaims():
            return Decision(reply=LatestClaimRows(sequences=latest_claims(book)))
        case _:
            assert_never(command)


def fold(book: SequenceBook, keys: KeyBook, event: Event, data: SequenceEvent) -> None:
    """Take a number, or set where a sequence stands."""
    is_new = data.sequence not in book
    sequence = book.get(data.sequence)
    match data:
        case Claimed():
            latest = Latest(id=event.seq, number=data.number, formatted=data.formatted, by=event.actor, at=event.at)
            book.put(replace(sequence, current=data.number, latest=latest))
            if data.key is not None:
                keys.keep(
                    event, data.key, _fingerprint(data), number=data.number, formatted=data.formatted, is_new=is_new
                )
        case Seeded():
            book.put(replace(sequence, current=data.current, prefix=data.prefix, pad=data.pad))
        case _:
            assert_never(data)


def claim(book: SequenceBook, keys: KeyBook, command: Claim, context: Context) -> Decision | Refusal:
    """Take the next number; an unknown sequence starts at 1."""
    used = keys.used(context, command.key, _fingerprint(command))
    if isinstance(used, Refusal):
        return used
    if used is not None:
        return Decision(reply=_answer(book, command, used.number, used.formatted, is_new=used.is_new))
    sequence = book.get(command.sequence)
    if (refused := _refused(book, command.sequence)) is not None:
        return refused
    number = sequence.current + 1
    if number > terms.ID_MAX:
        return conflict(f"sequence '{command.sequence}' is used up: no number after {terms.ID_MAX} fits a JSON reader.")
    claimed = Claimed(
        sequence=command.sequence,
        number=number,
        formatted=sequence.formatted(number),
        note=command.note,
        key=command.key,
        by=command.by,
    )
    reply = _answer(book, command, number, claimed.formatted, is_new=command.sequence not in book)
    return Decision(reply=reply, events=(claimed,))


def seed(book: SequenceBook, command: SeedSequence) -> Decision | Refusal:
    """Set where a sequence stands. It never goes back, because its numbers were given away."""
    if (refused := _refused(book, command.sequence)) is not None:
        return refused
    sequence = book.get(command.sequence)
    if command.current < sequence.current:
        return conflict(
            f"sequence '{command.sequence}' stands at {sequence.current} and cannot go back to {command.current}."
        )
    seeded = Seeded(
        sequence=command.sequence,
        current=command.current,
        prefix=sequence.prefix if command.prefix is None else command.prefix,
        pad=sequence.pad if command.pad is None else command.pad,
    )
    reply = SequenceSet(sequence=seeded.sequence, current=seeded.current, prefix=seeded.prefix, pad=seeded.pad)
    return Decision(reply=reply, events=(seeded,))


def list_sequences(book: SequenceBook) -> Decision:
    """Every sequence, by name."""
    rows = [
        SequenceRow(
            name=sequence.name,
            prefix=sequence.prefix,
            pad=sequence.pad,
            last_used=sequence.current,
            next=sequence.current + 1,
            next_formatted=sequence.formatted(sequence.current + 1),
        )
        for sequence in book.dump()
    ]
    return Decision(reply=Sequences(sequences=rows))


def latest_claims(book: SequenceBook) -> list[ClaimRow]:
    """The newest claim of each sequence that has one, by name."""
    return [
        ClaimRow(
            sequence=sequence.name,
            number=sequence.latest.number,
            formatted=sequence.latest.formatted,
            by=sequence.latest.by,
            at=sequence.latest.at,
        )
        for sequence in book.dump()
        if sequence.latest is not None
    ]


def _refused(book: SequenceBook, name: str) -> Refusal | None:
    """Refuse to make one sequence too many."""
    if name in book or len(book) < SEQUENCES_PER_PROJECT_MAX:
        return None
    return conflict(f"this project has {SEQUENCES_PER_PROJECT_MAX} sequences already: use one of them.")


def _fingerprint(claim: Claim | Claimed) -> bytes:
    return fingerprint("claim", claim.sequence, claim.note)


def _answer(book: SequenceBook, command: Claim, number: int, formatted: str, *, is_new: bool) -> ClaimedNumber:
    return ClaimedNumber(
        sequence=command.sequence,
        number=number,
        formatted=formatted,
        note=command.note,
        new_sequence=is_new or UNSET,
        nearest_sequence=(nearest(command.sequence, book.names()) if is_new else None) or UNSET,
    )
