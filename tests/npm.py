"""Packages from npm that tests use, at the versions their `package.json` pins; installed on demand, never committed."""

import fcntl
import json
import shutil
import subprocess
from pathlib import Path

NPM_TIMEOUT_SECONDS = 300


def installed(directory: Path) -> Path | None:
    """The `node_modules` of a directory with a `package.json`, up to date; None where there is no npm."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return None
    modules = directory / "node_modules"
    with (directory / "package.json").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # of the processes that run the tests one installs, the others wait
        wanted = json.load(file)["dependencies"]
        if _versions(modules, wanted) != wanted:
            command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
            subprocess.run(command, cwd=directory, check=True, timeout=NPM_TIMEOUT_SECONDS)
    return modules


def _versions(modules: Path, packages: dict[str, str]) -> dict[str, str]:
    found = {}
    for name in packages:
        described = modules / name / "package.json"
        if described.exists():
            found[name] = json.loads(described.read_text())["version"]
    return found
