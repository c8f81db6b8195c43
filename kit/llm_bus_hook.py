#!/usr/bin/env python3
"""The reconcile hook of LLM Bus: it asks whether the numbers and surfaces of changed files are yours.

It is copied into other people's repositories, hence one file, however long: standard library only, Python 3.9 or later.

    llm_bus_hook.py --staged        as a git pre-commit hook: what is about to be committed
    llm_bus_hook.py --file PATH     one file
    llm_bus_hook.py                 as a Claude Code hook: reads its JSON on standard input

It exits with 1 (2 for Claude Code: only that reaches the model) on a confirmed collision, that is when the bus says
that another actor holds the number; and, with "leases": "block", the path. Everything else passes: a bus that is down
or slow, a missing token, a broken config, even a crash in here are warnings, noted in .llm-bus/pending.log. So the
whole run happens in a thread that has until `RUN_SECONDS_MAX`, and whatever it has confirmed by then counts.

LLM_BUS_OVERRIDE=1 lets everything pass and is noted in .llm-bus/overrides.log.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
import unicodedata
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

VERSION = "1"
CONFIG_NAME = "llm-bus.config.json"
FOLDER_NAME = ".llm-bus"

RUN_SECONDS_MAX = 1.4
"""For everything: the interpreter's start, git, the name of the server, every request; 1.5 s with the end."""

WORK_SECONDS_MIN = 0.4
"""What is left for the work when the start alone took too long."""

ANSWER_BYTES_MAX = 8_000_000
LOG_BYTES_MAX = 1_000_000
DIGITS_MAX = 15
"""More make no number of the bus; neither does 0."""

LINES_MAX = 8
"""Of leases and of each part of a packet; the rest is counted."""

LINE_LENGTH_MAX = 160
PACKET_BYTES_MAX = 4_000
EVENTS_MAX = 1_000
"""One is enough, but a server that cannot be asked by number returns the newest, and the one may be among them."""


class Doubt(Exception):
    """Why something could not be checked. Work goes on."""


# ---------------------------------------------------------------- what a run finds


@dataclass
class Collision:
    """A new file with a number that another actor holds."""

    file: Numbered
    holder: str
    free_number: int | None = None
    in_index: bool = True

    def __str__(self) -> str:
        path = self.file.path
        told = f"{self.file} belongs to {_line(self.holder)}, not to you: {_flat(path)}"
        if self.free_number is None or not path.isprintable():
            return f"{told}\n  claim the next number and rename the file."
        # git moves only what it knows; an intention to add is enough.
        introduced = "" if self.in_index else f"git add -N -- {shlex.quote(path)} && "
        move = f"git mv -- {shlex.quote(path)} {shlex.quote(self.file.renumbered(self.free_number))}"
        return f"{told}\n  the next free number is {self.free_number}:\n    {introduced}{move}"


@dataclass
class Report:
    """What a run has found so far. One thread writes it; another reads it when time is up."""

    root: Path
    packet: str = ""
    event: str = ""
    blocks_leases: bool = False
    collisions: list[Collision] = field(default_factory=list)
    leases: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def blocks(self) -> bool:
        """Whether work must stop here."""
        return bool(self.collisions or (self.blocks_leases and self.leases))

    def findings(self) -> list[str]:
        """What whoever works here should know, the worst first."""
        return [*map(str, self.collisions), *_shortened(self.leases), *self.notices]


def _shortened(lines: list[str]) -> list[str]:
    more = len(lines) - LINES_MAX
    return lines if more <= 0 else [*lines[:LINES_MAX], f"… and {more} more"]


# ---------------------------------------------------------------- the command


def main(arguments: Sequence[str]) -> int:
    """Run one check, say what it found, and give the exit code."""
    parser = argparse.ArgumentParser(description="Checks files against LLM Bus; see the top of this file.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--staged", action="store_true", help="check what is about to be committed")
    which.add_argument("--file", metavar="PATH", help="check one file")
    parser.add_argument("--exit-code", type=int, default=1, metavar="N", help="say a collision with N instead of 1")
    options = parser.parse_args(arguments)
    report = Report(root=Path.cwd())
    worker = threading.Thread(target=_supervise, args=(options, report), daemon=True)
    worker.start()
    worker.join(max(WORK_SECONDS_MIN, RUN_SECONDS_MAX - _age_seconds()))
    if worker.is_alive():
        report.doubts.append(f"no answer within {RUN_SECONDS_MAX} seconds")
    return _conclude(options, report)


