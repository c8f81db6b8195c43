"""Gap-free numbers: a sequence gives each number once, in order, to one caller.

Gap-free holds because a number is decided on a state that includes every earlier claim, and is answered only when its
event is durable. A number that nobody will use is voided: it stays taken, so it is never given again. An archived
sequence gives no numbers until a lead takes it back.

Old claims are not kept in memory. `Context.claim` has the claim of a number, read from history.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, ClassVar, assert_never

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from engine import terms
from engine.decision import Context, Decision
from engine.fields import Shown
from engine.keys import KeyBook, fingerprint
from engine.nearest import nearest
from engine.refusals import Refusal, conflict, forbidden, invalid, not_found
from engine.undo import Ordered, Table, Undo
from engine.vocabulary import Command, Event, EventData, Reply

SEQUENCES_PER_PROJECT_MAX = 1_000
"""Far more kinds of numbers than a project has. All of them are kept in memory and listed together."""


SEED_AHEAD_MAX = 10_000
"""How far beyond the last number somebody who is no lead may move a sequence: a slip must not use up its numbers."""

VOIDS_KEPT_MAX = 100
"""Voided numbers that a sequence remembers, the latest ones: those that history may not have told of yet."""


class Claim(Command, frozen=True, kw_only=True):
    """Take the next number of a sequence."""

    sequence: terms.SequenceName
    note: terms.Note | None = None
    key: terms.Key | None = None
    by: terms.Maker = None


class SeedSequence(Command, frozen=True, kw_only=True):
    """Create a sequence, or move it forward, or change how its numbers look, or archive it."""

    sequence: terms.SequenceName
    current: Annotated[
        terms.Counter | None,
        Meta(
            description="The last number that was used; the next claim gets the one after it. Left out, it stays.",
            extra={"zero": True},
        ),
    ] = None
    prefix: terms.Prefix | None = None
    pad: terms.Pad | None = None
    archived: Annotated[
        bool | None, Meta(description="Leads: true ends all claims on the sequence, false allows them again.")
    ] = None


class VoidClaim(Command, frozen=True, kw_only=True):
    """Say that nobody will use a number that was claimed."""

    sequence: terms.SequenceName
    number: Annotated[terms.Id, Meta(description="The number, as `claim` gave it.")]
    reason: Annotated[terms.Reason, Meta(description="Why nobody will use it.")]


class ListSequences(Command, frozen=True, kw_only=True):
    """Show every sequence."""


class LatestClaims(Command, frozen=True, kw_only=True):
    """Show the newest claim of each sequence."""


class Claimed(EventData, frozen=True, kw_only=True):
    """A number of a sequence was taken. `nearest_sequence` was told with a key: a repeat is answered the same."""

    type: ClassVar[str] = "claim"
    sequence: Shown[str]
    number: Shown[int]
    formatted: Shown[str]
    note: Shown[str | None]
    key: str | None = None
    by: Shown[terms.Maker] = None
    nearest_sequence: str | None = None


class Seeded(EventData, frozen=True, kw_only=True):
    """A sequence was created, moved forward, archived or taken back from the archive."""

    type: ClassVar[str] = "seed"
    sequence: Shown[str]
    current: Shown[int]
    prefix: Shown[str]
    pad: Shown[int]
    archived: Shown[bool] = False


class Voided(EventData, frozen=True, kw_only=True):
    """A claimed number will not be used, and is never given again. `claimed_by` had claimed it."""

    type: ClassVar[str] = "void_claim"
    sequence: Shown[str]
    number: Shown[int]
    formatted: Shown[str]
    reason: Shown[str]
    claimed_by: Shown[str]


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
    archived: bool | UnsetType = UNSET


class VoidedNumber(Reply, frozen=True, kw_only=True):
    """The number that is void now, or was before."""

    sequence: str
    number: int
    formatted: str


class SequenceRow(Struct, frozen=True, kw_only=True):
    """One sequence and the number it gives next. `voids` counts the numbers that were voided, if there are any.

    `next` is also there when no claim gets it: the sequence is archived, or used up. Hooks of the kit that are
    installed need a number in every row, and JavaScript reads 2**53, one more than `ID_MAX`, exactly.
    """

    name: str
    prefix: str
    pad: int
    last_used: int
    next: int
    next_formatted: str
    voids: int | UnsetType = UNSET


class Sequences(Reply, frozen=True, kw_only=True):
    """Every sequence, by name: those in use, and apart from them the archived ones, if there are any."""

    sequences: list[SequenceRow]
    archived: list[SequenceRow] | UnsetType = UNSET


class ClaimRow(Struct, frozen=True, kw_only=True):
    """The newest claim of one sequence. `void` is there only when its number was voided since."""

    sequence: str
    number: int
    formatted: str
    by: str
    at: datetime
    void: bool | UnsetType = UNSET


class LatestClaimRows(Reply, frozen=True, kw_only=True):
    """The newest claim of each sequence in use, by name."""

    sequences: list[ClaimRow]


class Latest(Struct, frozen=True, kw_only=True):
    """The newest claim of a sequence, as the book keeps it. `id` is its event's number."""

    id: int
    number: int
    formatted: str
    by: str
    at: datetime
    void: bool = False


