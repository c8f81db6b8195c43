"""Fresh environments with LLM Bus in them, made as users make them, beside distributions that use the same names."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).parents[2]
NEIGHBOURS = ("engine", "actors", "store", "kit")
"""Top-level names that another distribution brings, too; web.py, a real one, brings `web`."""

WEB_PY = "web.py==0.76"
INSTALL_SECONDS_MAX = 900
SIDE_BY_SIDE = 2
"""Half of an installation waits for the index."""


class Environment(Struct, frozen=True):
    """An environment: its command `llm-bus`, and its Python."""

    llm_bus: Path
    python: Path


class Table:
    """What ran in each environment, as a table in Markdown."""

    def __init__(self) -> None:
        self._ran: dict[tuple[str, str], list[str]] = {}

    def add(self, way: str, environment: Environment, *ran: str) -> None:
        """Note what has just run in an environment that was made this way."""
        self._ran.setdefault((way, _version(environment.python)), []).extend(ran)

    def write(self, target: Path) -> None:
        """Write a row for each environment in which something ran."""
        rows = [f"| {way} | {python} | {', '.join(ran)} |" for (way, python), ran in self._ran.items()]
        target.parent.mkdir(exist_ok=True)
        target.write_text("\n".join(("| installed by | on | ran |", "| --- | --- | --- |", *rows, "")), "utf-8")


def run(*command: str | Path, **environment: str) -> str:
    """Run a program, away from this checkout, and give what it printed; it must succeed."""
    done = subprocess.run(
        [str(each) for each in command],
        capture_output=True,
        check=False,
        text=True,
        timeout=INSTALL_SECONDS_MAX,
        cwd="/",
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class Prepared:
    """Environments that are made side by side in the background, each of them once."""

    def __init__(self, made: Mapping[str, Callable[[], Environment]]) -> None:
        self._workers = ThreadPoolExecutor(SIDE_BY_SIDE)
        self._environments = {way: self._workers.submit(make) for way, make in made.items()}

    def __getitem__(self, way: str) -> Environment:
        """Wait for one; raises what went wrong when it was made."""
        return self._environments[way].result()

    def close(self) -> None:
        """Make none that has not been begun."""
        self._workers.shutdown(cancel_futures=True)


def neighbour(target: Path) -> Path:
    """A wheel that brings our folders' names into an environment."""
    wheel = target / "neighbour-1.0-py3-none-any.whl"
    info = "neighbour-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in NEIGHBOURS:
            archive.writestr(f"{name}/__init__.py", "NEIGHBOUR = True\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: neighbour\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def pythons() -> dict[str, Path]:
    """The Pythons that we support and that are on this machine, by their minor version."""
    found = dict[str, Path]()
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for minor in ("3.11", "3.12", "3.13", "3.14"):
        candidates = [shutil.which(f"python{minor}"), *sorted(home.glob(f"versions/{minor}.*/bin/python"))]
        for candidate in candidates:
            if candidate is not None and _version(candidate).startswith(f"Python {minor}."):
                found[minor] = Path(candidate)
    return found


def _version(python: str | Path) -> str:
    return subprocess.run([python, "--version"], capture_output=True, check=False, text=True).stdout.strip()


def by_pip(python: Path, target: Path, distribution: Path, beside: Path) -> Environment:
    """`python -m venv` and `pip install`."""
    run(python, "-m", "venv", target)
    run(target / "bin" / "pip", "install", "--quiet", distribution, beside, WEB_PY)
    return Environment(target / "bin" / "llm-bus", target / "bin" / "python")


def by_pipx(target: Path, distribution: Path, beside: Path) -> Environment:
    """`pipx install`, and the neighbours injected."""
    places = {"PIPX_HOME": str(target / "home"), "PIPX_BIN_DIR": str(target / "bin")}
    pipx = (sys.executable, "-m", "pipx")
    run(*pipx, "install", "--python", sys.executable, distribution, **places)
    run(*pipx, "inject", "llm-bus", beside, WEB_PY, **places)
    return Environment(target / "bin" / "llm-bus", target / "home" / "venvs" / "llm-bus" / "bin" / "python")


def by_uv(target: Path, distribution: Path, beside: Path) -> Environment:
    """`uv tool install`, with the neighbours in the tool's environment."""
    places = {"UV_TOOL_DIR": str(target / "tools"), "UV_TOOL_BIN_DIR": str(target / "bin")}
    uv = (sys.executable, "-m", "uv", "tool", "install", "--python", sys.executable)
    run(*uv, "--with", beside, "--with", WEB_PY, distribution, **places)
    return Environment(target / "bin" / "llm-bus", target / "tools" / "llm-bus" / "bin" / "python")
