"""What an import brings back, and that what it refuses leaves nothing behind."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
import trio

from engine.identity import Roster
from engine.posts import Posted
from engine.project import restore
from engine.tasks import TaskCreated
from engine.vocabulary import Event
from store import Store, open_store
from store.errors import InvalidName, StoreError, TransferRefused
from store.people import grants, minting, participants
from store.transfer.export import export_project
from store.transfer.format import LINE_BYTES_MAX
from store.transfer.restore import Restored, import_project
from tests.engine.project import T0, Project
from tests.postgres import Server, fresh_database, query
from tests.store.histories import facts, people, play, write

EMAIL = "new@example.com"


@pytest.fixture
async def empty(postgres: Server) -> AsyncIterator[Store]:
    """Another database, to import into."""
    async with fresh_database(postgres) as conninfo, open_store(conninfo) as store:
        yield store


async def exported(store: Store, directory: Path, steps: int = 300, seed: int = 1) -> Project:
    project_id, project = await people(store), Project()
    play(project, Random(seed), steps)
    await write(store, project_id, project.events)
    await export_project(store.conninfo, "bus", directory, lambda _, __: None)
    return project


class Refusing(NamedTuple):
    """An export's files, and an empty database for all imports that are refused: each leaves it empty."""

    conninfo: str
    files: dict[str, bytes]

    def put(self, directory: Path) -> None:
        for name, content in self.files.items():
            (directory / name).write_bytes(content)


@pytest.fixture(scope="module")
def refusing(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refusing]:
    directory = tmp_path_factory.mktemp("exported")

    async def live() -> None:
        async with fresh_database(postgres) as conninfo, open_store(conninfo) as store:
            await exported(store, directory, steps=1500)

    trio.run(live)
    conninfo = postgres.create_database()
    yield Refusing(conninfo, contents(directory))
    postgres.drop_database(conninfo)


async def bring(where: Store | Refusing, directory: Path, email: str = EMAIL) -> Restored:
    return await import_project(where.conninfo, directory, email=email, progress=lambda _, __: None)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("seed", [1, 2])
async def test_export_import_export_is_byte_identical(store: Store, empty: Store, tmp_path: Path, seed: int) -> None:
    project = await exported(store, tmp_path / "first", steps=1500, seed=seed)
    done = await bring(empty, tmp_path / "first")
    assert done == Restored(email=EMAIL, handle="kim", slug="bus", participants=4, events=len(project.events))
    await export_project(empty.conninfo, "bus", tmp_path / "second", lambda _, __: None)
    assert contents(tmp_path / "second") == contents(tmp_path / "first")


async def test_a_project_without_events_comes_back(store: Store, empty: Store, tmp_path: Path) -> None:
    await exported(store, tmp_path / "first", steps=0)
    await bring(empty, tmp_path / "first")
    await export_project(empty.conninfo, "bus", tmp_path / "second", lambda _, __: None)
    assert contents(tmp_path / "second") == contents(tmp_path / "first")


async def test_a_post_longer_than_any_of_ours_goes_both_ways(store: Store, empty: Store, tmp_path: Path) -> None:
    """As one may have come with a move from the old server."""
    project_id = await people(store)
    post = Posted(to_lane="qa", to_actor=None, subject=None, body="\x07" * 700_000, ref=None, tag=None, thread=1)
    await write(store, project_id, [Event(seq=1, at=T0, actor="kim/ada", by=1, data=post)])
    for _ in range(2):
        await export_project(store.conninfo, "bus", tmp_path, lambda _, __: None)
    assert (await bring(empty, tmp_path)).events == 1


async def test_the_snapshot_is_the_fold_of_the_ledger(store: Store, empty: Store, tmp_path: Path) -> None:
    project = await exported(store, tmp_path)
    await bring(empty, tmp_path)
    ((project_id, open_posts, written),) = query(
        empty.conninfo,
        "select project_id, open_posts, (select sum(value::int) from jsonb_each_text(written)) from snapshots",
    )
    assert isinstance(project_id, int)
    kept = await empty.journal.load(project_id)
    assert kept is not None
    restored = restore(kept.state)
    assert restored is not None
    assert facts(restored) == facts(project.state)
    assert (open_posts, written) == (len(project.state.posts), len(project.events))


