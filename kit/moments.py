"""The hook's work at each moment of an agent's session, whatever the client.

It looks at the work tree, gets the facts over the bus, and says and does what `kit.telling` makes of them. Modules that
only one moment needs are loaded then: loading takes longer than what is done.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kit.clients import SESSION_END, START, SUBAGENT, TOOL, TURN_END
from kit.git import NotInGit, Repository
from kit.running import connected, overridden
from kit.settings import read_settings
from kit.state import Session, forget_old_sessions, forget_session, session, session_path
from kit.telling import lease_of, needs_look, new_posts, overlaps, to_lease, to_release, unread_at_end

if TYPE_CHECKING:
    from kit.ledger import Ledger
    from kit.report import Report
    from kit.settings import Settings
    from kit.telling import Moment


def here(moment: Moment) -> Path:
    """Where the agent works."""
    roots = moment.given.get("workspace_roots")
    named = moment.given.get("cwd") or (roots[0] if isinstance(roots, list) and roots else None)
    return Path(str(named or "."))


def project_of(moment: Moment) -> Repository:
    """The repository that the client was started in, wherever the agent stands now; raises `NotInGit`."""
    return Repository.around(Path(os.environ.get("CLAUDE_PROJECT_DIR") or here(moment)))


def answer(moment: Moment, report: Report) -> None:
    """Do what there is to do at a moment; raises `Doubt`."""
    if moment.kind is None:
        return
    project = project_of(moment)
    report.belongs_to(project)
    path = session_path(project.own_state, moment.session_id)
    {
        START: _start,
        SUBAGENT: _start_subagent,
        TOOL: _after_tool,
        TURN_END: _end_turn,
        SESSION_END: _end_session,
    }[moment.kind](moment, project, path, report)


def check_edit(moment: Moment, report: Report) -> None:
    """Look at the numbers of a file that was just written, for a client that asks the bus itself for the rest."""
    project = project_of(moment)
    report.belongs_to(project)
    repository, paths = _edited(moment, project)
    if paths and not overridden(report, paths):
        settings = read_settings(repository, needs_file=False)
        report.belongs_to(repository)
        _check_numbers(repository, settings, paths, report)


def _start(moment: Moment, project: Repository, path: Path, report: Report) -> None:
    from kit.commits import replay  # noqa: PLC0415 - see above, as for those below
    from kit.git_hook import missing_guard  # noqa: PLC0415
    from kit.packet import packet  # noqa: PLC0415

    forget_old_sessions(project.own_state)
    guard = missing_guard(project)
    moment.packet = guard or ""
    settings = read_settings(project, needs_file=False)
    ledger = connected(project, settings)
    moment.packet = packet(ledger, project, settings, "\n".join([*settings.warnings, *([guard] if guard else [])]))
    with session(path) as known:
        known.news(ledger.unread())
    replay(ledger, project, settings, report)
    moment.packet = "\n\n".join([moment.packet, *report.findings()])
    _announce(moment, project, settings, ledger)


def _announce(moment: Moment, project: Repository, settings: Settings, ledger: Ledger) -> None:
    """Tell the bus what its own hook needs to know of this session."""
    if settings.http and moment.client.has_http_hooks:
        chosen = {"roots": project.work_trees(), "leases": settings.leases, "autoLease": settings.auto_lease}
        given = {"session_id": moment.session_id, "hook_event_name": "SessionStart", "llm_bus": chosen}
        ledger.bus.tell(moment.client.name, given)


def _start_subagent(moment: Moment, project: Repository, _: Path, report: Report) -> None:
    from kit.packet import subagent_packet  # noqa: PLC0415

    settings = read_settings(project, needs_file=False)
    moment.packet = subagent_packet(connected(project, settings))


def _after_tool(moment: Moment, project: Repository, path: Path, report: Report) -> None:
    repository, paths = _edited(moment, project)
    with session(path) as known:
        if not needs_look(known, paths, time.time()):
            return
    if paths and overridden(report, paths):
        return
    settings = read_settings(repository, needs_file=False)
    report.belongs_to(repository)
    ledger = _check_numbers(repository, settings, paths, report) or connected(repository, settings)
    report.blocks_leases = settings.leases == "block"
    ledger.unread()  # before the session is locked: other hooks wait for it
    if settings.leases != "off":
        ledger.look_at(paths)
    with session(path) as known:
        moment.told += new_posts(ledger, known)
        if settings.leases != "off":
            report.leases += filter(None, overlaps(ledger, known, paths))
            if settings.auto_lease:
                _lease_edited(ledger, repository, known, paths)


def _check_numbers(repository: Repository, settings: Settings, paths: list[str], report: Report) -> Ledger | None:
    """Check the numbers of new files among those that were just written; the bus, if it had to be asked."""
    if not paths:
        return None
    from kit.twins import check_by_git  # noqa: PLC0415

    new = check_by_git(repository, settings, repository.written(paths), report)
    if not (new or report.collisions):
        return None
    from kit.check import NumberCheck, suggest_numbers  # noqa: PLC0415

    report.unchecked = [file.path for file in new]
    ledger = connected(repository, settings)
    NumberCheck(ledger, repository, settings, report).check(new)
    suggest_numbers(ledger, repository, report)
    report.unchecked = []
    return ledger


def _edited(moment: Moment, project: Repository) -> tuple[Repository, list[str]]:
    """The work tree of the files that were just changed in this repository, and those files.

    Files of another repository, even one inside of this one, are left out: it has settings of its own. What was written
    through a link is the file that it leads to.
    """
    found: dict[Repository, list[str]] = {}
    around: dict[Path, Repository] = {}
    for name in moment.client.paths(moment.event, moment.given):
        with suppress(OSError, ValueError, NotInGit):
            edited = here(moment) / name
            edited = Path(os.path.realpath(edited)) if edited.is_symlink() else edited
            repository = around.get(edited.parent) or Repository.around(edited.parent)
            around[edited.parent] = repository
            if repository.shared == project.shared:
                found.setdefault(repository, []).append(repository.relative(edited))
    return next(iter(found.items()), (project, []))


def _lease_edited(ledger: Ledger, repository: Repository, known: Session, paths: list[str]) -> None:
    for path in filter(None, to_lease(ledger, known, paths, time.time())):
        if not repository.is_ignored(path):
            ledger.act("lease", **lease_of(path))
            known.leases[path] = time.time()


def _end_turn(moment: Moment, project: Repository, path: Path, report: Report) -> None:
    settings = read_settings(project, needs_file=False)
    ledger = connected(project, settings)
    ledger.unread()  # as above
    with session(path) as known:
        goes_on_already = bool(moment.given.get("stop_hook_active"))
        moment.goes_on = unread_at_end(ledger, known, goes_on_already=goes_on_already)
    _announce(moment, project, settings, ledger)


def _end_session(moment: Moment, project: Repository, path: Path, report: Report) -> None:
    with session(path) as known:
        pass
    forget_session(path)
    settings = read_settings(project, needs_file=False)
    is_known_there = settings.http and moment.client.has_http_hooks
    if known.leases or is_known_there:
        ledger = connected(project, settings)
        for surface in to_release(ledger, known):
            ledger.bus.call("release", surface=surface)
        if is_known_there:
            ledger.bus.tell(moment.client.name, moment.given)
