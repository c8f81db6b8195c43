"""What a repair left in the ledger counts as an event, and changes nothing else."""

from datetime import UTC, datetime

from engine.project import apply, snapshot
from engine.repairs import Lost
from engine.state import State
from engine.vocabulary import Event


def test_a_lost_event_folds_to_nothing() -> None:
    state, empty = State(), State()
    at = datetime(2026, 3, 1, tzinfo=UTC)
    apply(state, Event(seq=1, at=at, actor="llm-bus repair", by=0, data=Lost(reason="r")))
    empty.seq, empty.at = 1, at
    assert snapshot(state) == snapshot(empty)