async def test_participants_keep_their_ids_and_newcomers_get_new_ones(
    store: Store, empty: Store, tmp_path: Path
) -> None:
    project = await exported(store, tmp_path)
    await store.write(minting.mint, "kim@example.com", "bus", "zoe")
    await store.write(participants.delete_participant, 1, 1, by="kim")  # ada, whom the ledger names ever after
    created = TaskCreated(task_id=len(project.state.tasks) + 1, title="t", lane=None, owner="kim/gone", owner_id=77)
    await write(store, 1, [Event(seq=project.state.seq + 1, at=project.now, actor="kim", by=0, data=created)])
    await export_project(store.conninfo, "bus", tmp_path, lambda _, __: None)
    await bring(empty, tmp_path)
    members = await empty.read(grants.roster, 1)
    assert members == Roster(handle="kim", labels={"ben": 2, "cay": 3, "lea": 4, "zoe": 5})
    minted = await empty.write(minting.mint, EMAIL, "bus", "newcomer")
    assert minted.provisioned.participation_id == 78
    assert not minted.owner.created


async def test_participants_keep_their_former_names(store: Store, empty: Store, tmp_path: Path) -> None:
    project_id = await people(store)
    for participant_id, label in ((1, "eve"), (1, "ada-2"), (2, "old"), (2, "ben"), (3, "old")):
        await store.write(participants.change_participant, 1, participant_id, label=label, kind="agent", by="kim")
    await export_project(store.conninfo, "bus", tmp_path / "first", lambda _, __: None)
    await bring(empty, tmp_path / "first")
    former_labels = {"ada-2": ("eve", "ada"), "ben": (), "old": ("cay",)}
    for where in (store, empty):
        roster = await where.read(grants.roster, project_id)
        assert roster is not None
        assert {label: roster.former_labels.get(label, ()) for label in former_labels} == former_labels
    await export_project(empty.conninfo, "bus", tmp_path / "second", lambda _, __: None)
    assert contents(tmp_path / "second") == contents(tmp_path / "first")


async def test_an_export_without_former_names_is_as_before_there_were_any(
    refusing: Refusing, empty: Store, tmp_path: Path
) -> None:
    assert b"former" not in refusing.files["project.json"]
    refusing.put(tmp_path)
    assert (await bring(empty, tmp_path)).participants == 4


async def test_nobody_can_call_until_a_token_is_minted_and_the_audit_trail_tells_of_it(
    store: Store, empty: Store, tmp_path: Path
) -> None:
    await exported(store, tmp_path)
    await bring(empty, tmp_path)
    assert query(empty.conninfo, "select count(*) from tokens") == [(0,)]
    told = query(empty.conninfo, "select actor, action, count(*)::int from audit group by 1, 2 order by 2")
    assert told == [("import", "grant", 4), ("import", "owner_add", 1), ("import", "project_add", 1)]


async def test_a_database_in_use_is_refused(store: Store, tmp_path: Path) -> None:
    await exported(store, tmp_path)
    before = _rows(store)
    with pytest.raises(TransferRefused, match="not empty"):
        await bring(store, tmp_path)
    assert _rows(store) == before


def _rows(where: Store | Refusing) -> list[tuple[object, ...]]:
    tables = ("owners", "projects", "participants", "participations", "events", "snapshots", "audit")
    return [query(where.conninfo, f"select count(*) from {table}")[0] for table in tables]


Spoil = Callable[[list[bytes]], list[bytes]]

