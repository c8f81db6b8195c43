"""The checks of git's own hooks: the files that a commit, a merge or a mailed patch brings in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kit.bus import Doubt
from kit.check import NumberCheck, conflicting_leases, suggest_numbers
from kit.commits import count_leases, replay, report_commit
from kit.git import Changes, Repository
from kit.running import connected, overridden
from kit.settings import read_settings
from kit.twins import check_by_git, tell_of_incoming

if TYPE_CHECKING:
    from kit.report import Report


def check_staged(report: Report) -> None:
    """Check what is about to be committed; raises `Doubt` and `NotInGit`."""
    repository = Repository.around(Path())
    report.belongs_to(repository)
    changes = repository.staged()
    if changes is None:
        raise Doubt("git does not tell what is staged")
    if not overridden(report, changes.paths):
        _check(repository, changes, report)


def check_incoming(report: Report) -> None:
    """Look at what a merge or a mailed patch brings in; raises the same."""
    repository = Repository.around(Path())
    report.belongs_to(repository)
    tell_of_incoming(repository, read_settings(repository), report)


def report_committed() -> None:
    """Report the commit that was just made; raises `NotInGit`."""
    report_commit(Repository.around(Path()))


def check_file(report: Report, path: Path) -> None:
    """Check one file by name; raises the same."""
    repository = Repository.around(path.parent)
    report.belongs_to(repository)
    name = repository.relative(path)
    changes = repository.written([name])
    if not changes.added:
        changes = Changes(added=[name])  # a file that is named is checked, new or not
    if not overridden(report, [str(path)]):
        _check(repository, changes, report)


def _check(repository: Repository, changes: Changes, report: Report) -> None:
    settings = read_settings(repository)
    report.warnings += settings.warnings
    new = check_by_git(repository, settings, changes, report)
    leased = changes.paths if settings.leases != "off" else []
    if not (new or leased):
        return
    report.blocks_leases = settings.leases == "block"
    report.unchecked = [file.path for file in new] or leased
    ledger = connected(repository, settings)
    NumberCheck(ledger, repository, settings, report).check(new)
    report.unchecked = leased
    suggest_numbers(ledger, repository, report)
    if leased:
        ledger.look_at(leased)
        report.leases = conflicting_leases(ledger, leased)
        report.paths = count_leases(ledger, leased)
    report.unchecked = []
    replay(ledger, repository, settings, report)
