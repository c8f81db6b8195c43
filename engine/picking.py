"""Which values of a range are held, for a lease that picks one.

A set of values is a whole number with a bit for each value, the lowest one first.
"""

import re
from collections.abc import Generator
from functools import lru_cache

from engine import globs, ranges, surfaces
from engine.refusals import Refusal

VALUES_AT_ONCE_MAX = 100
"""Values that are compared with a lease in one step, some ten microseconds each."""

_RANGES_KEPT_MAX = 32
"""Ranges of so many values whose names are kept: a pick compares its own with many leases."""

_LAST_NAME = re.compile(r"[/:]")


def held(surface: str, other: str) -> int:
    """The values of a parsed range that a lease of `other` covers."""
    values = ranges.values(surface)
    mine, yours = ranges.span(surface), ranges.span(other)
    if isinstance(values, Refusal) or mine is None or surfaces.namespace(surface) != surfaces.namespace(other):
        return 0
    if yours is None or yours.stem != mine.stem or surfaces.alternatives(other) > 1:
        return _covered(surface, values, other)
    first, last = max(mine.first, yours.first), min(mine.last, yours.last)
    if first > last or not (yours.is_range or values[first - mine.first] == other):
        return 0
    return (1 << (last - mine.first + 1)) - (1 << (first - mine.first))


def _covered(surface: str, values: list[str], other: str) -> int:
    """The values that a surface covers, whatever it is.

    Values differ in their last name alone. Two whose last names meet the same names of `other` are covered both or
    neither, so few are compared as a whole: 240 globs against 1,000 values took two seconds otherwise.
    """
    names = surfaces.names(other)
    if surfaces.alternatives(values[0]) > 1 or any(map(ranges.is_range, names)):
        return sum(1 << place for place, value in enumerate(values) if surfaces.overlap(value, other))
    known: dict[tuple[bool, ...], bool] = {}
    taken = 0
    for place, (value, (last, is_file)) in enumerate(zip(values, _last_names(surface), strict=True)):
        meets = (is_file, *[globs.texts_meet(last, name) for name in names])
        if meets not in known:
            known[meets] = surfaces.overlap(value, other)
        taken |= known[meets] << place
    return taken


@lru_cache(maxsize=_RANGES_KEPT_MAX)
def _last_names(surface: str) -> list[tuple[str, bool]]:
    """The last name of each value of a range, and whether it is that of a file."""
    values = ranges.values(surface)
    lasts = [] if isinstance(values, Refusal) else [_LAST_NAME.split(value)[-1] for value in values]
    return [(last, globs.names_file(last)) for last in lasts]


def held_in_steps(surface: str, other: str) -> Generator[None, None, int]:
    """`held` in steps of `VALUES_AT_ONCE_MAX` values."""
    taken = 0
    for number, part in enumerate(ranges.parts(surface, VALUES_AT_ONCE_MAX)):
        if number:
            yield
        taken |= held(part, other) << (number * VALUES_AT_ONCE_MAX)
    return taken


def lowest_free(taken: int) -> int:
    """The place of the lowest value that is not in this set."""
    return (~taken & (taken + 1)).bit_length() - 1
