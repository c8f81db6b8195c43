"""Which values of a range are held, for a lease that picks one.

A set of values is a whole number with a bit for each value, the lowest one first.
"""

from collections.abc import Generator

from engine import ranges, surfaces
from engine.refusals import Refusal

VALUES_AT_ONCE_MAX = 100
"""Values that are compared with a lease in one step, some ten microseconds each."""


def held(surface: str, other: str) -> int:
    """The values of a parsed range that a lease of `other` covers."""
    values = ranges.values(surface)
    mine, yours = ranges.span(surface), ranges.span(other)
    if isinstance(values, Refusal) or mine is None or surfaces.namespace(surface) != surfaces.namespace(other):
        return 0
    if yours is None or yours.stem != mine.stem or surfaces.alternatives(other) > 1:
        return sum(1 << place for place, value in enumerate(values) if surfaces.overlap(value, other))
    first, last = max(mine.first, yours.first), min(mine.last, yours.last)
    if first > last or not (yours.is_range or values[first - mine.first] == other):
        return 0
    return (1 << (last - mine.first + 1)) - (1 << (first - mine.first))


def held_in_steps(surface: str, other: str) -> Generator[None, None, int]:
    """The same in steps of so many values."""
    taken = 0
    for number, part in enumerate(ranges.parts(surface, VALUES_AT_ONCE_MAX)):
        if number:
            yield
        taken |= held(part, other) << (number * VALUES_AT_ONCE_MAX)
    return taken


def lowest_free(taken: int) -> int:
    """The place of the lowest value that is not in this set."""
    return (~taken & (taken + 1)).bit_length() - 1
