"""Questions that a run by seed does not ask, each answered by a measurement of its own."""

from tests.faults.measured import failovers, poolers, routing, silence, speed, standby, upgrade
from tests.faults.measured.question import QUESTIONS, Question

__all__ = ["QUESTIONS", "Question", "failovers", "poolers", "routing", "silence", "speed", "standby", "upgrade"]
