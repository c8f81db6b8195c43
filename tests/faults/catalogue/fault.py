"""What a fault is, and the list of all of them."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.world import Shape, World

Strike = Callable[[World, random.Random], Awaitable[None]]
Applies = Callable[[Shape], bool]


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong. `is_last`: the world is another one afterwards, so nothing comes after it."""

    name: str
    strike: Strike
    applies: Applies
    is_last: bool


FAULTS: list[Fault] = []
"""All of them, in the order in which the report lists them."""


def fault(name: str, *, applies: Applies = lambda _: True, is_last: bool = False) -> Callable[[Strike], Strike]:
    """Put a function on the list, under the name that the report shows."""

    def register(strike: Strike) -> Strike:
        FAULTS.append(Fault(name, strike, applies, is_last))
        return strike

    return register


def named(*beginnings: str) -> list[Fault]:
    """The faults whose names begin so."""
    return [next(fault for fault in FAULTS if fault.name.startswith(beginning)) for beginning in beginnings]
