"""`whats_new` shows every event until its answer has reached the reader: again rather than never."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Answer, Directory, Unavailable, batch
from actors.recent import Recent
from engine.decision import Context
from engine.errors import JournalUnavailable, OutcomeUnknown
from engine.identity import Principal
from engine.ledger import AdvanceCursor, Digest, WhatsNew
from engine.lookups import EventView
from engine.sequences import Claim
from tests.actors.breakable_journal import BreakableJournal
from tests.actors.conftest import PROJECT, A, Asked, B, C, OpenDirectory, ask
from tests.actors.memory_journal import raising

EVERYTHING = WhatsNew()


async def claim(directory: Directory, times: int = 1) -> None:
    for _ in range(times):
        await ask(directory, A, Claim(sequence="adr"))


async def shown(directory: Directory, command: WhatsNew = EVERYTHING, *, arrives: bool = True) -> list[int]:
    """The ids that a digest shows to B; `arrives`: the answer reaches them."""
    answer = await directory.ask(B, command)
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, Digest)
    if arrives:
        await directory.follow_up(B, answer)
    return [view.id for view in answer.reply.events]


async def test_what_is_remembered_is_shown_without_a_read(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await claim(directory, 3)
    assert await shown(directory) == [1, 2, 3]
    await claim(directory, 2)
    journal.before_read.extend([raising(JournalUnavailable("down"))] * 1000)
    assert await shown(directory) == [4, 5]


async def test_calls_that_wait_for_the_same_news_of_the_same_reader_are_decided_once(
    autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shown(directory)
    asked, decided, decide = Asked(directory, nursery), list[Principal](), vars(batch)["decide"]
    for caller in (B, C, B, C, B):
        await asked.ask(caller, WhatsNew(wait_seconds=30))

    def noting(state: object, command: object, context: Context) -> object:
        if isinstance(command, WhatsNew):
            decided.append(context.caller)
        return decide(state, command, context)

    monkeypatch.setattr("actors.batch.decide", noting)
    await claim(directory)
    await wait_all_tasks_blocked()
    assert [(event.id, event.type) for answer in asked.outcomes for event in events_of(answer)] == [(1, "claim")] * 5
    assert sorted(caller.id for caller in decided) == [B.id, C.id]


async def test_what_happened_in_between_is_not_left_out_of_an_equal_question(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    await claim(directory)
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    asked = Asked(directory, nursery)
    for caller, command in ((A, Claim(sequence="adr")), (B, WhatsNew()), (A, Claim(sequence="adr")), (B, WhatsNew())):
        await asked.ask(caller, command)
    gate.set()
    await wait_all_tasks_blocked()
    assert sorted(len(events_of(answer)) for answer in asked.outcomes if events_of(answer)) == [2, 3]


def events_of(answer: object) -> list[EventView]:
    """The events that a digest shows; none if it is no digest."""
    return answer.reply.events if isinstance(answer, Answer) and isinstance(answer.reply, Digest) else []


async def test_each_event_is_shown_once(autojump_clock: MockClock, directory: Directory) -> None:
    await claim(directory, 3)
    assert await shown(directory, WhatsNew(limit=2)) == [1, 2]
    assert await shown(directory) == [3]
    assert await shown(directory) == []


async def test_an_answer_that_did_not_arrive_is_shown_again(autojump_clock: MockClock, directory: Directory) -> None:
    await claim(directory, 3)
    assert await shown(directory, arrives=False) == [1, 2, 3]
    assert await shown(directory) == [1, 2, 3]


async def test_the_next_call_waits_until_it_is_kept_that_the_answer_arrived(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    await claim(directory, 3)
    answer = await directory.ask(B, WhatsNew())
    assert isinstance(answer, Answer)
    gate = trio.Event()
    journal.before_append.append(gate.wait)
    nursery.start_soon(directory.follow_up, B, answer)
    await wait_all_tasks_blocked()
    next_shown: list[list[int]] = []

    async def look() -> None:
        next_shown.append(await shown(directory))

    nursery.start_soon(look)
    await wait_all_tasks_blocked()
    assert next_shown == []
    gate.set()
    await wait_all_tasks_blocked()
    assert next_shown == [[]]


async def test_the_cursor_moves_once_for_calls_that_were_shown_the_same(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, nursery: trio.Nursery
) -> None:
    await claim(directory, 3)
    few, many, same = [await directory.ask(B, WhatsNew(limit=limit)) for limit in (2, 3, 3)]
    assert isinstance(few, Answer)
    assert isinstance(many, Answer)
    assert isinstance(same, Answer)
    before, gate = directory.statistics().totals.commands, trio.Event()
    journal.before_append.append(gate.wait)
    for answer in (few, many, same, few):
        nursery.start_soon(directory.follow_up, B, answer)
        await wait_all_tasks_blocked()
    gate.set()
    assert await shown(directory) == []
    assert directory.statistics().totals.commands == before + 3, "two moves, and the call that looks"
    await claim(directory)
    assert await shown(directory) == [4]


@pytest.fixture
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when events happened too long ago: they are read from the ledger."""
    monkeypatch.setattr(Recent, "find", lambda *_: None)


