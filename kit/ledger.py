"""The bus, asked by one caller about one repository."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kit.bus import Bus, Doubt, rows_of, text_of
from kit.surfaces import as_surface
from kit.telling import add_leases, is_same
from kit.words import line

if TYPE_CHECKING:
    from kit.numbers import Numbered
    from kit.settings import Settings

ASKED_SINGLY_MAX = 3
"""Numbers of a sequence. For more of them its newest claims are fetched at once."""

ANSWER_ROWS = 200
"""Leases that the bus shows at once."""

LOOKED_AT_MAX = 5
"""Paths of one edit or commit whose leases are asked for one by one."""

POSTS_MAX = 50
EVENTS_MAX = 1_000
"""One is enough, but a server that cannot be asked by number returns the newest, and the one may be among them."""

CLAIM_NOTE_LENGTH_MAX = 500


class Ledger:
    """The bus, asked by one caller about one repository."""

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self.bus = bus
        who = bus.call("whoami")
        self.me = text_of(who, "actor")
        former = who.get("former_names")
        self.names = [self.me, *map(str, former if isinstance(former, list) else [])]
        self.project = str(who.get("project"))
        if settings.project is not None and self.project != settings.project:
            raise Doubt(
                f"this token is for project {line(self.project)}, and the repository belongs to project "
                f"{line(settings.project)}: use a token of that project, or install the kit again with --project if it "
                "was renamed"
            )
        self._sequences: dict[str, int] | None = None
        self._archived: set[str] = set()
        self._with_voids: set[str] = set()
        self._unread: list[dict[str, Any]] | None = None
        self._leases: list[dict[str, Any]] | None = None

    def is_mine(self, actor: object) -> bool:
        """Whether a name is the caller's."""
        return is_same(actor, *self.names)

    def position(self) -> int:
        """The number of the ledger's last event."""
        digest = self.bus.call("whats_new", advance_cursor=False, limit=1)
        shown = len(rows_of(digest, "events"))
        since, remaining = digest.get("since_event_id"), digest.get("remaining")
        return since + shown + remaining if isinstance(since, int) and isinstance(remaining, int) else 0

    def unread(self) -> list[dict[str, Any]]:
        """The caller's unread posts, as they were when first asked for."""
        if self._unread is None:
            answer = self.bus.call("read_posts", to_me=True, unacked_only=True, limit=POSTS_MAX)
            self._unread = rows_of(answer, "posts")
        return self._unread

    def leases(self) -> list[dict[str, Any]]:
        """Everybody's leases, as they were when first asked for: the newest ones, and those at paths looked at."""
        if self._leases is None:
            self._leases = rows_of(self.bus.call("who_holds"), "leases")
        return self._leases

    def look_at(self, paths: list[str]) -> None:
        """Have all leases at some paths, also where there are more than one answer shows."""
        if paths and len(self.leases()) >= ANSWER_ROWS:
            for path in paths[:LOOKED_AT_MAX]:
                add_leases(self.leases(), rows_of(self.bus.call("who_holds", surface=as_surface(path)), "leases"))

    def act(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Do something in the caller's name, marked as done by the hook; an older bus does not take the mark."""
        try:
            return self.bus.call(tool, by="hook", **arguments)
        except Doubt as doubt:
            if "'by'" not in str(doubt):
                raise
        return self.bus.call(tool, **arguments)

    def claims(self, files: list[Numbered]) -> dict[tuple[str, int], dict[str, Any]]:
        """The event with which each of some numbers was claimed, however long ago."""
        found: dict[tuple[str, int], dict[str, Any]] = {}
        wanted: dict[str, set[int]] = defaultdict(set)
        for file in files:
            wanted[file.sequence].add(file.number)
        for sequence, numbers in wanted.items():
            if len(numbers) > ASKED_SINGLY_MAX:
                events = self._events("claim", sequence)
                found.update({(sequence, number): event for number, event in events.items() if number in numbers})
                numbers = set() if len(events) < EVENTS_MAX else numbers - set(events)  # noqa: PLW2901 - what is left
            for number in numbers:
                event = self._events("claim", sequence, number=number).get(number)
                found.update({} if event is None else {(sequence, number): event})
        return found

    def _events(self, kind: str, sequence: str, **one: int) -> dict[int, dict[str, Any]]:
        """The newest events of a kind about numbers of a sequence, by number."""
        answer = self.bus.call("query_events", type=kind, sequence=sequence, limit=EVENTS_MAX, **one)
        found = {}
        for event in rows_of(answer, "events"):
            payload = event.get("payload")
            if isinstance(payload, dict) and isinstance(payload.get("number"), int):
                found[payload["number"]] = event
        return found

    def committers_without_claim(self) -> dict[str, str]:
        """The authors of commits with unclaimed numbers, or around the guard, by short hash."""
        found = {}
        with suppress(Doubt):  # an older bus has no reports
            answer = self.bus.call("query_events", type="commit_check", limit=EVENTS_MAX)
            for event in rows_of(answer, "events"):
                payload = event.get("payload")
                report = payload if isinstance(payload, dict) else {}
                numbers = report.get("numbers")
                if report.get("bypassed") or (isinstance(numbers, dict) and numbers.get("unclaimed")):
                    found[str(report.get("commit"))] = str(event.get("actor"))
        return found

    def next_number(self, sequence: str) -> int:
        """The number that the next claim would give."""
        return self._counters().get(sequence, 1)

    def knows(self, sequence: str) -> bool:
        """Whether the sequence was ever claimed from or seeded."""
        return sequence in self._counters()

    def is_archived(self, sequence: str) -> bool:
        """Whether the sequence gives no more numbers, because a lead has put it away."""
        return sequence not in self._counters() and sequence in self._archived

    def voided(self, files: list[Numbered]) -> set[tuple[str, int]]:
        """Those of some numbers that were voided: they stay taken, and no file may have them."""
        found: set[tuple[str, int]] = set()
        for sequence in {file.sequence for file in files}:
            self._counters()
            if sequence in self._with_voids:
                found.update((sequence, number) for number in self._events("void_claim", sequence))
        return found & {(file.sequence, file.number) for file in files}

    def _counters(self) -> dict[str, int]:
        if self._sequences is None:
            answer = {"archived": [], **self.bus.call("list_sequences")}
            rows, archived = rows_of(answer, "sequences"), rows_of(answer, "archived")
            self._archived = {str(row.get("name")) for row in archived}
            self._with_voids = {str(row.get("name")) for row in (*rows, *archived) if row.get("voids")}
            self._sequences = {str(row.get("name")): row["next"] for row in rows if isinstance(row.get("next"), int)}
            if len(self._sequences) < len(rows):
                raise Doubt("the answer is not that of LLM Bus: a sequence has no next number")
        return self._sequences

    def claim(self, file: Numbered) -> int | None:
        """Claim the next number for a file; a second time gives the same one."""
        key = hashlib.sha256(f"{file.sequence} {file.path}".encode("utf-8", "surrogateescape")).hexdigest()[:40]
        note = line(file.unit, CLAIM_NOTE_LENGTH_MAX)
        number = self.act("claim", sequence=file.sequence, key=key, note=note).get("number")
        if not isinstance(number, int):
            return None
        self._counters()[file.sequence] = number + 1
        return number
