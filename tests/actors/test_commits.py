"""Batches and their commits: answered once, when durable, whatever happens to the commit."""

from datetime import timedelta
from functools import partial

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from actors import ActorError, Answer, Busy, Directory, Unavailable
from engine.errors import JournalUnavailable, OutcomeUnknown
from engine.ledger import Digest, WhatsNew
from engine.posts import Ack, Post, Posts, ReadPosts
from engine.presence import Register
from engine.refusals import Refusal
from engine.sequences import Claim, Claimed, ClaimedNumber, ListSequences, Sequences
from engine.vocabulary import Event
from tests.actors.breakable_journal import BreakableJournal
from tests.actors.conftest import DAWN, PROJECT, A, Asked, B, C, OpenDirectory, ask
from tests.actors.memory_journal import MemoryJournal, raising

CLAIM = Claim(sequence="adr")


def number(outcome: Answer | Refusal | ActorError) -> int:
    assert isinstance(outcome, Answer), outcome
    assert isinstance(outcome.reply, ClaimedNumber)
    return outcome.reply.number


async def break_off(journal: BreakableJournal) -> None:
    """What was written is durable, but nobody hears of it."""
    journal.down = True
    raise OutcomeUnknown("cut")


def ledger(journal: MemoryJournal) -> list[Event]:
    return [row.event for row in journal.ledger.rows[PROJECT]]


def foreign_claim(seq: int) -> Event:
    data = Claimed(sequence="adr", number=seq, formatted=str(seq), note=None)
    return Event(seq=seq, at=DAWN, actor=C.actor, by=C.id, data=data)


