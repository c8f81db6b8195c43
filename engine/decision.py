"""The outcome of a decision, and what a decision may look at beside the books."""

from datetime import datetime

from msgspec import Struct

from engine.errors import MissingAddressee
from engine.identity import Addressee, Principal
from engine.lookups import ClaimFact, Lookup, Recall
from engine.refusals import Refusal
from engine.vocabulary import EventData, Reply, Topic


class Context(Struct, frozen=True, kw_only=True):
    """The caller, the time, and what the state does not hold.

    `seq` is the number of the ledger's last event, so the next one gets `seq + 1`. `now` is the time of day, UTC in
    whole milliseconds: deadlines are compared with it. `at` is the time that this decision's events get: `now`, or the
    last event's time when that is later.

    `cursor` is the last event that `whats_new` showed the caller. `since` was the ledger's last event when a call that
    waits was decided first; None then. `addressee` is the participant that the command's `addressee_name` means.
    `claim` is the claim of the number that the command names, as history tells it. `recall` has the posts that
    `engine.project.needed` asked for. `patient`: the caller can wait and will ask again, so a lease need not be granted
    into a conflict yet.
    """

    caller: Principal
    seq: int
    now: datetime
    at: datetime
    cursor: int | None = None
    since: int | None = None
    addressee: Addressee | None = None
    claim: ClaimFact | None = None
    recall: Recall
    patient: bool = False

    def named(self) -> Addressee:
        """The participant that the command's `addressee_name` means.

        Raises `MissingAddressee` when the sender of the command did not resolve it.
        """
        if self.addressee is None:
            raise MissingAddressee
        return self.addressee


class Decision(Struct, frozen=True, kw_only=True):
    """The outcome of an accepted command: a reply (or how to look it up), and the events to write first.

    `cursor`: the last event that `whats_new` showed the caller, to be kept. `advances`: the same, to be kept once the
    reply has reached the caller. `awaits`: the topics that could make the answer worth having, for a caller that waits.
    """

    reply: Reply | Lookup
    events: tuple[EventData, ...] = ()
    cursor: int | None = None
    advances: int | None = None
    awaits: tuple[Topic, ...] = ()


class Pending(Struct, frozen=True, kw_only=True):
    """Nothing was decided: others hold what the caller waits for, until one of these topics or `until`."""

    until: datetime
    awaits: tuple[Topic, ...]


Outcome = Decision | Pending | Refusal
