"""What an actor is doing, and what it may do next. The table is told in words at the head of `actors.project`."""

from enum import Enum, auto


class Phase(Enum):
    """One step of an actor's life."""

    __hash__ = object.__hash__  # the one of Enum is written in Python, and every batch takes four steps

    RESTING = auto()
    GATHERING = auto()
    READING = auto()
    SETTLING = auto()
    DECIDING = auto()
    CHECKING = auto()
    COMMITTING = auto()
    RETRYING = auto()
    ANSWERING = auto()
    LEAVING = auto()
    ENDED = auto()


NEXT = {
    Phase.RESTING: {Phase.GATHERING, Phase.DECIDING, Phase.LEAVING},
    Phase.GATHERING: {Phase.READING},
    Phase.READING: {Phase.SETTLING, Phase.DECIDING, Phase.RETRYING},
    Phase.SETTLING: {Phase.DECIDING, Phase.ANSWERING, Phase.RETRYING},
    Phase.DECIDING: {Phase.GATHERING, Phase.CHECKING, Phase.COMMITTING, Phase.ANSWERING, Phase.RETRYING},
    Phase.CHECKING: {Phase.READING, Phase.COMMITTING, Phase.ANSWERING, Phase.RETRYING},
    Phase.COMMITTING: {Phase.COMMITTING, Phase.ANSWERING, Phase.RETRYING},
    Phase.RETRYING: {Phase.GATHERING, Phase.RESTING},
    Phase.ANSWERING: {Phase.RESTING},
    Phase.LEAVING: {Phase.ENDED},
    Phase.ENDED: set[Phase](),
}


class WrongPhase(AssertionError):
    """An actor took a step that its table does not have: a bug."""


class Phases:
    """Where one actor is in the table."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = Phase.RESTING

    def enter(self, phase: Phase) -> None:
        """Go on to `phase`. Raises `WrongPhase` when the table does not allow it; then nothing changes."""
        if phase not in NEXT[self.now]:
            raise WrongPhase(f"{phase.name} does not follow {self.now.name}")
        self.now = phase

    def end(self) -> None:
        """End, from wherever the actor is: it is done, it crashed, or it was cancelled."""
        self.now = Phase.ENDED
