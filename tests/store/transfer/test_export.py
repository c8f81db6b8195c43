"""What an export writes, how a second one goes on, and what it refuses to touch."""

import os
import resource
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

import msgspec
import pytest
import trio

from engine.leases import Lease
from engine.posts import Ack, Post
from engine.sequences import Claim, SeedSequence
from engine.tasks import TaskBlock, TaskCreate, TaskShip, TaskStart
from store import Store, open_store
from store.errors import NoSuchName, TransferRefused
from store.people import minting
from store.transfer import state_page
from store.transfer.export import Exported, export_project
from store.transfer.files import open_ledger
from store.transfer.format import LINE_BYTES_MAX, ExportedProject, from_line
from tests.engine.project import T0, Project, ada
from tests.postgres import Server, query
from tests.store.histories import people, play, write

SEEDS = (1, 2)
FILES = ("ledger.jsonl", "project.json", "state.md")


class Past(NamedTuple):
    """A database with a project in it, which tests only read, and what its export wrote."""

    conninfo: str
    files: dict[str, bytes]

    def put(self, directory: Path) -> None:
        for name, content in self.files.items():
            (directory / name).write_bytes(content)


@pytest.fixture(scope="module")
def past(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    conninfo, directory = postgres.create_database(), tmp_path_factory.mktemp("past")

    async def live() -> None:
        async with open_store(conninfo) as store:
            await played(store)
            await export(store, directory)

    trio.run(live)
    yield Past(conninfo, contents(directory))
    postgres.drop_database(conninfo)


async def export(where: Store | Past, directory: Path, wanted: str = "bus") -> Exported:
    return await export_project(where.conninfo, wanted, directory, lambda _, __: None)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


async def played(store: Store, steps: int = 300, seed: int = 1) -> tuple[int, Project]:
    """A project in the database with a past, and the same in memory."""
    project_id, project = await people(store), Project()
    play(project, Random(seed), steps)
    await write(store, project_id, project.events)
    return project_id, project


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_ledger_is_one_event_a_line_with_everything_in_it(store: Store, tmp_path: Path, seed: int) -> None:
    _, project = await played(store, 600, seed)
    told: list[tuple[int, int]] = []
    done = await export_project(store.conninfo, "bus", tmp_path, lambda *progress: told.append(progress))
    lines = (tmp_path / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    assert [from_line(line) for line in lines] == project.events
    assert done == Exported(handle="kim", slug="bus", events=len(lines), added=len(lines))
    assert (told[0], told[-1]) == ((0, len(lines)), (len(lines), len(lines)))


async def test_only_the_three_files_and_no_secret_in_them(past: Past, tmp_path: Path) -> None:
    await export(past, tmp_path / "new" / "place")
    files = contents(tmp_path / "new" / "place")
    assert sorted(files) == sorted(FILES)
    everything = b"".join(files.values())
    assert b"example.com" not in everything
    for (sha256,) in query(past.conninfo, "select sha256 from tokens"):
        assert isinstance(sha256, bytes)
        assert sha256.hex().encode() not in everything


async def test_who_takes_part_is_told_with_their_ids(store: Store, tmp_path: Path) -> None:
    await played(store, 0)
    await export(store, tmp_path)
    told = msgspec.json.decode((tmp_path / "project.json").read_bytes())
    assert (told["handle"], told["slug"], told["name"], told["liveness_window_seconds"]) == ("kim", "bus", "bus", 900)
    assert [(row["id"], row["label"], row["lane"], row["is_admin"]) for row in told["participants"]] == [
        (1, "ada", "qa", True),
        (2, "ben", "qa", False),
        (3, "cay", "qa", False),
        (4, "lea", "qa", False),
    ]


async def test_a_second_export_of_the_same_changes_no_file(past: Past, tmp_path: Path) -> None:
    past.put(tmp_path)
    before = _marks(tmp_path)
    done = await export(past, tmp_path, "kim/bus")
    assert done.added == 0
    assert _marks(tmp_path) == before


def _marks(directory: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in directory.iterdir()}


async def test_a_cursor_or_a_call_is_nothing_to_export(store: Store, tmp_path: Path) -> None:
    project_id, _ = await played(store)
    await export(store, tmp_path)
    before = contents(tmp_path)
    await store.journal.append(project_id, [], {1: 5})
    await store.write(minting.mint, "kim@example.com", "bus", "ada")
    await export(store, tmp_path)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("seed", SEEDS)
async def test_exports_in_steps_end_as_one_export_does(store: Store, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    project_id, project = await played(store, 0)
    cuts = sorted(random.sample(range(1500), 4))
    for first, last in pairwise([0, *cuts]):
        play(project, random, last - first)
        await write(store, project_id, project.events[_events(tmp_path / "steps") :])
        done = await export(store, tmp_path / "steps")
        assert done.events == len(project.events)
    await export(store, tmp_path / "once")
    assert contents(tmp_path / "steps") == contents(tmp_path / "once")


def _events(directory: Path) -> int:
    ledger = directory / "ledger.jsonl"
    return ledger.read_bytes().count(b"\n") if ledger.exists() else 0


@pytest.mark.parametrize("left", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("torn", [b"", b'{"se', b'{"seq":7,"at":"2026-01-0'])
async def test_what_a_crash_cut_off_is_completed(past: Past, tmp_path: Path, left: float, torn: bytes) -> None:
    past.put(tmp_path)
    os.truncate(tmp_path / "ledger.jsonl", int(len(past.files["ledger.jsonl"]) * left))
    with (tmp_path / "ledger.jsonl").open("ab") as file:
        if left in (0.0, 1.0):  # otherwise the last line is torn already
            file.write(torn)
    (tmp_path / "state.md").unlink()
    await export(past, tmp_path)
    assert contents(tmp_path) == past.files


async def test_an_export_cut_short_before_its_small_files_is_completed(past: Past, tmp_path: Path) -> None:
    past.put(tmp_path)
    for name in ("project.json", "state.md"):
        (tmp_path / name).unlink()
    (tmp_path / ".state.md.new").write_bytes(b"half")
    await export(past, tmp_path)
    assert contents(tmp_path) == past.files


async def _refuses(where: Store | Past, directory: Path, words: str, wanted: str = "bus") -> None:
    before = contents(directory)
    with pytest.raises((TransferRefused, NoSuchName), match=words):
        await export(where, directory, wanted)
    assert contents(directory) == before


async def test_another_projects_directory_is_refused_and_left_alone(store: Store, tmp_path: Path) -> None:
    _, project = await played(store)
    await export(store, tmp_path)
    other_id = await people(store, "other")
    await _refuses(store, tmp_path, "another directory", "other")
    play(other := Project(), Random(9), 900)
    await write(store, other_id, other.events)
    assert len(other.events) > len(project.events)
    await _refuses(store, tmp_path, "another directory", "other")


@pytest.mark.parametrize("at", [0.0, 0.5, 0.9])
async def test_a_ledger_that_somebody_edited_is_refused_and_left_alone(store: Store, tmp_path: Path, at: float) -> None:
    project_id, project = await played(store)
    await export(store, tmp_path)
    ledger = bytearray((tmp_path / "ledger.jsonl").read_bytes())
    place = ledger.index(b'"actor":"', int(len(ledger) * at)) + 9
    ledger[place : place + 1] = b"X"
    (tmp_path / "ledger.jsonl").write_bytes(ledger)
    await _refuses(store, tmp_path, "not the beginning")
    play(project, Random(5), 50)
    known = ledger.count(b"\n")
    await write(store, project_id, project.events[known:])
    await _refuses(store, tmp_path, "not the beginning")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("project.json", b'{"name": "web", "targets": {}}'),
        ("project.json", b"\xff"),
        ("state.md", b"# Mine\n"),
        ("ledger.jsonl", b'{"date": "2026-01-01", "amount": 3}\n'),
        ("ledger.jsonl", b"one line of something else"),
        ("ledger.jsonl", b"x" * (LINE_BYTES_MAX + 1)),
    ],
)
async def test_files_that_no_export_wrote_are_refused_and_left_alone(
    past: Past, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TransferRefused):
        await export(past, tmp_path)
    assert (tmp_path / name).read_bytes() == content


async def test_a_slug_of_several_owners_must_be_said_with_its_handle(store: Store, tmp_path: Path) -> None:
    await played(store, 30)
    await store.write(minting.mint, "ann@example.com", "bus", "ada")
    await _refuses(store, tmp_path, "say ann/bus or kim/bus")
    done = await export(store, tmp_path, "Kim/bus")
    assert done.handle == "kim"


@pytest.mark.parametrize("wanted", ["nope", "ann/bus", "", "/", "kim/"])
async def test_a_project_that_is_not_there_is_named(past: Past, tmp_path: Path, wanted: str) -> None:
    await _refuses(past, tmp_path, f"no project '{wanted}'", wanted)


async def test_two_exports_at_once_do_not_mix(past: Past, tmp_path: Path) -> None:
    with open_ledger(tmp_path), pytest.raises(TransferRefused, match="another export"):
        await export(past, tmp_path)
    assert (await export(past, tmp_path)).added > 0


async def test_what_is_written_during_an_export_waits_for_the_next(store: Store, tmp_path: Path) -> None:
    project_id, project = await played(store, 30)
    register = "insert into events select project_id, seq + 1, at, actor, participation_id, 'register', %s, writer "
    latest = f"from events where project_id = {project_id} order by seq desc limit 1"

    def write_behind(done: int, _: int) -> None:
        if not done:
            query(store.conninfo, register + latest, ('{"lane": "late", "status": null}',))

    first = await export_project(store.conninfo, "bus", tmp_path, write_behind)
    assert (first.events, first.added) == (len(project.events), len(project.events))
    assert f"as of event {first.events}," in (tmp_path / "state.md").read_text()
    assert (await export(store, tmp_path)).added == 1


async def test_a_full_disk_is_said_with_the_file_that_had_no_room(past: Past, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as full:
            await export(past, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert full.value.filename == str(tmp_path / "ledger.jsonl")


async def test_no_link_in_a_directory_of_somebody_elses_leads_an_export_astray(past: Past, tmp_path: Path) -> None:
    (mine := tmp_path / "mine").write_bytes(b"")
    (directory := tmp_path / "theirs").mkdir()
    (directory / "ledger.jsonl").symlink_to(mine)
    with pytest.raises(TransferRefused, match="symbolic link"):
        await export(past, directory)
    (directory / "ledger.jsonl").unlink()
    (directory / ".state.md.new").symlink_to(mine)
    await export(past, directory)
    assert mine.read_bytes() == b""


def _page(project: Project) -> str:
    whose = ExportedProject(
        handle="kim", slug="bus", name="The | bus", liveness_window_seconds=900, created_at=T0, participants=()
    )
    return state_page.page(whose, project.state).decode()


def test_the_state_tells_claims_tasks_leases_and_handoffs() -> None:
    project = Project()
    project.play(
        [
            ada(SeedSequence(sequence="adr", current=9, prefix="ADR-", pad=4)),
            ada(Claim(sequence="adr")),
            ada(TaskCreate(title="Cut | over", lane="ops", owner="ben")),
            ada(TaskStart(task_id=1)),
            ada(TaskBlock(task_id=1, reason="no [keys]")),
            ada(Lease(surface="src/**", ttl_seconds=60, note="two\nlines")),
            ada(Post(to_lane="qa", to_actor="ben", subject="<b>", body="secret body")),
        ]
    )
    page = _page(project)
    for row in (
        "# The \\| bus",
        "| adr | ADR-0010 | kim/ada | 2026-01-01T00:00:00.000Z |",
        "| 1 | blocked | Cut \\| over | kim/ben | ops | no \\[keys\\] |",
        "| src/\\*\\* | kim/ada | exclusive | 2026-01-01T00:01:00.000Z | two lines |",
        "| 7 | kim/ada | kim/ben, lane qa | \\<b\\> |  | 2026-01-01T00:00:00.000Z |",
    ):
        assert row in page.splitlines()
    assert "secret body" not in page


def test_what_is_settled_leaves_the_page_and_time_alone_changes_nothing() -> None:
    project = Project()
    project.play(
        [
            ada(Lease(surface="a", ttl_seconds=60)),
            ada(TaskCreate(title="t", owner="ada")),
            ada(TaskStart(task_id=1)),
            ada(Post(to_actor="ada", body="b")),
        ]
    )
    before = _page(project)
    project.now += timedelta(days=1)
    assert _page(project) == before
    project.play([ada(Ack(post_id=4)), ada(TaskShip(task_id=1))])
    assert _page(project).count("None.") == 4


def test_a_ledger_without_events_has_a_page() -> None:
    assert "before its first event" in _page(Project())
