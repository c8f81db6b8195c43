"""The kit's questions to git: where a repository is, what is about to be committed, and which paths it has ever known.

Only git's own data is read, and nothing is changed. Every question has a time limit; a question that fails is answered
with nothing.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def run_seconds_max(given: str) -> float:
    """How long a run of the hook may take: 1.4 s, unless a slow machine is given more, or less."""
    try:
        return min(60.0, max(0.5, float(given)))
    except ValueError:
        return 1.4


CONFIG_NAME = "llm-bus.config.json"
STATE_NAME = "llm-bus"
"""The folder of the kit in a git directory."""

SAFELY = ("-c", "safe.bareRepository=explicit")
"""A branch may hold a folder that looks like a bare repository, with a config that names a bus or commands to run."""

CONSTANTLY = ("-c", "log.showSignature=false")
"""Options without which a user's config changes the lines that are read."""

SECONDS_MAX = run_seconds_max(os.environ.get("LLM_BUS_HOOK_SECONDS", ""))
REFS_MAX = 1_000
"""The most recent ones. More would not be read within the time that a commit may take."""

REFLOG_MAX = 50
_PICKED = ("CHERRY_PICK_HEAD", "REBASE_HEAD")
_LEFT_BEHIND = ("ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD", *_PICKED)


class NotInGit(Exception):
    """Why a directory is in no repository that git would work in."""


@dataclass
class Changes:
    """The changes of a commit that is about to be made, or the files that an agent has just written."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @classmethod
    def by_status(cls, statuses: dict[str, str]) -> Changes:
        """Paths by the letters with which git tells what happened to them."""
        found = cls()
        for path, status in statuses.items():
            {"A": found.added, "D": found.removed}.get(status, found.other).append(path)
        return found

    @property
    def paths(self) -> list[str]:
        """All of them."""
        return [*self.added, *self.other, *self.removed]


@dataclass(frozen=True)
class Made:
    """The newest entry in the log of HEAD: the commit's short hash, HEAD before it, and what was done."""

    short: str
    before: str
    action: str


