"""One report for each commit: what it kept of the rules, for the ledger.

Before a commit, the check leaves what it has counted in `.git`; after it, another hook finds the commit's hash, adds
whether the check was passed over, and reports. A report is kept in `.git/llm-bus/pending.log`, where no branch can put
any, until the bus has it. Picks, rebases and merges without conflicts are no commits of this kind: `kit audit` looks at
what they bring in.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kit.bus import Doubt, object_in
from kit.check import kind_of
from kit.numbers import Numbering
from kit.running import connected
from kit.settings import read_settings
from kit.state import keep_report, pending_paths, pending_reports, settle_pending, settle_reports
from kit.surfaces import covers
from kit.telling import LEASE_NOTE, others_leases
from kit.words import flat, line

if TYPE_CHECKING:
    from kit.git import Repository
    from kit.ledger import Ledger
    from kit.numbers import Numbered
    from kit.report import Report
    from kit.settings import Settings

PATHS_COUNTED_MAX = 1_000
"""Paths of one commit that are counted, so that counting fits into the time that a commit may take."""

REPORTED_MAX = 50
"""Reports that one run sends after an outage. The others wait for the next one."""

CHECKED_AGAIN_MAX = 50
"""Files that one run looks at again."""

UNCHECKED_LENGTH_MAX = 200
_CHECKED_NAME = "commit.json"
_COMMITTED = "commit"
"""How the log of HEAD begins what `git commit` did, with `(initial)`, `(amend)` or `(merge)`."""


def leave_check(repository: Repository, report: Report) -> None:
    """Leave for `report_commit` what the check of a commit has found."""
    checked = {
        "head": repository.head(),
        "bypassed": report.blocks() or report.overridden,
        "numbers": dict(Counter(report.numbers.values())),
        "paths": report.paths,
        "unchecked": line("; ".join(report.doubts), UNCHECKED_LENGTH_MAX),
    }
    with suppress(OSError):
        repository.own_state.mkdir(parents=True, exist_ok=True)
        repository.own_state.joinpath(_CHECKED_NAME).write_text(json.dumps(checked), "utf-8")


def report_commit(repository: Repository) -> None:
    """Report the commit that was just made; later, when the bus cannot be asked now."""
    made = repository.last_made()
    if made is None or not made.action.startswith(_COMMITTED):
        return
    checked = _take_check(repository)
    ran = checked.get("head") == made.before
    told: dict[str, Any] = {"commit": made.short, "bypassed": not ran or checked.get("bypassed") is True}
    for name in ("numbers", "paths", "unchecked") if ran else ():
        told.update({name: checked[name]} if checked.get(name) else {})
    keep_report(repository.own_state, told)  # before anything can take too long
    with suppress(Doubt):
        settings = read_settings(repository, needs_file=False)
        ledger = connected(repository, settings)
        if not ran:
            ledger.bus.tell("git", {**told, **_counted_afterwards(ledger, repository, settings)})
            settle_reports(repository.own_state, [told])
        _send_reports(ledger, repository)


def _take_check(repository: Repository) -> dict[str, Any]:
    path = repository.own_state / _CHECKED_NAME
    try:
        left = object_in(path.read_bytes())
        path.unlink()
    except OSError:
        return {}
    return left


def _counted_afterwards(ledger: Ledger, repository: Repository, settings: Settings) -> dict[str, Any]:
    """The report that the check would have made of a commit that bypassed it. Nothing is claimed."""
    changes = repository.committed()
    new = list(
        {file.unit: file for file in Numbering(settings.sequences, repository.tracked).of(changes.added)}.values()
    )
    claims = ledger.claims(new)
    kinds = Counter(kind_of(ledger, claims.get((file.sequence, file.number))) for file in new)
    return {"numbers": dict(kinds), "paths": count_leases(ledger, changes.paths)}


def count_leases(ledger: Ledger, paths: list[str]) -> dict[str, int]:
    """How many changed paths are under a lease of the agent's `own`, `by_hook`, of an `other`, or `none`."""
    mine = [row for row in ledger.leases() if ledger.is_mine(row.get("actor"))]
    kinds = {
        "own": [row for row in mine if row.get("note") != LEASE_NOTE],
        "by_hook": [row for row in mine if row.get("note") == LEASE_NOTE],
        "other": others_leases(ledger),
    }
    found: Counter[str] = Counter()
    for path in paths[:PATHS_COUNTED_MAX]:
        found[next((kind for kind, rows in kinds.items() if _is_under(rows, path)), "none")] += 1
    return dict(found)


def _is_under(rows: list[dict[str, Any]], path: str) -> bool:
    return any(covers(str(row.get("surface")), path) for row in rows)


def replay(ledger: Ledger, repository: Repository, settings: Settings, report: Report) -> None:
    """Look again at the files, and report the commits, that were made while the bus could not be asked."""
    _send_reports(ledger, repository)
    if paths := [path for path in pending_paths(report.root) if repository.is_tracked(path)]:
        _check_again(ledger, Numbering(settings.sequences, repository.tracked).of(paths[:CHECKED_AGAIN_MAX]), report)
    settle_pending(report.root)


def _send_reports(ledger: Ledger, repository: Repository) -> None:
    if waiting := pending_reports(repository.own_state)[:REPORTED_MAX]:
        for one in waiting:
            ledger.bus.tell("git", one)
        settle_reports(repository.own_state, waiting)


def _check_again(ledger: Ledger, files: list[Numbered], report: Report) -> None:
    claims = ledger.claims(files)
    for file in files:
        claim = claims.get((file.sequence, file.number))
        if claim is not None and not ledger.is_mine(claim.get("actor")):
            report.notices.append(
                f"{file} belongs to {line(claim.get('actor'))}; {flat(file.path)} took it while the bus could not be "
                f"asked: rename it"
            )
        elif claim is None and ledger.next_number(file.sequence) == file.number and ledger.claim(file) == file.number:
            report.notices.append(f"{file} is now claimed for you: {flat(file.path)}")
