"""The kit's state between two runs: logs beside the work, sessions and pauses inside `.git`.

A lost file costs a repeated message, never a wrong verdict, so nothing here raises for a file that cannot be written.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from kit.bus import object_in
from kit.words import flat

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows: two hooks at the same time may then both tell of one post
    fcntl = None

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER_NAME = ".llm-bus"
PENDING_NAME = "pending.log"
OVERRIDES_NAME = "overrides.log"
LOG_BYTES_MAX = 1_000_000

PAUSE_SECONDS = 30.0
"""How long hooks leave a bus alone that let a time limit pass."""

PAUSE_BEFORE_LOCK_SECONDS = 0.05

SESSION_SECONDS_MAX = 7 * 86_400.0
"""After this long without a word, a session has ended without saying so."""

POSTS_MAX = 1_000
"""How many posts a session remembers to have told."""

_PAUSE_NAME = "pause"
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


# ---------------------------------------------------------------- logs


def note(root: Path, name: str, text: str) -> None:
    """Add a line to a log beside the work; a folder that is made for it keeps itself out of version control.

    A branch may hold a link in the log's place, so links are not followed.
    """
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with suppress(OSError):
        folder = _log_folder(root)
        log = folder / name
        if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
            log.replace(folder / f"{name}.1")
        with os.fdopen(os.open(log, _APPEND, 0o644), "a", encoding="utf-8", errors="replace") as lines:
            lines.write(f"{at} {flat(text)}\n")


def pending_paths(root: Path) -> list[str]:
    """The paths that could not be checked, as `pending.log` has them."""
    found: dict[str, None] = {}
    with suppress(OSError, ValueError):
        log = _log_folder(root) / PENDING_NAME
        if log.is_symlink() or log.stat().st_size > 2 * LOG_BYTES_MAX:
            return []
        for row in log.read_text("utf-8").splitlines():
            with suppress(ValueError):
                listed = json.loads('["' + row.partition(' ["')[2])
                found.update(dict.fromkeys(path for path in listed if isinstance(path, str)))
    return list(found)


def settle_pending(root: Path) -> None:
    """Put the log aside: what it named was checked."""
    with suppress(OSError):
        log = _log_folder(root) / PENDING_NAME
        log.replace(log.with_name(f"{PENDING_NAME}.1"))


def keep_report(state: Path, report: dict[str, Any]) -> None:
    """Keep a commit's report until the bus can be asked."""
    with suppress(OSError):
        state.mkdir(parents=True, exist_ok=True)
        with state.joinpath(PENDING_NAME).open("a", encoding="utf-8") as reports:
            if reports.tell() < LOG_BYTES_MAX:
                reports.write(json.dumps(report) + "\n")


def pending_reports(state: Path) -> list[dict[str, Any]]:
    """The reports that were kept, oldest first."""
    try:
        rows = state.joinpath(PENDING_NAME).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return []
    return [report for row in rows if (report := object_in(row))]


def settle_reports(state: Path, sent: list[dict[str, Any]]) -> None:
    """Forget reports that have reached the bus."""
    with suppress(OSError), state.joinpath(PENDING_NAME).open("r+", encoding="utf-8") as reports:
        lock(reports, wait=True)
        left = [row for row in reports if object_in(row) not in sent]
        reports.seek(0)
        reports.truncate()
        reports.writelines(left)


def _log_folder(root: Path) -> Path:
    folder = root / FOLDER_NAME
    if folder.is_symlink():
        raise OSError(f"{FOLDER_NAME} is a link")
    if not folder.exists():
        folder.mkdir()
        folder.joinpath(".gitignore").write_text("*\n", "utf-8")
    return folder


# ---------------------------------------------------------------- pauses


def pause(state: Path) -> None:
    """Have hooks leave the bus alone for `PAUSE_SECONDS`."""
    with suppress(OSError):
        state.mkdir(exist_ok=True)
        state.joinpath(_PAUSE_NAME).write_text(f"{time.time()}\n", "ascii")


def seconds_of_pause_left(state: Path) -> float:
    """How long hooks still leave the bus alone."""
    try:
        left = float(state.joinpath(_PAUSE_NAME).read_text("ascii")) + PAUSE_SECONDS - time.time()
    except (OSError, ValueError):
        return 0.0
    return left if 0 < left <= PAUSE_SECONDS else 0.0


