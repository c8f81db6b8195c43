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

import json
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.bus import Doubt, NoAnswer
from kit.clients import CLIENTS, COPILOT_HOOKS, START, SUBAGENT
from kit.git import SECONDS_MAX, NotInGit
from kit.report import Report
from kit.state import PENDING_NAME, note, pause
from kit.telling import Moment
from kit.words import clean, line, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kit.clients import Client


RUN_SECONDS_MAX = SECONDS_MAX
"""For everything: the interpreter's start, git, the name of the server, every request; 1.5 s with the end."""

PLACES_OF_GIT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
"""Set in a client that a hook of git has started; a file is looked at in the repository that it is in."""

WORK_SECONDS_MIN = 0.4
"""The time left for the work when the start alone took too long."""


@dataclass
class Options:
    """The arguments, by their names; see the head of this module.

    `wake`: wait until there is something for an idle agent. `numbers`: only look at numbers, because the client asks
    for the rest itself. `event`: which one, for clients that do not tell. `exit_code`: says a collision.
    """

    staged: bool = False
    incoming: bool = False
    committed: bool = False
    wake: bool = False
    numbers: bool = False
    file: str = ""
    client: str = "claude-code"
    event: str = ""
    exit_code: int = 1


_SORRY = "LLM Bus could not be asked ({reason}). Go on with your work; claim before you merge."


def main(arguments: Sequence[str]) -> int:
    """Run one check, say what it found, and give the exit code."""
    options = _options(arguments)
    if options is None:
        write(sys.stderr, __doc__ or "")
        return 2
    if _is_anothers(options):
        return 0
    if options.wake:
        return _wait(CLIENTS[options.client])
    report = Report(root=Path())
    is_check = options.staged or options.incoming or options.committed or options.file
    moment = None if is_check else Moment(CLIENTS[options.client], options.event, {})
    if moment is not None:
        for name in PLACES_OF_GIT:
            os.environ.pop(name, None)
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
        from kit.commits import leave_check  # noqa: PLC0415 - the same

        leave_check(report.repository, report)
    return _conclude_check(report, options.exit_code)


def _wait(client: Client) -> int:
    """Wait for what wakes an idle agent; the exit code. Nobody reads what goes wrong, so it ends without a word."""
    from kit.wake import wait_for_news  # noqa: PLC0415 - of one moment only

    try:
        return wait_for_news(client, _read_hook_input(tolerant=True))
    except Exception:  # noqa: BLE001 - the supervisor, as `_supervise`
        return 0


def _is_anothers(options: Options) -> bool:
    """Whether another client has started a hook of Claude Code's, and has hooks of its own, or would wait for this one.

    Copilot CLI runs the hooks in .claude/settings.json too, and would wait for the one that waits in the background.
    """
    if options.client != "claude-code" or "COPILOT_CLI" not in os.environ:
        return False
    root = Path(os.environ.get("COPILOT_PROJECT_DIR") or ".")
    return options.wake or (root / COPILOT_HOOKS).is_file()


def _options(arguments: Sequence[str]) -> Options | None:
    """What the arguments ask for; None when they make no sense. `argparse` takes longer to load than this to run."""
    found = Options()
    kinds = {f"--{field.name.replace('_', '-')}": (field.name, field.default) for field in fields(Options)}
    rest = iter(arguments)
    for argument in rest:
        flag, has_value, value = argument.partition("=")
        name, default = kinds.get(flag, ("", None))
        if not name or (default is False and has_value):
            return None
        if default is False:
            setattr(found, name, True)
            continue
        value = value if has_value else next(rest, "")
        if name == "exit_code" and not value.isdecimal():
            return None
        setattr(found, name, int(value) if name == "exit_code" else value)
    chosen = [found.staged, found.incoming, found.committed, found.wake, bool(found.file)]
    return found if found.client in CLIENTS and sum(chosen) <= 1 else None


def _age_seconds() -> float:
    """How long this process has lived, where the system tells; elsewhere the time it has computed."""
    with suppress(OSError, ValueError, IndexError, AttributeError):
        began_ticks = int(Path("/proc/self/stat").read_text("utf-8").rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - began_ticks / os.sysconf("SC_CLK_TCK")
        if age >= 0:
            return age
    return time.process_time()


def _supervise(options: Options, moment: Moment | None, report: Report) -> None:
    try:
        if moment is not None:
            moment.given = _read_hook_input()
            moment.event = str(options.event or moment.given.get("hook_event_name") or "PostToolUse")
            _meet(moment, report, only_numbers=options.numbers)
        else:
            _check(options, report)
    except NotInGit as reason:
        if moment is None:
            report.doubts.append(f"not in a git repository: {line(reason)}")
    except Doubt as doubt:
        report.timed_out = isinstance(doubt, NoAnswer)
        report.doubts.append(str(doubt))
    except Exception as crash:  # noqa: BLE001 - the supervisor: a bug in here must not block anybody's work
        report.doubts.append(f"the hook itself failed: {type(crash).__name__}: {line(crash)}")


def _meet(moment: Moment, report: Report, *, only_numbers: bool) -> None:
    from kit import moments  # noqa: PLC0415 - a run loads only what it needs, because loading is what takes long

    (moments.check_edit if only_numbers else moments.answer)(moment, report)


def _check(options: Options, report: Report) -> None:
    from kit import guard  # noqa: PLC0415 - the same

    if options.staged:
        guard.check_staged(report)
    elif options.incoming:
        guard.check_incoming(report)
    elif options.committed:
        guard.report_committed()
    else:
        guard.check_file(report, Path(options.file))


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