async def test_commands_that_come_during_a_commit_share_the_next(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    async with trio.open_nursery() as nursery:
        asked = Asked(directory, nursery)
        await asked.ask(A, CLAIM)
        for _ in range(50):
            await asked.ask(B, CLAIM)
        gate.set()
    assert sorted(number(outcome) for outcome in asked.outcomes) == list(range(1, 52))
    assert journal.appends == 2
    assert directory.statistics().totals.commits == 2


async def test_a_batch_is_no_larger_than_its_bound(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    directory = await open_directory(batch_size_max=10)
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    async with trio.open_nursery() as nursery:
        asked = Asked(directory, nursery)
        await asked.ask(A, CLAIM)
        for _ in range(25):
            await asked.ask(B, CLAIM)
        gate.set()
    assert journal.appends == 4


async def test_nothing_is_answered_before_it_is_durable(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    async with trio.open_nursery() as nursery:
        asked = Asked(directory, nursery)
        await asked.ask(A, CLAIM)
        await asked.ask(B, ListSequences())
        assert asked.outcomes == []
        assert ledger(journal) == []
        gate.set()
    assert len(asked.outcomes) == 2
    assert len(ledger(journal)) == 1


async def test_reading_costs_no_commit(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await ask(directory, A, ListSequences())
    assert journal.appends == 0


@pytest.mark.parametrize("error", [JournalUnavailable("down"), OutcomeUnknown("lost on the way there")])
async def test_a_command_after_a_lost_commit_is_answered_once(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, error: Exception
) -> None:
    journal.before_append.append(raising(error))
    assert number(await ask(directory, A, CLAIM)) == 1
    assert len(ledger(journal)) == 1
    assert journal.appends == 2


async def test_a_commit_that_happened_unheard_is_not_repeated(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    journal.after_append.append(raising(OutcomeUnknown("lost on the way back")))
    assert number(await ask(directory, A, CLAIM)) == 1
    assert number(await ask(directory, A, CLAIM)) == 2
    assert len(ledger(journal)) == 2
    assert journal.appends == 2


async def test_a_commit_that_lands_late_is_not_repeated(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    journal.lose(1)
    journal.before_append.append(journal.land)  # just before the second try
    assert number(await ask(directory, A, CLAIM)) == 1
    assert len(ledger(journal)) == 1
    assert directory.statistics().totals.conflicts == 1


async def test_the_first_of_two_lost_commits_may_land_last(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    journal.lose(2)
    journal.before_append.append(journal.land)
    assert number(await ask(directory, A, CLAIM)) == 1
    assert len(ledger(journal)) == 1


async def test_a_lost_commit_that_begins_like_the_one_that_landed_is_not_taken_for_it(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    ahead = replace(foreign_claim(1), at=DAWN + timedelta(hours=1))  # gives both tries the same time
    await MemoryJournal(journal.ledger).append(PROJECT, [ahead], {})
    journal.lose(2)
    asked = Asked(directory, nursery)

    async def land_the_second() -> None:
        journal._vanished.popleft()
        await journal.land()

    journal.before_tail.extend([trio.lowlevel.checkpoint, trio.lowlevel.checkpoint, land_the_second])
    await asked.ask(A, CLAIM)
    await asked.ask(B, CLAIM)
    await trio.sleep(5)
    assert sorted(number(outcome) for outcome in asked.outcomes) == [2, 3]
    assert len(ledger(journal)) == 3


async def test_what_landed_while_it_was_looked_for_is_seen_by_the_next_reader(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await ask(directory, A, ListSequences())
    journal.lose(1)
    journal.before_tail.extend([trio.lowlevel.checkpoint, journal.land])  # the state is rebuilt, then the outcome asked
    assert number(await ask(directory, A, CLAIM)) == 1
    seen = await ask(directory, B, ListSequences())
    assert isinstance(seen, Answer)
    assert isinstance(seen.reply, Sequences)
    assert [row.last_used for row in seen.reply.sequences] == [1]


async def test_a_digest_whose_cursor_was_kept_unheard_is_still_given(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await ask(directory, A, CLAIM)
    journal.after_append.append(raising(OutcomeUnknown("lost on the way back")))
    answer = await ask(directory, B, WhatsNew())
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, Digest)
    assert [view.id for view in answer.reply.events] == [1]


async def test_a_commit_that_takes_too_long_is_settled_by_looking(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    journal.before_append.append(trio.sleep_forever)
    assert number(await ask(directory, A, CLAIM)) == 1
    assert len(ledger(journal)) == 1


async def test_a_foreign_writer_costs_a_second_decision_and_nothing_else(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    foreigner = MemoryJournal(journal.ledger)
    journal.before_append.append(partial(foreigner.append, PROJECT, [foreign_claim(1)], {}))
    assert number(await ask(directory, A, CLAIM)) == 2
    assert [event.by for event in ledger(journal)] == [C.id, A.id]
    assert (journal.turns_held, journal.turns_taken) == ([False, True], 1)
    totals = directory.statistics().totals
    assert (totals.conflicts, totals.rebuilds, totals.commits) == (1, 1, 1)


async def test_a_writer_that_met_another_takes_its_turn_first_and_reads_the_tail_with_it(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    foreigner = MemoryJournal(journal.ledger)
    journal.before_append.append(partial(foreigner.append, PROJECT, [foreign_claim(1)], {}))
    assert number(await ask(directory, A, CLAIM)) == 2
    await foreigner.append(PROJECT, [foreign_claim(3)], {})
    tails = len(journal.tails_after)
    assert number(await ask(directory, A, CLAIM)) == 4
    assert journal.turns_held == [False, True, True]
    assert len(journal.tails_after) == tails + 1


async def test_a_batch_that_only_reads_takes_no_turn(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    foreigner = MemoryJournal(journal.ledger)
    for seq in (1, 2):
        await foreigner.append(PROJECT, [foreign_claim(seq)], {})
        await ask(directory, A, ListSequences())
    assert journal.turns_taken == 0


async def test_a_batch_is_served_without_a_turn_when_there_is_none_to_be_had(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    foreigner = MemoryJournal(journal.ledger)
    journal.before_append.append(partial(foreigner.append, PROJECT, [foreign_claim(1)], {}))
    journal.has_turns = False
    assert number(await ask(directory, A, CLAIM)) == 2
    assert journal.turns_held == [False, False]


async def test_an_outage_that_lasts_is_told_to_everybody_at_once_and_forgotten_when_it_ends(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    directory = await open_directory(batch_size_max=1, retry_seconds_max=15)
    journal.down = True
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        asked = Asked(directory, nursery)
        for _ in range(5):
            nursery.start_soon(asked._ask, A, CLAIM)
    assert [type(outcome) for outcome in asked.outcomes] == [Unavailable] * 5
    assert trio.current_time() - began <= 15
    assert directory.statistics().totals.unavailable == 5
    journal.down = False
    assert number(await ask(directory, A, CLAIM)) == 1


async def test_a_call_that_comes_late_in_an_outage_waits_as_long_as_any_other(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    """Whether it has joined the batch that is retried or is still in the mailbox."""
    directory = await open_directory(batch_size_max=2, retry_seconds_max=15)
    asked = Asked(directory, nursery)
    journal.down = True
    await asked.ask(A, CLAIM)
    await trio.sleep(12)
    for _ in range(3):
        await asked.ask(B, CLAIM)
    await trio.sleep(5)
    assert [type(outcome) for outcome in asked.outcomes] == [Unavailable]
    journal.down = False
    await trio.sleep(2)
    assert sorted(number(outcome) for outcome in asked.outcomes[1:]) == [1, 2, 3]
    journal.down = True
    await asked.ask(A, CLAIM)
    await trio.sleep(9)
    await asked.ask(B, CLAIM)
    await trio.sleep(13)
    assert [type(outcome) for outcome in asked.outcomes[4:]] == [Unavailable]
    await trio.sleep(2)
    assert [type(outcome) for outcome in asked.outcomes[4:]] == [Unavailable] * 2


async def test_a_late_call_is_answered_with_what_it_wrote_unheard_beside_one_that_was_refused(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    directory = await open_directory(retry_seconds_max=15)
    asked = Asked(directory, nursery)
    journal.down = True
    await asked.ask(A, CLAIM)
    await trio.sleep(11)
    await asked.ask(B, CLAIM)
    journal.after_append.append(partial(break_off, journal))
    journal.down = False
    await trio.sleep(5)
    assert [type(outcome) for outcome in asked.outcomes] == [Unavailable]
    journal.down = False
    await trio.sleep(2)
    assert [number(outcome) for outcome in asked.outcomes[1:]] == [2]
    assert number(await ask(directory, C, CLAIM)) == 3


async def test_an_outage_shorter_than_the_retries_is_only_latency(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    asked = Asked(directory, nursery)
    journal.down = True
    await asked.ask(A, CLAIM)
    await trio.sleep(10)
    assert asked.outcomes == []
    journal.down = False
    await trio.sleep(2)
    assert [number(outcome) for outcome in asked.outcomes] == [1]


async def test_a_full_mailbox_refuses_at_once(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    directory = await open_directory(mailbox_size_max=2)
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    async with trio.open_nursery() as nursery:
        asked = Asked(directory, nursery)
        for _ in range(3):
            await asked.ask(A, CLAIM)
        assert directory.statistics().mailbox_depth == 2
        with pytest.raises(Busy):
            await ask(directory, A, CLAIM)
        gate.set()
    assert sorted(number(outcome) for outcome in asked.outcomes) == [1, 2, 3]
    assert directory.statistics().totals.refused_busy == 1


async def test_cancelling_a_caller_does_not_cancel_its_command(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    with trio.move_on_after(1) as cancelled:
        await ask(directory, A, CLAIM)
    assert cancelled.cancelled_caught
    gate.set()
    assert number(await ask(directory, B, CLAIM)) == 2


async def test_a_post_that_leaves_the_state_within_a_batch_can_still_be_acknowledged_and_answered(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    async with trio.open_nursery() as nursery:
        asked = Asked(directory, nursery)
        await asked.ask(A, Post(to_actor="b", body="one"))
        await asked.ask(B, Ack(post_id=1))
        await asked.ask(B, Ack(post_id=1))
        await asked.ask(C, Ack(post_id=1))
        await asked.ask(C, Post(to_actor="a", body="two", reply_to=1))
        gate.set()
    assert [type(outcome) for outcome in asked.outcomes] == [Answer] * 5
    assert [event.data.type for event in ledger(journal)] == ["post", "ack", "ack", "post"]


async def test_the_unread_are_counted_after_the_command(autojump_clock: MockClock, directory: Directory) -> None:
    await ask(directory, B, Register(lane="api"))
    await ask(directory, A, Post(to_lane="api", body="one"))
    counted = await ask(directory, B, CLAIM)
    assert isinstance(counted, Answer)
    assert counted.unread == 1
    acked = await ask(directory, B, Ack(post_id=2))
    assert isinstance(acked, Answer)
    assert acked.unread == 0


async def test_a_search_is_tried_again_when_it_fails(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await ask(directory, A, Post(to_actor="b", body="one"))
    journal.before_read.append(raising(JournalUnavailable("down")))
    found = await ask(directory, B, ReadPosts())
    assert isinstance(found, Answer)
    assert isinstance(found.reply, Posts)
    assert [view.body for view in found.reply.posts] == ["one"]


async def test_a_search_that_keeps_failing_is_unavailable(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await ask(directory, A, Post(to_actor="b", body="one"))
    journal.before_read.extend([raising(JournalUnavailable("down"))] * 1000)
    with pytest.raises(Unavailable):
        await ask(directory, B, ReadPosts())
