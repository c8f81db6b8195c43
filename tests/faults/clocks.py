"""Clocks that are wrong: libfaketime (Debian's package of that name) tells a process another time of day.

The monotonic clock is left alone, as it is on a machine whose clock was set wrong.
"""

from pathlib import Path

_LIBRARY = "libfaketime.so.1"


def library() -> Path | None:
    """Where libfaketime is, if it is installed."""
    return next(Path("/usr/lib").glob(f"**/faketime/{_LIBRARY}"), None)


def ahead(seconds: int) -> dict[str, str]:
    """The environment of a process whose clock is ahead by so much, or behind when negative."""
    found = library()
    assert found is not None
    return {"LD_PRELOAD": str(found), "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