SPOILT: dict[str, tuple[Spoil, str]] = {
    "a gap": (lambda lines: lines[:700] + lines[701:], "line 701: it is event 702"),
    "twice": (lambda lines: [*lines[:700], lines[699], *lines[700:]], "line 701: it is event 700"),
    "from elsewhere": (lambda lines: lines[5:], "line 1: it is event 6"),
    "cut off": (lambda lines: [*lines[:-1], lines[-1][:-9]], "cut off"),
    "empty line": (lambda lines: [*lines, b"\n"], "it is no event"),
    "not JSON": (lambda lines: [*lines, b"{nope}\n"], "it is no event"),
    "not text": (lambda lines: [*lines, b'{"seq":\xff\n'], "it is no event"),
    "another type": (lambda lines: [*lines, _next(lines, "vote", "{}")], "no events of type 'vote'"),
    "a field missing": (lambda lines: [*lines, _next(lines, "ack", "{}")], "it is no event"),
    "a field of another type": (lambda lines: [*lines, _next(lines, "ack", '{"post_id":"7"}')], "it is no event"),
    "a field too many": (lambda lines: [*lines, _next(lines, "ack", '{"post_id":1,"why":2}')], "otherwise"),
    "spaces": (lambda lines: [*lines, _next(lines, "ack", '{"post_id": 1}')], "otherwise"),
    "no time zone": (lambda lines: [*lines, _next(lines, "ack", '{"post_id":1}', "2050-01-01T00:00:00")], "UTC"),
    "another time zone": (
        lambda lines: [*lines, _next(lines, "ack", '{"post_id":1}', "2050-01-01T00:00:00+02:00")],
        "UTC",
    ),
    "back in time": (lambda lines: [*lines, _next(lines, "ack", '{"post_id":1}', "2001-01-01T00:00:00Z")], "happened"),
    "in the future": (lambda lines: [*lines, _next(lines, "ack", '{"post_id":1}', "9998-01-01T00:00:00Z")], "future"),
    "an impossible move": (lambda lines: [*lines, _next(lines, "task_ship", '{"task_id":9999}')], "does not follow"),
    "a nul": (lambda lines: [*lines, _next(lines, "release", '{"surface":"\\u0000"}')], "cannot be kept"),
    "a number too large": (lambda lines: [*lines, _next(lines, "ack", f'{{"post_id":{10**30}}}')], "cannot be kept"),
    "an id too large": (lambda lines: [*lines, _next(lines, "ack", '{"post_id":1}', by=1 << 62)], "id that cannot be"),
    "an id below all": (lambda lines: [*lines, _next(lines, "ack", '{"post_id":1}', by=-1)], "id that cannot be"),
    "endless": (lambda lines: [*lines, b"x" * LINE_BYTES_MAX + b"\n"], "cut off"),
}


def _next(lines: list[bytes], type_name: str, data: str, at: str = "2026-02-01T00:00:00Z", by: int = 0) -> bytes:
    line = f'{{"seq":{len(lines) + 1},"at":"{at}","actor":"kim","by":{by},"type":"{type_name}","data":{data}}}\n'
    return line.encode()


@pytest.mark.parametrize("name", SPOILT)
async def test_a_line_that_export_did_not_write_is_named_and_nothing_is_imported(
    refusing: Refusing, tmp_path: Path, name: str
) -> None:
    refusing.put(tmp_path)
    spoil, words = SPOILT[name]
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_bytes(b"".join(spoil(ledger.read_bytes().splitlines(keepends=True))))
    with pytest.raises(StoreError, match=words):
        await bring(refusing, tmp_path)
    assert _rows(refusing) == [(0,)] * 7


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"ben"', b'"ada"'),
        (b'"ben"', b'"a/b"'),
        (b'"id": 2', b'"id": 1'),
        (b'"id": 2', b'"id": 0'),
        (b'"id": 2', b'"id": 9223372036854775807'),
        (b'"ben"', b'" ben"'),
        (b'"id": 2', b'"former_labels": ["a/b"], "id": 2'),
        (b'"kim"', b'"Kim"'),
        (b'Z"', b'"'),
        (b'"kim"', b'"-"'),
        (b'"bus"', b'"Big Bus"'),
        (b"900", b"0"),
        (b'"is_admin"', b'"lane": "' + b"x" * 65 + b'", "is_admin"'),
        (b'"handle"', b'"hand"'),
        (b"llm-bus export 1", b"llm-bus export 2"),
    ],
)
async def test_a_project_file_that_export_did_not_write_is_refused(
    refusing: Refusing, tmp_path: Path, old: bytes, new: bytes
) -> None:
    refusing.put(tmp_path)
    project = tmp_path / "project.json"
    project.write_bytes(project.read_bytes().replace(old, new))
    with pytest.raises((TransferRefused, InvalidName)):
        await bring(refusing, tmp_path)
    assert _rows(refusing) == [(0,)] * 7


@pytest.mark.parametrize("name", ["project.json", "ledger.jsonl"])
async def test_a_missing_file_is_named(refusing: Refusing, tmp_path: Path, name: str) -> None:
    refusing.put(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        await bring(refusing, tmp_path)
    assert _rows(refusing) == [(0,)] * 7
