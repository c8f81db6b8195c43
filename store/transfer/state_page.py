"""`state.md`: where a project stands, for people who read a repository. Pure: a state in, Markdown out.

Nothing here depends on when it is written. So that a lease that runs out changes no file, leases are told as of the
ledger's last event, with the time at which each ends by itself.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from engine.open_posts import OpenPost
from engine.sequences import latest_claims
from engine.state import State
from engine.task_graph import Task
from engine.task_queries import waits_for
from store.transfer.format import ExportedProject

_MEANING = str.maketrans({character: f"\\{character}" for character in "\\`*[]<>|"} | {"\n": " ", "\r": " "})
"""What would be Markdown or HTML in a cell; participants write what is shown here."""


def page(project: ExportedProject, state: State) -> bytes:
    """The whole page."""
    parts = [
        f"# {_text(project.name)}\n\n"
        f"Project {project.handle}/{project.slug} {_moment(state)}. Written by `llm-bus export`; do not edit.\n",
        _section("Latest claims", ("sequence", "number", "by", "at"), _claims(state)),
        _section("Open tasks", ("task", "status", "title", "owner", "lane", "held up by"), _tasks(state)),
        _section("Active leases", ("surface", "holder", "mode", "until", "note"), _leases(state)),
        _section("Unacknowledged handoffs", ("post", "from", "to", "subject", "ref", "at"), _posts(state)),
    ]
    return "\n".join(parts).encode()


def _moment(state: State) -> str:
    return f"as of event {state.seq}, {_time(state.at)}" if state.seq else "before its first event"


def _claims(state: State) -> list[Sequence[str]]:
    return [(row.sequence, row.formatted, row.by, _time(row.at)) for row in latest_claims(state.sequences)]


def _tasks(state: State) -> list[Sequence[str]]:
    return [
        (str(task.id), task.status, task.title, task.owner or "", task.lane or "", _held_up_by(state, task))
        for task in state.tasks.dump()
    ]


def _held_up_by(state: State, task: Task) -> str:
    reasons = [row.reason if row.on is None else f"task {row.on}: {row.reason}" for row in task.blockers]
    return "; ".join([*(f"task {task_id}" for task_id in waits_for(state.tasks, task)), *reasons])


def _leases(state: State) -> list[Sequence[str]]:
    held = sorted(state.leases.active(state.at), key=lambda lease: (lease.expires_at, lease.surface, lease.id))
    return [(lease.surface, lease.actor, lease.mode, _time(lease.expires_at), lease.note or "") for lease in held]


def _posts(state: State) -> list[Sequence[str]]:
    return [
        (str(post.id), post.sender, _addressee(post), post.subject or "", post.ref or "", _time(post.at))
        for post in state.posts.dump()
    ]


def _addressee(post: OpenPost) -> str:
    lane = None if post.to_lane is None else f"lane {post.to_lane}"
    return ", ".join(filter(None, (post.to_actor, lane)))


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(map(_text, row)) for row in rows]
    if not lines:
        return f"## {title}\n\nNone.\n"
    return "\n".join([f"## {title}\n", _row(columns), _row("---" for _ in columns), *lines]) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    return text.translate(_MEANING)


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
