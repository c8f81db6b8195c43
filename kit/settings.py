"""The kit's settings in a repository.

Where tokens are sent was chosen when the kit was installed, and is kept in git's own config, which no branch can
change. The file `llm-bus.config.json` comes with the branch: it says which files are numbered, never where the bus is.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kit.bus import Doubt
from kit.git import CONFIG_NAME
from kit.surfaces import ALTERNATIVES_MAX, WILDCARDS, has_too_many_alternatives

if TYPE_CHECKING:
    from pathlib import Path

    from kit.git import Repository

TOKEN_VARIABLE = "LLM_BUS_TOKEN"  # noqa: S105 - the name of a variable, not a secret
TOKEN_PREFIX = "llmbus_"  # noqa: S105 - what every token begins with
URL_VARIABLE = "LLM_BUS_URL"
TOKEN_FILE = "token"  # noqa: S105 - the name of a file

WARNED_MAX = 3
"""Globs of the config file that name nothing; more are not told of."""

PINNED = ("endpoint", "tokenEnv", "project")
"""Settings that the config file may repeat, but not change."""


@dataclass(frozen=True)
class Settings:
    """Pinned: endpoint, the token's variable, project, insecure, http. From the file: sequences, leases, auto_lease.

    `http`: the client asks the bus itself after a tool, so the program tells the bus when sessions begin and end.
    """

    endpoint: str
    token_variable: str
    project: str | None
    insecure: bool
    http: bool
    sequences: dict[str, str]
    leases: str
    auto_lease: bool
    warnings: tuple[str, ...] = field(default=())

    def checked_endpoint(self) -> str:
        """Where the bus is; raises `Doubt` for an address that no token should travel to."""
        if not re.match(r"https?://[^/]", self.endpoint):
            raise Doubt("this repository knows no bus: install the kit here, or run 'git config llm-bus.endpoint URL'")
        if not self.insecure and travels_in_clear(self.endpoint):
            raise Doubt("tokens would travel to the bus in clear: use https, or install the kit with --insecure")
        return self.endpoint

    def token(self, git_dir: Path) -> str:
        """The caller's token: from the environment, or from the file that `llm-bus worktree` writes."""
        name = self.token_variable
        token = os.environ.get(name, "").strip()
        if not token:
            with suppress(OSError, ValueError):
                token = git_dir.joinpath("llm-bus", TOKEN_FILE).read_text("ascii").strip()
        if not token:
            raise Doubt(f"there is no token: {name} is not set")
        # Any other value of the variable must not leave this machine.
        if not re.fullmatch(rf"{TOKEN_PREFIX}[A-Za-z0-9_-]+", token):
            raise Doubt(f"what {name} holds is not a token of LLM Bus, which begins with {TOKEN_PREFIX}")
        return token


def travels_in_clear(url: str) -> bool:
    """Whether others on the way could read what is sent there: plain HTTP beyond this machine."""
    try:
        place = urlsplit(url)
        host = place.hostname or ""
    except ValueError:
        return True
    is_here = host in ("localhost", "::1") or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host) is not None
    return place.scheme != "https" and not is_here


def read_settings(repository: Repository, *, needs_file: bool = True) -> Settings:
    """The settings of a repository; raises `Doubt` when its config file is missing or wrong."""
    pins = repository.pins()
    given = _read_file(repository.config_path(), needs_file=needs_file)
    endpoint = pins.get("endpoint") or _from_environment()
    chosen = {"endpoint": endpoint, "tokenEnv": pins.get("tokenenv", TOKEN_VARIABLE), "project": pins.get("project")}
    differing = [name for name in PINNED if chosen[name] and given.get(name, chosen[name]) != chosen[name]]
    told = f"{CONFIG_NAME} names another {' and '.join(differing)} than was installed: it is not used"
    warnings = [told] if differing else []
    wrong = ((glob, remedy) for glob in given["sequences"] if (remedy := _fault(glob)) is not None)
    warnings += [
        f"{glob!r} in {CONFIG_NAME} names no numbered files: {remedy}" for glob, remedy in islice(wrong, WARNED_MAX)
    ]
    project = chosen["project"] or given.get("project")
    return Settings(
        endpoint=endpoint,
        token_variable=str(chosen["tokenEnv"]),
        project=project if isinstance(project, str) else None,
        insecure=pins.get("insecure") == "true",
        http=pins.get("http") == "true",
        sequences=given["sequences"],
        leases=given["leases"],
        auto_lease=given["autoLease"],
        warnings=tuple(warnings),
    )


def _fault(glob: str) -> str | None:
    """How to correct a glob that can name no numbered file; None for any other."""
    if ".." in glob.split("/"):
        return "write it from the root of the repository, without '..'"
    if has_too_many_alternatives(glob):
        return f"its braces stand for more than {ALTERNATIVES_MAX} paths: write several globs with the same sequence"
    return f"write {glob.rstrip('/') + '/*'!r} for those of a folder" if WILDCARDS.isdisjoint(glob) else None


def _from_environment() -> str:
    """The bus where the kit is not installed, as with the pre-commit framework on a build server."""
    url = os.environ.get(URL_VARIABLE, "").strip().rstrip("/")
    return url if not url or url.endswith("/mcp") else f"{url}/mcp"


_DEFAULTS: dict[str, Any] = {"sequences": {}, "leases": "warn", "autoLease": True}


def _read_file(path: Path | None, *, needs_file: bool) -> dict[str, Any]:
    if path is None:
        if needs_file:
            raise Doubt(f"there is no {CONFIG_NAME}")
        return _DEFAULTS
    try:
        given = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise Doubt(f"{CONFIG_NAME} cannot be read: {error}") from error
    if not isinstance(given, dict):
        raise Doubt(f"{CONFIG_NAME} is not an object")
    given = {**_DEFAULTS, **given}
    sequences = given["sequences"]
    checks = {
        "sequences": isinstance(sequences, dict) and all(isinstance(name, str) for name in sequences.values()),
        "leases": given["leases"] in ("warn", "block", "off"),
        "autoLease": isinstance(given["autoLease"], bool),
    }
    if wrong := [name for name, holds in checks.items() if not holds]:
        raise Doubt(f"{CONFIG_NAME} is not right in: {', '.join(wrong)}")
    return given
