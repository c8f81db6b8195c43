"""Import: an export's files read back into an empty database, ids and times intact; all of it or nothing.

Every line is proved before anything is committed: it is exactly what export writes for an event that this version
knows, its number is the next, its time not before the last one's, and the whole of it folds. Tokens are not in an
export, so participants are restored without; an owner's email is not either, so the import asks for one.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import inf
from pathlib import Path

import msgspec
from msgspec import Struct

from engine.posts import Posted
from engine.state import State
from engine.tasks import TaskAssigned, TaskCreated
from engine.vocabulary import Event
from store.errors import TransferRefused
from store.people import audit
from store.people.names import (
    LANE_LENGTH_MAX,
    checked_email,
    checked_handle,
    checked_liveness_window,
    checked_slug,
    kept_label,
)
from store.postgres.connection import Connection
from store.transfer.export import Progress
from store.transfer.format import LEDGER_FILE, LINE_BYTES_MAX, PROJECT_FILE, ExportedProject, from_file, from_line
from store.transfer.ledger import LedgerWriter, claim_empty, reserve_ids

BY = "import"
"""The name that the audit trail keeps."""

TELL_EVERY_EVENTS = 1_000

ID_MAX = 1 << 53
"""No database has given so many ids; a greater one would leave none for newcomers."""

AHEAD_MAX = timedelta(days=1)
"""How far ahead of PostgreSQL's clock an event may be: no event is earlier than the one before, so the project's time
would stand still until then."""

_ADD_OWNER = "insert into owners (email, handle) values (%s, %s) returning id"

_ADD_PROJECT = """
insert into projects (owner_id, slug, name, liveness_window_seconds, created_at) values (%s, %s, %s, %s, %s)
returning id
"""

_ADD_PARTICIPANTS = """
with given as materialized (
    select * from jsonb_to_recordset(%(participants)s::jsonb)
        as g (id bigint, label text, kind text, lane text, is_admin boolean, created_at timestamptz,
              former_labels text[])
), added as (
    insert into participants (owner_id, label, kind, created_at, former_labels)
    select %(owner)s, label, kind, created_at, coalesce(former_labels, '{}') from given order by id returning id, label
)
insert into participations (id, participant_id, project_id, lane, is_admin, created_at) overriding system value
select given.id, added.id, %(project)s, given.lane, given.is_admin, given.created_at
  from given join added on added.label = given.label
