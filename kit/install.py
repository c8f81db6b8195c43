"""The installer of the kit: puts it into a repository, brings it up to date, and takes it out again.

`llm-bus kit install` and `curl …/kit/install.sh | sh` both end here, and so does the copy in `.git` when it is asked
to install itself again. Every change is an edit (`kit.edits`), and a receipt in `.git` says what was there before.
Uninstalling restores the former bytes where a file is as it was left, and takes out only what is ours elsewhere.

Nothing is written before everything was looked at: a link, a target outside of the work tree or a file that cannot be
written is refused while the repository is still untouched.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kit import git_hook
from kit.bundle import compiled, launcher, text
from kit.bus import Doubt
from kit.client_files import CLIENT_FILES, PRIVATE_PATHS, Direct, Edit, clients_of
from kit.edits import Block, Both, CannotEdit, JsonMember, Own, Retired, Seed
from kit.git import CONFIG_NAME, STATE_NAME, Repository
from kit.managers import generator_of, manager_edits
from kit.receipt import Receipt
from kit.replacing import beside, replace
from kit.rules import repository_rules
from kit.sequences import derived
from kit.settings import TOKEN_VARIABLE, read_settings, travels_in_clear
from kit.state import FOLDER_NAME, alone_in

DEFAULT_SERVER = "http://127.0.0.1:8787"
LOGS = ("pending.log", "pending.log.1", "overrides.log", "overrides.log.1", ".gitignore")

PROGRAM_NAME, LAUNCHER_NAME = "kit.pyz", "python"
KEPT_NAMES = ("installed.json", "shared.json", PROGRAM_NAME, LAUNCHER_NAME)
"""In the kit's folder: what is taken out with the edit or the receipt that it belongs to."""

ALONE_SECONDS_MAX = 20.0
"""How long to wait for another installer in the same repository."""

_WIKI = ("index.md", "log.md", "overview.md")
_MARKERS = ("<!-- llm-bus:begin -->", "<!-- llm-bus:end -->")
_PINS = ("# llm-bus:begin", "# llm-bus:end")
_CONNECTION = ".mcp.json"
_RULES = ("AGENTS.md", "CLAUDE.md", "GEMINI.md")


class Refused(Exception):
    """Why nothing was done: one reason a line."""


@dataclass(frozen=True)
class Wishes:
    """Choices of an installation. Left out, a choice that was made here before stays."""

    server: str | None = None
    default_server: str = DEFAULT_SERVER
    """Where the bus is taken to be when nothing was chosen, now or before."""
    project: str | None = None
    token_variable: str | None = None
    lead: bool = False
    with_wiki: bool = False
    insecure: bool = False
    shared_hooks: bool = False
    http_hooks: bool | None = None
    """Whether clients that can ask the bus by themselves, by HTTP, in place of the program."""
    clients: tuple[str, ...] = ()
    token: str | None = None
    """An identity for this work tree; it goes only into files that git leaves out."""


@dataclass
class Outcome:
    """The changes, one line each, and those that could not be made."""

    changes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Hooks:
    """The hooks to write, other programs to put aside first, and what stands in the way.

    `are_own`: they lie in this work tree, as with a relative `core.hooksPath`; every other one has its own.
    """

    edits: dict[Path, Edit] = field(default_factory=dict)
    asides: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    are_own: bool = False


@dataclass(frozen=True)
class _Plan:
    """The edits of one run: of this work tree, and of what all work trees share; the hooks are in one of the two."""

    own: dict[Path, Edit]
    shared: dict[Path, Edit]
    hooks: _Hooks


def install(directory: Path, wishes: Wishes) -> Outcome:
    """Install into the repository around a directory, or bring it up to date; again changes nothing more.

    Raises `Refused` before anything is changed, and `NotInGit`.
    """
    repository = Repository.around(directory)
    with _alone(repository):
        return _install(repository, wishes)


