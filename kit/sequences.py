"""Which sequences a repository has, from the names of its files: what a new `llm-bus.config.json` says."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kit.numbers import Numbering
from kit.surfaces import matches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

DEFAULTS = {"docs/decisions/*.md": "adr", "**/migrations/*.sql": "migration"}
"""Sequences by glob, where nothing else is found."""

NAME_LENGTH_MAX = 56
"""What is left of the 64 characters of the bus has room for a number."""

KINDS = (("migration", re.compile(r"migrat")), ("adr", re.compile(r"adr|decision")), ("rfc", re.compile(r"rfc")))
_NAME = re.compile(r"^[A-Za-z]{0,4}[-_]?0*[0-9]+[-_.]")


def derived(paths: Iterable[str]) -> dict[str, str]:
    """Globs and the names of their sequences. Folders of one kind that use the same numbers get one each."""
    kinds: dict[str, list[_Folder]] = defaultdict(list)
    for folder in _counting_folders(paths):
        if kind := next((name for name, pattern in KINDS if pattern.search(folder.path.lower())), None):
            kinds[kind].append(folder)
    found = {}
    for kind, folders in kinds.items():
        names = _names(kind, folders) if _count_apart(folders) else [kind] * len(folders)
        for folder, name in zip(folders, names):
            # The first match decides, so a folder with a sequence of its own stands before the general glob.
            if name != kind or not any(matches(default, folder.glob) for default in DEFAULTS):
                found[folder.glob] = name
    return {**found, **DEFAULTS}


def new_name(parts: Iterable[str], taken: Collection[str]) -> str:
    """A name that the bus takes for a sequence, and that none has yet: letters outside of ASCII are left out."""
    slug = re.sub(r"[^a-z0-9_]+", "-", "-".join(parts).lower()).strip("-")[:NAME_LENGTH_MAX]
    names = (slug, *(f"{slug}-{count}" for count in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


@dataclass
class _Folder:
    """A folder with numbered files, or numbered folders, in it."""

    path: str
    glob: str
    numbers: set[int]


def _counting_folders(paths: Iterable[str]) -> list[_Folder]:
    numbering = Numbering({"**": "any"})
    found: dict[str, _Folder] = {}
    for file in numbering.of(paths):
        name = file.path.split("/")[file.segment]
        if file.place and _NAME.match(name):
            suffix = file.path.rpartition("/")[2].rpartition(".")[2]
            glob = f"{file.place}{'*/*' if file.unit != file.path else '*'}.{suffix}"
            found.setdefault(glob, _Folder(file.place, glob, set())).numbers.add(file.number)
    return [found[glob] for glob in sorted(found)]


def _count_apart(folders: list[_Folder]) -> bool:
    """Whether folders use the same numbers, so that they cannot share a sequence."""
    numbers = [number for folder in folders for number in folder.numbers]
    return len({folder.path for folder in folders}) > 1 and len(numbers) > len(set(numbers))


def _names(kind: str, folders: list[_Folder]) -> list[str]:
    """A name for each folder's sequence: the kind, and what tells the folder from the others."""
    parts = {folder.path: folder.path.strip("/").split("/") for folder in folders}
    names: dict[str, str] = {}
    for path, own in parts.items():
        telling = [part for part in own if any(part not in other for other in parts.values())]
        names[path] = new_name([kind, *telling], names.values())
    return [DEFAULTS.get(folder.glob, names[folder.path]) for folder in folders]
