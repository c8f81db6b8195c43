"""Gap-free numbers: a sequence gives each number once, in order, to one caller.

Gap-free holds because the number is decided on the state that includes every earlier claim, and is answered only once
its event is durable.
"""

from engine import keys
from engine.commands import Claim, SeedSequence
from engine.decision import Context, Decision
from engine.events import Claimed, Event, Seeded
from engine.refusals import Refusal, conflict
from engine.replies import ClaimedNumber, ClaimRow, LatestClaimRows, SequenceRow, Sequences, SequenceSet
from engine.state import KeyedClaim, Sequence, State
from engine.terms import ID_MAX

SEQUENCES_PER_PROJECT_MAX = 1_000
"""Far more than a project has kinds of numbers; every one is kept in memory and listed with the others."""


def claim(state: State, command: Claim, context: Context) -> Decision | Refusal:
    """Take the next number; an unknown sequence starts at 1."""
    sequence = state.sequences.get(command.sequence) or Sequence()
    number = sequence.current + 1
    claimed = Claimed(
        sequence=command.sequence,
        number=number,
        formatted=sequence.formatted(number),
        note=command.note,
        key=command.key,
    )
    if (answered := keys.replay(state, context, claimed)) is not None:
        return answered
    if (refused := _refused(state, command.sequence)) is not None:
        return refused
    if number > ID_MAX:
        return conflict(f"sequence '{command.sequence}' is used up: no number after {ID_MAX} fits a JSON reader.")
    return Decision(reply=_claimed_number(claimed), events=(claimed,))


def seed(state: State, command: SeedSequence) -> Decision | Refusal:
    """Set where a sequence stands; it never goes back, because its numbers were given away."""
    if (refused := _refused(state, command.sequence)) is not None:
        return refused
    sequence = state.sequences.get(command.sequence) or Sequence()
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


def list_sequences(state: State) -> Decision:
    """Every sequence, by name."""
    rows = [
        SequenceRow(
            name=name,
            prefix=sequence.prefix,
            pad=sequence.pad,
            last_used=sequence.current,
            next=sequence.current + 1,
            next_formatted=sequence.formatted(sequence.current + 1),
        )
        for name, sequence in sorted(state.sequences.items())
    ]
    return Decision(reply=Sequences(sequences=rows))


def latest_claims(state: State) -> list[ClaimRow]:
    """The newest claim of each sequence that has one, by name."""
    return [sequence.latest for _, sequence in sorted(state.sequences.items()) if sequence.latest is not None]


def list_latest_claims(state: State) -> Decision:
    """Answer with the newest claims."""
    return Decision(reply=LatestClaimRows(sequences=latest_claims(state)))


def apply_claimed(state: State, event: Event, data: Claimed) -> None:
    """The number is taken."""
    sequence = state.sequences.setdefault(data.sequence, Sequence())
    sequence.current = data.number
    sequence.latest = ClaimRow(
        sequence=data.sequence, number=data.number, formatted=data.formatted, by=event.actor, at=event.at
    )
    if data.key is not None:
        kept = KeyedClaim(at=event.at, fingerprint=keys.fingerprint(data), reply=_claimed_number(data))
        keys.keep(state, event, data.key, kept)


def apply_seeded(state: State, data: Seeded) -> None:
    """The sequence stands there from now on."""
    sequence = state.sequences.setdefault(data.sequence, Sequence())
    sequence.current, sequence.prefix, sequence.pad = data.current, data.prefix, data.pad


def _refused(state: State, sequence: str) -> Refusal | None:
    """Why a sequence of this name cannot be made, if it has to be."""
    if sequence in state.sequences or len(state.sequences) < SEQUENCES_PER_PROJECT_MAX:
        return None
    return conflict(f"this project has {SEQUENCES_PER_PROJECT_MAX} sequences already: use one of them.")


def _claimed_number(data: Claimed) -> ClaimedNumber:
    return ClaimedNumber(sequence=data.sequence, number=data.number, formatted=data.formatted, note=data.note)
