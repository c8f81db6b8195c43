"""`kit audit`: joins the history of a repository with the ledger, for CI.

Hooks can be bypassed, and git has none for a clean cherry-pick. This finds the numbers that nobody claimed, that two
files have, that were claimed for another file, or that were voided, among the files that a range of commits added.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.bus import Bus, Doubt
from kit.git import CONSTANTLY, SAFELY, Repository
from kit.ledger import Ledger
from kit.numbers import Numbered, Numbering
from kit.settings import Settings, read_settings
from kit.telling import is_same
from kit.words import flat, line

SECONDS_MAX = 60

_NO_COMMIT = re.compile(r"\^?0{40}(?:0{24})?(?:\.\.|$)")
_SHALLOW = "this clone is shallow, fetch the whole history"


@dataclass(frozen=True)
class Finding:
    """One added file whose number is not its own: `fault` is unclaimed, duplicate, foreign, voided or archived."""

    commit: str
    path: str
    sequence: str
    number: int
    fault: str
    detail: str


def audit(directory: Path, commits: str) -> list[Finding]:
    """The faults that a range of commits (`main..HEAD`) added; raises `Doubt` and `NotInGit`."""
    repository = Repository.around(directory)
    settings = read_settings(repository)
    added = _added(repository, commits)
    numbering = Numbering(settings.sequences, [*repository.tracked, *added])
    here = numbering.of(repository.tracked)
    tracked = set(repository.tracked)
    new = {file.unit: file for file in numbering.of(added) if file.path in tracked}
    token = settings.token(repository.git_dir)
    ledger = Ledger(Bus(settings.checked_endpoint(), token, SECONDS_MAX), settings)
    claims, voided = ledger.claims(list(new.values())), ledger.voided(list(new.values()))
    committers = ledger.committers_without_claim() if claims else {}
    found = []
    for file in new.values():
        claim = claims.get((file.sequence, file.number), {})
        fault = _fault(file, here, claim, settings) or _taken_from_another(claim, added[file.path], committers)
        if fault is None and (file.sequence, file.number) in voided:
            fault = "voided", "it was voided, so no file may have it"
        elif fault is not None and fault[0] == "unclaimed" and ledger.is_archived(file.sequence):
            fault = "archived", "nobody claimed it, and its sequence gives no more numbers"
        if fault:
            found.append(Finding(added[file.path], file.path, file.sequence, file.number, *fault))
    return found


def _fault(file: Numbered, here: list[Numbered], claim: dict[str, Any], settings: Settings) -> tuple[str, str] | None:
    same = (file.sequence, file.number, file.place)
    twins = [other for other in here if (other.sequence, other.number, other.place) == same and other.stem != file.stem]
    if twins:
        return "duplicate", f"{flat(twins[0].path)} has it too"
    if not claim:
        return "unclaimed", "nobody claimed it"
    payload = claim.get("payload")
    note = payload.get("note") if isinstance(payload, dict) else None
    other = (
        Numbering(settings.sequences).find(f"{note}{file.path[len(file.unit) :]}") if isinstance(note, str) else None
    )
    if other is not None and str(other) == str(file) and other.stem != file.stem:
        return "foreign", f"it was claimed for {line(other.unit)}"
    return None


def _taken_from_another(claim: dict[str, Any], commit: str, committers: dict[str, str]) -> tuple[str, str] | None:
    """A number that one participant claimed, in a commit that another made, unclaimed or around the guard."""
    holder = str(claim.get("actor"))
    author = next((who for short, who in committers.items() if commit.startswith(short[: len(commit)])), None)
    if author is None or is_same(author, holder):
        return None
    return "foreign", f"{line(holder)} claimed it, and {line(author)} committed it"


def _added(repository: Repository, commits: str) -> dict[str, str]:
    """The paths that a range of commits added, merges left out, each with the short hash of its commit."""
    if _NO_COMMIT.match(commits):
        raise Doubt(f"{commits} begins with no commit, as CI says for a new branch: name its base, as in main..HEAD")
    shallow = repository.shallow()
    git = ["git", *SAFELY, *CONSTANTLY, "-C", str(repository.root)]
    command = [*git, "log", "--no-merges", "--no-renames", "--diff-filter=A", "-z"]
    ran = subprocess.run(  # noqa: S603 - git, no shell, and a revision that cannot be an option
        [*command, "--format=%x01%h %H", "--name-only", "--end-of-options", commits, "--"],
        capture_output=True,
        check=False,
        timeout=SECONDS_MAX,
    )
    if ran.returncode != 0:
        said = line(ran.stderr.decode("utf-8", "replace") or "git does not know these commits")
        raise Doubt(f"{said}; {_SHALLOW}" if shallow else said)
    found: dict[str, str] = {}
    commit = ""
    for part in ran.stdout.decode("utf-8", "surrogateescape").split("\0"):
        name = part.lstrip("\n")
        if name.startswith("\x01"):
            commit, _, full = name[1:].partition(" ")
            if full in shallow:
                raise Doubt(f"{commit} seems to add every file: {_SHALLOW}")
        elif name:
            found.setdefault(name, commit)
    return found


def told(found: list[Finding]) -> list[str]:
    """The findings in words."""
    return [f"{one.commit} {one.fault}: {one.sequence} {one.number} in {flat(one.path)}, {one.detail}" for one in found]
