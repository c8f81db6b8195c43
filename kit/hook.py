"""The hook: what runs at a commit and in an agent's session.

    kit.pyz --staged            as a git hook: what is about to be committed
    kit.pyz --incoming          as a git hook: what a merge or a mailed patch brings in; it only tells
    kit.pyz --committed         as a git hook: reports the commit that was just made
    kit.pyz --file PATH         one file
    kit.pyz --client NAME       as the hook of an agent client: reads its JSON on standard input

It exits with 1 (2 for clients whose models see only that) on a confirmed collision, and, with "leases": "block", for a
path that somebody else leases. Everything else passes: a bus that is down or slow, a missing token, a broken config,
even a crash in here are warnings, noted in .llm-bus/pending.log and looked at again when the bus answers. So the whole
run happens in a thread that has until `RUN_SECONDS_MAX`, and whatever it has confirmed by then counts.

LLM_BUS_OVERRIDE=1 lets everything pass and is noted in .llm-bus/overrides.log. LLM_BUS_HOOK_SECONDS
gives a run more time than 1.4 seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.bus import Doubt, NoAnswer
from kit.check import NumberCheck, conflicting_leases, suggest_numbers
from kit.clients import CLIENTS, COPILOT_HOOKS, START, SUBAGENT
from kit.commits import count_leases, leave_check, replay, report_commit
from kit.git import SECONDS_MAX, Changes, NotInGit, Repository
from kit.moments import answer, check_edit
from kit.report import Report
from kit.running import connected, overridden
from kit.settings import read_settings
from kit.state import PENDING_NAME, note, pause
from kit.telling import Moment
from kit.twins import check_by_git, tell_of_incoming
from kit.words import clean, line, write

if TYPE_CHECKING:
    from collections.abc import Sequence


RUN_SECONDS_MAX = SECONDS_MAX
"""For everything: the interpreter's start, git, the name of the server, every request; 1.5 s with the end."""

WORK_SECONDS_MIN = 0.4
"""What is left for the work when the start alone took too long."""

_SORRY = "LLM Bus could not be asked ({reason}). Go on with your work; claim before you merge."


def main(arguments: Sequence[str]) -> int:
    """Run one check, say what it found, and give the exit code."""
    options = _parser().parse_args(arguments)
    if _is_anothers(options):
        return 0
    if options.wake:
        from kit.wake import wait_for_news  # noqa: PLC0415 - of one moment only

        return wait_for_news(CLIENTS[options.client], _read_hook_input(tolerant=True))
    report = Report(root=Path.cwd())
    is_check = options.staged or options.incoming or options.committed or options.file
    moment = None if is_check else Moment(CLIENTS[options.client], options.event or "", {})
    worker = threading.Thread(target=_supervise, args=(options, moment, report), daemon=True)
    worker.start()
    worker.join(max(WORK_SECONDS_MIN, RUN_SECONDS_MAX - _age_seconds()))
    if worker.is_alive():
        report.doubts.append(f"no answer within {RUN_SECONDS_MAX} seconds")
        report.timed_out = True
    if report.timed_out and report.shared_state is not None:
        pause(report.shared_state)
    if moment is not None:
        return _conclude_moment(moment, report)
    if options.staged and report.repository is not None:
        leave_check(report.repository, report)
    return _conclude_check(report, options.exit_code)


def _is_anothers(options: argparse.Namespace) -> bool:
    """Whether another client has started a hook of Claude Code's, and has hooks of its own, or would wait for this one.

    Copilot CLI runs the hooks in .claude/settings.json too, and would wait for the one that waits in the background.
    """
    if options.client != "claude-code" or "COPILOT_CLI" not in os.environ:
        return False
    root = Path(os.environ.get("COPILOT_PROJECT_DIR") or Path.cwd())
    return options.wake or (root / COPILOT_HOOKS).is_file()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Checks files against LLM Bus, and tells agents what concerns them.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--staged", action="store_true", help="check what is about to be committed")
    which.add_argument("--file", metavar="PATH", help="check one file")
    which.add_argument("--incoming", action="store_true", help="look at what a merge or a mailed patch brings in")
    which.add_argument("--committed", action="store_true", help="report the commit that was just made")
    which.add_argument("--wake", action="store_true", help="wait until there is something for an idle agent")
    parser.add_argument("--client", choices=sorted(CLIENTS), default="claude-code", help="whose hook this is")
    parser.add_argument("--numbers", action="store_true", help="only look at numbers; the client asks for the rest")
    parser.add_argument("--event", help="which event, for clients that do not tell")
    parser.add_argument("--exit-code", type=int, default=1, metavar="N", help="say a collision with N instead of 1")
    return parser


