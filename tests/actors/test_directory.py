"""Lives of actors: started on demand, passivated when idle, restarted after a crash, drained at the end."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Answer, Busy, Crashed, Directory, Unavailable
from actors.directory import _Crashes
from engine.history import Kept
from engine.ledger import Digest, WhatsNew
from engine.posts import Ack, Post, ReadPosts
from engine.presence import Active, Touch, WhoIsActive
from engine.project import snapshot
from engine.sequences import Claim, ClaimedNumber, ListSequences
from engine.state import State
from engine.tasks import TaskAssign, TaskCreate
from tests.actors.breakable_journal import BreakableJournal
from tests.actors.conftest import PROJECT, A, Asked, B, OpenDirectory, ask, principal

CLAIM = Claim(sequence="adr")


async def claimed(directory: Directory) -> int:
    answer = await ask(directory, A, CLAIM)
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, ClaimedNumber)
    return answer.reply.number


async def poison(directory: Directory) -> None:
    """A command that makes the actor raise: it names somebody, and nobody says whom."""
    with pytest.raises(Crashed):
        await directory.ask(A, TaskAssign(task_id=1, owner="b"))


async def test_an_idle_actor_leaves_and_the_next_call_finds_everything_again(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    directory = await open_directory(idle_seconds=60, liveness_seconds=1000)
    assert await claimed(directory) == 1
    assert directory.statistics().actors == 1
    await trio.sleep(61)
    assert directory.statistics().actors == 0
    assert journal.ledger.snapshots[PROJECT].seq == 1
    assert set(journal.ledger.liveness[PROJECT]) == {A.id}
    assert await claimed(directory) == 2
    assert directory.statistics().totals.crashes == 0


async def test_an_actor_stays_while_somebody_waits(
    autojump_clock: MockClock, open_directory: OpenDirectory, nursery: trio.Nursery
) -> None:
    directory = await open_directory(idle_seconds=5)
    await Asked(directory, nursery).ask(B, ReadPosts(to_me=True, unacked_only=True, wait_seconds=50))
    await trio.sleep(49)
    assert directory.statistics().actors == 1
    assert directory.statistics().totals.rebuilds == 1, "it is still the same one"
    await trio.sleep(10)
    assert directory.statistics().actors == 0


async def test_a_call_at_the_moment_of_leaving_is_answered(
    autojump_clock: MockClock, open_directory: OpenDirectory
) -> None:
    directory = await open_directory(idle_seconds=5)
    for number in range(1, 51):
        assert await claimed(directory) == number
        await trio.sleep(5)


async def test_a_crash_is_told_to_whoever_it_met_and_to_no_other_project(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    await ask(directory, A, TaskCreate(title="x"))
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    asked = Asked(directory, nursery)
    await asked.ask(A, CLAIM)
    await asked.ask(B, CLAIM)
    nursery.start_soon(poison, directory)
    await wait_all_tasks_blocked()
    elsewhere = await ask(directory, principal(1, project_id=2), Claim(sequence="adr"))
    assert isinstance(elsewhere, Answer)
    gate.set()
    await wait_all_tasks_blocked()
    assert [type(outcome) for outcome in asked.outcomes] == [Answer, Crashed]
    assert directory.statistics().actors == 1
    assert directory.statistics().totals.crashes == 1


async def test_after_a_crash_the_actor_is_held_back_for_a_while_that_doubles(
    autojump_clock: MockClock, open_directory: OpenDirectory
) -> None:
    directory = await open_directory(restart_seconds_min=1)
    await ask(directory, A, TaskCreate(title="x"))
    for pause in (1, 2, 4):
        await poison(directory)
        await trio.sleep(pause * 0.9)
        with pytest.raises(Crashed):
            await ask(directory, A, CLAIM)
        await trio.sleep(pause * 0.2)
    assert await claimed(directory) == 1


async def test_a_life_that_ended_well_forgets_the_crashes_before_it(
    autojump_clock: MockClock, open_directory: OpenDirectory
) -> None:
    directory = await open_directory(restart_seconds_min=1, idle_seconds=60)
    await ask(directory, A, TaskCreate(title="x"))
    for _ in range(3):
        await poison(directory)
        await trio.sleep(1.1)
        await ask(directory, A, Touch())
        await trio.sleep(61)


async def test_a_project_that_never_stops_crashing_does_not_end_the_server(
    autojump_clock: MockClock, directory: Directory
) -> None:
    await ask(directory, A, TaskCreate(title="x"))
    directory._crashes[PROJECT] = _Crashes(in_a_row=5000, not_before=0)
    await poison(directory)
    await trio.sleep(11)
    assert await claimed(directory) == 1


async def test_stopping_drains_commits_and_snapshots(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    asked = Asked(directory, nursery)
    await asked.ask(A, CLAIM)
    await asked.ask(B, CLAIM)
    nursery.start_soon(directory.stop)
    await wait_all_tasks_blocked()
    with pytest.raises(Unavailable):
        await ask(directory, A, CLAIM)
    gate.set()
    await wait_all_tasks_blocked()
    assert [type(outcome) for outcome in asked.outcomes] == [Answer, Answer]
    assert journal.ledger.snapshots[PROJECT].seq == 2
    assert directory.statistics().actors == 0


async def test_stopping_does_not_wait_forever(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    directory = await open_directory(stop_seconds_max=5, commit_seconds_max=8)
    journal.before_append.extend([trio.sleep_forever] * 100)
    asked = Asked(directory, nursery)
    await asked.ask(A, CLAIM)
    with trio.fail_after(5 + 8):
        await directory.stop()
    await wait_all_tasks_blocked()
    (outcome,) = asked.outcomes
    assert isinstance(outcome, Unavailable)
    assert str(outcome) == "the server is stopping; try again in a moment."


async def test_a_directory_that_is_cancelled_leaves_nobody_waiting(
    autojump_clock: MockClock, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    directory = Directory(journal)
    with trio.CancelScope() as killed:
        async with trio.open_nursery() as owner:
            await owner.start(directory.run)
            asked = Asked(directory, nursery)
            await asked.ask(B, ReadPosts(to_me=True, unacked_only=True, wait_seconds=50))
            killed.cancel()
    await wait_all_tasks_blocked()
    assert len(asked.outcomes) == 1
    with pytest.raises(Unavailable):
        await ask(directory, A, CLAIM)


async def test_a_commit_under_way_is_finished_and_answered_when_the_directory_is_cancelled(
    autojump_clock: MockClock, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    directory, gate = Directory(journal), trio.Event()
    journal.before_append.append(gate.wait)
    async with trio.open_nursery() as owner:
        await owner.start(directory.run)
        asked = Asked(directory, nursery)
        await asked.ask(A, CLAIM)
        owner.cancel_scope.cancel()
        gate.set()
    await wait_all_tasks_blocked()
    assert [type(outcome) for outcome in asked.outcomes] == [Answer]


async def test_a_directory_that_was_never_run_is_unavailable_and_stops_at_once(
    autojump_clock: MockClock, journal: BreakableJournal
) -> None:
    directory = Directory(journal)
    with pytest.raises(Unavailable):
        await ask(directory, A, CLAIM)
    await directory.stop()


async def test_liveness_is_written_behind_and_tried_again(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    directory = await open_directory(liveness_seconds=15)
    await ask(directory, A, Touch())
    assert journal.ledger.liveness[PROJECT] == {}
    journal.down = True
    await trio.sleep(20)
    journal.down = False
    await ask(directory, B, Touch())
    await trio.sleep(15)
    assert {reader: seen.actor for reader, seen in journal.ledger.liveness[PROJECT].items()} == {
        A.id: A.actor,
        B.id: B.actor,
    }


async def test_liveness_survives_a_rebuild_that_comes_before_it_was_written(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await ask(directory, A, Touch())
    journal.lose(1)
    await ask(directory, B, CLAIM)
    active = await ask(directory, B, WhoIsActive())
    assert isinstance(active, Answer)
    assert isinstance(active.reply, Active)
    assert {row.actor for row in active.reply.active} == {A.actor, B.actor}


async def test_recovery_folds_only_what_follows_the_snapshot(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    directory = await open_directory(snapshot_every_events=5)
    for _ in range(13):
        await claimed(directory)
    await wait_all_tasks_blocked()
    assert journal.ledger.snapshots[PROJECT].seq == 10
    assert directory.statistics().totals.snapshots == 2
    second = BreakableJournal(journal.ledger)
    assert await claimed(await open_directory(second)) == 14
    assert second.tails_after == [9], "the last event is read again, to see that it is still there"


async def test_cursors_and_liveness_are_found_again(autojump_clock: MockClock, open_directory: OpenDirectory) -> None:
    directory = await open_directory(idle_seconds=60)
    await claimed(directory)
    await ask(directory, B, WhatsNew())
    await trio.sleep(61)
    digest = await ask(directory, B, WhatsNew())
    assert isinstance(digest, Answer)
    assert isinstance(digest.reply, Digest)
    assert digest.reply.since_event_id == 1
    active = await ask(directory, B, WhoIsActive())
    assert isinstance(active, Answer)
    assert isinstance(active.reply, Active)
    assert {row.actor for row in active.reply.active} == {A.actor, B.actor}


async def test_history_is_read_in_pages(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    directory = await open_directory()
    for _ in range(10):
        await claimed(directory)
    second = BreakableJournal(journal.ledger)
    assert await claimed(await open_directory(second, tail_page_events=5)) == 11
    assert second.tails_after == [0, 5, 10]


@pytest.mark.parametrize(
    "stored", [snapshot(State()).replace(b'"version":1', b'"version":0'), b'{"version":1}', b"\x00 torn"]
)
async def test_a_snapshot_that_cannot_be_read_is_ignored(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal, stored: bytes
) -> None:
    earlier = await open_directory(BreakableJournal(journal.ledger))
    for _ in range(3):
        await claimed(earlier)
    journal.ledger.snapshots[PROJECT] = Kept(2, stored)
    assert await claimed(await open_directory()) == 4


async def test_a_snapshot_that_cannot_be_written_is_written_later(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    directory = await open_directory(idle_seconds=30, liveness_seconds=1000)
    await claimed(directory)
    journal.down = True
    await trio.sleep(31)
    assert journal.ledger.snapshots == {}
    journal.down = False
    assert await claimed(directory) == 2
    await trio.sleep(31)
    assert journal.ledger.snapshots[PROJECT].seq == 2


async def test_too_many_projects_at_once_are_refused(autojump_clock: MockClock, open_directory: OpenDirectory) -> None:
    directory = await open_directory(actors_max=2, idle_seconds=60)
    for project_id in (1, 2):
        await ask(directory, principal(1, project_id), ListSequences())
    with pytest.raises(Busy):
        await ask(directory, principal(1, 3), ListSequences())
    await trio.sleep(61)
    assert isinstance(await ask(directory, principal(1, 3), ListSequences()), Answer)


async def test_a_project_that_is_forgotten_serves_what_it_accepted_and_nobody_else(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    gate = trio.Event()
    asked = Asked(directory, nursery)
    await asked.ask(B, ReadPosts(to_me=True, unacked_only=True, wait_seconds=50))
    journal.before_append.append(gate.wait)
    await asked.ask(A, CLAIM)
    done = trio.Event()

    async def forget() -> None:
        async with directory.forgetting(PROJECT), directory.forgetting(PROJECT):
            assert journal.ledger.snapshots[PROJECT].seq == 1, "it has written its last"
            with pytest.raises(Unavailable, match="being deleted"):
                await ask(directory, A, CLAIM)
            elsewhere = await ask(directory, principal(1, project_id=2), CLAIM)
            assert isinstance(elsewhere, Answer)
            done.set()

    nursery.start_soon(forget)
    await wait_all_tasks_blocked()
    with pytest.raises(Unavailable, match="being deleted"):
        await ask(directory, A, CLAIM)
    assert not done.is_set()
    gate.set()
    with trio.fail_after(60):
        await done.wait()
    assert [type(outcome) for outcome in asked.outcomes] == [Unavailable, Answer]
    await wait_all_tasks_blocked()
    assert await claimed(directory) == 2, "it is served again afterwards"


async def test_a_project_that_nobody_uses_is_forgotten_at_once(directory: Directory) -> None:
    async with directory.forgetting(PROJECT):
        assert directory.statistics().actors == 0
    with pytest.raises(ZeroDivisionError):
        async with directory.forgetting(PROJECT):
            raise ZeroDivisionError
    assert await claimed(directory) == 1


async def test_open_posts_are_known_while_the_state_is_in_memory(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    directory = await open_directory(idle_seconds=60)
    assert directory.open_posts(PROJECT) is None
    for _ in range(3):
        await ask(directory, A, Post(to_actor="b", body="hi"))
    await ask(directory, B, Ack(post_id=2))
    assert directory.open_posts(PROJECT) == 2
    await trio.sleep(61)
    assert directory.open_posts(PROJECT) is None
    assert journal.ledger.open_posts[PROJECT] == 2


async def test_statistics_count_what_was_done(autojump_clock: MockClock, directory: Directory) -> None:
    await ask(directory, A, CLAIM)
    await ask(directory, A, Post(to_actor="b", body="hi"))
    await ask(directory, A, ListSequences())
    statistics = directory.statistics()
    totals = statistics.totals
    assert (statistics.actors, statistics.mailbox_depth, statistics.waiting) == (1, 0, 0)
    assert (totals.commands, totals.batches, totals.commits, totals.events, totals.rebuilds) == (3, 3, 2, 2, 1)
    await ask(directory, A, CLAIM)
    assert totals.commands == 3, "a reading of the past does not change"
