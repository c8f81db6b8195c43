"""How much room the embedded database's files have left.

PostgreSQL stops with a panic when it cannot extend its log, and needs room to recover. So writes are refused while
there is still a reserve, and reading goes on.
"""

import logging
import shutil
from collections.abc import Callable
from math import inf
from pathlib import Path
from time import monotonic

from msgspec import Struct

log = logging.getLogger(__name__)

RESERVE_BYTES = 256 * 2**20
"""Some segments of PostgreSQL's log, 16 MiB each, and what a checkpoint writes."""

LOOK_SECONDS = 0.25
"""How often the system is asked: in this time far less than the reserve is written, and asking takes longer than
reading a call's arguments."""


class DiskStatistics(Struct, frozen=True, kw_only=True):
    """The disk at one moment."""

    free_bytes: int
    reserve_bytes: int


class Disk:
    """The file system of a directory, of which `reserve_bytes` are to stay free."""

    def __init__(
        self, directory: Path, reserve_bytes: int = RESERVE_BYTES, clock: Callable[[], float] = monotonic
    ) -> None:
        self._directory = directory
        self.reserve_bytes = reserve_bytes
        self._clock = clock
        self._looked_at = -inf
        self._is_nearly_full = False

    def statistics(self) -> DiskStatistics:
        """Ask the system; a directory that is not there has room."""
        try:
            free = shutil.disk_usage(self._directory).free
        except OSError:
            free = self.reserve_bytes
        return DiskStatistics(free_bytes=free, reserve_bytes=self.reserve_bytes)

    def is_nearly_full(self) -> bool:
        """Whether the reserve was touched at the last look, at most `LOOK_SECONDS` ago; a change is logged."""
        now = self._clock()
        if now >= self._looked_at + LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._is_nearly_full

    def _look(self) -> None:
        found = self.statistics()
        is_nearly_full = found.free_bytes < found.reserve_bytes
        if is_nearly_full and not self._is_nearly_full:
            free, reserve = found.free_bytes >> 20, found.reserve_bytes >> 20
            log.error("the disk of %s has %d MiB left of %d: writes are refused", self._directory, free, reserve)
        elif self._is_nearly_full and not is_nearly_full:
            log.warning("the disk of %s has room again: writes are accepted", self._directory)
        self._is_nearly_full = is_nearly_full