def _age_seconds() -> float:
    """How long this process has lived, where the system tells; elsewhere the time it has computed."""
    with suppress(OSError, ValueError, IndexError, AttributeError):
        began_ticks = int(Path("/proc/self/stat").read_text("utf-8").rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - began_ticks / os.sysconf("SC_CLK_TCK")
        if age >= 0:
            return age
    return time.process_time()


def _supervise(options: argparse.Namespace, moment: Moment | None, report: Report) -> None:
    try:
        if moment is not None:
            moment.given = _read_hook_input()
            moment.event = str(options.event or moment.given.get("hook_event_name") or "PostToolUse")
            (check_edit if options.numbers else answer)(moment, report)
        elif options.staged:
            _check_staged(report)
        elif options.incoming:
            repository = Repository.around(Path.cwd())
            report.belongs_to(repository)
            tell_of_incoming(repository, read_settings(repository), report)
        elif options.committed:
            report_commit(Repository.around(Path.cwd()))
        else:
            _check_file(report, Path(options.file))
    except NotInGit as reason:
        if moment is None:
            report.doubts.append(f"not in a git repository: {line(reason)}")
    except Doubt as doubt:
        report.timed_out = isinstance(doubt, NoAnswer)
        report.doubts.append(str(doubt))
    except Exception as crash:  # noqa: BLE001 - the supervisor: a bug in here must not block anybody's work
        report.doubts.append(f"the hook itself failed: {type(crash).__name__}: {line(crash)}")


def _read_hook_input(*, tolerant: bool = False) -> dict[str, Any]:
    if sys.stdin is None or sys.stdin.isatty():
        raise Doubt("nothing to do: name --staged or --file, or send a hook's JSON")
    try:
        given = json.loads(sys.stdin.buffer.read())
    except (ValueError, RecursionError) as error:
        if tolerant:
            return {}
        raise Doubt("standard input is not a hook's JSON") from error
    return given if isinstance(given, dict) else {}


# ---------------------------------------------------------------- checks


def _check_staged(report: Report) -> None:
    repository = Repository.around(Path.cwd())
    report.belongs_to(repository)
    changes = repository.staged()
    if changes is None:
        raise Doubt("git does not tell what is staged")
    if not overridden(report, changes.paths):
        _check(repository, changes, report)


def _check_file(report: Report, path: Path) -> None:
    repository = Repository.around(path.parent)
    report.belongs_to(repository)
    name = repository.relative(path)
    changes = repository.written([name])
    if not changes.added:
        changes = Changes(added=[name])  # whoever asks for one file by name wants its number looked at
    if not overridden(report, [str(path)]):
        _check(repository, changes, report)


def _check(repository: Repository, changes: Changes, report: Report) -> None:
    settings = read_settings(repository)
    report.warnings += settings.warnings
    new = check_by_git(repository, settings, changes, report)
    leased = changes.paths if settings.leases != "off" else []
    if not (new or leased):
        return
    report.blocks_leases = settings.leases == "block"
    report.unchecked = [file.path for file in new] or leased
    ledger = connected(repository, settings)
    NumberCheck(ledger, repository, settings, report).check(new)
    report.unchecked = leased
    suggest_numbers(ledger, repository, report)
    if leased:
        ledger.look_at(leased)
        report.leases = conflicting_leases(ledger, leased)
        report.paths = count_leases(ledger, leased)
    report.unchecked = []
    replay(ledger, repository, settings, report)


# ---------------------------------------------------------------- verdicts


def _note_doubt(report: Report) -> None:
    if report.doubts:
        write(sys.stderr, f"llm-bus: not checked, going on: {report.told_doubt()}")
        note(report.root, PENDING_NAME, report.logged_doubt())


def _conclude_check(report: Report, exit_code: int) -> int:
    for warning in report.warnings:
        write(sys.stderr, f"llm-bus: {warning}")
    _note_doubt(report)
    if found := report.findings():
        write(sys.stderr, "\n".join(found))
    return exit_code if report.blocks() else 0


def _conclude_moment(moment: Moment, report: Report) -> int:
    """Tell a client in its own way; the exit code that it understands."""
    reason = "; ".join(report.doubts)
    client, event = moment.client, moment.event
    if moment.kind in (START, SUBAGENT):
        _note_doubt(report)
        sorry = [_SORRY.format(reason=reason)] if reason and moment.kind == START else []
        if told := "\n\n".join([*sorry, *([moment.packet] if moment.packet else [])]):
            says = client.starts if moment.kind == START else client.tells
            write(sys.stdout, says(event, clean(told)))
        return 0
    if report.unchecked or (reason and moment.kind is None):
        _note_doubt(report)
    findings = report.findings()
    if findings and report.blocks() and client.stops_by_exit_code:
        write(sys.stderr, moment.text(findings))
        return 2
    if told := moment.answer(findings):
        write(sys.stdout, told)
    return 0
