"""Whether the numbers of new files are free or the caller's own, and whose leases changed files are under.

Only a confirmed collision blocks: the ledger says that another actor claimed the number, and no commit that git can
reach has the file. What may be a collision, and may be a folder that counts on its own, is told.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kit.numbers import Numbered, Numbering
from kit.report import Collision, Report
from kit.rows import told_lease
from kit.sequences import new_name
from kit.surfaces import covers
from kit.telling import others_leases
from kit.words import flat, line, shortened

if TYPE_CHECKING:
    from kit.git import Repository
    from kit.ledger import Ledger
    from kit.settings import Settings

CLAIMS_MAX = 50
"""How many numbers one commit claims by itself. More are an import of old files, whose sequence wants to be seeded."""


@dataclass
class NumberCheck:
    """Compares new files with the ledger, and claims the next numbers for those that have them."""

    ledger: Ledger
    repository: Repository
    settings: Settings
    report: Report

    def check(self, new: list[Numbered]) -> None:
        """Check new files, and take them off the report's list of what is unchecked."""
        claims = self.ledger.claims(new)
        unclaimed: dict[str, list[Numbered]] = defaultdict(list)
        for file in new:  # before anything else is asked: what is confirmed counts, also when the bus goes away
            claim = claims.get((file.sequence, file.number))
            self.report.numbers[file.path] = kind_of(self.ledger, claim)
            if claim is not None and not self.ledger.is_mine(claim.get("actor")):
                self._report_holder(file, claim.get("actor"))
        voided = self.ledger.voided(new)
        for file in new:
            claim = claims.get((file.sequence, file.number))
            if (file.sequence, file.number) in voided:
                self._report_void(file)
            elif claim is None:
                unclaimed[file.sequence].append(file)
            elif self.ledger.is_mine(claim.get("actor")) and (path := self._claimed_for(claim, file)) is not None:
                self.report.notices.append(f"{file} was claimed for {line(path)}: let only one file have it")
            if file.path in self.report.unchecked:
                self.report.unchecked.remove(file.path)
        for sequence, files in unclaimed.items():
            self._claim_or_tell(sequence, files)

    @cached_property
    def _known(self) -> list[Numbered]:
        """The numbered files that git knows."""
        return Numbering(self.settings.sequences, self.repository.tracked).of(self.repository.tracked)

    def _claimed_for(self, claim: dict[str, Any], file: Numbered) -> str | None:
        """The other file that the caller's hook claimed this number for, perhaps for a sub-agent.

        None for one that this work tree had lately: it was renamed since.
        """
        payload = claim.get("payload")
        note = payload.get("note") if isinstance(payload, dict) else None
        path = f"{note}{file.path[len(file.unit) :]}" if isinstance(note, str) else ""
        other = Numbering(self.settings.sequences).find(path)
        if other is None or str(other) != str(file) or other.stem == file.stem:
            return None
        return None if self.repository.had_lately(other.unit) else other.unit

    def _report_holder(self, file: Numbered, holder: object, given: int | None = None) -> None:
        """A number that another actor claimed: a collision, unless the file was a commit before or counts elsewhere."""
        known = [other for other in self._known if other.sequence == file.sequence and other.path != file.path]
        elsewhere = {other.place for other in known if other.number == file.number} - {file.place}
        is_apart = bool(known) and file.place not in {other.place for other in known}
        if elsewhere:
            self.report.notices.append(
                f"{file} is in use in {line(min(elsewhere))} and in {line(file.place)}, which seem to count on their "
                f"own: {self._own_sequence(file)}"
            )
        elif not self.repository.was_ever_known(file.path):
            hint = self._own_sequence(file) if is_apart else ""
            why = f"belongs to {line(holder)}, not to you"
            self.report.collisions.append(Collision(file, why, free_number=given, hint=hint))

    def _report_void(self, file: Numbered) -> None:
        """A number that was voided: a collision, unless the file was a commit before."""
        self.report.numbers[file.path] = "unclaimed"
        self.report.collisions = [found for found in self.report.collisions if found.file != file]
        if not self.repository.was_ever_known(file.path):
            self.report.collisions.append(Collision(file, "was voided, so no file may have it"))

    def _own_sequence(self, file: Numbered) -> str:
        """The line that gives a folder a sequence of its own; nothing where only one folder can have this sequence."""
        sequences = self.settings.sequences
        glob = next((glob for glob, name in sequences.items() if name == file.sequence and covers(glob, file.path)), "")
        if "*" not in glob.rpartition("/")[0] or not file.place:
            return ""
        parts = [part for part in file.place.strip("/").split("/") if part.strip("s") != file.sequence.strip("s")]
        name = new_name([file.sequence, *parts[-1:]], sequences.values())
        entry = f'"{file.place}{glob.rpartition("/")[2]}": "{name}"'
        return f'a folder that counts on its own wants its own line, the first in "sequences": {entry}'

    def _claim_or_tell(self, sequence: str, files: list[Numbered]) -> None:
        """Unclaimed numbers: claimed when they come next, otherwise told what to do."""
        if self.ledger.is_archived(sequence):
            paths = ", ".join(shortened([flat(file.path) for file in files]))
            self.report.notices.append(
                f"{sequence} is archived and gives no more numbers: use another sequence for {paths}, or have a lead "
                "take it back with seed_sequence, archived false"
            )
            return
        highest = self._highest_in_use(files)
        expected = self.ledger.next_number(sequence)
        numbers = sorted({file.number for file in files})
        if len(numbers) > CLAIMS_MAX:
            self.report.notices.append(
                f"{len(files)} new files have unclaimed numbers of {sequence}, from {numbers[0]} to {numbers[-1]}: if "
                f"they are old, call seed_sequence with current {max(highest, numbers[-1])} once"
            )
        elif expected <= highest:
            state = f"would give {expected} next" if self.ledger.knows(sequence) else "was never seeded"
            self.report.notices.append(
                f"{sequence} {state}, and numbers up to {highest} are in use here: call seed_sequence with current "
                f"{highest} once, then claim before you name a file"
            )
        else:
            for file in sorted(files, key=lambda file: (file.number, file.path)):
                self._claim(file)

    def _highest_in_use(self, files: list[Numbered]) -> int:
        """The highest number of the other files beside some files of one sequence."""
        units, places = {file.unit for file in files}, {file.place for file in files}
        beside = [file for file in self._known if file.unit not in units and file.place in places]
        return max((file.number for file in beside if file.sequence == files[0].sequence), default=0)

    def _claim(self, file: Numbered) -> None:
        expected = self.ledger.next_number(file.sequence)
        if expected != file.number:
            # Up and down migrations share the number that the first has claimed.
            if claims := self.ledger.claims([file]):
                self.report.numbers[file.path] = kind_of(self.ledger, claims[file.sequence, file.number])
            else:
                told = f"nobody claimed {file}: the next is {expected}, claim it and rename {flat(file.path)}"
                self.report.notices.append(told)
            return
        given = self.ledger.claim(file)
        if given == file.number:
            self.report.numbers[file.path] = "by_hook"
            self.report.notices.append(f"{file} is now claimed for you: {flat(file.path)}")
            return
        # Another claim was faster; the number that was given instead is the caller's.
        holder = self.ledger.claims([file]).get((file.sequence, file.number), {}).get("actor")
        if holder is not None and not self.ledger.is_mine(holder):
            self._report_holder(file, holder, given)