@pytest.mark.usefixtures("nothing_remembered")
async def test_a_read_that_fails_shows_the_events_again(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await claim(directory, 3)
    journal.before_read.extend([raising(JournalUnavailable("down"))] * 1000)
    with pytest.raises(Unavailable):
        await shown(directory)
    journal.before_read.clear()
    assert await shown(directory) == [1, 2, 3]


@pytest.mark.usefixtures("nothing_remembered")
async def test_a_client_that_leaves_while_its_events_are_read_is_shown_them_again(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await claim(directory, 3)
    journal.before_read.append(trio.sleep_forever)
    with trio.move_on_after(1) as left:
        await shown(directory)
    assert left.cancelled_caught
    assert await shown(directory) == [1, 2, 3]


async def test_a_server_that_stops_before_it_answers_leaves_the_events_to_the_next(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    directory = await open_directory()
    await claim(directory, 3)
    answer = await directory.ask(B, WhatsNew())
    assert isinstance(answer, Answer)
    await directory.stop()
    with pytest.raises(Unavailable):
        await directory.follow_up(B, answer)
    assert await shown(await open_directory(BreakableJournal(journal.ledger))) == [1, 2, 3]


async def test_who_says_what_they_have_dealt_with_confirms_that_and_no_more(
    autojump_clock: MockClock, directory: Directory
) -> None:
    await claim(directory, 5)
    assert await shown(directory, WhatsNew(after=2)) == [3, 4, 5]
    assert await shown(directory, WhatsNew(after=2)) == [3, 4, 5], "what was shown is not confirmed yet"
    assert await shown(directory, WhatsNew(after=4)) == [5]
    assert await shown(directory, WhatsNew(after=1, limit=2)) == [2, 3], "who asks again sees it again"
    assert await shown(directory) == [5], "the cursor did not go back"


async def test_a_number_of_the_future_confirms_nothing_by_itself(
    autojump_clock: MockClock, directory: Directory
) -> None:
    await claim(directory, 2)
    assert await shown(directory, WhatsNew(after=99)) == [1, 2]
    await claim(directory)
    assert await shown(directory) == [3]


async def test_a_cursor_never_goes_back(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await claim(directory, 5)
    for upto in (4, 2, 99):
        await directory.ask(B, AdvanceCursor(upto=upto))
    assert journal.ledger.cursors[PROJECT] == {B.id: 5}


async def test_a_cursor_of_another_server_holds_here(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    first, second = await open_directory(), await open_directory(BreakableJournal(journal.ledger))
    await claim(first, 3)
    assert await shown(second) == [1, 2, 3]
    assert await shown(first) == []


async def test_a_cursor_whose_commit_was_not_heard_of_is_written_again(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await claim(directory)
    journal.after_append.append(raising(OutcomeUnknown("lost on the way back")))
    assert await shown(directory) == [1]
    assert journal.ledger.cursors[PROJECT] == {B.id: 1}
    assert journal.confirms == 0


async def test_a_wait_ends_with_an_event_that_was_not_shown_yet(
    autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery
) -> None:
    await claim(directory)
    assert await shown(directory) == [1]
    began = trio.current_time()

    async def claim_later() -> None:
        await trio.sleep(7)
        await claim(directory)

    nursery.start_soon(claim_later)
    assert await shown(directory, WhatsNew(wait_seconds=30)) == [2]
    assert trio.current_time() - began == pytest.approx(7, abs=0.1)
