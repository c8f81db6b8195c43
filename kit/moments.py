"""What the hook does at each moment of an agent's session, whatever the client.

A turn is interrupted by facts only: a collision, who else is at a path, posts that came in. Each post is mentioned once
in the middle of a turn, and lets a turn go on once at its end, so hooks make no loop.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.check import NumberCheck, suggest_numbers, told_lease
from kit.clients import SESSION_END, START, SUBAGENT, TOOL, TURN_END
from kit.git import NotInGit, Repository
from kit.packet import OTHERS_WORDS, packet, post_line, subagent_packet
from kit.running import connected, overridden
from kit.settings import read_settings
from kit.state import Session, forget_old_sessions, forget_session, session, session_path
from kit.surfaces import as_surface, covers
from kit.twins import check_by_git
from kit.words import line, quoted, shortened

if TYPE_CHECKING:
    from kit.clients import Client
    from kit.ledger import Ledger
    from kit.report import Report

CONTACT_SECONDS_MIN = 2.0
"""Between two looks at the posts in the middle of a turn. Edits are always looked at."""

LEASE_SECONDS = 600
RENEW_SECONDS = LEASE_SECONDS / 2
LEASES_MAX = 64
"""Of one session. They end by themselves, and an agent that edits more files should lease a folder."""

LEASE_NOTE = "being edited (taken by the hook)"
CONTINUATIONS_MAX = 3
"""Turns in a row that go on because of posts; after that the human comes first."""


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

    def here(self) -> Path:
        """Where the agent works."""
        roots = self.given.get("workspace_roots")
        named = self.given.get("cwd") or (roots[0] if isinstance(roots, list) and roots else None)
        return Path(str(named or Path.cwd()))

    def project(self) -> Repository:
        """The repository that the client was started in, wherever the agent stands now."""
        return Repository.around(Path(os.environ.get("CLAUDE_PROJECT_DIR") or self.here()))


def answer(moment: Moment, report: Report) -> None:
    """Do what there is to do at a moment; raises `Doubt`."""
    if moment.kind is None:
        return
    project = moment.project()
    report.belongs_to(project)
    path = session_path(project.own_state, moment.session_id)
    {
        START: _start,
        SUBAGENT: _start_subagent,
        TOOL: _after_tool,
        TURN_END: _end_turn,
        SESSION_END: _end_session,
    }[moment.kind](moment, project, path, report)


def _start(moment: Moment, project: Repository, path: Path, report: Report) -> None:
    forget_old_sessions(project.own_state)
    guard = _guard_line(project)
    moment.packet = guard or ""
    settings = read_settings(project, needs_file=False)
    ledger = connected(project, settings)
    moment.packet = packet(ledger, project, settings, "\n".join([*settings.warnings, *([guard] if guard else [])]))
    with session(path) as known:
        known.news(ledger.unread())


def _guard_line(project: Repository) -> str | None:
    from kit.git_hook import missing_guard  # noqa: PLC0415 - only the start of a session needs it

    return missing_guard(project)


def _start_subagent(moment: Moment, project: Repository, _: Path, report: Report) -> None:
    settings = read_settings(project, needs_file=False)
    moment.packet = subagent_packet(connected(project, settings))


def _after_tool(moment: Moment, project: Repository, path: Path, report: Report) -> None:
    edited = _edited(moment, project)
    with session(path) as known:
        if not edited and time.time() - known.asked_at < CONTACT_SECONDS_MIN:
            return
        known.asked_at = time.time()
    repository = edited[0] if edited else project
    paths = edited[1] if edited else []
    if paths and overridden(report, paths):
        return
    settings = read_settings(repository, needs_file=False)
    report.belongs_to(repository)
    new = check_by_git(repository, settings, repository.written(paths), report) if paths else []
    report.unchecked = [file.path for file in new]
    ledger = connected(repository, settings)
    NumberCheck(ledger, repository, settings, report).check(new)
    suggest_numbers(ledger, repository, report)
    report.unchecked = []
    report.blocks_leases = settings.leases == "block"
    posts = ledger.unread()
    with session(path) as known:
        if settings.leases != "off":
            report.leases += _overlaps(ledger, [*known.leases, *paths], paths, known)
            if settings.auto_lease:
                _lease_edited(ledger, repository, paths, known)
        news = known.news(posts)
    if news:
        moment.told.append(_told_posts(news, "new"))


def _edited(moment: Moment, project: Repository) -> tuple[Repository, list[str]] | None:
    """The files that were just changed in this repository, and the work tree that they are in.

    Another repository, even one inside of this one, is nobody's business here: it has settings of its own.
    """
    here = moment.here()
    found: dict[Repository, list[str]] = {}
    for name in moment.client.paths(moment.event, moment.given):
        with suppress(OSError, ValueError, NotInGit):
            repository = Repository.around((here / name).parent)
            if repository.shared == project.shared:
                found.setdefault(repository, []).append(repository.relative(here / name))
    return next(iter(found.items()), None)


# ---------------------------------------------------------------- posts and leases


def _overlaps(ledger: Ledger, watched: list[str], edited: list[str], known: Session) -> list[str]:
    """Leases of others at the edited paths; at paths that were edited before, only those that came since."""
    told: list[str] = []
    for row in ledger.others_leases() if watched else ():
        for surface in dict.fromkeys(watched):
            mark = f"{row.get('actor')} {row.get('surface')} {surface}"
            if covers(str(row.get("surface")), surface) and (surface in edited or mark not in known.overlaps):
                known.overlaps = [*known.overlaps, mark][-LEASES_MAX:]
                told.append(told_lease(surface, row))
    return told


def _lease_edited(ledger: Ledger, repository: Repository, paths: list[str], known: Session) -> None:
    """Lease what is edited, unless the agent holds it by a lease of its own."""
    mine = [row for row in (ledger.leases() if paths else ()) if ledger.is_mine(row.get("actor"))]
    for path in paths:
        surface = as_surface(path)
        exact = next((row for row in mine if row.get("surface") == surface), None)
        if exact is None and any(covers(str(row.get("surface")), path) for row in mine):
            continue
        if exact is not None and exact.get("note") != LEASE_NOTE:
            known.leases.pop(path, None)
            continue
        is_fresh = exact is not None and time.time() - known.leases.get(path, 0.0) < RENEW_SECONDS
        if is_fresh or len(known.leases) >= LEASES_MAX or repository.is_ignored(path):
            continue
        ledger.bus.call("lease", surface=surface, ttl_seconds=LEASE_SECONDS, note=LEASE_NOTE)
        known.leases[path] = time.time()


def _told_posts(posts: list[dict[str, Any]], which: str) -> str:
    """Posts, by author, ref and subject; never their bodies."""
    rows = shortened([post_line(post, f"from {post.get('from')}") for post in posts])
    count = f"{len(posts)} {which} handoff{'' if len(posts) == 1 else 's'}"
    return "\n".join([f"LLM Bus: {count} ({OTHERS_WORDS}). read_posts shows them, ack answers:", *rows])


def told_news(posts: list[dict[str, Any]], tasks: list[dict[str, Any]]) -> str:
    """What an idle agent is woken with."""
    rows = [
        f"- task #{line(task.get('task_id'))} {line(task.get('status'))}: {quoted(task.get('title'))}" for task in tasks
    ]
    told = [_told_posts(posts, "new")] if posts else []
    return "\n".join([*told, *(["LLM Bus: tasks of yours that can go on now:", *rows] if rows else [])])


def _end_turn(moment: Moment, project: Repository, path: Path, report: Report) -> None:
    settings = read_settings(project, needs_file=False)
    posts = connected(project, settings).unread()
    with session(path) as known:
        known.continued = known.continued + 1 if moment.given.get("stop_hook_active") else 0
        if known.continued < CONTINUATIONS_MAX and (news := known.news(posts, at_end=True)):
            moment.goes_on = _told_posts(news, "unread")


def _end_session(_: Moment, project: Repository, path: Path, report: Report) -> None:
    with session(path) as known:
        held = list(known.leases)
    forget_session(path)
    if held:
        ledger = connected(project, read_settings(project, needs_file=False))
        mine = {row.get("surface") for row in ledger.leases() if row.get("note") == LEASE_NOTE}
        for edited in held:
            if as_surface(edited) in mine:
                ledger.bus.call("release", surface=as_surface(edited))
