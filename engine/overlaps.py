"""How surfaces overlap, remembered: one comparison takes microseconds, thousands of them too long for one decision.

A command that needs many is prepared: its surface is compared with one lease a step, other tasks run in between, and
the decision then finds the results here. They depend on the two spellings alone, so none is ever out of date.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Generic, TypeVar

from engine import surfaces

Result = TypeVar("Result")

PATHS_COMPARED_AT_ONCE_MAX = 200
"""Pairs of paths that one decision compares itself, some five microseconds each."""

OVERLAPS_KEPT_MAX = 30_000
"""Results that are remembered, some three megabytes; more than one surface needs, whatever the project holds."""


def are_many(surface: str, others: Iterable[str], times: int = 1) -> bool:
    """Whether comparing a surface with these, so many times, is too much for one decision."""
    pairs = times * surfaces.alternatives(surface) * sum(map(surfaces.alternatives, others))
    return pairs > PATHS_COMPARED_AT_ONCE_MAX


class Comparisons(Generic[Result]):
    """Results of `compare` by surface and by the other surface. `in_steps` gives the same, where it takes long."""

    __slots__ = ("_compare", "_in_steps", "_known", "_size")

    def __init__(
        self,
        compare: Callable[[str, str], Result],
        in_steps: Callable[[str, str], Generator[None, None, Result]] | None = None,
    ) -> None:
        self._compare = compare
        self._in_steps = in_steps
        self._known: dict[str, dict[str, Result]] = {}
        self._size = 0

    def of(self, surface: str, other: str) -> Result:
        """Whether the two overlap: as remembered, or else compared now."""
        known = self._known.get(surface)
        if known is not None and (result := known.get(other)) is not None:
            return result
        return self._compare(surface, other)

    def unknown(self, surface: str, others: Iterable[str]) -> list[str]:
        """Those of the `others` whose result is not remembered."""
        known = self._known.get(surface, {})
        return [other for other in others if other not in known]

    def remember(self, surface: str, others: list[str]) -> Iterator[None]:
        """Compare a surface with the others, one a step or several, and remember the results."""
        if self._size + len(others) > OVERLAPS_KEPT_MAX:
            self._known.clear()
            self._size = 0
        known = self._known.setdefault(surface, {})
        for other in others:
            if self._in_steps is None:
                known[other] = self._compare(surface, other)
            else:
                known[other] = yield from self._in_steps(surface, other)
            self._size += 1
            yield