def suggest_numbers(ledger: Ledger, repository: Repository, report: Report) -> None:
    """Find a free number for every collision; files that belong together, as up and down migrations do, stay so."""
    chosen: dict[tuple[str, int, str | None], int] = {}
    for collision in report.collisions:
        file = collision.file
        if ledger.is_archived(file.sequence):
            continue
        key = (file.sequence, file.number, file.stem if collision.twin else None)
        if key not in chosen:
            taken = sum(sequence == file.sequence for sequence, _, _ in chosen)
            following = ledger.next_number(file.sequence) + taken
            known = collision.free_number or 0
            chosen[key] = max(following, known) if collision.twin else known or following
        collision.in_index = repository.is_tracked(file.unit)
        collision.free_number = chosen[key]


def conflicting_leases(ledger: Ledger, paths: list[str]) -> list[str]:
    """Each path that somebody else leases exclusively, with holder and time left."""
    others = others_leases(ledger)
    return [told_lease(path, row) for path in paths for row in others if covers(str(row.get("surface")), path)]


def kind_of(ledger: Ledger, claim: dict[str, Any] | None) -> str:
    """How the number of a new file was claimed: `claimed` (by the agent), `by_hook` or `unclaimed`."""
    if claim is None or not ledger.is_mine(claim.get("actor")):
        return "unclaimed"
    payload = claim.get("payload")
    return "by_hook" if isinstance(payload, dict) and payload.get("by") == "hook" else "claimed"