class Sequence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A counter: the last number used, how its numbers look, its newest claim, and which numbers were voided.

    `voids` counts all of them; `void_numbers` are the latest.
    """

    name: str
    current: int = 0
    prefix: str = ""
    pad: int = 0
    latest: Latest | None = None
    archived: bool = False
    voids: int = 0
    void_numbers: tuple[int, ...] = ()

    @property
    def is_used_up(self) -> bool:
        """Whether no JSON reader could tell the next number from its neighbours."""
        return self.current >= terms.ID_MAX

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
        if sequence.latest is not None and not sequence.archived:
            self._claimed.add((sequence.latest.id, sequence.name))
        self._by_name[sequence.name] = sequence

    def in_use(self) -> list[Sequence]:
        """Every sequence that is not archived, by name."""
        return [sequence for sequence in self.dump() if not sequence.archived]

    def claimed_lately(self, limit: int) -> list[Sequence]:
        """The sequences in use with the newest claims, newest first."""
        return [self._by_name[name] for _, name in self._claimed[: -limit - 1 : -1]]

    @property
    def claimed(self) -> int:
        """How many sequences in use have a claim."""
        return len(self._claimed)


SequenceCommand = Claim | SeedSequence | VoidClaim | ListSequences | LatestClaims
SequenceEvent = Claimed | Seeded | Voided


def decide(book: SequenceBook, keys: KeyBook, command: SequenceCommand, context: Context) -> Decision | Refusal:
    """Decide a command about sequences."""
    match command:
        case Claim():
            return claim(book, keys, command, context)
        case SeedSequence():
            return seed(book, command, context)
        case VoidClaim():
            return void(book, command, context)
        case ListSequences():
            return list_sequences(book)
        case LatestClaims():
            return Decision(reply=LatestClaimRows(sequences=latest_claims(book)))
        case _:
            assert_never(command)


def fold(book: SequenceBook, keys: KeyBook, event: Event, data: SequenceEvent) -> None:
    """Take or void a number, or set where a sequence stands."""
    sequence = book.get(data.sequence)
    match data:
        case Claimed():
            latest = Latest(id=event.seq, number=data.number, formatted=data.formatted, by=event.actor, at=event.at)
            if data.key is not None:
                keys.keep(
                    event,
                    data.key,
                    _fingerprint(data),
                    number=data.number,
                    formatted=data.formatted,
                    is_new=data.sequence not in book,
                    nearest=data.nearest_sequence,
                )
            book.put(replace(sequence, current=data.number, latest=latest))
        case Seeded():
            book.put(replace(sequence, current=data.current, prefix=data.prefix, pad=data.pad, archived=data.archived))
        case Voided():
            book.put(_with_void(sequence, data.number))
        case _:
            assert_never(data)


def claim(book: SequenceBook, keys: KeyBook, command: Claim, context: Context) -> Decision | Refusal:
    """Take the next number; an unknown sequence starts at 1."""
    used = None if command.key is None else keys.used(context, command.key, _fingerprint(command))
    if isinstance(used, Refusal):
        return used
    if used is not None:
        return Decision(reply=_answer(command, used.number, used.formatted, used.nearest, is_new=used.is_new))
    sequence = book.get(command.sequence)
    if (refused := _one_too_many(book, command.sequence)) is not None:
        return refused
    if sequence.archived:
        return _is_archived(sequence)
    if sequence.is_used_up:
        return conflict(f"sequence '{command.sequence}' is used up: no number after {terms.ID_MAX} fits a JSON reader.")
    number = sequence.current + 1
    is_new = command.sequence not in book
    close = nearest(command.sequence, (each.name for each in book.in_use())) if is_new else None
    claimed = Claimed(
        sequence=command.sequence,
        number=number,
        formatted=sequence.formatted(number),
        note=command.note,
        key=command.key,
        by=command.by,
        nearest_sequence=None if command.key is None else close,
    )
    return Decision(reply=_answer(command, number, claimed.formatted, close, is_new=is_new), events=(claimed,))


def seed(book: SequenceBook, command: SeedSequence, context: Context) -> Decision | Refusal:
    """Set where a sequence stands. It never goes back, because its numbers were given away."""
    if all(each is None for each in (command.current, command.prefix, command.pad, command.archived)):
        return invalid("say what to set: current (the last number in use), prefix, pad or archived.")
    if (refused := _one_too_many(book, command.sequence)) is not None:
        return refused
    sequence = book.get(command.sequence)
    seeded = Seeded(
        sequence=command.sequence,
        current=sequence.current if command.current is None else command.current,
        prefix=sequence.prefix if command.prefix is None else command.prefix,
        pad=sequence.pad if command.pad is None else command.pad,
        archived=sequence.archived if command.archived is None else command.archived,
    )
    if (refused := _not_to_be_set(sequence, seeded, context, is_known=command.sequence in book)) is not None:
        return refused
    reply = SequenceSet(
        sequence=seeded.sequence,
        current=seeded.current,
        prefix=seeded.prefix,
        pad=seeded.pad,
        archived=seeded.archived or UNSET,
    )
    return Decision(reply=reply, events=(seeded,))


def _not_to_be_set(sequence: Sequence, seeded: Seeded, context: Context, *, is_known: bool) -> Refusal | None:
    """Refuse to set a sequence like this, or for this caller."""
    name, is_lead = sequence.name, context.caller.is_admin
    if seeded.archived and not is_known:
        return not_found(f"no sequence '{name}' to archive; list_sequences shows what there is.")
    if seeded.archived != sequence.archived and not is_lead:
        return forbidden(f"only leads archive a sequence or take it back; ask one about '{name}'.")
    if seeded.archived and sequence.archived:
        return _is_archived(sequence)
    if seeded.current < sequence.current:
        return conflict(f"sequence '{name}' stands at {sequence.current} and cannot go back to {seeded.current}.")
    if seeded.current - sequence.current > SEED_AHEAD_MAX and not is_lead:
        return forbidden(
            f"sequence '{name}' stands at {sequence.current}: only leads move one more than {SEED_AHEAD_MAX} ahead."
        )
    return None


def void(book: SequenceBook, command: VoidClaim, context: Context) -> Decision | Refusal:
    """Say that nobody will use a number. A second time changes nothing."""
    sequence, claim = book.get(command.sequence), context.claim
    if claim is None:
        return not_found(f"no claim of number {command.number} of sequence '{command.sequence}' is in the ledger.")
    if context.caller.id != claim.by and not context.caller.is_admin:
        return forbidden(f"{claim.actor} claimed {claim.formatted}: only they or a lead may void it.")
    reply = VoidedNumber(sequence=command.sequence, number=command.number, formatted=claim.formatted)
    if claim.void or command.number in sequence.void_numbers:
        return Decision(reply=reply)
    voided = Voided(
        sequence=command.sequence,
        number=command.number,
        formatted=claim.formatted,
        reason=command.reason,
        claimed_by=claim.actor,
    )
    return Decision(reply=reply, events=(voided,))


def list_sequences(book: SequenceBook) -> Decision:
    """Every sequence, by name; the archived ones apart."""
    archived = [_row(sequence) for sequence in book.dump() if sequence.archived]
    return Decision(reply=Sequences(sequences=[_row(each) for each in book.in_use()], archived=archived or UNSET))


def latest_claims(book: SequenceBook) -> list[ClaimRow]:
    """The newest claim of each sequence in use that has one, by name."""
    return [
        ClaimRow(
            sequence=sequence.name,
            number=sequence.latest.number,
            formatted=sequence.latest.formatted,
            by=sequence.latest.by,
            at=sequence.latest.at,
            void=sequence.latest.void or UNSET,
        )
        for sequence in book.in_use()
        if sequence.latest is not None
    ]


def _row(sequence: Sequence) -> SequenceRow:
    return SequenceRow(
        name=sequence.name,
        prefix=sequence.prefix,
        pad=sequence.pad,
        last_used=sequence.current,
        next=sequence.current + 1,
        next_formatted=sequence.formatted(sequence.current + 1),
        voids=sequence.voids or UNSET,
    )


def _with_void(sequence: Sequence, number: int) -> Sequence:
    latest = sequence.latest
    if latest is not None and latest.number == number:
        latest = replace(latest, void=True)
    void_numbers = (*sequence.void_numbers, number)[-VOIDS_KEPT_MAX:]
    return replace(sequence, latest=latest, voids=sequence.voids + 1, void_numbers=void_numbers)


def _one_too_many(book: SequenceBook, name: str) -> Refusal | None:
    """Refuse to make one sequence too many."""
    if name in book or len(book) < SEQUENCES_PER_PROJECT_MAX:
        return None
    return conflict(f"this project has {SEQUENCES_PER_PROJECT_MAX} sequences already: use one of them.")


def _is_archived(sequence: Sequence) -> Refusal:
    return conflict(
        f"sequence '{sequence.name}' is archived: use another one (list_sequences shows them), or have a lead take it "
        "back with seed_sequence, archived false."
    )


def _fingerprint(claim: Claim | Claimed) -> bytes:
    return fingerprint("claim", claim.sequence, claim.note)


def _answer(command: Claim, number: int, formatted: str, close: str | None, *, is_new: bool) -> ClaimedNumber:
    return ClaimedNumber(
        sequence=command.sequence,
        number=number,
        formatted=formatted,
        note=command.note,
        new_sequence=is_new or UNSET,
        nearest_sequence=close or UNSET,
    )
