"""Giving way: long work is done in slices of a few milliseconds, and other tasks run between them.

`Pace` measures a slice by a stopwatch that is handed to it. It never decides what may be interrupted: its owner calls
`give_way` only where nothing depends on what other tasks do meanwhile.
"""

from collections.abc import Callable
from math import ceil

import trio

from actors.limits import Limits

Stopwatch = Callable[[], float]
"""Seconds since some moment, for measuring work: `time.perf_counter`."""


class Pace:
    """One task's slices of work."""

    __slots__ = ("_began", "_passes_per_second", "_slice_seconds_max", "_stopwatch", "_worked")

    def __init__(self, limits: Limits, stopwatch: Stopwatch) -> None:
        self._slice_seconds_max = limits.slice_seconds_max
        self._passes_per_second = limits.passes_per_second
        self._stopwatch = stopwatch
        self._began = stopwatch()
        self._worked = 0.0

    def begin(self) -> None:
        """A slice begins now."""
        self._began = self._stopwatch()

    @property
    def spent(self) -> bool:
        """Whether the slice has used up its time."""
        self._worked = self._stopwatch() - self._began
        return self._worked >= self._slice_seconds_max

    async def give_way(self) -> None:
        """Let other tasks run, the more often the longer the slice took as of the last look at `spent`."""
        for _ in range(max(1, ceil(self._worked * self._passes_per_second))):
            await trio.lowlevel.checkpoint()
        self._worked = 0.0
        self.begin()

    async def give_way_when_spent(self) -> None:
        """`give_way`, if the slice has used up its time; otherwise not even a checkpoint."""
        if self.spent:
            await self.give_way()