def _install(repository: Repository, wishes: Wishes) -> Outcome:
    plan = _plan(repository, wishes)
    _refuse_unsafe(repository, plan, wishes, _in_clear(repository, wishes))
    work = _Work(repository)
    work.outcome.problems += plan.hooks.problems
    for hook in plan.hooks.asides:
        hook.rename(git_hook.aside(hook))
        work.outcome.changes.append(f"moved {hook.name} to {git_hook.aside(hook).name}, which runs first")
    work.put(plan.shared, work.shared)
    if (started := repository.shared_state / LAUNCHER_NAME).exists():
        started.chmod(0o755)
    work.put(plan.own, work.own)
    for hook in plan.hooks.edits:
        if hook.exists() and git_hook.block_for(hook).remove(_read(hook)) is None:
            hook.chmod(0o755)  # it is all ours
    return work.outcome


def uninstall(directory: Path, wishes: Wishes | None = None) -> Outcome:
    """Take the kit out of the work tree around a directory, and leave what was there before.

    What all work trees share goes with the last of them. Raises `Refused` and `NotInGit`.
    """
    repository = Repository.around(directory)
    with _alone(repository):
        return _uninstall(repository, wishes or Wishes())


def _uninstall(repository: Repository, wishes: Wishes) -> Outcome:
    work = _Work(repository)
    # A connection that somebody else has written stays.
    token = "" if work.own.knows(Path(os.path.realpath(repository.root)) / _CONNECTION) else None
    everything = Wishes(with_wiki=True, clients=("all",), shared_hooks=wishes.shared_hooks, token=token)
    plan = _plan(repository, everything)
    always = _plan(repository, Wishes()).own
    extra = [path for path in plan.own if path not in always]
    for path in [path for path in extra if path not in plan.hooks.edits]:
        is_ours = work.own.knows(Path(os.path.realpath(path)))
        if not is_ours and (not path.exists() or _unsafe(repository, path)):
            del plan.own[path]  # such as a wiki in a `docs` that is a link, where none was begun
    _refuse_unsafe(repository, plan, everything)
    work.take_out(plan.own, work.own)
    if not _others_use(repository):
        work.take_out({**plan.shared, **git_hook.put_aside_by_managers(repository.root)}, work.shared)
    elif not plan.hooks.are_own:
        work.outcome.changes.append("left the hooks: another work tree of this repository uses them")
        return work.outcome
    for hook in plan.hooks.edits:
        if not hook.exists() and git_hook.aside(hook).exists():
            git_hook.aside(hook).rename(hook)
            work.outcome.changes.append(f"moved {git_hook.aside(hook).name} back to {hook.name}")
    return work.outcome


@contextmanager
def _alone(repository: Repository) -> Iterator[None]:
    """Keep other installers out: each would take what another has written for what was there before."""
    with alone_in(repository.shared, ALONE_SECONDS_MAX) as is_alone:
        if not is_alone:
            raise Refused("another installer is at work in this repository: try again when it has ended")
        yield


def _others_use(repository: Repository) -> bool:
    """Whether another work tree of the repository has a receipt."""
    places = [repository.shared, *repository.shared.glob("worktrees/*")]
    return any(
        (place / STATE_NAME / "installed.json").exists()
        for place in places
        if place.resolve() != repository.git_dir.resolve()
    )


# ---------------------------------------------------------------- what to change


def _plan(repository: Repository, wishes: Wishes) -> _Plan:
    root = repository.root
    hooks = _hook_edits(repository, wishes)
    pins = _pins(repository, wishes)
    shared: dict[Path, Edit] = {
        repository.shared_state / PROGRAM_NAME: Own(compiled().decode("utf-8", "surrogateescape"), "PK"),
        repository.shared_state / LAUNCHER_NAME: Own(launcher(), "# LLM Bus"),
        repository.shared / "config": Block(_git_section(pins), *_PINS),
        repository.shared / "info" / "exclude": Block("\n".join(f"/{path}" for path in PRIVATE_PATHS), *_PINS),
        **({} if hooks.are_own else hooks.edits),
    }
    own: dict[Path, Edit] = {
        root / CONFIG_NAME: Seed(json.dumps(_config(repository, pins), indent=2) + "\n"),
        **_client_edits(repository, wishes, pins),
        **manager_edits(root),
        **(hooks.edits if hooks.are_own else {}),
        **_former(root),
    }
    if wishes.with_wiki:
        own.update({root / "docs/wiki" / name: Seed(text(f"wiki/{name}")) for name in _WIKI})
    return _Plan(own, shared, hooks)


