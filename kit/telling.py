"""The hook's words about posts and leases, and its own leases: one rule for the program and for the server.

Facts come in, words and wishes go out: nothing is asked, no file is touched. `kit.moments` has the facts from the bus,
`web.hooks.moments` from the project itself. A turn is interrupted by facts only. Each post is mentioned once in the
middle of a turn, and lets a turn go on once at its end, so hooks make no loop.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, product
from typing import TYPE_CHECKING, Any, Protocol

from kit.clients import SESSION_END
from kit.rows import OTHERS_WORDS, post_line, told_lease
from kit.surfaces import as_surface, covers
from kit.words import clean, line, quoted, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kit.clients import Client
    from kit.state import Session

CONTACT_SECONDS_MIN = 2.0
"""Between two looks at the posts in the middle of a turn. Edits are always looked at."""

LEASE_SECONDS = 600
RENEW_SECONDS = LEASE_SECONDS / 2
LEASES_MAX = 64
"""Leases of one session. They end by themselves, and an agent that edits more files should lease a folder."""

LEASE_NOTE = "being edited (taken by the hook)"
SURFACE_LENGTH_MAX = 200
"""The longest surface that the bus takes. A longer path is not leased."""

CONTINUATIONS_MAX = 3
"""Turns in a row that go on because of posts; after that the human comes first."""


class Facts(Protocol):
    """The project as its tools tell it."""

    def is_mine(self, actor: object) -> bool:
        """Whether a name is the caller's."""
        ...

    def unread(self) -> list[dict[str, Any]]:
        """The caller's unread posts."""
        ...

    def leases(self) -> list[dict[str, Any]]:
        """Everybody's leases."""
        ...


@dataclass
class Moment:
    """One call of the hook by a client: what came in, and what the client is told."""

    client: Client
    event: str
    given: dict[str, Any]
    told: list[str] = field(default_factory=list)
    goes_on: str = ""
    packet: str = ""

    @property
    def kind(self) -> str | None:
        """Which moment it is; None for an event that means nothing here."""
        return self.client.events.get(self.event)

    @property
    def session_id(self) -> str:
        """The client's own name for its session."""
        names = ("session_id", "sessionId", "sessionID", "conversation_id")
        return str(next((self.given[name] for name in names if self.given.get(name)), "none"))

    def text(self, findings: list[str]) -> str:
        """The text for the model, in the middle of a turn or at its end."""
        return clean(self.goes_on or "\n".join([*findings, *self.told]))

    def answer(self, findings: list[str]) -> str:
        """The text in the client's own form; empty when there is none."""
        text = self.text(findings)
        if not text or self.kind == SESSION_END:
            return ""
        return self.client.goes_on(self.event, text) if self.goes_on else self.client.tells(self.event, text)


def is_same(actor: object, *names: str) -> bool:
    """Whether a name in the ledger is one of the caller's: the present one, or a former one.

    A project has one owner. Their handle, in front of every name, may have changed since, so the label behind it
    counts; who has none is the owner in person.
    """
    return isinstance(actor, str) and actor.partition("/")[2] in (name.partition("/")[2] for name in names)


def others_leases(facts: Facts) -> list[dict[str, Any]]:
    """The leases of others that keep this caller out."""
    return [
        row
        for row in facts.leases()
        if row.get("mode", "exclusive") == "exclusive" and not facts.is_mine(row.get("actor"))
    ]


def add_leases(rows: list[dict[str, Any]], more: list[dict[str, Any]]) -> None:
    """Add the leases that are not among them."""
    known = {(row.get("actor"), row.get("surface")) for row in rows}
    rows += [row for row in more if (row.get("actor"), row.get("surface")) not in known]


def needs_look(known: Session, edited: list[str], now: float) -> bool:
    """Whether it is time to look at the posts after a tool; the look counts as done."""
    if not edited and now - known.asked_at < CONTACT_SECONDS_MIN:
        return False
    known.asked_at = now
    return True


