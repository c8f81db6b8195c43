"""The account that the server runs as when root starts it, and how that account reaches what it needs.

PostgreSQL refuses to run as root. The account that runs it instead must reach the data directory and PostgreSQL's
programs, and both may lie below a home directory that only root may enter. No directory's mode is changed for that.
The server enters its directory before it gives up root's rights and calls it by a name that needs no way there;
programs out of reach are copied to where everybody reaches them.
"""

import hashlib
import os
import pwd
import shutil
import stat
from contextlib import suppress
from pathlib import Path

import trio
from msgspec import Struct

from store.errors import EmbeddedUnavailable

WORKING_DIRECTORY = Path("/proc/self/cwd")
"""Linux's name for the directory that a process is in: following it asks no permission of the directories above."""

PROGRAMS = Path("/var/cache/llm-bus")
"""Where programs are copied to."""

_NAMES = ("postgres", "nobody")
"""The first of these that exists runs a new cluster."""

_FIRST_CLOSED = 'for way; do [ -x "$way" ] || { printf %s "$way"; exit 1; }; done'


class Account(Struct, frozen=True, kw_only=True):
    """An account of this machine."""

    name: str
    user: int
    group: int


def account_for(cluster: Path) -> Account | None:
    """The account that runs the server of this cluster: its owner, or for a new one the first that will do.

    None when we are not root: then it is our own account.
    """
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat().st_uid) != 0:
        try:
            return _described(pwd.getpwuid(owner))
        except KeyError:
            raise EmbeddedUnavailable(
                f"{cluster} belongs to the account {owner}, which this machine does not have: "
                "chown it to one that is there, such as 'postgres', or choose another data directory."
            ) from None
    for name in _NAMES:
        with suppress(KeyError):
            return _described(pwd.getpwnam(name))
    raise EmbeddedUnavailable(
        "PostgreSQL does not run as root: start llm-bus as another user, or add a user 'postgres'."
    )


async def name_in_reach(directory: Path, account: Account) -> Path:
    """What a process of this account calls the directory that it was started in; one it may enter keeps its name."""
    closed = await _first_closed(account, directory.parent)
    if closed is None:
        return directory
    if await trio.Path(WORKING_DIRECTORY).exists():
        return WORKING_DIRECTORY
    raise EmbeddedUnavailable(
        f"PostgreSQL does not run as root, and the account '{account.name}', which runs it instead, may not enter "
        f"{closed}: choose another data directory, or start llm-bus as another user."
    )


async def programs_in_reach(binaries: Path, account: Account) -> Path:
    """PostgreSQL's programs where the account can run them: where they are, or a copy."""
    program = binaries / "postgres"
    if await _first_closed(account, program) is None:
        return binaries
    return await trio.to_thread.run_sync(_copied, binaries)


def _copied(binaries: Path) -> Path:
    """The copy of these programs, named for the contents of one of them, and made if need be."""
    contents = hashlib.sha256((binaries / "postgres").read_bytes()).hexdigest()
    copy = PROGRAMS / f"postgresql-{contents[:16]}"
    installation = binaries.parent.parent
    if not copy.exists():
        # Made aside and renamed, so that what bears the final name is whole.
        partial = copy.with_name(f"{copy.name}.{os.getpid()}")
        # The programs find the libraries that came in their wheel by the way from one to the other.
        libraries = installation.with_name(f"{installation.name}.libs")
        for part in filter(Path.exists, (binaries.parent, libraries)):
            shutil.copytree(part, partial / part.relative_to(installation.parent), symlinks=True)
        for path in (PROGRAMS, partial, *partial.rglob("*")):
            if not path.is_symlink():
                _let_use(path)
        with suppress(OSError):  # another process was faster
            partial.rename(copy)
        shutil.rmtree(partial, ignore_errors=True)
    return copy / binaries.relative_to(installation.parent)


def _let_use(path: Path) -> None:
    """Let everybody do what the owner may do with a file of ours, but for writing."""
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)


async def _first_closed(account: Account, path: Path) -> Path | None:
    """The first directory on the way to `path`, or it itself, that the account may not enter (or run)."""
    # The account itself is asked: a mode alone does not tell what access lists allow.
    done = await trio.run_process(
        ["sh", "-c", _FIRST_CLOSED, "sh", *map(str, reversed(path.parents)), str(path)],
        capture_stdout=True,
        check=False,
        cwd="/",
        user=account.user,
        group=account.group,
        extra_groups=[],
    )
    return Path(os.fsdecode(done.stdout)) if done.returncode else None


def _described(entry: pwd.struct_passwd) -> Account:
    return Account(name=entry.pw_name, user=entry.pw_uid, group=entry.pw_gid)
