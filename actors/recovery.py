"""Rebuilding a project's state from its journal: the newest snapshot, and the events after it."""

from dataclasses import dataclass

from actors.journal import Journal
from actors.limits import Limits
from engine.fold import apply, restore
from engine.state import State


@dataclass(slots=True, frozen=True)
class Rebuilt:
    """A state that is the fold of everything durable, and the event its snapshot ended at."""

    state: State
    snapshot_seq: int


async def rebuild(journal: Journal, project_id: int, limits: Limits) -> Rebuilt:
    """Load the snapshot and fold what follows.

    A snapshot that this version cannot read is ignored and history folded from its beginning. Raises what the journal
    raises; cancellable between pages, and nothing is left half-built.
    """
    history = await journal.load(project_id)
    state = None if history.snapshot is None else restore(history.snapshot)
    snapshot_seq = 0 if state is None else state.seq
    state = state or State()
    state.cursors.update(history.cursors)
    state.seen.update(history.liveness)
    while page := await journal.tail(project_id, state.seq, limits.tail_page_events):
        for row in page:
            apply(state, row.event)
        if len(page) < limits.tail_page_events:
            break
    return Rebuilt(state, snapshot_seq)