def _pins(repository: Repository, wishes: Wishes) -> dict[str, str]:
    """The choices pinned in git's own config: new choices, and those that were made here before."""
    before = repository.pins()
    server = wishes.server.rstrip("/") if wishes.server else None
    pins = {
        "endpoint": f"{server}/mcp" if server else before.get("endpoint", f"{wishes.default_server}/mcp"),
        "tokenEnv": wishes.token_variable or before.get("tokenenv", TOKEN_VARIABLE),
        "project": wishes.project or before.get("project", ""),
        "http": {True: "true", False: "false", None: before.get("http", "true")}[wishes.http_hooks],
        "insecure": "true" if wishes.insecure or (not server and before.get("insecure") == "true") else "",
    }
    return {name: value for name, value in pins.items() if value}


def _git_section(pins: dict[str, str]) -> str:
    rows = [f"\t{name} = {json.dumps(value)}" for name, value in pins.items()]
    return "\n".join(["[llm-bus]", *rows])


def _config(repository: Repository, pins: dict[str, str]) -> dict[str, object]:
    named: dict[str, object] = {name: pins[name] for name in ("endpoint", "tokenEnv", "project") if name in pins}
    return {**named, "sequences": derived(repository.tracked), "leases": "warn", "autoLease": True}


def _client_edits(repository: Repository, wishes: Wishes, pins: dict[str, str]) -> dict[Path, Edit]:
    """Hooks and rules for the clients of a repository, and the connection for an identity."""
    root = repository.root
    block = Block(repository_rules(lead=wishes.lead), *_MARKERS)
    found: dict[Path, Edit] = {}
    rules = {root / "AGENTS.md"}
    for name in clients_of(root, wishes.clients):
        files = CLIENT_FILES[name]
        found[root / files.hooks_path] = files.hooks()
        if files.private_path and files.private_hooks:
            private = files.private_hooks(_direct(repository, pins))
            token = () if wishes.token is None else (JsonMember(("env", pins["tokenEnv"]), wishes.token),)
            found[root / files.private_path] = Both(private, *token) if token else private
        rules.add(root / files.rules)
    if wishes.token is not None:
        variable = pins["tokenEnv"]
        found[root / _CONNECTION] = JsonMember(("mcpServers", "llm-bus"), mcp_server(pins["endpoint"], variable))
    for path in sorted(rules):
        if not _reads_agents_file(path):
            found[path] = block
    return found


def _direct(repository: Repository, pins: dict[str, str]) -> Direct | None:
    """How clients may ask the bus by themselves; None where the program is to do it all.

    A server cannot stop an agent at a leased path, so where the config says that leases block, the program asks.
    """
    if pins["http"] != "true":
        return None
    try:
        blocks = read_settings(repository, needs_file=False).leases == "block"
    except Doubt:
        blocks = False
    return None if blocks else Direct(pins["endpoint"].removesuffix("/mcp"), pins["tokenEnv"])


def mcp_server(endpoint: str, variable: str) -> dict[str, object]:
    """How Claude Code connects; the token stays in its environment."""
    return {"type": "http", "url": endpoint, "headers": {"Authorization": f"Bearer ${{{variable}}}"}}


def _reads_agents_file(path: Path) -> bool:
    """Whether what goes into AGENTS.md is in this file too: by a link or by an import."""
    if path.name == "AGENTS.md":
        return False
    if path.is_symlink():
        return os.path.realpath(path) == os.path.realpath(path.with_name("AGENTS.md"))
    text = _read(path) or ""
    return "@AGENTS.md" in text.split() and _MARKERS[0] not in text


def _former(root: Path) -> dict[Path, Edit]:
    """The files that the first kit kept in the work tree."""
    folder = root / FOLDER_NAME
    found: dict[Path, Edit] = {
        folder / "llm_bus_hook.py": Retired("The reconcile hook of LLM Bus"),
        folder / ".gitignore": Retired("# LLM Bus: the hook is everybody's"),
        folder / "installed.json": Retired('"before"'),
    }
    return {path: edit for path, edit in found.items() if path.exists() and not path.is_symlink()}