def _age_seconds() -> float:
    """How long this process has lived, where the system tells; elsewhere the time it has computed."""
    with suppress(OSError, ValueError, IndexError, AttributeError):
        began_ticks = int(Path("/proc/self/stat").read_text("utf-8").rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - began_ticks / os.sysconf("SC_CLK_TCK")
        if age >= 0:
            return age
    return time.process_time()


def _supervise(options: argparse.Namespace, report: Report) -> None:
    try:
        if options.staged:
            _check_staged(report)
        elif options.file is not None:
            _check_file(report, Path(options.file))
        else:
            _answer_hook(report)
    except Doubt as doubt:
        report.doubts.append(str(doubt))
    except Exception as crash:  # noqa: BLE001 - the supervisor: a bug in here must not block anybody's work
        report.doubts.append(f"the hook itself failed: {type(crash).__name__}: {crash}")


def _conclude(options: argparse.Namespace, report: Report) -> int:
    """Say and note what was found; the exit code."""
    reason = "; ".join(report.doubts)
    if reason:
        about = f" ({', '.join(_shortened([_flat(path) for path in report.unchecked]))})" if report.unchecked else ""
        _write(sys.stderr, f"llm-bus: not checked, going on: {reason}{about}")
        _note(report.root, "pending.log", f"{reason}{about}")
    if report.event == "SessionStart":
        sorry = f"LLM Bus could not be asked ({reason}). Go on with your work; claim before you merge."
        _write(sys.stdout, report.packet or sorry)
        return 0
    findings = _clean("\n".join(f"llm-bus: {finding}" for finding in report.findings()))
    if findings and report.event and not report.blocks():
        # Claude Code shows the model standard error only with exit code 2, and this JSON only with 0.
        told = {"hookEventName": report.event, "additionalContext": findings}
        _write(sys.stdout, json.dumps({"hookSpecificOutput": told}))
    elif findings:
        _write(sys.stderr, findings)
    if not report.blocks():
        return 0
    return 2 if report.event else int(options.exit_code)


# ---------------------------------------------------------------- modes


def _check_staged(report: Report) -> None:
    repository = Repository.around(Path.cwd())
    report.root = repository.root
    changes = repository.staged() if repository.git_dir else {}
    if _overridden(report, ", ".join(_shortened(list(changes)))):
        return
    if not repository.git_dir:
        raise Doubt("not in a git repository")
    _check(repository, repository.config(), changes, report)


def _check_file(report: Report, path: Path) -> None:
    repository = Repository.around(path.parent)
    report.root = repository.root
    if not _overridden(report, str(path)):
        _check(repository, repository.config(), {repository.relative(path): True}, report)


def _answer_hook(report: Report) -> None:
    given = _read_hook_input()
    report.event = str(given.get("hook_event_name", "PostToolUse"))
    here = Path(str(given.get("cwd") or Path.cwd()))
    project = Repository.around(Path(os.environ.get("CLAUDE_PROJECT_DIR") or here))
    if report.event == "SessionStart":
        report.root = project.root
        report.packet = _packet(project.config())
        return
    tool_input = given.get("tool_input")
    named = tool_input if isinstance(tool_input, dict) else {}
    path = named.get("file_path") or named.get("notebook_path")
    if not isinstance(path, str):
        return
    repository = Repository.around((here / path).parent)
    # The config of a repository that was merely cloned must not choose where this project's token is sent.
    if repository.shared != project.shared or not repository.config_path():
        return
    report.root = repository.root
    if not _overridden(report, path):
        name = repository.relative(here / path)
        _check(repository, repository.config(), {name: not repository.is_committed(name)}, report)


def _read_hook_input() -> dict[str, Any]:
    if sys.stdin is None or sys.stdin.isatty():
        raise Doubt("nothing to do: name --staged or --file, or send a hook's JSON")
    try:
        given = json.loads(sys.stdin.buffer.read())
    except ValueError as error:
        raise Doubt("standard input is not a hook's JSON") from error
    return given if isinstance(given, dict) else {}


def _overridden(report: Report, what: str) -> bool:
    if os.environ.get("LLM_BUS_OVERRIDE") != "1":
        return False
    _note(report.root, "overrides.log", what)
    return True


# ---------------------------------------------------------------- rules


@dataclass(frozen=True)
class Numbered:
    """A file whose name holds a number of a sequence."""

    path: str
    sequence: str
    digits: str

    @property
    def number(self) -> int:
        """The number; leading zeros do not count."""
        return int(self.digits)

    def __str__(self) -> str:
        return f"{self.sequence} {self.number}"

    def renumbered(self, number: int) -> str:
        """The path with another number, as wide as this one."""
        folder, slash, name = self.path.rpartition("/")
        return folder + slash + name.replace(self.digits, str(number).zfill(len(self.digits)), 1)


def _check(repository: Repository, config: Config, changes: dict[str, bool], report: Report) -> None:
    """Check changed paths; those that are True are new, and only new names take numbers."""
    numbered = [file for path, is_new in changes.items() if is_new and (file := config.numbered(path))]
    leased = list(changes) if config.leases != "off" else []
    if not (numbered or leased):
        return
    report.blocks_leases = config.leases == "block"
    report.unchecked = [file.path for file in numbered] or leased
    bus = Bus(config)
    me = _text(bus.call("whoami"), "actor")
    for file in numbered:
        _check_number(bus, me, file, report)
        report.unchecked.remove(file.path)
    report.unchecked = leased
    _suggest_numbers(bus, repository, report)
    if leased:
        report.leases = _conflicting_leases(bus, me, leased)
    report.unchecked = []


def _check_number(bus: Bus, me: str, file: Numbered, report: Report) -> None:
    holder, given = _holder(bus, file), None
    if holder is None:
        expected = _next_number(bus, file.sequence)
        if expected != file.number:
            report.notices.append(
                f"nobody claimed {file}: the next is {expected}, claim it and rename {_flat(file.path)}"
            )
            return
        key = hashlib.sha256(_encoded(f"{file.sequence} {file.path}")).hexdigest()[:40]
        given = bus.call("claim", sequence=file.sequence, key=key).get("number")
        if given == file.number:
            report.notices.append(f"{file} is now claimed for you: {_flat(file.path)}")
            return
        holder = _holder(bus, file)  # somebody was faster, and what we were given instead is ours to use
    if holder is not None and not _is_same(holder, me):
        report.collisions.append(Collision(file, holder, given if isinstance(given, int) else None))


def _is_same(actor: object, me: str) -> bool:
    """Whether two names are one actor's.

    A project has one owner. Their handle, in front of every name, may have changed since; the label behind it does not,
    and who has none is the owner in person.
    """
    label = me.partition("/")[2]
    return isinstance(actor, str) and actor.partition("/")[2] == label


def _holder(bus: Bus, file: Numbered) -> str | None:
    """Who claimed the number, however long ago."""
    asked = {"type": "claim", "sequence": file.sequence, "number": file.number, "limit": EVENTS_MAX}
    for event in _rows(bus.call("query_events", **asked), "events"):
        payload = event.get("payload")
        if isinstance(payload, dict) and payload.get("number") == file.number:
            return _text(event, "actor")
    return None


def _next_number(bus: Bus, sequence: str) -> int:
    rows = _rows(bus.call("list_sequences"), "sequences")
    following = next((row.get("next") for row in rows if row.get("name") == sequence), 1)
    if not isinstance(following, int):
        raise Doubt(f"{_STRANGE}: it has no next number")
    return following


def _suggest_numbers(bus: Bus, repository: Repository, report: Report) -> None:
    """Find a free number for every collision; files that shared a number, as up and down migrations do, still will."""
    chosen: dict[tuple[str, int], int] = {}
    for collision in report.collisions:
        sequence, number = collision.file.sequence, collision.file.number
        if (sequence, number) not in chosen:
            taken = sum(name == sequence for name, _ in chosen)
            chosen[sequence, number] = collision.free_number or _next_number(bus, sequence) + taken
        collision.in_index = repository.is_in_index(collision.file.path)
        collision.free_number = chosen[sequence, number]


def _conflicting_leases(bus: Bus, me: str, paths: list[str]) -> list[str]:
    """Each path that somebody else leases exclusively, with holder and time left."""
    leases = [
        (str(row.get("surface")), _line(str(row.get("actor"))), _time_left(row))
        for row in _rows(bus.call("who_holds"), "leases")
        if row.get("mode", "exclusive") == "exclusive" and not _is_same(row.get("actor"), me)
    ]
    return [
        f"{_flat(path)} is leased by {actor}{'' if surface == path else f' as {_line(surface)}'}, {left}"
        for path in paths
        for surface, actor, left in leases
        if matches(surface, path)
    ]


# ---------------------------------------------------------------- the packet for a new session


def _packet(config: Config) -> str:
    """What this agent holds and owes, in at most `PACKET_BYTES_MAX` bytes of UTF-8."""
    bus = Bus(config)
    who = bus.call("whoami")
    me = _text(who, "actor")
    unread = _rows(bus.call("read_posts", to_me=True, unacked_only=True, limit=50), "posts")
    leases = [row for row in _rows(bus.call("who_holds"), "leases") if _is_same(row.get("actor"), me)]
    tasks = [row for row in _rows(bus.call("list_tasks", owner=me), "tasks") if row.get("status") != "done"]
    waiting = bus.call("whats_new", advance_cursor=False, limit=1)
    parts = {
        "Unread posts: read_posts (to_me, unacked_only), act, then ack": [
            _post_line(row, f"from {row.get('from')}") for row in unread
        ],
        "Your leases: release when you are done": [
            _line(f"- {row.get('surface')}, {_time_left(row)}") for row in leases
        ],
        "Your tasks": [_line(f"- #{row.get('task_id')} {row.get('status')}: {row.get('title')}") for row in tasks],
        "Your posts that nobody has acknowledged": [
            _post_line(row, f"to {row.get('to_actor') or 'lane {}'.format(row.get('to_lane'))}")
            for row in _rows({"awaiting_ack": [], **waiting}, "awaiting_ack")
        ],
    }
    told = [f"{title} ({len(lines)}):\n" + "\n".join(_shortened(lines)) for title, lines in parts.items() if lines]
    beginning = f"LLM Bus: you are {_line(me)} in project {_line(str(who.get('project')))}."
    text = _clean("\n\n".join([beginning, *told] if told else [f"{beginning} You hold and owe nothing."]))
    short = text.encode()[: PACKET_BYTES_MAX - 3].decode(errors="ignore")
    return text if len(short) == len(text) else f"{short}…"


def _post_line(post: dict[str, Any], whom: str) -> str:
    ref = f" (ref {post['ref']})" if post.get("ref") else ""
    return _line(f"- #{post.get('post_id')} {whom}{ref}: {post.get('subject') or post.get('body') or '(no subject)'}")


def _time_left(lease: dict[str, Any]) -> str:
    seconds, note = lease.get("expires_in_seconds"), lease.get("note")
    whole = int(seconds) if isinstance(seconds, (int, float)) else 0
    left = f"{whole} s left" if whole < 120 else f"{whole // 60} min left"
    return f'{left}: "{_line(str(note))}"' if note else left


# ---------------------------------------------------------------- the repository


@dataclass(frozen=True)
class Repository:
    """A work tree: its root, its own git directory, and the one it shares with its other work trees."""

    root: Path
    git_dir: Path | None
    shared: Path

    @classmethod
    def around(cls, directory: Path) -> Repository:
        """The repository that a directory is in; outside of git, the nearest directory with a config."""
        start = Path(os.path.realpath(directory))
        while not start.is_dir() and start != start.parent:
            start = start.parent
        shown = _git(start, "rev-parse", "--show-toplevel", "--absolute-git-dir", "--git-common-dir")
        if shown is None or len(lines := shown.split(b"\n")) != 4:
            root = next((place for place in (start, *start.parents) if (place / CONFIG_NAME).is_file()), start)
            return cls(root, None, root / ".git")
        root, git_dir, shared = (start / os.fsdecode(line) for line in lines[:3])
        return cls(root, git_dir, shared.resolve())

    def relative(self, path: Path) -> str:
        """A path from the root, with slashes; symbolic links on the way are followed, the last part is kept."""
        real = Path(os.path.realpath(path.parent)) / path.name
        return _decoded(os.fsencode(Path(os.path.relpath(real, os.path.realpath(self.root))).as_posix()))

    def config_path(self) -> Path | None:
        """Where its config is: here, or in the main work tree, where it may not be committed yet."""
        places = (self.root / CONFIG_NAME, self.shared.parent / CONFIG_NAME)
        return next((path for path in places if path.is_file()), None)

    def config(self) -> Config:
        """Its config; raises `Doubt`."""
        path = self.config_path()
        if path is None:
            raise Doubt(f"there is no {CONFIG_NAME}")
        return Config.read(path)

    def staged(self) -> dict[str, bool]:
        """The paths that are about to be committed, and whether each is a new name.

        What a merge, a cherry-pick or a rebase brings in from elsewhere is not ours, and is left out.
        """
        changes = self._changes()
        for head in self._heads_coming_in():
            others = self._changes(head)
            changes = {path: new and others[path] for path, new in changes.items() if path in others}
        return changes

    def _changes(self, *since: str) -> dict[str, bool]:
        # Without renames a moved file is one deleted and one added name, and only the added one is new.
        names = _git(self.root, "diff", "--cached", "--no-renames", "--name-status", "-z", *since)
        if names is None:
            raise Doubt("git does not tell what is staged")
        fields = _decoded(names).split("\0")
        return {path: status == "A" for status, path in zip(fields[::2], fields[1::2])}

    def _heads_coming_in(self) -> list[str]:
        heads: list[str] = []
        for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REBASE_HEAD"):
            with suppress(OSError):
                heads += (self.git_dir or self.root).joinpath(name).read_text("ascii").split()
        return heads

    def is_committed(self, path: str) -> bool:
        """Whether the last commit has a file of that name."""
        return _git(self.root, "cat-file", "-e", f"HEAD:{path}") is not None

    def is_in_index(self, path: str) -> bool:
        """Whether git knows the file."""
        return bool(_git(self.root, "ls-files", "-z", "--", f":(literal){path}"))


def _git(directory: Path, *arguments: str) -> bytes | None:
    """What git prints; None when it fails or is not there."""
    command = [b"git", b"-C", os.fsencode(directory), *map(_encoded, arguments)]
    try:
        ran = subprocess.run(  # noqa: S603 - git as the user's PATH finds it, and no shell
            command, capture_output=True, check=True, stdin=subprocess.DEVNULL, timeout=RUN_SECONDS_MAX
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return ran.stdout


def _decoded(name: bytes) -> str:
    """Git's names are UTF-8 by habit, whatever the locale; those that are not survive."""
    return name.decode("utf-8", "surrogateescape")


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


# ---------------------------------------------------------------- the config


_DEFAULTS: dict[str, Any] = {"endpoint": None, "tokenEnv": "LLM_BUS_TOKEN", "sequences": {}, "leases": "warn"}


@dataclass(frozen=True)
class Config:
    """What `llm-bus.config.json` says."""

    endpoint: str
    token_variable: str
    sequences: dict[str, str]
    leases: str

    @classmethod
    def read(cls, path: Path) -> Config:
        """Read and check it; raises `Doubt`."""
        try:
            given = json.loads(path.read_text("utf-8-sig"))
        except (OSError, ValueError) as error:
            raise Doubt(f"{CONFIG_NAME} cannot be read: {error}") from error
        given = {**_DEFAULTS, **given} if isinstance(given, dict) else _DEFAULTS
        sequences = given["sequences"]
        checks = {
            "endpoint": re.match(r"https?://[^/]", str(given["endpoint"])),
            "tokenEnv": isinstance(given["tokenEnv"], str),
            "sequences": isinstance(sequences, dict) and all(isinstance(name, str) for name in sequences.values()),
            "leases": given["leases"] in ("warn", "block", "off"),
        }
        if wrong := [name for name, holds in checks.items() if not holds]:
            raise Doubt(f"{CONFIG_NAME} is not right in: {', '.join(wrong)}")
        return cls(str(given["endpoint"]), given["tokenEnv"], sequences, given["leases"])

    def numbered(self, path: str) -> Numbered | None:
        """The number in a file's name, of the sequence whose glob comes first."""
        sequence = next((name for glob, name in self.sequences.items() if matches(glob, path)), None)
        digits = re.search("[0-9]+", path.rpartition("/")[2])
        if not (sequence and digits and 0 < int(digits.group()[: DIGITS_MAX + 1]) < 10**DIGITS_MAX):
            return None
        return Numbered(path, sequence, digits.group())


def matches(glob: str, path: str) -> bool:
    """Whether a glob covers a path: `*` and `?` within a segment, `**` for any number of segments, nothing else.

    The bus reads surfaces the same way. It takes at most the product of the lengths, whatever the glob is.
    """
    return _covers(_segments(glob), _segments(path), "**", _covers_name)


@cache
def _segments(path: str) -> tuple[str, ...]:
    parts = unicodedata.normalize("NFC", path).replace("\\", "/").split("/")
    return tuple(part if part == "**" else re.sub(r"\*+", "*", part) for part in parts if part not in ("", "."))


def _covers_name(part: str, name: str) -> bool:
    return part == name or _covers(part, name, "*", lambda wanted, character: wanted in ("?", character))


def _covers(pattern: Sequence[str], items: Sequence[str], wild: str, fits: Callable[[str, str], bool]) -> bool:
    """Go along both; on a misfit let the last wildcard take one item more."""
    at = position = taken = 0
    last_wild = -1
    while position < len(items):
        if at < len(pattern) and pattern[at] == wild:
            last_wild, taken, at = at, position, at + 1
        elif at < len(pattern) and fits(pattern[at], items[position]):
            at, position = at + 1, position + 1
        elif last_wild >= 0:
            taken += 1
            at, position = last_wild + 1, taken
        else:
            return False
    return all(part == wild for part in pattern[at:])


# ---------------------------------------------------------------- the bus

STATELESS = "2026-07-28"
HANDSHAKE = "2025-06-18"
_ABOUT_US = {"name": "llm-bus-hook", "version": VERSION}
_STRANGE = "the answer is not that of LLM Bus"


class Bus:
    """The bus over one kept connection: one request a call at revision 2026-07-28, else after a handshake."""

    def __init__(self, config: Config) -> None:
        token = os.environ.get(config.token_variable, "").strip()
        if not token:
            raise Doubt(f"there is no token: {config.token_variable} is not set")
        if not (token.isascii() and token.isprintable()):
            raise Doubt(f"what {config.token_variable} holds is not a token")
        place = urlsplit(config.endpoint)
        connect = HTTPSConnection if place.scheme == "https" else HTTPConnection
        try:
            self._connection = connect(place.hostname or "", place.port, timeout=RUN_SECONDS_MAX)
        except ValueError as error:
            raise Doubt(f"the endpoint makes no sense: {error}") from error
        self._path = place.path or "/"
        self._token_variable = config.token_variable
        self._headers = {
            "Accept": "application/json, text/event-stream",
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }
        self._revision: str | None = None

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The object that a tool answers; raises `Doubt`."""
        params = {"name": tool, "arguments": arguments}
        if self._revision is None:
            answer = self._ask("tools/call", params, STATELESS)
            if "result" in answer:
                self._revision = STATELESS
                return _result(answer)
            self._shake_hands()
        return _result(self._ask("tools/call", params, self._revision))

    def _shake_hands(self) -> None:
        offer = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": _ABOUT_US}
        agreed = self._ask("initialize", offer, None).get("result")
        self._revision = _text(agreed if isinstance(agreed, dict) else {}, "protocolVersion")
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"}, {"MCP-Protocol-Version": self._revision})

    def _ask(self, method: str, params: dict[str, Any], revision: str | None) -> dict[str, Any]:
        headers = {"MCP-Protocol-Version": revision} if revision else {}
        if revision == STATELESS:
            headers.update({"Mcp-Method": method, "Mcp-Name": str(params.get("name"))})
            spoken = {"protocolVersion": revision, "clientCapabilities": {}, "clientInfo": _ABOUT_US}
            meta = {f"io.modelcontextprotocol/{name}": value for name, value in spoken.items()}
            params = {**params, "_meta": meta}
        return self._send({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers)

    def _send(self, message: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        try:
            self._connection.request("POST", self._path, json.dumps(message).encode(), {**self._headers, **headers})
            response = self._connection.getresponse()
            body = self._read(response)
        except (OSError, HTTPException) as error:
            raise Doubt(f"the bus does not answer: {str(error) or type(error).__name__}") from error
        if response.status in (401, 403):
            raise Doubt(f"the bus refuses the token in {self._token_variable}: HTTP {response.status}")
        if response.status == 429 or response.status // 100 not in (2, 4):
            raise Doubt(f"the bus answers HTTP {response.status}")
        if session := response.headers.get("Mcp-Session-Id"):
            self._headers["Mcp-Session-Id"] = session
        return _object(body)

    def _read(self, response: HTTPResponse) -> bytes:
        if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            return response.read(ANSWER_BYTES_MAX)
        while line := response.readline(ANSWER_BYTES_MAX):
            if line.startswith(b"data:") and (b'"result"' in line or b'"error"' in line):
                break
        self._connection.close()  # what is left of the stream is not waited for; the next request connects anew
        return line[5:]


def _object(text: str | bytes) -> dict[str, Any]:
    """A JSON object; an empty one for anything else, in which then everything is missing."""
    try:
        answer = json.loads(text)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _result(answer: dict[str, Any]) -> dict[str, Any]:
    """The object in a tool's result."""
    result = answer.get("result")
    if not isinstance(result, dict):
        error = answer.get("error")
        message = error.get("message") if isinstance(error, dict) else None
        raise Doubt(f"the bus answers with an error: {_line(message)}" if isinstance(message, str) else _STRANGE)
    text = "".join(str(row.get("text", "")) for row in _rows(result, "content"))
    if result.get("isError"):
        raise Doubt(f"the bus refuses: {_line(text)}")
    structured = result.get("structuredContent")
    return structured if isinstance(structured, dict) else _object(text)


def _rows(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = answer.get(name)
    if not isinstance(rows, list):
        raise Doubt(f"{_STRANGE}: it has no {name}")
    return [row for row in rows if isinstance(row, dict)]


def _text(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str):
        raise Doubt(f"{_STRANGE}: it has no {name}")
    return value


# ---------------------------------------------------------------- words and logs


def _flat(text: str) -> str:
    """One line, of characters that show: what others wrote must look like nothing else."""
    return _clean(" ".join(text.split()))


def _line(text: str) -> str:
    flat = _flat(text)
    return flat if len(flat) <= LINE_LENGTH_MAX else flat[: LINE_LENGTH_MAX - 1] + "…"


def _clean(text: str) -> str:
    """Without what a terminal obeys, or a model reads and nobody sees."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def _write(stream: Any, text: str) -> None:
    """A reader who has left changes nothing about the verdict."""
    with suppress(OSError, ValueError, AttributeError):
        stream.buffer.write(f"{_clean(text)}\n".encode())
        stream.flush()


def _note(root: Path, name: str, text: str) -> None:
    """Add a line to a log beside the work; a folder that is made for it keeps itself out of version control."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    folder = root / FOLDER_NAME
    with suppress(OSError):
        if not folder.exists():
            folder.mkdir()
            folder.joinpath(".gitignore").write_text("*\n", "utf-8")
        log = folder / name
        if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
            log.replace(folder / f"{name}.1")
        with log.open("a", encoding="utf-8") as lines:
            lines.write(f"{at} {_flat(text)}\n")


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # Not sys.exit: a thread that still waits for a name server would have to be waited for.
    os._exit(code)
