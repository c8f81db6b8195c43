"""Waking an idle agent: waits in the background until a post comes in or a task can go on, and says so.

Started by a client at the end of a turn, at most once a session. It ends when it has something to say (exit code 2,
with the text on standard error), when the session ends, or when the client's process is gone. Waiting costs no tokens.
One call at the bus waits for both, and for nothing that was there before; a bus that does not tell of tasks in it is
looked at after each wait.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.bus import Bus, Doubt, rows_of
from kit.git import NotInGit
from kit.ledger import Ledger
from kit.moments import project_of
from kit.settings import Settings, read_settings
from kit.state import lock, session, session_path, wake_path
from kit.telling import Moment, told_news
from kit.words import write

if TYPE_CHECKING:
    from kit.clients import Client

WAIT_SECONDS = 55
"""The longest wait that the bus offers."""

RETRY_SECONDS_MIN = 0.5
RETRY_SECONDS_MAX = 30.0
WATCH_SECONDS = 1.0
_LIMIT = 50


def wait_for_news(client: Client, given: dict[str, Any]) -> int:
    """Wait as long as the session lives; 2 when there is something to tell, else 0."""
    moment = Moment(client, "", given)
    if _ends_after_its_turn(os.environ.get("CLAUDE_PID", "")):
        return 0
    try:
        project = project_of(moment)
        settings = read_settings(project, needs_file=False)
        endpoint, token = settings.checked_endpoint(), settings.token(project.git_dir)
    except (Doubt, NotInGit, OSError):
        return 0
    path = session_path(project.own_state, moment.session_id)
    held = _locked(wake_path(path))
    if held is None:
        return 0
    threading.Thread(target=_end_with_session, args=(path, _client_of(given)), daemon=True).start()
    told = _Waiter(endpoint, token, settings, path).wait()
    write(sys.stderr, told)
    return 2


def _ends_after_its_turn(client: str) -> bool:
    """Whether a process is a client that was asked one thing only (`claude -p`), and would wait for us at its end."""
    if not client.isdigit():
        return False
    try:
        arguments = Path(f"/proc/{client}/cmdline").read_text("utf-8", "replace").split("\0")
    except OSError:
        command = ["ps", "-o", "args=", "-p", client]
        ran = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603 - ps, and a number
        arguments = ran.stdout.split()
    given = dict(zip(arguments, arguments[1:]))
    reads_on = given.get("--input-format") == "stream-json" or "--input-format=stream-json" in arguments
    return bool({"-p", "--print"} & set(arguments)) and not reads_on


def _locked(path: Path) -> Any:
    """The lock of the one process that waits for a session; None when another has it, or no file can be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError:
        return None
    try:
        lock(file, wait=False)
    except OSError:
        file.close()
        return None
    return file


def _client_of(given: dict[str, Any]) -> int:
    """The client's process; one that may end right after its turn tells, because it may be gone by now."""
    told = given.get("client_pid")
    return told if isinstance(told, int) else os.getppid()


def _end_with_session(path: Path, client: int) -> None:
    while wake_path(path).exists() and os.getppid() == client:
        time.sleep(WATCH_SECONDS)
    os._exit(0)


class _Waiter:
    """Waits over one kept connection, and over a new one when the bus was away."""

    def __init__(self, endpoint: str, token: str, settings: Settings, path: Path) -> None:
        self._endpoint, self._token, self._settings, self._path = endpoint, token, settings, path
        self._ledger: Ledger | None = None

    def wait(self) -> str:
        """The text for the agent, as soon as there is one."""
        pause_seconds = RETRY_SECONDS_MIN
        first = True
        while True:
            try:
                posts, tasks, position = self._look(first=first)
                if not (posts or tasks):
                    posts, tasks = self._wait_for_news(position)
            except Doubt:
                self._ledger = None
                time.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, RETRY_SECONDS_MAX)
                continue
            pause_seconds, first = RETRY_SECONDS_MIN, False
            if posts or tasks:
                return told_news(posts, tasks)

    def _look(self, *, first: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
        """The news, and the ledger's last event before the look. The first look takes ready tasks for known."""
        if self._ledger is None:
            self._ledger = Ledger(Bus(self._endpoint, self._token, WAIT_SECONDS + 10), self._settings)
        position = self._ledger.position()
        ready = self._ready_tasks(self._ledger)
        with session(self._path) as known:
            unblocked = [] if first else [task for task in ready if task["task_id"] not in known.tasks]
            known.tasks = [task["task_id"] for task in ready]
        return self._news(self._read_posts(self._ledger)["posts"]), unblocked, position

    def _wait_for_news(self, position: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The news after an event; after an empty wait, another look shows what else has changed."""
        assert self._ledger is not None  # noqa: S101 - after a look
        after = {"after": position} if position else {}
        answer = self._read_posts(self._ledger, wait_seconds=WAIT_SECONDS, **after)
        tasks = _with_ids(answer.get("ready_tasks"))
        with session(self._path) as known:
            known.tasks += [task["task_id"] for task in tasks]
        return self._news(answer["posts"]), tasks

    def _read_posts(self, ledger: Ledger, **how: int) -> dict[str, Any]:
        answer = ledger.bus.call("read_posts", to_me=True, unacked_only=True, limit=_LIMIT, **how)
        return {**answer, "posts": rows_of(answer, "posts")}

    def _news(self, posts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        with session(self._path) as known:
            return known.news(posts, idle=True)

    def _ready_tasks(self, ledger: Ledger) -> list[dict[str, Any]]:
        """The caller's unfinished tasks that can go on."""
        rows = ledger.bus.call("list_tasks", owner=ledger.me, ready=True, limit=_LIMIT).get("tasks")
        return [task for task in _with_ids(rows) if task.get("status") != "blocked"]


def _with_ids(rows: object) -> list[dict[str, Any]]:
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [row for row in found if isinstance(row.get("task_id"), int)]