def _hook_edits(repository: Repository, wishes: Wishes) -> _Hooks:
    folder = git_hook.folder_in(repository.root)
    if folder is None or (folder.exists() and not folder.is_dir()):
        told = f"git is told to run no hooks here (core.hooksPath is {folder}): commits are not checked"
        return _Hooks(problems=[told])
    if not wishes.shared_hooks and not _is_own(repository, folder):
        told = f"{folder} is not this repository's alone: commits are not checked; --shared-hooks writes there"
        return _Hooks(problems=[told])
    hooks = _Hooks(are_own=_is_inside(folder, repository.root) and not _is_inside(folder, repository.shared))
    for name in git_hook.HOOKS:
        hook = folder / name
        manager = generator_of(git_hook.text_of(hook))
        if manager is not None and manager.runs_config:  # its configuration has our line
            missing = manager.missing_config(repository.root) if name == git_hook.GUARD_HOOK else None
            hooks.problems.extend([f"commits are not checked: {missing}"] if missing else [])
            continue
        is_program = git_hook.is_program(hook)
        if is_program:
            if git_hook.aside(hook).exists():
                told = (
                    f"{hook} and {git_hook.aside(hook).name} are both other programs: remove the one that is not needed"
                )
                hooks.problems.append(told)
                continue
            hooks.asides.append(hook)
        hooks.edits[hook] = git_hook.block_for(hook, puts_aside=is_program)
    return hooks


def _is_own(repository: Repository, path: Path) -> bool:
    """Whether a path is inside a work tree or the git directory, wherever links lead."""
    real = Path(os.path.realpath(path))
    places: list[Path | str] = [repository.root, repository.shared, repository.git_dir]
    return any(_is_inside(real, Path(os.path.realpath(place))) for place in places) or any(
        _is_inside(real, Path(os.path.realpath(place))) for place in repository.work_trees()
    )


def _is_inside(path: Path, place: Path) -> bool:
    return path == place or place in path.parents


# ---------------------------------------------------------------- what is refused


def _in_clear(repository: Repository, wishes: Wishes) -> list[str]:
    """The reason not to send tokens where they are to be sent, if there is one."""
    pins = _pins(repository, wishes)
    if "insecure" in pins or not travels_in_clear(pins["endpoint"]):
        return []
    return [f"tokens would travel to {pins['endpoint']} in clear: use https, or say --insecure"]


def _refuse_unsafe(repository: Repository, plan: _Plan, wishes: Wishes, reasons: Sequence[str] = ()) -> None:
    """Raise `Refused` for what must not be written to, and for other reasons not to begin."""
    files = [path for path in plan.own if path not in plan.hooks.edits]
    unsafe = {path: reason for path in files if (reason := _unsafe(repository, path))}
    for path in (*plan.shared, *plan.hooks.edits):
        if not (wishes.shared_hooks or _is_own(repository, path)):
            unsafe[path] = f"{path} leads out of the repository"
    others = [path for path in [*plan.own, *plan.shared] if path not in unsafe]
    blocked = [f"{path} {reason}" for path in others if (reason := _hindrance(path))]
    reasons = [*reasons, *unsafe.values(), *blocked]
    if reasons:
        raise Refused("\n".join([*dict.fromkeys(reasons), "nothing was changed"]))


def _unsafe(repository: Repository, path: Path) -> str | None:
    """Why a path of the work tree must not be written to; a link between the files of rules is none."""
    relative = path.relative_to(repository.root)
    steps = [repository.root.joinpath(*relative.parts[: count + 1]) for count in range(len(relative.parts))]
    link = next((step for step in steps if step.is_symlink()), None)
    if link is None:
        return None
    rules = {os.path.realpath(repository.root) + os.sep + name for name in _RULES}
    if relative.name in _RULES and os.path.realpath(path) in rules:
        return None
    return f"{link.relative_to(repository.root)} is a link, and the kit writes through none: put a file there"


