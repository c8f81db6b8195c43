"""The files of an export: a ledger that only grows, and small files that are replaced whole.

Blocking on purpose: an export does nothing else meanwhile.

Invariant: `ledger.jsonl` is at every moment a beginning of the project's ledger, except for a last line that a crash
cut off; the next export takes that line off and goes on.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from store.errors import TransferRefused
from store.ledger.pruned import Pruned
from store.transfer.format import LEDGER_FILE, LINE_BEGINS, LINE_BYTES_MAX, PROJECT_FILE, STATE_FILE, from_file


class LedgerFile:
    """`ledger.jsonl` while it is compared with the ledger, line for line, and continued where it ends."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._there = _whole_lines(path, file)
        self._checked = 0
        self.added = 0

    def add(self, lines: bytes, count: int) -> None:
        """Take the ledger's next `count` lines: those that the file has must be the same, the others are written.

        Raises `TransferRefused` at the first difference, before anything is written.
        """
        if self._checked < self._there:
            found = self._file.read(min(len(lines), self._there - self._checked))
            if not lines.startswith(found):
                raise self._refused()
            self._checked += len(found)
            lines, count = lines[len(found) :], count - found.count(b"\n")
        if lines:
            if not self.added:
                self._cut()
            self._file.write(lines)
            self.added += count

    def begin_after(self, pruned: Pruned) -> "hashlib._Hash":
        """Take the first bytes for the events that are only in files; gives their SHA-256, to go on with.

        Raises `TransferRefused` when the file does not begin with them.
        """
        digest, left = hashlib.sha256(), pruned.length
        while part := self._file.read(min(left, LINE_BYTES_MAX)):
            digest.update(part)
            left -= len(part)
        if left or digest.digest() != pruned.sha256:
            raise TransferRefused(
                f"'llm-bus prune' moved the first events of this project into files, up to event {pruned.seq}, and "
                f"{self._path} does not begin with them: export into the directory that has them, or a copy of it."
            )
        self._checked = pruned.length
        return digest

    def finish(self) -> None:
        """The ledger ends here; returns when the file is durable.

        Raises `TransferRefused` when the file goes on.
        """
        if self._checked < self._there:
            raise self._refused()
        if not self.added:
            self._cut()
        self._file.flush()
        os.fsync(self._file.fileno())

    def _cut(self) -> None:
        """Take off what a crash left behind the last whole line."""
        if self._path.stat().st_size > self._there:
            self._file.truncate(self._there)

    def _refused(self) -> TransferRefused:
        return TransferRefused(
            f"{self._path} is not the beginning of this project's ledger: export into another directory."
        )


@contextmanager
def open_ledger(directory: Path) -> Iterator[LedgerFile]:
    """The ledger file in `directory`, both made when missing, for one export at a time.

    Raises `TransferRefused` when the directory holds files of the same names that no export wrote, or another export
    is under way there, and `OSError`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _check_ours(directory)
    path = directory / LEDGER_FILE
    if path.is_symlink():  # in a cloned repository it could lead to any file of ours
        raise TransferRefused(f"{path} is a symbolic link: choose another directory.")
    if not path.exists():
        path.touch()
    with _naming(path), path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransferRefused(f"another export writes to {directory} at this moment: wait for it.") from None
        yield LedgerFile(path, file)


def replace_file(path: Path, content: bytes) -> None:
    """Give a file this content, or leave it as it was; one that has it already is not touched."""
    if path.exists() and path.read_bytes() == content:
        return
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with _naming(path), new.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Have an `OSError` say which file it is about: one of writing, such as on a full disk, does not."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _check_ours(directory: Path) -> None:
    """A repository may well have a `project.json` of its own."""
    project = directory / PROJECT_FILE
    if project.exists():
        from_file(project.read_bytes())
    elif (directory / STATE_FILE).exists():
        raise TransferRefused(f"{directory} holds a {STATE_FILE} that no export wrote: choose another directory.")


def _whole_lines(path: Path, file: BinaryIO) -> int:
    """The length of the file up to its last line's end; leaves it at its beginning."""
    length = file.seek(0, os.SEEK_END)
    start = max(0, length - LINE_BYTES_MAX)
    file.seek(start)
    head, end, torn = file.read().rpartition(b"\n")
    if (start and not end) or not (torn.startswith(LINE_BEGINS) or LINE_BEGINS.startswith(torn)):
        raise TransferRefused(f"{path} was not written by llm-bus export: export into another directory.")
    file.seek(0)
    return start + len(head) + len(end)
