"""Ranges of counted things: a surface such as `port:3000-3099` covers each of its values, `port:3007` among them.

Only the last name of a surface that is not in the repository is read as a range; `engine.surfaces` sees to that. Here
is what one means, and which values it has when a lease picks one of them.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from engine import globs
from engine.refusals import Refusal, invalid

VALUES_MAX = 1_000
"""Values of a range that one is picked from. Each may have to be looked up among the leases."""

_NUMBERED = re.compile(r"(.*?)(\d{1,15})(?: *[-\u2013] *(\d{1,15}))?", re.ASCII)


class Span(Struct, frozen=True, kw_only=True):
    """The numbers `first` to `last` after `stem`, written with `width` digits at least."""

    stem: str
    first: int
    last: int
    width: int
    is_range: bool


def span(name: str) -> Span | None:
    """The numbers that a name stands for: one, or those of a range; None when it stands for none."""
    found = None if globs.is_glob(name) else _NUMBERED.fullmatch(name)
    if found is None:
        return None
    stem, first, last = found.groups(default=found[2])
    if int(last) < int(first):
        return None
    return Span(
        stem=stem,
        first=int(first),
        last=int(last),
        width=len(first) if first.startswith("0") else 1,
        is_range=found[3] is not None,
    )


def is_range(name: str) -> bool:
    """Whether a name is that of a range."""
    numbers = span(name)
    return numbers is not None and numbers.is_range


def share_a_value(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two surfaces of one namespace, one of them a range, have a numbered thing in common.

    Each is given as its names in order.
    """
    if not (a and b) or a[:-1] != b[:-1]:
        return False
    mine, yours = span(a[-1]), span(b[-1])
    return (
        mine is not None
        and yours is not None
        and (mine.is_range or yours.is_range)
        and mine.stem == yours.stem
        and max(mine.first, yours.first) <= min(mine.last, yours.last)
    )


def values(surface: str) -> list[str] | Refusal:
    """The surfaces that a parsed one stands for, lowest first."""
    numbers = span(surface)
    if ":" not in surface or numbers is None or not is_range(surface.rpartition("/")[2].rpartition(":")[2]):
        return invalid(
            f"'{surface}' is not a range to pick from: name what you need and how it is counted, such as "
            "port:3000-3099 or gpu:0-7."
        )
    if numbers.last - numbers.first >= VALUES_MAX:
        return invalid(f"'{surface}' has more than {VALUES_MAX} values: pick from fewer.")
    return [f"{numbers.stem}{number:0{numbers.width}d}" for number in range(numbers.first, numbers.last + 1)]


def parts(surface: str, size: int) -> list[str]:
    """A range in ranges of at most so many values, lowest first; a surface that is none stays whole."""
    numbers = span(surface)
    if numbers is None or not numbers.is_range:
        return [surface]
    return [
        f"{numbers.stem}{first:0{numbers.width}d}-{min(first + size - 1, numbers.last):0{numbers.width}d}"
        for first in range(numbers.first, numbers.last + 1, size)
    ]
