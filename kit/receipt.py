"""The content of files before and after the installer changed them: kept in `.git`, out of a branch's reach.

A receipt may hold what somebody keeps in their settings, so it is for the owner's eyes only.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from kit.client_files import Edit


class Receipt:
    """The receipt of one set of files: those of a work tree, or those that all its work trees share."""

    def __init__(self, path: Path, base: Path) -> None:
        self.path = path
        self._base = Path(os.path.realpath(base))
        known = _read_object(path)
        self._before: dict[str, str | None] = {self._name(Path(name)): text for name, text in known["before"].items()}
        self._left: dict[str, str] = {self._name(Path(name)): text for name, text in known["left"].items()}
        self._folders: list[str] = [self._name(Path(name)) for name in known["folders"]]

    def before(self, path: Path, current: str | None, edit: Edit) -> str | None:
        """The content that the file would have without us."""
        name = self._name(path)
        if current is not None and self._left.get(name) == digest(current):
            return self._before[name]
        return edit.remove(current)

    def knows(self, path: Path) -> bool:
        """Whether the installer has changed a file."""
        return self._name(path) in self._left

    def remember(self, path: Path, before: str | None, left: str) -> None:
        """Note a change that is about to be made."""
        self._before[self._name(path)] = before
        self._left[self._name(path)] = digest(left)

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, and remember which were not there."""
        self._folders += [self._name(place) for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)

    def save(self) -> None:
        """Write it down, all of it or nothing."""
        known = {"before": self._before, "left": self._left, "folders": self._folders}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f"{self.path.name}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(known, file, indent=1)
        new.replace(self.path)

    def clear(self) -> None:
        """Forget it all, and remove the folders that were not there and are empty."""
        self.path.unlink(missing_ok=True)
        folders = [self._base / name for name in self._folders]
        for folder in sorted(folders, key=lambda place: -len(place.parts)):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _name(self, path: Path) -> str:
        """A path as it is written down: from the base, so that a repository may be moved."""
        return path.relative_to(self._base).as_posix() if path.is_relative_to(self._base) else str(path)


def digest(text: str) -> str:
    """The digest by which a text is recognised."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _read_object(path: Path) -> dict[str, Any]:
    known: dict[str, Any] = {"before": {}, "left": {}, "folders": []}
    with suppress(OSError, ValueError):
        found = json.loads(path.read_text("utf-8"))
        known.update(found if isinstance(found, dict) else {})
    return known