@dataclass(frozen=True)
class Repository:
    """A work tree: its root, its own git directory, and the one it shares with its other work trees."""

    root: Path
    git_dir: Path
    shared: Path

    @classmethod
    def around(cls, directory: Path) -> Repository:
        """The repository that a directory is in; raises `NotInGit`."""
        start = _existing_folder(directory)
        asked = ("--show-toplevel", "--absolute-git-dir", "--git-common-dir")
        shown = _ask(start, "rev-parse", *asked).split(b"\n")
        if len(shown) != len(asked) + 1:  # a path with a line break
            shown = [_ask(start, "rev-parse", one)[:-1] for one in asked]
        root, git_dir, shared = (start / os.fsdecode(path) for path in shown[: len(asked)])
        return cls(root, git_dir, shared.resolve())

    def relative(self, path: Path) -> str:
        """A path from the root, with slashes; symbolic links on the way are followed, the last part is kept."""
        real = Path(os.path.realpath(path.parent)) / path.name
        return _decoded(os.fsencode(Path(os.path.relpath(real, os.path.realpath(self.root))).as_posix()))

    def config_path(self) -> Path | None:
        """Where its config is: here, or in the main work tree, where it may not be committed yet."""
        # What lies beside a bare repository, or a git directory elsewhere, is not of this repository.
        main = [self.shared.parent / CONFIG_NAME] if self.shared.name == ".git" else []
        return next((path for path in (self.root / CONFIG_NAME, *main) if path.is_file()), None)

    def work_trees(self) -> list[str]:
        """The roots of all work trees of this repository, this one first."""
        return list(dict.fromkeys([str(self.root), *(tree["worktree"] for tree in self._listed_work_trees())]))

    def _listed_work_trees(self) -> Iterator[dict[str, str]]:
        """What git tells of each work tree, by its name there: `worktree` (the path), `HEAD`, `branch`, `detached`."""
        listed = _decoded(_git(self.root, "worktree", "list", "--porcelain", "-z") or b"")
        for told in listed.split("\0\0"):
            if told:
                yield {name: value for name, _, value in (row.partition(" ") for row in told.split("\0"))}

    @property
    def own_state(self) -> Path:
        """The kit's files for this work tree."""
        return self.git_dir / STATE_NAME

    @property
    def shared_state(self) -> Path:
        """The kit's files for all work trees."""
        return self.shared / STATE_NAME

    def pins(self) -> dict[str, str]:
        """The choices made at installation, by the lower-case name that git keeps."""
        found = _git(self.root, "config", "--local", "-z", "--get-regexp", r"^llm-bus\.") or b""
        pairs = (entry.partition("\n") for entry in _decoded(found).split("\0") if entry)
        return {name.partition(".")[2]: value for name, _, value in pairs}

    def staged(self, *, incoming: bool = False) -> Changes | None:
        """The changes about to be committed; None when git does not tell.

        What a merge, a cherry-pick or a rebase brings in is a commit already, so it is left out unless `incoming`.
        """
        changes = self._staged_since()
        for head in () if incoming else self._heads_coming_in():
            others = self._staged_since(head)
            if changes is not None and others is not None:
                changes = {
                    path: (others[path] if new == "A" else new) for path, new in changes.items() if path in others
                }
        if changes is None:
            return None
        return Changes.by_status(changes)

    def written(self, paths: Iterable[str]) -> Changes:
        """The files that an agent has just written: a path that the last commit lacks is new, a missing one is removed.

        A path that neither the last commit nor the work tree has was made and taken away again: nothing changed.
        """
        found = Changes()
        known = self._existing([f"HEAD:{path}" for path in paths])
        for path in paths:
            if f"HEAD:{path}" in known:
                found.other.append(path)
            elif os.path.lexists(os.path.join(os.fsencode(self.root), _encoded(path))):
                found.added.append(path)
        if found.added:
            gone = ("diff", "HEAD", "--no-renames", "--diff-filter=D", "--name-only", "-z")
            found.removed = _decoded(_git(self.root, *gone) or b"").split("\0")[:-1]
        return found

    @cached_property
    def tracked(self) -> list[str]:
        """Every path in the index."""
        return _decoded(_git(self.root, "ls-files", "-z") or b"").split("\0")[:-1]

    def is_tracked(self, path: str) -> bool:
        """Whether git knows a file or a folder."""
        return bool(_git(self.root, "ls-files", "-z", "--", f":(literal){path}"))

    def is_ignored(self, path: str) -> bool:
        """Whether git is told to look away from a file."""
        return _git(self.root, "check-ignore", "--quiet", "--", path) is not None

    def head(self) -> str:
        """The last commit; an empty string before the first."""
        return _decoded(_git(self.root, "rev-parse", "--verify", "--quiet", "HEAD") or b"").strip()

    def last_made(self) -> Made | None:
        """How HEAD came to be what it is; None when git keeps no log of it."""
        listed = _git(self.root, "log", "-g", "-2", "--format=%h%x00%H%x00%gs", "HEAD", "--")
        rows = [row.split("\0") for row in _decoded(listed or b"").splitlines()]
        if not rows or len(rows[0]) != 3:
            return None
        return Made(short=rows[0][0], before=rows[1][1] if len(rows) > 1 else "", action=rows[0][2])

    def committed(self) -> Changes:
        """The changes of the last commit."""
        listed = _git(
            self.root, "diff-tree", "--root", "--no-commit-id", "--name-status", "-r", "-z", "--no-renames", "HEAD"
        )
        fields = _decoded(listed or b"").split("\0")
        return Changes.by_status(dict(zip(fields[1::2], fields[::2])))

    def known_at_tips(self, paths: list[str]) -> set[str]:
        """Those of some paths that a branch, a tag or a recent state of this one has."""
        if not paths:
            return set()
        heads = [*self._refs, *self._recent, *_LEFT_BEHIND]
        known = self._existing([f"{head}:{path}" for head in heads for path in paths])
        return {name.partition(":")[2] for name in known}

    def had_lately(self, path: str) -> bool:
        """Whether a recent state of this work tree had this path."""
        return bool(self._existing([f"{head}:{path}" for head in self._recent]))

    def was_ever_known(self, path: str) -> bool:
        """Whether any commit that git can still reach had this path. It may read the whole history."""
        literal = f":(literal,top){path}"
        every = ("--exclude=refs/stash", "--all", *self._recent)
        return bool(_git(self.root, "log", "-1", "--format=%H", *every, "--", literal))

    def was_in_this_history(self, path: str) -> bool:
        """Whether the current branch has, or had, this path."""
        return bool(_git(self.root, "log", "-1", "--format=%H", "HEAD", "--", f":(literal,top){path}"))

    def shallow(self) -> set[str]:
        """The commits whose parents were left out when this was cloned; git shows all their files as added."""
        try:
            return set(self.shared.joinpath("shallow").read_text("ascii").split())
        except OSError:
            return set()

    def names_on_branches(self, folder: str) -> Iterator[tuple[str, str]]:
        """Each name that a branch has directly in a folder (with a slash at its end), with what to call the branch.

        A work tree that is on no branch counts as one. Not those of this branch's own former states, such as what was
        pushed before a commit was amended or rebased.
        """
        refs = {oid: name for oid, name in self._refs.items() if not name.startswith("refs/tags/")}
        branches = {oid: name for oid, name in refs.items() if oid not in self._own_former_states}
        asked = "".join(f"{oid}:{folder.rstrip('/')}\n" for oid in branches)
        answered = _git(self.root, "cat-file", "--batch", given=_encoded(asked)) if "\n" not in folder else b""
        seen: dict[bytes, None] = {}
        for branch, (oid, tree) in zip(branches.values(), _objects(answered or b"")):
            if oid not in seen:
                seen[oid] = None
                for name in _names_in(tree, len(oid) // 2):
                    yield _decoded(name), branch.split("/", 2)[2]

    @cached_property
    def _refs(self) -> dict[str, str]:
        """The commits of branches, tags and work trees without a branch, and one of the names of each."""
        kinds = ("refs/heads", "refs/remotes", "refs/tags")
        form = "--format=%(objectname) %(refname)"
        listed = _git(self.root, "for-each-ref", "--sort=-creatordate", f"--count={REFS_MAX}", form, *kinds) or b""
        named = dict(reversed([row.split(" ", 1) for row in _decoded(listed).splitlines()]))
        return {**self._detached(), **named}

    def _detached(self) -> dict[str, str]:
        """The commits of work trees that are on no branch, as several clients make one for each agent."""
        if not (self.shared / "worktrees").is_dir():
            return {}
        trees = [tree for tree in self._listed_work_trees() if "detached" in tree and "prunable" not in tree]
        return {tree["HEAD"]: f"refs/worktree/the work tree {tree['worktree']}" for tree in trees}

    @cached_property
    def _own_former_states(self) -> set[str]:
        """Where the current branch was lately, if its ref, or what was pushed of it, still stands there."""
        name = _decoded(_git(self.root, "symbolic-ref", "--quiet", "HEAD") or b"").strip()
        for file in ("rebase-merge/head-name", "rebase-apply/head-name"):
            with suppress(OSError):
                name = name or self.git_dir.joinpath(file).read_text("utf-8").strip()
        if not name.startswith("refs/heads/"):
            return set()
        pushed = name.replace("refs/heads/", "refs/remotes/*/", 1)
        listed = _git(self.root, "for-each-ref", "--format=%(objectname)", name, pushed) or b""
        return set(_decoded(listed).split()) & set(self._recent)

    @cached_property
    def _recent(self) -> list[str]:
        """Where the current branch was lately, for what a reset has just left behind."""
        listed = _git(self.root, "log", "-g", f"-{REFLOG_MAX}", "--format=%H", "HEAD") or b""
        return sorted(set(_decoded(listed).split()))

    def _existing(self, names: list[str]) -> set[str]:
        """Those of some objects that exist, each named as `revision:path`."""
        asked = [name for name in names if "\n" not in name]
        form = "--batch-check=%(objecttype)"
        answered = _git(self.root, "cat-file", form, given=_encoded("".join(f"{name}\n" for name in asked))) or b""
        rows = answered.split(b"\n")
        found = {name for name, row in zip(asked, rows) if row in (b"blob", b"tree", b"commit")}
        broken = (name for name in names if "\n" in name)
        return found | {name for name in broken if _git(self.root, "cat-file", "-e", name) is not None}

    def _staged_since(self, *since: str) -> dict[str, str] | None:
        # Without renames a moved file is one deleted and one added name, and only the added one is new.
        listed = _git(self.root, "diff", "--cached", "--no-renames", "--name-status", "-z", *since)
        if listed is None:
            return None
        fields = _decoded(listed).split("\0")
        return dict(zip(fields[1::2], fields[::2]))

    def _heads_coming_in(self) -> list[str]:
        # Before its hook, a merge without conflicts names what it brings in by the names of variables only.
        heads = [name[8:] for name in os.environ if name.startswith("GITHEAD_")]
        with suppress(OSError):  # a file in every format of refs, because it may name several
            heads += self.git_dir.joinpath("MERGE_HEAD").read_text("ascii").split()
        asked = "".join(f"{name}\n" for name in _PICKED)
        told = _git(self.root, "cat-file", "--batch-check=%(objectname)", given=_encoded(asked)) or b""
        heads += [row for row in _decoded(told).splitlines() if not row.endswith(" missing")]
        return list(dict.fromkeys(heads))


def _objects(answered: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Parse the answer of `git cat-file --batch`: the name and content of each tree; nothing for anything else."""
    while answered:
        head, _, answered = answered.partition(b"\n")
        fields = head.split()
        if len(fields) != 3 or not fields[2].isdigit():
            yield b"", b""
            continue
        size = int(fields[2])
        yield (fields[0], answered[:size]) if fields[1] == b"tree" else (b"", b"")
        answered = answered[size + 1 :]


def _names_in(tree: bytes, hash_bytes: int) -> Iterator[bytes]:
    """The names in a tree object: mode, space, name, zero, hash."""
    while tree:
        entry, _, rest = tree.partition(b"\0")
        yield entry.partition(b" ")[2]
        tree = rest[hash_bytes:]


def _existing_folder(directory: Path) -> Path:
    """A directory or the first one above it that is there; raises `NotInGit` for what no path can be."""
    try:
        start = Path(os.path.realpath(directory))
        while not start.is_dir() and start != start.parent:
            start = start.parent
    except (OSError, ValueError) as error:  # such as a working directory that was removed, or a zero byte
        why = error.strerror if isinstance(error, OSError) else "no path can have these characters"
        raise NotInGit(f"the directory cannot be read: {why}") from error
    return start


def _ask(directory: Path, *arguments: str) -> bytes:
    """The output of git; raises `NotInGit` with its complaint."""
    try:
        ran = _run(directory, arguments, None)
    except FileNotFoundError as error:
        raise NotInGit("git is not on your PATH") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise NotInGit(f"git cannot be run: {error}") from error
    if ran.returncode != 0:
        said = os.fsdecode(ran.stderr).strip().splitlines() or ["git fails"]
        if SAFELY[1].partition("=")[0] in said[0]:
            raise NotInGit(f"{directory} belongs to git, or to a bare repository: go to a work tree")
        raise NotInGit(said[0].partition("fatal: ")[2] or said[0])
    return ran.stdout


def _git(directory: Path, *arguments: str, given: bytes | None = None) -> bytes | None:
    """The output of git; None when it fails or is not there."""
    try:
        ran = _run(directory, arguments, given)
    except (OSError, subprocess.SubprocessError):
        return None
    return ran.stdout if ran.returncode == 0 else None


def _run(directory: Path, arguments: Iterable[str], given: bytes | None) -> subprocess.CompletedProcess[bytes]:
    command = [b"git", *map(_encoded, (*SAFELY, *CONSTANTLY)), b"-C", os.fsencode(directory), *map(_encoded, arguments)]
    # A client that commits with --literal-pathspecs, as Magit does, hands that on: our ":(literal)" would be a name.
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_PATHSPECS")}
    return subprocess.run(  # noqa: S603 - git as the user's PATH finds it, and no shell
        command, capture_output=True, check=False, timeout=SECONDS_MAX, input=given or b"", env=environment
    )


def _decoded(name: bytes) -> str:
    """Names are UTF-8 in every locale; other bytes survive as surrogates."""
    return name.decode("utf-8", "surrogateescape")


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