def end_pause(state: Path) -> None:
    """The bus answers again."""
    with suppress(OSError):
        state.joinpath(_PAUSE_NAME).unlink()


# ---------------------------------------------------------------- sessions


@dataclass
class Session:
    """The state of one session of an agent: the posts it was told of, and the leases its hooks hold.

    `told` are posts that were mentioned in the middle of a turn, `ended_with` those that a turn went on for or the
    agent was woken by, `tasks` those that it was woken by; `leases` are of the hooks, with the time each was taken.
    `is_kept`: what is changed is there at the next call.
    """

    told: list[int] = field(default_factory=list)
    ended_with: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    leases: dict[str, float] = field(default_factory=dict)
    overlaps: list[str] = field(default_factory=list)
    asked_at: float = 0.0
    continued: int = 0
    is_kept: bool = True

    def news(self, posts: list[dict[str, Any]], *, at_end: bool = False, idle: bool = False) -> list[dict[str, Any]]:
        """Those of some posts to tell at this moment; they are taken for told from now on.

        The end of a turn tells once more what was only mentioned in the middle of it. A session that cannot be kept has
        no news, because it would have the same ones for ever.
        """
        if not self.is_kept:
            return []
        known = set(self.ended_with) if at_end else {*self.told, *self.ended_with}
        found = [post for post in posts if isinstance(post.get("post_id"), int) and post["post_id"] not in known]
        told = self.ended_with if at_end or idle else self.told
        told += [post["post_id"] for post in found]
        del told[:-POSTS_MAX]
        return found


def session_path(state: Path, session_id: str) -> Path:
    """Where a session is remembered."""
    return state / "sessions" / hashlib.sha256(session_id.encode("utf-8", "replace")).hexdigest()[:32]


def lock(file: IO[str] | int, *, wait: bool) -> None:
    """Have a file or an open folder to oneself until it is closed.

    Raises `OSError` when another process has it and there is no wait.
    """
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


@contextmanager
def alone_in(folder: Path, seconds_max: float) -> Iterator[bool]:
    """Keep others who ask for this folder out of it; gives False when one is still in it after `seconds_max`.

    Where folders cannot be locked, as on Windows and on some file systems, everybody is let in.
    """
    try:
        opened = os.open(folder, os.O_RDONLY)
    except OSError:
        yield True
        return
    try:
        yield _is_locked(opened, time.monotonic() + seconds_max)
    finally:
        os.close(opened)


def _is_locked(folder: int, deadline: float) -> bool:
    """Lock an open folder; whether nobody else has it, as far as can be told."""
    while True:
        try:
            lock(folder, wait=False)
        except BlockingIOError:
            time.sleep(PAUSE_BEFORE_LOCK_SECONDS)
        except OSError:
            return True
        else:
            return True
        if time.monotonic() >= deadline:
            return False


@contextmanager
def session(path: Path) -> Iterator[Session]:
    """A session, for one hook at a time; what was changed is kept. Held for no longer than it takes to decide."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError:  # such as a `.git` that may only be read
        yield Session(asked_at=math.inf, is_kept=False)
        return
    with file:
        lock(file, wait=True)
        file.seek(0)
        known = object_in(file.read())
        fresh = Session()
        for name, value in vars(fresh).items():
            if isinstance(known.get(name), type(value)):
                setattr(fresh, name, known[name])
        try:
            yield fresh
        finally:
            file.seek(0)
            file.truncate()
            json.dump(vars(fresh), file)


def wake_path(path: Path) -> Path:
    """The lock of the process that waits for an idle session; when it is gone, that process ends."""
    return path.with_name(f"{path.name}.wake")


def forget_session(path: Path) -> None:
    """The session has ended: what waits for it ends too."""
    for gone in (path, wake_path(path)):
        with suppress(OSError):
            gone.unlink()


def forget_old_sessions(state: Path) -> None:
    """Remove what sessions have left that ended without saying so."""
    with suppress(OSError):
        for path in state.joinpath("sessions").iterdir():
            if time.time() - path.stat().st_mtime > SESSION_SECONDS_MAX:
                path.unlink()
