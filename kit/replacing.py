"""Writing a file in one step: whoever reads it meanwhile, such as a hook that starts, reads the old or the new one."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path


def beside(path: Path) -> Path:
    """Where a file's new content is written first. A process that is killed may leave it."""
    return path.with_name(f"{path.name}.llm-bus-new")


def replace(path: Path, content: bytes) -> None:
    """Write a file; raises `OSError`, and then the file is as it was.

    It is written in place where a new file could not be all that the old one is: its owner's, or under other names too.
    """
    new = beside(path)
    try:
        new.write_bytes(content)
        if is_like_new := _can_be_replaced(path, new):
            new.replace(path)
    except PermissionError:  # the file may be written, and its folder may not
        is_like_new = False
    finally:
        with suppress(OSError):
            new.unlink()
    if not is_like_new:
        path.write_bytes(content)


def _can_be_replaced(path: Path, new: Path) -> bool:
    if not path.exists():
        return True
    shutil.copymode(path, new)
    old, other = path.stat(), new.stat()
    return (old.st_uid, old.st_gid, old.st_nlink) == (other.st_uid, other.st_gid, 1)
