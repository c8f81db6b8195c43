"""The beginning of every run of the hook: the bus, unless it is paused, and the bypass."""

from __future__ import annotations

import os

from kit.bus import Bus, Doubt
from kit.git import SECONDS_MAX, Repository
from kit.ledger import Ledger
from kit.report import Report
from kit.settings import Settings
from kit.state import OVERRIDES_NAME, end_pause, note, seconds_of_pause_left
from kit.words import flat, shortened


def connected(repository: Repository, settings: Settings) -> Ledger:
    """The bus as the caller may ask it here; raises `Doubt`."""
    endpoint = settings.checked_endpoint()
    token = settings.token(repository.git_dir)
    if left := seconds_of_pause_left(repository.shared_state):
        raise Doubt(f"the bus did not answer in time a moment ago; it is asked again in {int(left) + 1} s")
    ledger = Ledger(Bus(endpoint, token, SECONDS_MAX), settings)
    end_pause(repository.shared_state)
    return ledger


def overridden(report: Report, paths: list[str]) -> bool:
    """Whether a human has said that everything passes; it is noted."""
    if os.environ.get("LLM_BUS_OVERRIDE") != "1":
        return False
    report.overridden = True
    note(report.root, OVERRIDES_NAME, ", ".join(shortened([flat(path) for path in paths])))
    return True
