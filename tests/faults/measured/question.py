"""What a measurement is, and the list of all of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.faults.checker import Operation, Violation, check, operations, read_ledger
from tests.faults.world import World

Measure = Callable[[Path], Awaitable[str]]


@dataclass(frozen=True)
class Question:
    """`measure` gets an empty directory, and answers in a line of the report."""

    name: str
    asks: str
    measure: Measure


QUESTIONS: list[Question] = []
"""All of them, in the order in which the report lists them."""


def question(name: str, asks: str) -> Callable[[Measure], Measure]:
    """Put a function on the list."""

    def register(measure: Measure) -> Measure:
        QUESTIONS.append(Question(name, asks, measure))
        return measure

    return register


def violations(here: World, judged: Callable[[Operation], bool] = lambda _: True) -> list[Violation]:
    """What the checker finds in what the clients of a world were told; of the operations that are to be judged."""
    history = [operation for operation in operations(here.record) if judged(operation)]
    return check(history, read_ledger(here.primary.conninfo()), failover=here.failover).violations


def told(found: list[Violation]) -> str:
    """How many violations there are, and the first of each rule."""
    first = {violation.rule: violation.said for violation in found}
    return "; ".join([f"{len(found)} violations", *(f"{rule}: {said}" for rule, said in first.items())])