"""


class Restored(Struct, frozen=True, kw_only=True):
    """The result of an import."""

    email: str
    handle: str
    slug: str
    participants: int
    events: int


async def import_project(conninfo: str, directory: Path, *, email: str, progress: Progress) -> Restored:
    """Restore the export in `directory` into the empty, migrated database of `conninfo`, for an owner with this email.

    Raises `TransferRefused` when the database is not empty or the files are not what export wrote, `InvalidName`,
    `StoreUnavailable` and `OSError`; then nothing was changed.
    """
    email = checked_email(email)
    project = _checked(from_file((directory / PROJECT_FILE).read_bytes()))
    connection = await Connection.open(conninfo, statement_timeout_seconds=inf)
    try:
        async with connection.transaction():
            await claim_empty(connection)
            project_id = await _add_people(connection, project, email)
            events = await _add_ledger(connection, project, project_id, directory / LEDGER_FILE, progress)
    finally:
        connection.close()
    return Restored(
        email=email, handle=project.handle, slug=project.slug, participants=len(project.participants), events=events
    )


def _checked(project: ExportedProject) -> ExportedProject:
    checked_slug(project.slug)
    checked_liveness_window(project.liveness_window_seconds)
    participants = project.participants
    if checked_handle(project.handle) != project.handle or any(
        kept_label(label) != label for row in participants for label in (row.label, *row.former_labels)
    ):
        raise TransferRefused(f"{PROJECT_FILE} has a name with capitals or spaces where no name has them.")
    if any(len(row.lane or "") > LANE_LENGTH_MAX for row in participants):
        raise TransferRefused(f"{PROJECT_FILE} has a lane of more than {LANE_LENGTH_MAX} characters.")
    times = (project.created_at, *(row.created_at for row in participants))
    if any(at.utcoffset() != timedelta(0) for at in times):
        raise TransferRefused(f"{PROJECT_FILE} has a time that is not in UTC.")
    ids, labels = {row.id for row in participants}, {row.label for row in participants}
    if min(len(ids), len(labels)) < len(participants) or not all(0 < id_ < ID_MAX for id_ in ids):
        raise TransferRefused(f"{PROJECT_FILE} names a participant twice, or one that cannot be.")
    return project


async def _add_people(connection: Connection, project: ExportedProject, email: str) -> int:
    ((owner_id,),) = await connection.fetch(_ADD_OWNER, (email, project.handle))
    parameters = (owner_id, project.slug, project.name, project.liveness_window_seconds, project.created_at)
    ((project_id,),) = await connection.fetch(_ADD_PROJECT, parameters)
    participants = msgspec.json.encode(project.participants).decode()
    await connection.execute(
        _ADD_PARTICIPANTS, {"participants": participants, "owner": owner_id, "project": project_id}
    )
    await audit.record(connection, owner_id, None, BY, "owner_add", handle=project.handle)
    await audit.record(connection, owner_id, project_id, BY, "project_add", slug=project.slug, name=project.name)
    for row in project.participants:
        detail = {"participant": row.label, "kind": row.kind, "lane": row.lane, "is_admin": row.is_admin}
        await audit.record(connection, owner_id, project_id, BY, "grant", **detail)
    return int(project_id)


async def _add_ledger(
    connection: Connection, project: ExportedProject, project_id: int, path: Path, progress: Progress
) -> int:
    writer = LedgerWriter(connection, project_id)
    reader_max = max((row.id for row in project.participants), default=0)
    ((now,),) = await connection.fetch("select clock_timestamp()")
    done, total = 0, path.stat().st_size  # noqa: ASYNC240 - an import does nothing else meanwhile
    for line in _lines(path):
        event = _read(line, writer.state, path, latest=now + AHEAD_MAX)
        await writer.add(event)
        reader_max = max(reader_max, *_readers(event))
        done += len(line)
        if event.seq % TELL_EVERY_EVENTS == 0:
            progress(done, total)
    await writer.finish()
    await reserve_ids(connection, reader_max)
    progress(done, total)
    return writer.state.seq


def _read(line: bytes, state: State, path: Path, *, latest: datetime) -> Event:
    """The next event; raises `TransferRefused` with the place and what is wrong there."""
    try:
        return _next(line, state, latest)
    except TransferRefused as wrong:
        raise TransferRefused(f"{path}, line {state.seq + 1}: {wrong}.") from wrong


def _next(line: bytes, state: State, latest: datetime) -> Event:
    if not line.endswith(b"\n"):
        raise TransferRefused("it is cut off; export again")
    event = from_line(line)
    if event.seq != state.seq + 1:
        raise TransferRefused(f"it is event {event.seq}")
    if event.at < state.at:
        raise TransferRefused("it happened before the event above it")
    if event.at > latest:
        raise TransferRefused(f"its time {event.at:%Y-%m-%d %H:%M} is in the future")
    if not all(0 <= reader < ID_MAX for reader in _readers(event)):
        raise TransferRefused("it names somebody by an id that cannot be")
    return event


def _readers(event: Event) -> Iterator[int]:
    """All readers that an event names by id, members or former members."""
    yield event.by
    match event.data:
        case Posted(to_id=int(reader)) | TaskCreated(owner_id=int(reader)) | TaskAssigned(owner_id=reader):
            yield reader
        case _:
            pass


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while line := file.readline(LINE_BYTES_MAX):
            yield line
