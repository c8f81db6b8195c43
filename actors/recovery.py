"""A project's state from its journal: rebuilt from the newest snapshot, or brought up to date."""

from dataclasses import dataclass

from actors.journal import Journal
from actors.limits import Limits
from engine.project import apply, restore
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
    kept = await journal.load(project_id)
    state = None if kept is None else restore(kept.state)
    snapshot_seq = 0 if state is None else state.seq
    state = state or State()
    await catch_up(state, journal, project_id, limits)
    return Rebuilt(state, snapshot_seq)


async def catch_up(state: State, journal: Journal, project_id: int, limits: Limits) -> set[str]:
    """Fold what is durable after the state's last event, and take over what other processes know of its readers.

    The marks are read first, so that no cursor is older than the events it is used with: one may be ahead of the tail
    then, which only hides what its reader has seen. Returns the types of the events that came.
    """
    marks = await journal.marks(project_id)
    state.cursors.update(marks.cursors)
    for reader, liveness in marks.liveness.items():
        if reader not in state.seen or state.seen[reader].at < liveness.at:
            state.seen[reader] = liveness
    types = set[str]()
    while True:
        page = await journal.tail(project_id, state.seq, limits.tail_page_events)
        for row in page:
            apply(state, row.event)
            types.add(row.event.data.type)
        if len(page) < limits.tail_page_events:
            return types