def overlaps(facts: Facts, known: Session, edited: list[str]) -> Iterator[str | None]:
    """Leases of others at the edited paths; then, at paths that were edited before, those that came since.

    Whatever does not overlap is None, so that the server can let others run in between.
    """
    rows = others_leases(facts) if edited or known.leases else []
    earlier = [path for path in known.leases if path not in edited]
    for row, path in chain(product(rows, dict.fromkeys(edited)), product(rows, earlier)):
        if not covers(str(row.get("surface")), path):
            yield None
            continue
        mark = f"{row.get('actor')} {row.get('surface')} {path}"
        is_news = path in edited or mark not in known.overlaps
        known.overlaps = [*known.overlaps, mark][-LEASES_MAX:] if is_news else known.overlaps
        yield told_lease(path, row) if is_news else None


def to_lease(facts: Facts, known: Session, edited: list[str], now: float) -> Iterator[str | None]:
    """Edited paths that the hook is to lease: those that the agent has no lease of its own for.

    None comes before each path and after each comparison with a lease, so that the server can let others run.
    """
    mine = [row for row in (facts.leases() if edited else ()) if facts.is_mine(row.get("actor"))]
    for path in edited:
        yield None
        surface = as_surface(path)
        exact = next((row for row in mine if row.get("surface") == surface), None)
        is_covered = False
        for row in mine if exact is None else ():
            is_covered = is_covered or covers(str(row.get("surface")), path)
            yield None
        if is_covered:
            continue
        if exact is not None and exact.get("note") != LEASE_NOTE:
            known.leases.pop(path, None)
            continue
        is_fresh = exact is not None and now - known.leases.get(path, 0.0) < RENEW_SECONDS
        if not is_fresh and len(known.leases) < LEASES_MAX and len(surface) <= SURFACE_LENGTH_MAX:
            yield path


def lease_of(path: str) -> dict[str, Any]:
    """The arguments of `lease` with which the hook leases a path."""
    return {"surface": as_surface(path), "ttl_seconds": LEASE_SECONDS, "note": LEASE_NOTE}


def to_release(facts: Facts, known: Session) -> list[str]:
    """The surfaces that the hook still leases for a session."""
    if not known.leases:
        return []
    mine = {
        row.get("surface")
        for row in facts.leases()
        if row.get("note") == LEASE_NOTE and facts.is_mine(row.get("actor"))
    }
    return [as_surface(path) for path in known.leases if as_surface(path) in mine]


def new_posts(facts: Facts, known: Session) -> list[str]:
    """The text about posts in the middle of a turn."""
    news = known.news(facts.unread())
    return [told_posts(news, "new")] if news else []


def unread_at_end(facts: Facts, known: Session, *, goes_on_already: bool) -> str:
    """The text that lets a turn go on at its end; nothing when all unread posts have done so."""
    known.continued = known.continued + 1 if goes_on_already else 0
    if known.continued >= CONTINUATIONS_MAX:
        return ""
    news = known.news(facts.unread(), at_end=True)
    return told_posts(news, "unread") if news else ""


def told_posts(posts: list[dict[str, Any]], which: str) -> str:
    """Posts, by author, ref and subject; never their bodies."""
    rows = shortened([post_line(post, f"from {post.get('from')}") for post in posts])
    count = f"{len(posts)} {which} handoff{'' if len(posts) == 1 else 's'}"
    return "\n".join([f"LLM Bus: {count} ({OTHERS_WORDS}). read_posts shows them, ack answers:", *rows])


def told_news(posts: list[dict[str, Any]], tasks: list[dict[str, Any]]) -> str:
    """The text that wakes an idle agent."""
    rows = [
        f"- task #{line(task.get('task_id'))} {line(task.get('status'))}: {quoted(task.get('title'))}" for task in tasks
    ]
    told = [told_posts(posts, "new")] if posts else []
    return "\n".join([*told, *(["LLM Bus: tasks of yours that can go on now:", *rows] if rows else [])])
