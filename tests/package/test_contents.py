"""What the build is told to put into the package is all of the source, under one name."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("engine", "actors", "store", "web", "kit")
BUILD = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]


def packages() -> set[str]:
    """The packages of the source, by the names that they have where they are installed."""
    found = (place.parent.relative_to(ROOT) for folder in FOLDERS for place in (ROOT / folder).rglob("__init__.py"))
    return {"llm_bus", *(f"llm_bus.{str(each).replace('/', '.')}" for each in found)}


def test_every_package_is_in_and_under_one_name() -> None:
    assert set(BUILD["packages"]) == packages()
    assert BUILD["package-dir"] == {f"llm_bus.{folder}": folder for folder in FOLDERS}


def test_every_file_that_is_no_code_is_in() -> None:
    patterns = BUILD["package-data"]
    for package in packages() - {"llm_bus"}:
        place = ROOT / package.removeprefix("llm_bus.").replace(".", "/")
        inner = {ROOT / each.removeprefix("llm_bus.").replace(".", "/") for each in packages()} - {place}
        for file in place.rglob("*"):
            belongs = file.is_file() and not any(other in file.parents for other in inner if place in other.parents)
            if belongs and file.suffix not in (".py", ".pyc"):
                name = str(file.relative_to(place))
                wanted = [*patterns["*"], *patterns.get(package, [])]
                assert any(fnmatch(name, pattern) for pattern in wanted), f"{file} is in no package"
