"""An identity for a work tree: an invite that is redeemed, or a work tree that a lead prepares for another session.

The token is written into files that git leaves out, and into the git directory of this work tree alone, so that ten
sessions in ten work trees are ten participants. It is never printed.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from kit.bus import Bus, Doubt, object_in, text_of
from kit.git import Repository
from kit.install import Outcome, Refused, Wishes, install
from kit.install import told as told_changes
from kit.settings import TOKEN_FILE, read_settings, travels_in_clear
from kit.words import line

SECONDS_MAX = 20
ANSWER_BYTES_MAX = 100_000


@dataclass(frozen=True)
class Prepared:
    """A work tree that is ready for a session: where it is, its participant, and what was changed there.

    `variable` is the name of the variable that clients read the token from; `branch` was made with the work tree.
    """

    path: str
    actor: str
    project: str
    variable: str
    changes: list[str]
    problems: list[str]
    branch: str | None = None


def told(prepared: Prepared) -> list[str]:
    """The lines that tell of a prepared work tree, and the commands to type next."""
    made = [] if prepared.branch is None else [f"created the work tree {prepared.path} on branch {prepared.branch}"]
    token = f'"$(cat "$(git rev-parse --git-dir)/llm-bus/{TOKEN_FILE}")"'
    return [
        *made,
        *told_changes(Outcome(prepared.changes, prepared.problems)),
        f"you are {prepared.actor} in project {prepared.project}",
        f"next: cd {shlex.quote(prepared.path)} && claude",
        f"other clients: export {prepared.variable}={token}, then start them",
    ]


def join(directory: Path, wishes: Wishes, code: str, name: str | None) -> Prepared:
    """Redeem an invite and prepare the work tree around a directory for a session.

    Raises `Refused` and `NotInGit`, before the invite is used where that can be known.
    """
    if not wishes.server:
        raise Refused("say where the bus is")
    if travels_in_clear(wishes.server) and not wishes.insecure:
        raise Refused(f"the token would travel from {wishes.server} in clear: use https, or say --insecure")
    repository = Repository.around(directory)
    joined = _redeem(wishes.server, code, name)
    token, project = str(joined.get("token")), str(joined.get("project"))
    return _prepare(repository.root, replace(wishes, token=token, project=project))


def add_worktree(directory: Path, name: str) -> Prepared:
    """Make a new work tree beside this one, with a branch and an identity of the same name.

    A slash in the branch's name is a hyphen in the others. The caller must be a lead. Raises `Refused` and `NotInGit`.
    """
    if name.startswith("-"):
        raise Refused(f"{name!r} cannot be the name of a branch")
    repository = Repository.around(directory)
    if not repository.head():
        raise Refused("make a commit first: a work tree begins with one")
    label = name.replace("/", "-")
    try:
        settings = read_settings(repository, needs_file=False)
        bus = Bus(settings.checked_endpoint(), settings.token(repository.git_dir), SECONDS_MAX)
        who = bus.call("whoami")
        if who.get("is_admin") is not True:
            name_of = line(who.get("actor"))
            raise Refused(f"{name_of} is not a lead and cannot create an identity: ask a lead for an invite")
        place = repository.root.parent / f"{repository.root.name}-{label}"
        _git(repository.root, "worktree", "add", "-b", name, "--", str(place))
        try:
            token = text_of(bus.call("admin_provision", participant_name=label), "token")
        except Doubt:
            with suppress(Refused):
                _git(repository.root, "worktree", "remove", "--force", "--", str(place))
                _git(repository.root, "branch", "-D", "--", name)
            raise
    except Doubt as doubt:
        raise Refused(str(doubt)) from doubt
    server = settings.endpoint.removesuffix("/mcp")
    wishes = Wishes(server=server, project=str(who.get("project")), token=token, insecure=settings.insecure)
    return replace(_prepare(place, wishes), branch=name)


def _redeem(server: str, code: str, name: str | None) -> dict[str, Any]:
    sent = {"code": code} if name is None else {"code": code, "name": name}
    request = Request(  # noqa: S310 - the scheme was checked, and the address is the caller's own
        f"{server.rstrip('/')}/join", json.dumps(sent).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urlopen(request, timeout=SECONDS_MAX) as response:  # noqa: S310 - the same
            answer = object_in(response.read(ANSWER_BYTES_MAX))
    except HTTPError as error:
        answer = object_in(error.read(ANSWER_BYTES_MAX))
    except (URLError, OSError, ValueError) as error:
        raise Refused(f"{server} does not answer: {line(getattr(error, 'reason', error))}") from error
    if answer.get("ok") is not True:
        raise Refused(line(answer.get("message") or f"{server} is not an LLM Bus"))
    return answer


def _prepare(root: Path, wishes: Wishes) -> Prepared:
    """Write everything, and see whether it works."""
    outcome = install(root, wishes)
    repository = Repository.around(root)
    path = repository.own_state / TOKEN_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(f"{wishes.token}\n")
    (repository.root / ".claude" / "settings.local.json").chmod(0o600)
    try:
        settings = read_settings(repository, needs_file=False)
        who = Bus(settings.checked_endpoint(), wishes.token or "", SECONDS_MAX).call("whoami")
    except Doubt as doubt:
        raise Refused(f"everything is written, but a check failed: {doubt}") from doubt
    return Prepared(
        path=str(repository.root),
        actor=line(who.get("actor")),
        project=line(who.get("project")),
        variable=settings.token_variable,
        changes=outcome.changes,
        problems=outcome.problems,
    )


def _git(directory: Path, *arguments: str) -> None:
    ran = subprocess.run(  # noqa: S603 - git, and no shell
        ["git", "-C", str(directory), *arguments],  # noqa: S607 - as the user's PATH finds it
        capture_output=True,
        check=False,
        text=True,
        timeout=SECONDS_MAX,
    )
    if ran.returncode != 0:
        raise Refused(ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else "git fails")
