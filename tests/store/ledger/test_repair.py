"""Gaps are found and, when told to, closed: nothing that is there is lost, and the ledger folds again."""

import pytest
import trio

from engine.errors import LedgerGap
from engine.events import payload
from engine.posts import Acked
from engine.project import apply
from engine.state import State
from engine.tasks import TaskCreated, TaskShipped, TaskStarted
from store import Store
from store.ledger.repair import GapWatch, close_gaps, find_gaps
from tests.actors.journal_conformance import claim, event, post
from tests.bounds import HANG_SECONDS
from tests.postgres import query
from tests.store.estate import Estate, audited, settle

pytestmark = pytest.mark.usefixtures("bounded")


@pytest.fixture
async def ann(store: Store) -> Estate:
    return await settle(store, "ann@example.com")


async def fold(store: Store, project_id: int) -> State:
    state = State()
    for row in await store.journal.tail(project_id, 0, 100):
        apply(state, row.event)
    return state


async def test_a_whole_ledger_has_no_gap(store: Store, ann: Estate) -> None:
    await store.journal.append(ann.project_id, [claim(1), claim(2)], {})
    assert await store.read(find_gaps) == []


async def test_gaps_are_found_in_every_project(store: Store, ann: Estate, conninfo: str) -> None:
    bob = await settle(store, "bob@example.com")
    for project_id in (ann.project_id, bob.project_id):
        await store.journal.append(project_id, [claim(seq) for seq in range(1, 12)], {})
    query(conninfo, f"delete from events where project_id = {ann.project_id} and seq in (6, 7, 8, 10)")
    query(conninfo, f"delete from events where project_id = {bob.project_id} and seq < 3")
    found = [(gap.handle, gap.slug, gap.first, gap.last) for gap in await store.read(find_gaps)]
    assert found == [("ann", "bus", 6, 8), ("ann", "bus", 10, 10), ("bob", "bus", 1, 2)]


async def test_a_closed_gap_lets_the_ledger_go_on(store: Store, ann: Estate, conninfo: str) -> None:
    project = ann.project_id
    await store.journal.append(project, [claim(seq) for seq in range(1, 12)], {})
    await store.journal.write_snapshot(project, 9, b"of a past that is lost", open_posts=0)
    query(conninfo, f"delete from events where project_id = {project} and seq in (6, 7, 8)")
    with pytest.raises(LedgerGap):
        await fold(store, project)
    before = await store.journal.tail(project, 0, 100)
    closed = await store.write(close_gaps, await store.read(find_gaps))
    assert (closed.filled, closed.set_aside) == (3, ())
    assert await store.read(find_gaps) == []
    after = await store.journal.tail(project, 0, 100)
    assert [row for row in after if row.event.data.type != "lost"] == before
    assert [row.event.seq for row in after if row.event.data.type == "lost"] == [6, 7, 8]
    assert [row.event.at for row in after] == sorted(row.event.at for row in after)
    assert await store.journal.load(project) is None
    assert [one.current for one in (await fold(store, project)).sequences.dump()] == [11]
    assert audited(conninfo)[-1] == "ledger_repair"
    await store.journal.append(project, [claim(12)], {})


async def test_what_makes_no_sense_without_the_lost_events_is_set_aside_and_kept(
    store: Store, ann: Estate, conninfo: str
) -> None:
    project = ann.project_id
    events = [
        event(1, TaskCreated(task_id=1, title="t", lane=None, owner=None)),
        post(2, to_lane="api"),
        event(3, TaskStarted(task_id=1)),
        event(4, Acked(post_id=2)),
        event(5, TaskShipped(task_id=1)),
        claim(6),
    ]
    await store.journal.append(project, events, {})
    query(conninfo, f"delete from events where project_id = {project} and seq < 3")
    closed = await store.write(close_gaps, await store.read(find_gaps))
    assert closed.filled == 2
    assert {3, 5} <= set(closed.set_aside) <= {3, 4, 5}
    state = await fold(store, project)
    assert (state.seq, [one.current for one in state.sequences.dump()]) == (6, [6])
    (third,) = [row.event for row in await store.journal.tail(project, 2, 1)]
    assert payload(third.data)["was"] == "task_start"
    kept = query(conninfo, f"select data ->> 'data' from events where project_id = {project} and seq = 3")
    assert kept == [('{"task_id": 1}',)]


async def test_a_server_counts_gaps(store: Store, ann: Estate, conninfo: str) -> None:
    await store.journal.append(ann.project_id, [claim(1), claim(2), claim(3)], {})
    query(conninfo, "delete from events where seq = 2")
    watch = GapWatch(conninfo)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        with trio.fail_after(HANG_SECONDS):
            while watch.statistics().gaps == 0:  # noqa: ASYNC110 - it can only be asked
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert watch.statistics().gaps == 1
