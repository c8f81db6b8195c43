"""What the commit hook reports is kept once for each commit."""

from datetime import timedelta

import pytest

from engine.commits import CommitChecked, Numbers, Paths, ReportCommit
from engine.leases import Lease, Leased
from engine.sequences import Claim, Claimed
from tests.engine.project import Project, ada, after, ben, check

REPORT = ReportCommit(commit="9fceb02", numbers=Numbers(claimed=1, by_hook=2, unclaimed=3), paths=Paths(own=4))
CHECKED = CommitChecked(commit="9fceb02", numbers=REPORT.numbers, paths=REPORT.paths)
ANSWER = {"commit": "9fceb02"}


def test_a_report_is_kept_as_it_came() -> None:
    check([], ada(REPORT), ANSWER, CHECKED)
    outage = ReportCommit(commit="9fceb02", bypassed=True, unchecked="the bus does not answer")
    kept = CommitChecked(commit="9fceb02", numbers=Numbers(), paths=Paths(), bypassed=True, unchecked=outage.unchecked)
    check([], ada(outage), ANSWER, kept)


@pytest.mark.parametrize("again", [REPORT, ReportCommit(commit="9fceb02", unchecked="lost in between")])
def test_a_second_report_of_a_commit_writes_nothing(again: ReportCommit) -> None:
    check([ada(REPORT), timedelta(hours=23)], ada(again), ANSWER)


def test_each_commit_and_each_committer_has_a_report_of_its_own() -> None:
    other = ReportCommit(commit="1234567")
    check(
        [ada(REPORT)],
        ada(other),
        {"commit": "1234567"},
        CommitChecked(commit="1234567", numbers=Numbers(), paths=Paths()),
    )
    check([ada(REPORT)], ben(REPORT), ANSWER, CHECKED)


def test_a_report_is_remembered_by_a_snapshot() -> None:
    project = Project()
    project.play([ada(REPORT)])
    project.reopen()
    project.play([ada(REPORT)])
    assert len(project.events) == 1


def test_what_a_hook_did_says_so_in_its_event() -> None:
    claimed = Claimed(sequence="adr", number=1, formatted="1", note=None, by="hook")
    answer = {"sequence": "adr", "number": 1, "formatted": "1", "note": None, "new_sequence": True}
    check([], ada(Claim(sequence="adr", by="hook")), answer, claimed)
    lease = {"lease_id": 1, "surface": "src", "expires_at": after(600), "others": []}
    taken = Leased(surface="src", ttl_seconds=600, by="hook")
    check([], ada(Lease(surface="src", ttl_seconds=600, by="hook")), lease, taken)
