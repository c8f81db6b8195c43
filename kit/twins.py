"""New numbered files as git alone knows them: which are new at all, and which have a number twice.

A file that replaces a removed one with its number is not new, nor is one that a branch has already. Two files of one
folder with one number, in the index, the last commit or on a branch, are a collision that needs no bus: two sub-agents
with one token come to the same number.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from kit.numbers import Numbered, Numbering
from kit.report import Collision, Report
from kit.words import flat, line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kit.git import Changes, Repository
    from kit.settings import Settings


def check_by_git(repository: Repository, settings: Settings, changes: Changes, report: Report) -> list[Numbered]:
    """The new numbered files that the bus has to be asked about; what git can tell goes into the report."""
    if not (settings.sequences and changes.added):
        return []
    numbering = Numbering(settings.sequences, repository.tracked)
    new = _really_new(repository, numbering, changes)
    _find_twins(repository, numbering, new, changes, report)
    colliding = {collision.file.path for collision in report.collisions}
    return [file for file in new if file.path not in colliding]


def tell_of_incoming(repository: Repository, settings: Settings, report: Report) -> None:
    """Report numbers that both sides have; the person who merges decides."""
    changes = repository.staged(incoming=True)
    if changes is None or not changes.added:
        return
    numbering = Numbering(settings.sequences, repository.tracked)
    coming = {file.unit: file for file in numbering.of(changes.added)}
    removed = set(changes.removed)
    here = _by_number(numbering.of([path for path in repository.tracked if path not in removed]))
    for file in coming.values():
        same = here[file.sequence, file.number, file.place]
        twin = next((other for other in same if other.stem != file.stem), None)
        if twin is not None:
            report.notices.append(f"{file} comes in as {flat(file.path)}, and is also the number of {flat(twin.path)}")


def _really_new(repository: Repository, numbering: Numbering, changes: Changes) -> list[Numbered]:
    """The added files, without those that replace a removed one, and without those that a branch has already."""
    gone = {(file.sequence, file.number) for file in numbering.of(changes.removed)}
    moved = {tail for path in changes.removed for tail in _tails(path)}
    new = {
        file.unit: file
        for file in numbering.of(changes.added)
        if (file.sequence, file.number) not in gone and file.path[len(file.place) :] not in moved
    }
    known = repository.known_at_tips(list(new))
    return [file for unit, file in new.items() if unit not in known]


def _tails(path: str) -> tuple[str, str]:
    """The parts of a path that may hold its number: the file's name, and with its folder's."""
    parts = path.split("/")
    return parts[-1], "/".join(parts[-2:])


def _find_twins(
    repository: Repository, numbering: Numbering, new: list[Numbered], changes: Changes, report: Report
) -> None:
    """Report each new file that has the number of another one in the same folder."""
    removed = set(changes.removed)
    stays = [*(path for path in repository.tracked if path not in removed), *changes.added]
    here = _by_number(numbering.of(stays))
    branches = {place: list(repository.names_on_branches(place)) for place in {file.place for file in new}}
    for file in sorted(new, key=lambda file: file.path, reverse=True):
        same = (file.sequence, file.number, file.place)
        twin = next((other.path for other in here[same] if other.stem != file.stem), None)
        if twin is not None:
            report.collisions.append(Collision(file, f"is also the number of {flat(twin)}", twin))
            # The other one of two new files can keep the number.
            here[same] = [other for other in here[same] if other.stem != file.stem]
        elif found := _twin_on_a_branch(repository, numbering, file, branches[file.place]):
            path, branch = found
            report.collisions.append(Collision(file, f"is also the number of {flat(path)} on {line(branch)}", path))
    if report.collisions:
        _suggest_without_bus(numbering.of(stays), report)


def _by_number(files: Iterable[Numbered]) -> dict[tuple[str, int, str], list[Numbered]]:
    found: dict[tuple[str, int, str], list[Numbered]] = defaultdict(list)
    for file in files:
        found[file.sequence, file.number, file.place].append(file)
    return found


def _twin_on_a_branch(
    repository: Repository, numbering: Numbering, file: Numbered, names: list[tuple[str, str]]
) -> tuple[str, str] | None:
    """A path with this file's number on another branch, and the branch; None when it was only left behind there."""
    rest = file.path[len(file.unit) :]
    for name, branch in names:
        other = numbering.find(f"{file.place}{name}{rest}")
        if other is None or (other.sequence, other.number) != (file.sequence, file.number) or other.stem == file.stem:
            continue
        if not repository.was_in_this_history(other.unit):
            return other.unit, branch
    return None


def _suggest_without_bus(known: list[Numbered], report: Report) -> None:
    highest: dict[str, int] = defaultdict(int)
    for file in known:
        highest[file.sequence] = max(highest[file.sequence], file.number)
    for collision in report.collisions:
        highest[collision.file.sequence] += 1
        collision.free_number = highest[collision.file.sequence]
