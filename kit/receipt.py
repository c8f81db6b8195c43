"""What files held before the installer changed them, and what it left in them: kept in `.git`, out of a branch's reach.

A receipt may hold what somebody keeps in their settings, so it is for the owner's eyes only.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from kit.client_files import Edit


class Receipt:
    """The receipt of one set of files: those of a work tree, or those that all its work trees share."""

    def __init__(self, path: Path) -> None:
        self.path = path
        known = _read_object(path)
        self._before: dict[str, str | None] = {**known.get("before", {})}
        self._left: dict[str, str] = {**known.get("left", {})}
        self._folders: list[str] = [*known.get("folders", [])]

    def before(self, path: Path, current: str | None, edit: Edit) -> str | None:
        """What the file would hold without us."""
        name = str(path)
        if current is not None and self._left.get(name) == digest(current):
            return self._before[name]
        return edit.remove(current)

    def knows(self, path: Path) -> bool:
        """Whether the installer has changed a file."""
        return str(path) in self._left

    def remember(self, path: Path, before: str | None, left: str) -> None:
        """Note a change that is about to be made."""
        self._before[str(path)] = before
        self._left[str(path)] = digest(left)

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, and remember which were not there."""
        self._folders += [str(place) for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)

    def made(self, folder: Path) -> bool:
        """Whether the installer made a folder."""
        return str(folder) in self._folders

    def save(self) -> None:
        """Write it down."""
        known = {"before": self._before, "left": self._left, "folders": self._folders}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            json.dump(known, file, indent=1)

    def clear(self) -> None:
        """Forget it all, and remove the folders that were not there and are empty."""
        self.path.unlink(missing_ok=True)
        for folder in sorted(map(Path, self._folders), key=lambda place: -len(place.parts)):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def digest(text: str) -> str:
    """What a text is recognised by."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _read_object(path: Path) -> dict[str, dict[str, str]]:
    try:
        known = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
