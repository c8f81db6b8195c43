"""The wheel and the source distribution, installed into fresh environments, do what the README says.

Needs a package index, so it runs only when asked for: `make package`, which CI does. What ran in which environment is
written to `dist/environments.md`.
"""

import json
import os
import selectors
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests.package import distributions, environments
from tests.package.environments import NEIGHBOURS, Environment, Prepared, Table, run
from tests.postgres import own_directory

pytestmark = pytest.mark.package

START_SECONDS_MAX = 120
WAYS = ["pip-3.11", "pip-3.12", "pip-3.13", "pip-3.14", "pip-sdist", "pipx", "uv"]


@pytest.fixture(scope="module")
def built() -> tuple[Path, Path]:
    """What `make package` has just built."""
    return distributions.built()


@pytest.fixture(scope="module")
def prepared(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """LLM Bus beside its neighbours, in every way that this machine has."""
    pythons = environments.pythons()
    places = {way: tmp_path_factory.mktemp(way) for way in WAYS if _python_of(way, pythons) is not None}
    prepared = Prepared({way: partial(_make, way, place, built, pythons) for way, place in places.items()})
    yield prepared
    prepared.close()


def _python_of(way: str, pythons: Mapping[str, Path]) -> Path | None:
    minor = way.removeprefix("pip-")
    return pythons.get(minor) if minor[0].isdigit() else pythons[min(pythons)]


def _make(way: str, target: Path, built: tuple[Path, Path], pythons: Mapping[str, Path]) -> Environment:
    (wheel, sdist), beside = built, environments.neighbour(target)
    if way == "pipx":
        return environments.by_pipx(target, wheel, beside)
    if way == "uv":
        return environments.by_uv(target, wheel, beside)
    python = _python_of(way, pythons)
    assert python is not None
    return environments.by_pip(python, target / "venv", sdist if way == "pip-sdist" else wheel, beside)


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """One way to install it after the other."""
    chosen: str = request.param
    if _python_of(chosen, environments.pythons()) is None:
        pytest.skip(f"there is no Python for {chosen} here")
    return chosen


@pytest.fixture(scope="module")
def installed(way: str, prepared: Prepared) -> Environment:
    """LLM Bus beside its neighbours."""
    return prepared[way]


@pytest.fixture(scope="module")
def table() -> Iterator[Table]:
    """What ran where; written at the end."""
    table = Table()
    yield table
    table.write(distributions.DIST / "environments.md")


@pytest.fixture
def directory() -> Iterator[Path]:
    with own_directory() as place:
        yield place


def test_a_distribution_brings_one_name(built: tuple[Path, Path]) -> None:
    wheel, sdist = built
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"llm_bus"}
    with tarfile.open(sdist) as archive:
        assert any(name.endswith("/llm_bus/__main__.py") for name in archive.getnames())


def test_everything_starts_beside_packages_of_the_same_names(
    way: str, installed: Environment, directory: Path, table: Table
) -> None:
    place = {"LLM_BUS_DATA_DIR": str(directory / "data"), "HOME": str(directory)}
    server = subprocess.Popen(
        [installed.llm_bus, "up", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=directory,
        env={**os.environ, **place},
    )
    try:
        url = _address(server)
        found = json.loads(run(installed.llm_bus, "doctor", "--json", "--url", url, **place))
        assert found["healthy"], found
        assert "every answer was durable" in run(installed.llm_bus, "demo", "--pace", "0", **place)
        run("git", "init", "--quiet", directory / "repository")
        run(installed.llm_bus, "kit", "install", directory / "repository", "--server", url, **place)
        assert (directory / "repository" / "llm-bus.config.json").is_file()
        assert run(installed.python, "-m", "llm_bus", "--version") == run(installed.llm_bus, "--version")
    finally:
        server.terminate()
        server.communicate()
    assert server.returncode == 0
    table.add(way, installed, "up", "doctor", "demo", "kit install")


def test_the_neighbours_are_as_they_were(way: str, installed: Environment, table: Table) -> None:
    look = f"import web; web.application; [__import__(name).NEIGHBOUR for name in {NEIGHBOURS}]"
    run(installed.python, "-c", look)
    table.add(way, installed, "web.py and four packages of the folders' names beside it")


def _address(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(server.stdout, selectors.EVENT_READ)
        while selector.select(START_SECONDS_MAX):
            line = server.stdout.readline()
            assert line, "the server ended"
            if line.startswith("listening on "):
                return line.removeprefix("listening on ").strip()
    raise AssertionError("the server did not start in time")
