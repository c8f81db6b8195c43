"""Work that must be done before a command can be decided at once: posts that left the state, and long comparisons.

Most commands need neither. Deciding itself is in `actors.batch`.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from actors.journal import Journal
from actors.looking import Look
from actors.mailbox import Request
from actors.pace import Pace
from engine.lookups import PostQuery, Recall
from engine.project import TO_PREPARE, long_comparison, needed
from engine.state import State

_TO_PREPARE = TO_PREPARE | {Look}


def needed_posts(state: State, request: Request) -> Sequence[int]:
    """The posts that left the state and without which this command cannot be decided."""
    return () if isinstance(request.command, Look) else needed(state, request.command, request.caller.id)


def wanted_posts(state: State, requests: Iterable[Request]) -> set[int]:
    """The posts that left the state and without which these commands cannot be decided."""
    return {post_id for request in requests for post_id in needed_posts(state, request)}


def long_comparison_for(state: State, request: Request, now: datetime) -> Iterator[None] | None:
    """The work, in slices, that must be done before this command can be decided; None when there is none."""
    command = request.command
    return command.prepare(state, now) if isinstance(command, Look) else long_comparison(state, command)


def is_prepared(state: State, request: Request, now: datetime, wanted: frozenset[int] | set[int] = frozenset()) -> bool:
    """Whether a command can be decided at once, with the `wanted` posts at hand."""
    return type(request.command) not in _TO_PREPARE or (
        wanted.issuperset(needed_posts(state, request)) and long_comparison_for(state, request, now) is None
    )


async def recall(
    journal: Journal, project_id: int, state: State, requests: Sequence[Request], wanted: set[int]
) -> Recall:
    """Read the wanted posts, as far as these callers need them. Raises what the journal raises."""
    if not wanted:
        return Recall()
    readers = tuple({request.caller.id for request in requests})
    query = PostQuery(upto=state.seq, ids=tuple(sorted(wanted)), acks_of=readers, limit=len(wanted))
    return Recall(await journal.posts(project_id, query))


async def compare(state: State, request: Request, now: datetime, pace: Pace) -> None:
    """Compare the command's surface in slices, if that takes long."""
    if (steps := long_comparison_for(state, request, now)) is not None:
        pace.begin()
        for _ in steps:
            await pace.give_way_when_spent()