def _hindrance(path: Path) -> str | None:
    """Why a file cannot be written; None when it can."""
    place = Path(os.path.realpath(path))
    if place.exists():
        if not place.is_file():
            return f"is {'a folder' if place.is_dir() else 'no file'}, and the kit has a file of that name"
        return None if os.access(place, os.W_OK) else "cannot be written"
    while not place.exists():
        if place.is_symlink():
            return "cannot be written"  # a link to itself
        place = place.parent
    if not place.is_dir():
        return f"cannot be written: {place.name} is no folder"
    return None if os.access(place, os.W_OK) else "cannot be written"


# ---------------------------------------------------------------- files


class _Work:
    """The changes of one run to the files of a repository."""

    def __init__(self, repository: Repository) -> None:
        self.root = repository.root
        self.own = Receipt(repository.own_state / "installed.json", repository.root)
        self.shared = Receipt(repository.shared_state / "shared.json", repository.shared)
        self.outcome = Outcome()

    def put(self, edits: dict[Path, Edit], receipt: Receipt) -> None:
        """Make edits."""
        try:
            for path, edit in edits.items():
                self._put(Path(os.path.realpath(path)), edit, receipt)
        finally:
            receipt.save()

    def _put(self, path: Path, edit: Edit, receipt: Receipt) -> None:
        try:
            current = _read(path)
            if current is None:
                _refuse_twin_by_case(path)
            before, wanted = receipt.before(path, current, edit), edit.add(current)
            if wanted is not None:
                receipt.remember(path, before, wanted)
                receipt.save()  # first, so that a killed installer leaves nothing that is taken for the user's
            self._write(path, current, wanted, receipt)
        except (CannotEdit, OSError) as reason:
            self.outcome.problems.append(f"left {self._shown(path)} alone: {reason}")

    def take_out(self, edits: dict[Path, Edit], receipt: Receipt) -> None:
        """Undo edits, and forget them."""
        for named, edit in edits.items():
            path = Path(os.path.realpath(named))
            try:
                current = _read(path)
                self._write(path, current, receipt.before(path, current, edit), receipt)
            except (CannotEdit, OSError) as reason:
                self.outcome.problems.append(f"left {self._shown(path)} alone: {reason}")
        self._remove_state(receipt)
        receipt.clear()

    def _remove_state(self, receipt: Receipt) -> None:
        """Remove what the hook has left: logs beside the work, and sessions in `.git`."""
        logs = self.root / FOLDER_NAME
        if receipt is self.own and logs.is_dir() and not logs.is_symlink():
            for log in [logs / name for name in LOGS]:
                if log.is_symlink() or log.is_file():
                    log.unlink()
            if not any(logs.iterdir()):
                logs.rmdir()
        for place in (receipt.path.parent / "sessions", receipt.path.parent):
            for left in place.iterdir() if place.is_dir() else ():
                if left.is_file() and left.name not in KEPT_NAMES:
                    left.unlink()
            receipt.path.unlink(missing_ok=True)
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()

    def _write(self, path: Path, current: str | None, wanted: str | None, receipt: Receipt) -> None:
        with suppress(OSError):
            beside(path).unlink()  # left by an installer that was killed
        if wanted == current:
            return
        verb = "removed" if wanted is None else "created" if current is None else "changed"
        if wanted is None:
            path.unlink()
        else:
            receipt.make_folder(path.parent)
            replace(path, wanted.encode("utf-8", "surrogateescape"))
        self.outcome.changes.append(f"{verb} {self._shown(path)}")

    def _shown(self, path: Path) -> str:
        return Path(os.path.relpath(path, os.path.realpath(self.root))).as_posix()


def _refuse_twin_by_case(path: Path) -> None:
    """Raise `CannotEdit` where another name in its folder differs from a new file's in upper and lower case only."""
    names = os.listdir(path.parent) if path.parent.is_dir() else []
    twin = next((name for name in names if name.lower() == path.name.lower()), None)
    if twin is not None:
        raise CannotEdit(f"on macOS and Windows it is the same file as {twin}: rename that, then install again")


def _read(path: Path) -> str | None:
    """A file's text, byte for byte; None when there is none."""
    return path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else None


def told(outcome: Outcome) -> list[str]:
    """An outcome in words."""
    return [*(outcome.changes or ["nothing to change"]), *(f"problem: {problem}" for problem in outcome.problems)]
