"""Old events move into an export and come back; what is at work, the numbers and the state stay as they were."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest

from actors.replica import read_state
from engine.lookups import EventQuery, PostQuery, TaskQuery
from engine.sequences import Claim
from engine.tasks import TaskCreate, TaskShip, TaskStart
from store import Store, open_store
from store.errors import TransferRefused
from store.ledger.repair import find_gaps
from store.transfer.export import Exported, export_project
from store.transfer.prune import PrunedNow, prune, unprune
from store.transfer.restore import import_project
from tests.engine.project import Project, ada
from tests.postgres import Server, fresh_database, query
from tests.store.histories import facts, people, play, write

DAYS = 30
"""The histories of these tests are of January, so all that is in them is older."""

STEPS = 400


async def pruned(store: Store, directory: Path, days: float = DAYS) -> PrunedNow:
    return await prune(store.conninfo, "bus", directory, days=days, progress=lambda _, __: None)


async def exported(store: Store, directory: Path) -> Exported:
    return await export_project(store.conninfo, "bus", directory, lambda _, __: None)


async def played(store: Store, steps: int = STEPS, seed: int = 1) -> tuple[int, Project]:
    project_id, project = await people(store), Project()
    for command in (TaskCreate(title="t"), TaskStart(task_id=1), TaskShip(task_id=1)):
        project.ask(*ada(command))
    play(project, Random(seed), steps)
    await write(store, project_id, project.events)
    return project_id, project


@pytest.fixture
async def empty(postgres: Server) -> AsyncIterator[Store]:
    async with fresh_database(postgres) as conninfo, open_store(conninfo) as store:
        yield store


def rows(store: Store) -> list[tuple[object, ...]]:
    return query(store.conninfo, "select seq, at, actor, participation_id, type, data from events order by seq")


async def test_the_state_and_the_next_number_are_what_they_were(store: Store, tmp_path: Path) -> None:
    project_id, project = await played(store)
    done = await pruned(store, tmp_path)
    assert done.moved > STEPS / 8
    assert done.upto == len(project.events) == done.moved + done.kept
    assert facts(await read_state(store.journal, project_id)) == facts(project.state)
    head = await store.journal.head(project_id)
    assert (head.seq, head.at) == (project.events[-1].seq, project.events[-1].at)
    assert await store.read(find_gaps) == []

    project.ask(*ada(Claim(sequence="adr")))
    await store.journal.append(project_id, project.events[-1:], {}, predecessor=head)
    assert facts(await read_state(store.journal, project_id)) == facts(project.state)


async def test_what_is_open_can_be_read_as_before(store: Store, tmp_path: Path) -> None:
    project_id, project = await played(store)
    journal, upto = store.journal, len(project.events)
    still_open = tuple(post.id for post in project.state.posts.dump())
    posts, tasks = PostQuery(upto=upto, ids=still_open, limit=200), TaskQuery(upto=upto, limit=200)
    inboxes = [PostQuery(upto=upto, to_reader=reader, unacked_by=reader, limit=200) for reader in (1, 2, 3)]
    before = await journal.posts(project_id, posts), await journal.finished_tasks(project_id, tasks)
    owed = [await journal.posts(project_id, each) for each in inboxes]
    assert all(before)
    assert all(owed[:2])  # nobody writes to the third
    await pruned(store, tmp_path)
    assert (await journal.posts(project_id, posts), await journal.finished_tasks(project_id, tasks)) == before
    assert [await journal.posts(project_id, each) for each in inboxes] == owed
    assert len(await journal.events(project_id, EventQuery(upto=upto, type="claim", limit=500))) <= 1  # the last event


async def test_the_export_holds_everything_and_goes_on(store: Store, empty: Store, tmp_path: Path) -> None:
    project_id, project = await played(store)
    before = rows(store)
    await pruned(store, tmp_path)
    written = len(project.events)
    project.ask(*ada(Claim(sequence="adr")))
    await write(store, project_id, project.events[written:])
    assert await exported(store, tmp_path) == Exported(handle="kim", slug="bus", events=written + 1, added=1)

    await import_project(empty.conninfo, tmp_path, email="kim@example.com", progress=lambda _, __: None)
    assert rows(empty)[:-1] == before


async def test_what_came_later_is_moved_later(store: Store, tmp_path: Path) -> None:
    project_id, project = await people(store), Project()
    done = 0
    for seed in (1, 2, 3):
        play(project, Random(seed), 150)
        await write(store, project_id, project.events[done:])
        done = len(project.events)
        moved = await pruned(store, tmp_path)
        assert (moved.upto, moved.moved > 0) == (done, True)
        assert facts(await read_state(store.journal, project_id)) == facts(project.state)
    ((written,),) = query(store.conninfo, "select written from pruned")
    assert written == Counter(str(event.by) for event in project.events)
    assert (await pruned(store, tmp_path)).moved == 0


async def test_everything_can_be_brought_back(store: Store, tmp_path: Path) -> None:
    project_id, project = await played(store)
    before = rows(store)
    done = await pruned(store, tmp_path)
    assert rows(store) != before
    assert await unprune(store.conninfo, "bus", tmp_path) == done.moved
    assert rows(store) == before
    assert facts(await read_state(store.journal, project_id)) == facts(project.state)
    assert query(store.conninfo, "select action from audit order by id desc limit 2") == [
        ("ledger_unprune",),
        ("ledger_prune",),
    ]
    with pytest.raises(TransferRefused, match="all events of 'bus' are in the database"):
        await unprune(store.conninfo, "bus", tmp_path)


async def test_what_is_young_stays(store: Store, tmp_path: Path) -> None:
    project_id, project = await played(store, 100)
    query(store.conninfo, "update events set at = at + (now() - interval '10 days' - (select max(at) from events))")
    before = rows(store)
    assert await pruned(store, tmp_path) == PrunedNow(handle="kim", slug="bus", upto=0, moved=0, kept=0)
    assert rows(store) == before
    with pytest.raises(TransferRefused, match="less than 1 day"):
        await pruned(store, tmp_path, days=0.5)
    assert (await store.journal.head(project_id)).seq == len(project.events)


async def test_files_that_are_not_those_are_refused_and_nothing_changes(store: Store, tmp_path: Path) -> None:
    await played(store)
    await pruned(store, tmp_path / "here")
    before = rows(store)
    with pytest.raises(TransferRefused, match="does not begin with them"):
        await exported(store, tmp_path / "elsewhere")
    ledger = tmp_path / "here" / "ledger.jsonl"
    ledger.write_bytes(ledger.read_bytes().replace(b"plain", b"other", 1))
    for act in (lambda: unprune(store.conninfo, "bus", ledger.parent), lambda: pruned(store, ledger.parent)):
        with pytest.raises(TransferRefused, match="does not begin with"):
            await act()
    assert rows(store) == before


async def test_counts_beside_a_new_snapshot_begin_with_what_was_moved(store: Store, tmp_path: Path) -> None:
    project_id, project = await played(store)
    await pruned(store, tmp_path)
    await store.journal.write_snapshot(project_id, project.state.seq, facts(project.state), open_posts=1)
    ((written,),) = query(store.conninfo, "select written from snapshots")
    assert written == Counter(str(event.by) for event in project.events)


async def test_a_state_that_this_version_cannot_read_is_told_of(store: Store, tmp_path: Path) -> None:
    project_id, _ = await played(store)
    await pruned(store, tmp_path)
    query(store.conninfo, "update pruned set state = 'of another version'")
    with pytest.raises(Exception, match="llm-bus unprune"):
        await read_state(store.journal, project_id)
    with pytest.raises(TransferRefused, match="llm-bus unprune"):
        await exported(store, tmp_path)
    await unprune(store.conninfo, "bus", tmp_path)
    assert (await read_state(store.journal, project_id)).seq > 0
