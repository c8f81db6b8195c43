"""Waking an idle agent: waits in the background until a post comes in or a task can go on, and says so.

Started by a client at the end of a turn, at most once a session. It ends when it has something to say (exit code 2,
with the text on standard error), when the session ends, or when the client's process is gone. Waiting costs no tokens.
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

LOOK_SECONDS = 0.5
"""Between two looks, while tasks are blocked: a wait for posts does not end when a task can go on."""

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
    path.parent.mkdir(parents=True, exist_ok=True)
    held = _locked(wake_path(path))
    if held is None:
        return 0
    threading.Thread(target=_end_with_session, args=(path, os.getppid()), daemon=True).start()
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
    """The lock of the one process that waits for a session; None when another has it."""
    file = path.open("w")
    try:
        lock(file, wait=False)
    except OSError:
        file.close()
        return None
    return file


def _end_with_session(path: Path, parent: int) -> None:
    while wake_path(path).exists() and os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(0)


class _Waiter:
    """Waits over one kept connection, and over a new one when the bus was away."""

    def __init__(self, endpoint: str, token: str, settings: Settings, path: Path) -> None:
        self._endpoint, self._token, self._settings, self._path = endpoint, token, settings, path
        self._ledger: Ledger | None = None
        self._newest = 0
        """The newest unread post of the last look. A wait is for newer ones, so that old ones do not end it."""
        self._waits_for_newer = True

    def wait(self) -> str:
        """The text for the agent, as soon as there is one."""
        pause_seconds = LOOK_SECONDS
        first = True
        while True:
            try:
                posts, tasks, can_wait = self._look(first=first)
                if not (posts or tasks) and can_wait:
                    posts = self._wait_for_posts()
            except Doubt:
                self._ledger = None
                time.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, RETRY_SECONDS_MAX)
                continue
            pause_seconds, first = LOOK_SECONDS, False
            if posts or tasks:
                return told_news(posts, tasks)
            if not can_wait:
                time.sleep(LOOK_SECONDS)

    def _look(self, *, first: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]], bool]:
        """The news, and whether a wait for posts is enough now. The first look takes ready tasks for known."""
        if self._ledger is None:
            self._ledger = Ledger(Bus(self._endpoint, self._token, WAIT_SECONDS + 10), self._settings)
        ready, blocked = self._tasks(self._ledger)
        with session(self._path) as known:
            unblocked = [] if first else [task for task in ready if task["task_id"] not in known.tasks]
            known.tasks = [task["task_id"] for task in ready]
        posts = self._read_posts(self._ledger)
        ids = [post["post_id"] for post in posts if isinstance(post.get("post_id"), int)]
        self._newest = max(ids, default=0)
        return self._news(posts), unblocked, not blocked and (self._waits_for_newer or not ids)

    def _wait_for_posts(self) -> list[dict[str, Any]]:
        """The news among posts that come in now; after an empty wait, another look shows what else has changed."""
        assert self._ledger is not None  # noqa: S101 - after a look
        newer = {"after": self._newest} if self._newest else {}
        try:
            return self._news(self._read_posts(self._ledger, wait_seconds=WAIT_SECONDS, **newer))
        except Doubt as doubt:
            if "'after'" not in str(doubt):
                raise
            self._waits_for_newer = False  # an older bus: look again and again while old posts are unread
            return []

    def _read_posts(self, ledger: Ledger, **how: int) -> list[dict[str, Any]]:
        return rows_of(ledger.bus.call("read_posts", to_me=True, unacked_only=True, limit=_LIMIT, **how), "posts")

    def _news(self, posts: list[dict[str, Any]]) -> list[dict[str, Any]]:
        with session(self._path) as known:
            return known.news(posts, idle=True)

    def _tasks(self, ledger: Ledger) -> tuple[list[dict[str, Any]], bool]:
        """The caller's tasks that can go on, and whether any other cannot."""
        rows = rows_of(ledger.bus.call("list_tasks", owner=ledger.me, limit=_LIMIT), "tasks")
        tasks = [task for task in rows if isinstance(task.get("task_id"), int) and task.get("status") != "done"]
        ready = [task for task in tasks if task.get("status") != "blocked" and not task.get("waits_for")]
        return ready, len(ready) < len(tasks)
