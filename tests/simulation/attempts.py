"""What is written down about every call of a simulated client."""

from dataclasses import dataclass

from actors import ActorError, Answer, Directory
from engine.identity import Principal
from engine.project import AnyCommand
from engine.refusals import Refusal
from engine.vocabulary import Event


@dataclass(eq=False, kw_only=True)
class Life:
    """One process, from its start to its death."""

    directory: Directory
    ended: bool = False


@dataclass(eq=False, kw_only=True)
class Attempt:
    """One call. Event numbers are of the shared ledger's end when the call began and ended.

    `known_seq` is the last event that anybody had been told of, by any process, when the call began.
    """

    caller: Principal
    command: AnyCommand
    life: Life
    began: float
    began_seq: int
    known_seq: int
    repeats: bool
    ended: float = 0.0
    ended_seq: int = 0
    outcome: Answer | Refusal | ActorError | None = None
    event: Event | None = None

    def __str__(self) -> str:
        return f"{self.began:.3f}-{self.ended:.3f} {self.caller.actor} {self.command!r} -> {self.outcome!r}"
