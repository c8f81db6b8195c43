"""How much room the embedded database's files have left.

PostgreSQL stops with a panic when it cannot extend its log, and needs room to recover. So writes are refused while
there is still a reserve, and reading goes on.
"""

import logging
import shutil
from pathlib import Path

from msgspec import Struct

log = logging.getLogger(__name__)

RESERVE_BYTES = 256 * 2**20
"""Some segments of PostgreSQL's log, 16 MiB each, and what a checkpoint writes."""


class DiskStatistics(Struct, frozen=True, kw_only=True):
    """The disk at one moment."""

    free_bytes: int
    reserve_bytes: int


class Disk:
    """The file system of a directory, of which `reserve_bytes` are to stay free."""

    def __init__(self, directory: Path, reserve_bytes: int = RESERVE_BYTES) -> None:
        self._directory = directory
        self.reserve_bytes = reserve_bytes
        self._was_nearly_full = False

    def statistics(self) -> DiskStatistics:
        """Ask the system; a directory that is not there has room."""
        try:
            free = shutil.disk_usage(self._directory).free
        except OSError:
            free = self.reserve_bytes
        return DiskStatistics(free_bytes=free, reserve_bytes=self.reserve_bytes)

    def is_nearly_full(self) -> bool:
        """Whether the reserve is touched; a change is logged."""
        now = self.statistics()
        is_nearly_full = now.free_bytes < now.reserve_bytes
        if is_nearly_full and not self._was_nearly_full:
            free, reserve = now.free_bytes >> 20, now.reserve_bytes >> 20
            log.error("the disk of %s has %d MiB left of %d: writes are refused", self._directory, free, reserve)
        elif self._was_nearly_full and not is_nearly_full:
            log.warning("the disk of %s has room again: writes are accepted", self._directory)
        self._was_nearly_full = is_nearly_full
        return is_nearly_full
