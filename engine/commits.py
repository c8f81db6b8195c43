"""What each commit kept of the rules, as the commit hook of the kit reports it.

The facts come from the committer's machine, so they are the caller's word, as a note is; they decide nothing here. They
are kept to be counted (`store.ledger.adherence`). One report counts for each commit: a second one of the same caller
within a day gets the first answer.
"""

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from engine.decision import Context, Decision
from engine.fields import Shown
from engine.keys import KeyBook, fingerprint
from engine.vocabulary import Command, Event, EventData, Reply

CommitHash = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{4,64}$(?!\n)", description="The commit's short hash.", extra={"hint": "be a hash"})
]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Why = Annotated[str, Meta(min_length=1, max_length=200, description="Why nothing was checked.")]


class Numbers(Struct, frozen=True, kw_only=True):
    """The new numbered files of a commit: how many the agent had claimed, the hook had claimed, and nobody had."""

    claimed: Count = 0
    by_hook: Count = 0
    unclaimed: Count = 0


class Paths(Struct, frozen=True, kw_only=True):
    """The changed paths of a commit: under the agent's own lease, one by its hook, another's, or none."""

    own: Count = 0
    by_hook: Count = 0
    other: Count = 0
    none: Count = 0


class ReportCommit(Command, frozen=True, kw_only=True):
    """Say what a commit kept of the rules. No tool: the commit hook sends it."""

    commit: CommitHash
    numbers: Numbers = Numbers()
    paths: Paths = Paths()
    bypassed: Annotated[bool, Meta(description="Whether the hook did not run, or its refusal was passed over.")] = False
    unchecked: Why | None = None


class CommitChecked(EventData, frozen=True, kw_only=True):
    """A commit was made, and the commit hook looked at it, or says why it did not."""

    type: ClassVar[str] = "commit_check"
    commit: Shown[str]
    numbers: Shown[Numbers]
    paths: Shown[Paths]
    bypassed: Shown[bool] = False
    unchecked: Shown[str | None] = None


class ReportedCommit(Reply, frozen=True, kw_only=True):
    """The commit whose report is in the ledger."""

    commit: str


def decide(keys: KeyBook, command: ReportCommit, context: Context) -> Decision:
    """Write a report down, unless the ledger has one of this commit by the caller."""
    reply = ReportedCommit(commit=command.commit)
    if keys.used(context, _key(command.commit), _fingerprint(command.commit)) is not None:
        return Decision(reply=reply)
    checked = CommitChecked(
        commit=command.commit,
        numbers=command.numbers,
        paths=command.paths,
        bypassed=command.bypassed,
        unchecked=command.unchecked,
    )
    return Decision(reply=reply, events=(checked,))


def fold(keys: KeyBook, event: Event, data: CommitChecked) -> None:
    """Remember the report for a day."""
    keys.keep(event, _key(data.commit), _fingerprint(data.commit))


def _key(commit: str) -> str:
    return f"commit\n{commit}"  # no caller's key has a line break


def _fingerprint(commit: str) -> bytes:
    return fingerprint("commit_check", commit)
