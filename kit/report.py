"""The findings of a run of the hook, and the words for them."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kit.words import LINES_MAX, flat, shortened

if TYPE_CHECKING:
    from pathlib import Path

    from kit.git import Repository
    from kit.numbers import Numbered


NOTICES_MAX = 50
"""A commit of many new files is told of each number that was claimed."""


@dataclass
class Collision:
    """A new file whose number is another actor's, or that of its `twin`. `why` completes "adr 7 …"."""

    file: Numbered
    why: str
    twin: str | None = None
    free_number: int | None = None
    in_index: bool = True
    hint: str = ""

    def __str__(self) -> str:
        told = f"{self.file} {self.why}: {flat(self.file.path)}"
        hint = f"\n  {self.hint}" if self.hint else ""
        unit = self.file.unit
        if self.free_number is None or not unit.isprintable():
            return f"{told}\n  claim the next number and rename the file.{hint}"
        # git moves only what it knows; an intention to add is enough.
        introduced = "" if self.in_index else f"git add -N -- {shlex.quote(unit)} && "
        move = f"git mv -- {shlex.quote(unit)} {shlex.quote(self.file.renumbered(self.free_number))}"
        return f"{told}\n  the next free number is {self.free_number}:\n    {introduced}{move}{hint}"


@dataclass
class Report:
    """The findings of a run so far. One thread writes it; another reads it when time is up.

    `warnings` are about the repository's own set-up, `doubts` say why something was not checked, `unchecked` what.
    `numbers` says how the number of each new numbered file was claimed, `paths` counts changed paths by whose lease
    they are under (`kit.commits`).
    """

    root: Path
    repository: Repository | None = None
    shared_state: Path | None = None
    overridden: bool = False
    blocks_leases: bool = False
    timed_out: bool = False
    collisions: list[Collision] = field(default_factory=list)
    leases: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    numbers: dict[str, str] = field(default_factory=dict)
    paths: dict[str, int] = field(default_factory=dict)

    def belongs_to(self, repository: Repository) -> None:
        """Take over where this run may leave notes."""
        self.root, self.repository = repository.root, repository
        self.shared_state = repository.shared_state

    def blocks(self) -> bool:
        """Whether work must stop here."""
        return bool(self.collisions or (self.blocks_leases and self.leases))

    def findings(self) -> list[str]:
        """The lines for the agent or human, the worst first."""
        return [
            *findings_of([str(collision) for collision in self.collisions]),
            *findings_of(self.leases),
            *findings_of(self.notices, NOTICES_MAX),
        ]

    def told_doubt(self) -> str:
        """Why something was not checked, and what; nothing when everything was."""
        if not self.doubts:
            return ""
        paths = ", ".join(shortened([flat(path) for path in self.unchecked]))
        return f"{'; '.join(self.doubts)}{f' ({paths})' if paths else ''}"

    def logged_doubt(self) -> str:
        """`told_doubt` for a log from which `kit.state.pending_paths` reads the paths again."""
        return f"{'; '.join(self.doubts)} {json.dumps(self.unchecked) if self.unchecked else ''}"


def findings_of(found: list[str], lines_max: int = LINES_MAX) -> list[str]:
    """The first findings, each marked as ours, and how many more there are."""
    return [f"llm-bus: {finding}" for finding in shortened(found, lines_max)]
