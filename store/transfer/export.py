"""Export: a project's ledger and its present state as files that can be committed, and read back by `restore`.

`ledger.jsonl` has every event as a line, `project.json` who took part, `state.md` where the project stands. All three
depend on the database's content alone: the same content gives the same bytes. What is not in the ledger and changes by
merely looking (cursors, liveness) is not exported.

Everything is read in one snapshot of the database, page by page, so memory does not grow with the ledger.
"""

from collections.abc import Callable
from hashlib import sha256
from math import inf
from pathlib import Path

from msgspec import Struct

from engine.events import Unknown, decode
from engine.project import apply, restore, snapshot
from engine.state import State
from engine.vocabulary import Event
from store.errors import TransferRefused
from store.ledger import named, pruned
from store.ledger.pruned import Pruned
from store.ledger.rows import READ_PAGE
from store.people.tokens import FORMER_LABELS
from store.postgres.connection import Connection
from store.postgres.records import record
from store.transfer import state_page
from store.transfer.files import LedgerFile, open_ledger, replace_file
from store.transfer.format import PROJECT_FILE, STATE_FILE, ExportedParticipant, ExportedProject, to_file, to_line

PAGE_EVENTS = 1_000
"""Events read at once: a round trip is cheap against them, and with the longest bodies they are some 30 MB."""

Progress = Callable[[int, int], object]
"""Hears how many events are done, and of how many."""

_ONE_MOMENT = "set transaction isolation level repeatable read, read only"

_FIND = """
select j.id, o.handle, j.slug, j.name, j.liveness_window_seconds, j.created_at,
       (select coalesce(max(seq), 0) from events where project_id = j.id)
  from projects j join owners o on o.id = j.owner_id
 where j.id = %s
"""

_PARTICIPANTS = f"""
select p.id, a.label, a.kind, p.lane, p.is_admin, p.created_at, {FORMER_LABELS}
  from participations p join participants a on a.id = p.participant_id where p.project_id = %s
"""  # noqa: S608  # made of literals


class Found(Struct, frozen=True, kw_only=True):
    """A project in the database, and the number of its last event."""

    id: int
    project: ExportedProject
    events: int


class Exported(Struct, frozen=True, kw_only=True):
    """The result of an export: `events` are in the ledger, of which `added` were not in the file before."""

    handle: str
    slug: str
    events: int
    added: int


async def export_project(conninfo: str, wanted: str, directory: Path, progress: Progress) -> Exported:
    """Export the project that is `wanted`, by slug or `handle/slug`, into `directory`, or what is new since last time.

    Raises `NoSuchName` when the project is not there or not the only one; `TransferRefused` when the directory holds
    something else; `StoreUnavailable`; `OSError`. Cut short, it leaves files that the next export completes.
    """
    connection = await Connection.open(conninfo, statement_timeout_seconds=inf)
    try:
        async with connection.transaction():
            await connection.execute(_ONE_MOMENT)
            found = await find_project(connection, wanted)
            with open_ledger(directory) as file:
                state, _ = await write_files(connection, found, directory, file, progress)
            return Exported(handle=found.project.handle, slug=found.project.slug, events=state.seq, added=file.added)
    finally:
        connection.close()


async def write_files(
    connection: Connection, found: Found, directory: Path, file: LedgerFile, progress: Progress, *, mark: int = 0
) -> tuple[State, Pruned | None]:
    """Write all files of the project; gives its state, and the ledger's beginning up to the event `mark`."""
    state, beginning = await _write_ledger(connection, found, file, progress, mark)
    replace_file(directory / PROJECT_FILE, to_file(found.project))
    replace_file(directory / STATE_FILE, state_page.page(found.project, state))
    return state, beginning


async def find_project(connection: Connection, wanted: str) -> Found:
    """The project of this name. Raises `NoSuchName` when it is not there or not the only one."""
    which = await named.find(connection, wanted)
    ((project_id, handle, slug, name, window, created_at, events),) = await connection.fetch(_FIND, (which.id,))
    rows = await connection.fetch(_PARTICIPANTS, (project_id,))
    each = (record(ExportedParticipant, (*row, tuple(former))) for *row, former in rows)
    participants = sorted(each, key=lambda row: row.id)
    project = ExportedProject(
        handle=handle,
        slug=slug,
        name=name,
        liveness_window_seconds=window,
        created_at=created_at,
        participants=tuple(participants),
    )
    return Found(id=project_id, project=project, events=events)


async def _write_ledger(
    connection: Connection, found: Found, file: LedgerFile, progress: Progress, mark: int
) -> tuple[State, Pruned | None]:
    """Compare or continue the file with every event, and fold them on the way."""
    state, beginning, digest, length = State(), None, sha256(), 0
    if (moved := await pruned.find(connection, found.id)) is not None:
        state, digest, length = _restored(moved), file.begin_after(moved), moved.length
    progress(state.seq, found.events)
    while page := await connection.fetch(READ_PAGE, (found.id, state.seq, PAGE_EVENTS), prepare=True):
        lines = []
        for seq, at, actor, by, type_name, data in page:
            event = Event(seq=seq, at=at, actor=actor, by=by, data=decode(type_name, data))
            apply(state, event)
            line = to_line(event)
            lines.append(line)
            if seq <= mark:
                if isinstance(event.data, Unknown):
                    raise TransferRefused(f"event {seq} is of a newer version: prune with that one.")
                digest.update(line)
                length += len(line)
            if seq == mark:
                beginning = Pruned(seq=seq, state=snapshot(state), length=length, sha256=digest.digest())
        file.add(b"".join(lines), len(lines))
        progress(state.seq, found.events)
    file.finish()
    return state, beginning


def _restored(moved: Pruned) -> State:
    state = restore(moved.state)
    if state is None:
        raise TransferRefused(
            f"this version cannot read the state that stands for the events up to {moved.seq}, which are in files: "
            "run 'llm-bus unprune' first."
        )
    return state
