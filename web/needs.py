"""Things that need the owner in a project: the rule that the first page and the webhooks share."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from actors.statistics import OVERDUE_SECONDS
from engine import task_queries
from engine.decision import Context
from engine.held_leases import HeldLease, comparing_newest, conflicts
from engine.identity import OWNER, Principal
from engine.lookups import Recall
from engine.open_posts import OpenPost
from engine.state import State
from engine.task_graph import Task

OF_EACH_MAX = 5
"""Posts, tasks and conflicts of one kind that are named of one project; the others are counted."""

BLOCKED_LOOKED_AT_MAX = 100
LEASES_COMPARED_MAX = 50


class Needs(Struct, frozen=True, kw_only=True):
    """Things that need the owner in one project: the first of each kind, and how many there are of each."""

    posts: list[OpenPost]
    overdue: list[OpenPost]
    blocked: list[Task]
    stale: list[Task]
    conflicts: list[tuple[HeldLease, HeldLease]]
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """How many there are of all kinds."""
        return sum(self.counts.values())


def prepare_needs(state: State, now: datetime) -> Iterator[None] | None:
    """The steps that must come before `needs_of`, if there are many leases."""
    return comparing_newest(state.leases, now, LEASES_COMPARED_MAX)


def needs_of(state: State, now: datetime, caller: Principal, of_each_max: int = OF_EACH_MAX) -> Needs:
    """What needs the owner in a project in this state; `caller` is the owner in person.

    At most `of_each_max` posts, tasks and conflicts of a kind are named; the others are counted.
    """
    looking = Context(caller=caller, seq=state.seq, now=now, at=now, recall=Recall())
    mine = state.posts.inbox(OWNER)
    late = now - timedelta(seconds=OVERDUE_SECONDS)
    blocked = [
        task
        for task in state.tasks.find("blocked", None, None, ready=False, limit=BLOCKED_LOOKED_AT_MAX)
        if not task.blocked_on
    ]
    gone = (reader for reader in state.tasks.working() if task_queries.is_gone(state.seen, reader, looking))
    stale = [
        task
        for reader in gone
        for task in state.tasks.in_progress_of(reader)
        if task_queries.is_stale(state.seen, task, looking)
    ]
    met = conflicts(state.leases, now, LEASES_COMPARED_MAX)
    return Needs(
        posts=[state.posts[post_id] for post_id in mine[: -of_each_max - 1 : -1]],
        overdue=state.posts.before(late, of_each_max),
        blocked=blocked[:of_each_max],
        stale=stale[:of_each_max],
        conflicts=met[:of_each_max],
        counts={
            "posts": len(mine),
            "overdue": state.posts.count_before(late),
            "blocked": len(blocked),
            "stale": len(stale),
            "conflicts": len(met),
        },
    )
