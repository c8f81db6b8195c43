"""The table of an actor's phases and flags is told at the head of its module, and is what actors do."""

import inspect
import re

import pytest

from actors import project
from actors.commits import Commit
from actors.phases import NEXT, Phase, Phases, WrongPhase
from actors.project import ProjectActor
from actors.replica import Replica
from tests.simulation.world import simulate


def told(after: str, before: str, row: str) -> list[tuple[str, str]]:
    """The rows of a table in the docstring."""
    assert project.__doc__ is not None
    return re.findall(row, project.__doc__.split(after)[1].split(before)[0], re.MULTILINE)


def test_the_module_tells_the_table() -> None:
    rows = told("any other step:", "A crash", r"^    (\w+) +(?:([a-z, ]+): )?\w")
    assert {phase: set(re.findall(r"\w+", follows)) for phase, follows in rows} == {
        phase.name.lower(): {each.name.lower() for each in follows} for phase, follows in NEXT.items()
    }


def test_the_module_tells_the_flags() -> None:
    flags = {name for name, _ in told("Its flags:", "Callers use", r"^    (\w+)( +)\w")}
    held = [inspect.getsource(each) for each in (ProjectActor.__init__, Replica.__init__, Commit.__init__)]
    kept = set(re.findall(r"self\._?([a-z]\w*)(?:: [^=]+)? = (?:True|False|None)$", "\n".join(held), re.MULTILINE))
    assert flags == kept - {"state"}


def test_a_step_that_the_table_does_not_have_is_refused_and_changes_nothing() -> None:
    phases = Phases()
    with pytest.raises(WrongPhase, match="COMMITTING does not follow RESTING"):
        phases.enter(Phase.COMMITTING)
    assert phases.now is Phase.RESTING


def test_every_step_of_the_table_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[Phase, set[Phase]] = {phase: set() for phase in Phase}
    enter = Phases.enter

    def note(self: Phases, phase: Phase) -> None:
        taken[self.now].add(phase)
        enter(self, phase)

    monkeypatch.setattr(Phases, "enter", note)
    for seed in range(60):
        simulate(seed, 15)
        if taken == NEXT:
            break
    taken[Phase.LEAVING].add(Phase.ENDED)  # `end` is allowed from everywhere
    assert taken == NEXT
