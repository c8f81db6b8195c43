"""The text for a session that begins, goes on, or was compacted: who it is, what it holds and owes, who is near.

Facts, with their authors. What other agents wrote is quoted, and said to be information: an agent takes orders from its
own human only.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kit.bus import Doubt, rows_of
from kit.numbers import Numbering
from kit.rows import OTHERS_WORDS, post_line, time_left
from kit.words import clean, flat, line, quoted, shortened

if TYPE_CHECKING:
    from kit.git import Repository
    from kit.ledger import Ledger
    from kit.settings import Settings

BYTES_MAX = 4_000
CLAIMS_MAX = 20
NEAR_MAX = 5


def packet(ledger: Ledger, repository: Repository, settings: Settings, guard: str | None) -> str:
    """The packet for a session, in at most `BYTES_MAX` bytes of UTF-8; `guard` says what is wrong with the hook."""
    parts = {
        "Unread posts, oldest first: read_posts (to_me, unacked_only), act, then ack": _unread(ledger),
        "Your leases: release when you are done": _leases(ledger),
        "Your tasks": _tasks(ledger),
        "Your numbers without a file here": _numbers(ledger, repository, settings),
        "Your posts that nobody has acknowledged": _awaiting(ledger),
    }
    told = [f"{title} ({len(rows)}):\n" + "\n".join(shortened(rows)) for title, rows in parts.items() if rows]
    beginning, near = _who(ledger)
    nothing = [] if told else ["You hold and owe nothing."]
    quotation = [f"({OTHERS_WORDS[0].upper()}{OTHERS_WORDS[1:]}.)"] if told else []
    sections = [" ".join([beginning, *nothing]), *told, *near, *([guard] if guard else []), *quotation]
    text = clean("\n\n".join(sections))
    short = text.encode()[: BYTES_MAX - 3].decode(errors="ignore")
    return text if len(short) == len(text) else f"{short}…"


def subagent_packet(ledger: Ledger) -> str:
    """The packet for a sub-agent, which shares the identity of its parent: what is held, and two rules."""
    leases = _leases(ledger)
    held = [f"Held under this identity ({len(leases)}):\n" + "\n".join(shortened(leases))] if leases else []
    beginning, _ = _who(ledger)
    rule = "You share this identity with your parent agent: claim a number of your own for each file that needs one."
    return clean("\n\n".join([f"{beginning} {rule}", *held]))


def _unread(ledger: Ledger) -> list[str]:
    posts = sorted(ledger.unread(), key=lambda post: (not post.get("overdue"), str(post.get("created_at"))))
    return [post_line(post, f"from {post.get('from')}") for post in posts]


def _leases(ledger: Ledger) -> list[str]:
    rows = ledger.leases()
    return [f"- {line(row.get('surface'))}, {time_left(row)}" for row in rows if ledger.is_mine(row.get("actor"))]


def _tasks(ledger: Ledger) -> list[str]:
    rows = rows_of(ledger.bus.call("list_tasks", owner=ledger.me), "tasks")
    return [
        f"- #{line(row.get('task_id'))} {line(row.get('status'))}: {quoted(row.get('title'))}"
        for row in rows
        if row.get("status") != "done"
    ]


def _numbers(ledger: Ledger, repository: Repository, settings: Settings) -> list[str]:
    """Numbers that the caller claimed lately and that no file here has."""
    answer = ledger.bus.call("query_events", type="claim", actor=ledger.me, limit=CLAIMS_MAX)
    used = {str(file) for file in Numbering(settings.sequences, repository.tracked).of(repository.tracked)}
    claimed = [event.get("payload") for event in rows_of(answer, "events")]
    names = [f"{line(row.get('sequence'))} {row.get('number')}" for row in claimed if isinstance(row, dict)]
    counted = set(settings.sequences.values())
    return [f"- {flat(name)}" for name in names if name not in used and name.rpartition(" ")[0] in counted]


def _awaiting(ledger: Ledger) -> list[str]:
    answer = {"awaiting_ack": [], **ledger.bus.call("whats_new", advance_cursor=False, limit=1)}
    return [
        post_line(row, f"to {row.get('to_actor') or 'lane {}'.format(row.get('to_lane'))}")
        for row in rows_of(answer, "awaiting_ack")
    ]


def _who(ledger: Ledger) -> tuple[str, list[str]]:
    """The caller with its lane, and a line about the others who are active."""
    rows: list[dict[str, Any]] = []
    with suppress(Doubt):  # an older bus may lack the tool
        rows = rows_of(ledger.bus.call("who_is_active"), "active")
    mine = next((row for row in rows if ledger.is_mine(row.get("actor"))), {})
    lane = line(mine.get("lane") or "(unset)")
    said = f", lane {lane}" if lane != "(unset)" else ", in no lane yet (register)" if mine else ""
    others = [_neighbour(row) for row in rows if not ledger.is_mine(row.get("actor"))]
    near = ["Active now: " + ", ".join(shortened(others, NEAR_MAX)) + "."] if others else []
    return f"LLM Bus: you are {line(ledger.me)} in project {line(ledger.project)}{said}.", near


def _neighbour(row: dict[str, Any]) -> str:
    status = f": {quoted(row.get('status'))}" if row.get("status") else ""
    lane = line(row.get("lane") or "(unset)")
    about = f"{'no lane' if lane == '(unset)' else lane}{status}"
    return f"{line(row.get('actor'))} ({about})"
