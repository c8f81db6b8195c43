"""A whole database as one file, taken while servers work on it, and put back into an empty one.

The file is PostgreSQL's own custom archive, so its own tools read it, too. It is written under another name, read
through from its first byte to its last, and its events are counted against the database as of the same moment; only
then does it get its name.
"""

import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import trio
from msgspec import Struct

from store.embedded.programs import client_program
from store.errors import StatementFailed, TransferRefused
from store.postgres import vitals
from store.postgres.connection import Connection
from store.postgres.migrate import unknown_of
from store.postgres.passwords import for_a_program
from store.transfer import backup_log
from store.transfer.backup_log import BackedUp

_COUNTED = "select (select count(*) from events), (select count(*) from projects)"
_IS_EMPTY = "select not exists (select from pg_tables where schemaname = 'public')"
_COPY = {b"COPY public.events (": "events", b"COPY public.schema_migrations (": "migrations"}
_END_OF_COPY = b"\\."
_WORDS_MAX = 500


async def back_up(conninfo: str, file: Path) -> BackedUp:
    """Write the database into `file`, which is replaced only by a complete backup, and note the outcome.

    Raises `TransferRefused` when a program fails or what was written is not what there is. Cancelling leaves the file
    that was there.
    """
    try:
        done = await _back_up(conninfo, file)
    except (TransferRefused, StatementFailed, OSError) as error:
        await backup_log.note(conninfo, file, str(error))
        raise
    await backup_log.note(conninfo, file, done)
    return done


async def put_back(conninfo: str, file: Path) -> BackedUp:
    """Restore a backup into an empty database, all of it or nothing, and count what came.

    Raises `TransferRefused` when the database is not empty, or the file is not a complete backup that this version
    knows; then nothing was restored.
    """
    major = (await vitals.examine(conninfo)).major_version
    connection = await Connection.open(conninfo)
    try:
        ((is_empty,),) = await connection.fetch(_IS_EMPTY)
        if not is_empty:
            raise TransferRefused(
                "the database is not empty: restore into a new --data-dir, or a database that createdb made."
            )
        expected = await _read_through(file, major)
        if unknown_of(expected.migrations):
            raise TransferRefused(
                f"{file} is a backup of a newer version of llm-bus: upgrade llm-bus, then restore it."
            )
        database, secret = for_a_program(conninfo)
        flags = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", f"--dbname={database}")
        await _run(major, "pg_restore", *flags, str(file), **secret)
        ((events, projects),) = await connection.fetch(_COUNTED)
    finally:
        connection.close()
    if events != expected.events:
        raise TransferRefused(f"the database holds {events} events of the backup's {expected.events}.")
    return BackedUp(events=events, projects=projects, size_bytes=(await trio.Path(file).stat()).st_size)


async def _back_up(conninfo: str, file: Path) -> BackedUp:
    await trio.to_thread.run_sync(_check_target, file)
    major = (await vitals.examine(conninfo)).major_version
    partial = file.with_name(f"{file.name}.partial")
    with _alone(partial):
        events, projects = await _dump(conninfo, major, partial)
        written = (await _read_through(partial, major)).events
        if written != events:
            raise TransferRefused(f"the backup holds {written} events of {events}: it is not kept.")
        await trio.to_thread.run_sync(_put, partial, file)
    return BackedUp(events=events, projects=projects, size_bytes=(await trio.Path(file).stat()).st_size)


async def _dump(conninfo: str, major: int, file: Path) -> tuple[int, int]:
    """Dump, and count the events and projects of the same moment."""
    database, secret = for_a_program(conninfo)
    connection = await Connection.open(conninfo, statement_timeout_seconds=float("inf"))
    try:
        async with connection.transaction():
            await connection.execute("set transaction isolation level repeatable read")
            ((snapshot,),) = await connection.fetch("select pg_export_snapshot()")
            flags = ("--format=custom", f"--snapshot={snapshot}", f"--file={file}", f"--dbname={database}")
            await _run(major, "pg_dump", *flags, **secret)
            ((events, projects),) = await connection.fetch(_COUNTED)
    finally:
        connection.close()
    return events, projects


class _Contents(Struct):
    """The content of a backup: how many events, and the numbers of the migrations that made its tables."""

    events: int = 0
    migrations: list[int] = []


async def _read_through(file: Path, major: int) -> _Contents:
    """The content of a backup; reads all of it, so that a broken one is found out.

    Raises `TransferRefused` for anything else than a complete backup.
    """
    program = client_program("pg_restore", major)
    process = await trio.lowlevel.open_process([str(program), "--file=-", str(file)], stdout=PIPE, stderr=PIPE)
    assert process.stdout is not None  # noqa: S101 - opened with a pipe
    assert process.stderr is not None  # noqa: S101 - the same
    contents, inside = _Contents(), ""
    try:
        async for line in _lines(process.stdout):
            if not inside:
                inside = next((table for begin, table in _COPY.items() if line.startswith(begin)), "")
            elif line == _END_OF_COPY:
                inside = ""
            elif inside == "events":
                contents.events += 1
            else:
                contents.migrations.append(int(line.partition(b"\t")[0]))
        said = bytes(await process.stderr.receive_some(_WORDS_MAX))
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode != 0:
        raise TransferRefused(
            f"{file} is no complete backup, so nothing of it is used; take another one. {_words(said)}"
        )
    if not contents.migrations:
        raise TransferRefused(f"{file} is not of an llm-bus database: give a file that 'llm-bus backup' wrote.")
    return contents


async def _lines(stream: trio.abc.ReceiveStream) -> AsyncIterator[bytes]:
    rest = b""
    async for part in stream:
        *whole, rest = (rest + bytes(part)).split(b"\n")
        for line in whole:
            yield line


async def _run(major: int, program: str, *arguments: str, **environment: str) -> None:
    command = [str(client_program(program, major)), "--no-password", *arguments]
    done = await trio.run_process(
        command, capture_stdout=True, capture_stderr=True, check=False, env={**os.environ, **environment}
    )
    if done.returncode != 0:
        raise TransferRefused(f"{program} failed: {_words(done.stderr)}")


def _words(said: bytes) -> str:
    return " ".join(said.decode(errors="replace").split())[:_WORDS_MAX]


@contextmanager
def _alone(partial: Path) -> Iterator[None]:
    """Hold an empty file that only its user can read, and remove it afterwards if it still has this name.

    Raises `TransferRefused` while another backup holds it: two that write one file would leave neither's content.
    """
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TransferRefused(f"another backup writes {partial} at this moment: wait for it.") from None
        if not _is_still(descriptor, partial):  # the other one ended between the two calls, and gave it another name
            raise TransferRefused(f"another backup of {partial} has just ended: try again.")
        os.ftruncate(descriptor, 0)
        try:
            yield
        finally:
            if _is_still(descriptor, partial):
                partial.unlink()
    finally:
        os.close(descriptor)


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the open file has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _check_target(file: Path) -> None:
    """Refuse what a rename would destroy (a device, a link's place), and a directory that is not there."""
    if not file.parent.is_dir():
        raise TransferRefused(f"there is no directory {file.parent}: make it, or give another FILE.")
    if file.is_symlink() or (file.exists() and not file.is_file()):
        raise TransferRefused(f"{file} is not a regular file, and the backup would replace it: give another FILE.")


def _put(partial: Path, file: Path) -> None:
    """Give the written file its name, so that it survives a power cut."""
    _sync(partial)
    partial.rename(file)
    _sync(file.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
