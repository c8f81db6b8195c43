"""What needs an owner, thing by thing: with a key by which it is told once, and words for people.

Pure functions.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from msgspec import Struct

from engine.held_leases import HeldLease
from engine.open_posts import OpenPost
from engine.task_graph import Task
from web.needs import Needs

Kind = Literal["post", "overdue", "blocked", "stale", "conflict"]

TOLD_MAX = 1_000
"""Things remembered as told of one project: more than are named at once."""

FORGOTTEN_AFTER = timedelta(hours=1)
"""A thing that was gone for so long and comes back is told again; a lease that is just renewed is not."""


class Thing(Struct, frozen=True, kw_only=True):
    """One thing that needs the owner. `path` leads to it, below the project's page."""

    key: str
    kind: Kind
    title: str
    path: str = ""


def things_of(needs: Needs) -> list[Thing]:
    """All things that are named in `needs`."""
    return [
        *(_post("post", post) for post in needs.posts),
        *(_post("overdue", post) for post in needs.overdue),
        *(_task("blocked", task, task.blockers[-1].reason if task.blockers else None) for task in needs.blocked),
        *(_task("stale", task, task.owner and _name(task.owner)) for task in needs.stale),
        *(_conflict(held, later) for held, later in needs.conflicts),
    ]


def remembered(
    told: dict[str, datetime], there: Iterable[Thing], now: datetime, *, all_told: bool
) -> dict[str, datetime]:
    """What counts as told after a look that found `there`; `all_told`: everything that was new was sent."""
    kept = {key: at for key, at in told.items() if now - at < FORGOTTEN_AFTER}
    kept |= {thing.key: now for thing in there if all_told or thing.key in told}
    newest = sorted(kept.items(), key=lambda each: each[1], reverse=True)
    return dict(newest[:TOLD_MAX])


def _post(kind: Literal["post", "overdue"], post: OpenPost) -> Thing:
    title = f"{post.subject or f'Post #{post.id}'} (from {_name(post.sender)})"
    return Thing(key=f"{kind}:{post.id}", kind=kind, title=title, path=f"/posts/{post.id}")


def _task(kind: Literal["blocked", "stale"], task: Task, more: str | None) -> Thing:
    """`changed` is in the key: a task that was moved and is blocked again is news."""
    title = f"#{task.id} {task.title}" + (f": {more}" if more else "")
    return Thing(key=f"{kind}:{task.id}:{task.changed}", kind=kind, title=title, path=f"/tasks/{task.id}")


def _conflict(held: HeldLease, later: HeldLease) -> Thing:
    """Holders and surfaces are in the key, not the ids: a lease that is renewed gets a new one."""
    between = "\n".join((str(held.by), held.surface, str(later.by), later.surface))
    title = f"{held.surface} ({_name(held.actor)}) and {later.surface} ({_name(later.actor)})"
    key = f"conflict:{sha256(between.encode()).hexdigest()[:32]}"
    return Thing(key=key, kind="conflict", title=title, path="/leases")


def _name(actor: str) -> str:
    """The name without the owner's handle, as on the pages."""
    return actor.partition("/")[2] or actor
