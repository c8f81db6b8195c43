"""Ledgers that are not what they were: with a gap, without their end, parted from what the server remembers."""

from datetime import timedelta
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import Answer, Directory, Unavailable
from engine.errors import JournalUnavailable
from engine.events import Unknown
from engine.history import Kept
from engine.leases import Lease, Leases, WhoHolds
from engine.project import snapshot
from engine.sequences import Claim, Claimed, ClaimedNumber, ListSequences, Sequences
from engine.state import State
from engine.vocabulary import Event
from tests.actors.breakable_journal import BreakableJournal
from tests.actors.conftest import DAWN, PROJECT, A, OpenDirectory, ask
from tests.actors.memory_journal import MemoryJournal, raising

CLAIM = Claim(sequence="adr")


def claimed(seq: int, *, hours: float = 0) -> Event:
    data = Claimed(sequence="adr", number=seq, formatted=str(seq), note=None)
    return Event(seq=seq, at=DAWN + timedelta(hours=hours), actor=A.actor, by=A.id, data=data)


async def number(directory: Directory) -> int:
    answer = await ask(directory, A, CLAIM)
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, ClaimedNumber)
    return answer.reply.number


async def last_used(directory: Directory) -> int:
    answer = await ask(directory, A, ListSequences())
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, Sequences)
    return answer.reply.sequences[0].last_used


async def test_a_ledger_with_a_gap_is_read_up_to_it_and_not_written(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, logs: list[Any]
) -> None:
    await MemoryJournal(journal.ledger).append(PROJECT, [claimed(seq) for seq in range(1, 12)], {})
    lost = journal.ledger.rows[PROJECT][5:8]
    del journal.ledger.rows[PROJECT][5:8]
    for _ in range(3):
        assert await last_used(directory) == 5
        with pytest.raises(Unavailable, match=r"expected event 6, got 9.*llm-bus repair"):
            await number(directory)
    assert directory.statistics().read_only == 1
    assert [entry["log_level"] for entry in logs] == ["error"], "it is reported once"
    assert len(journal.ledger.rows[PROJECT]) == 8
    journal.ledger.rows[PROJECT][5:5] = lost
    assert await number(directory) == 12, "it goes on as soon as the gap is closed"
    assert directory.statistics().read_only == 0
    assert directory.statistics().totals.crashes == 0


async def test_a_ledger_that_lost_its_end_goes_on_from_what_is_left(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal, logs: list[Any]
) -> None:
    for _ in range(8):
        await number(directory)
    del journal.ledger.rows[PROJECT][5:]
    assert await number(directory) == 6
    assert [row.event.seq for row in journal.ledger.rows[PROJECT]] == [1, 2, 3, 4, 5, 6]
    assert directory.statistics().totals.ledgers_lost == 1
    assert [entry["event"] for entry in logs] == ["the ledger lost events that were durable"]
    assert journal.ledger.losses == [(PROJECT, 8, 5)]


async def test_a_ledger_that_parted_is_not_written_on_though_it_has_as_many_events(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    for _ in range(8):
        await number(directory)
    del journal.ledger.rows[PROJECT][5:]
    others = [claimed(6, hours=1), claimed(7, hours=1), claimed(8, hours=1)]
    await MemoryJournal(journal.ledger).append(PROJECT, others, {})
    assert await number(directory) == 9
    assert [row.event.at for row in journal.ledger.rows[PROJECT][5:8]] == [event.at for event in others]
    assert directory.statistics().totals.ledgers_lost == 1


async def test_events_that_were_lost_are_not_read_from_memory(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    for _ in range(8):
        await number(directory)
    del journal.ledger.rows[PROJECT][5:]
    directory.missed_news()
    assert await last_used(directory) == 5


async def test_a_snapshot_of_another_ledger_is_replaced(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    earlier = await open_directory()
    for _ in range(8):
        await number(earlier)
    await earlier.stop()
    assert journal.ledger.snapshots[PROJECT].seq == 8
    del journal.ledger.rows[PROJECT][5:]
    directory = await open_directory(BreakableJournal(journal.ledger))
    assert [await number(directory) for _ in range(4)] == [6, 7, 8, 9]
    assert journal.ledger.snapshots[PROJECT].seq >= 8
    assert await number(await open_directory(BreakableJournal(journal.ledger))) == 10


@pytest.mark.parametrize(
    "stored", [snapshot(State()).replace(b'"version":', b'"version":9'), b'{"version":1}', b"\x00 torn"]
)
async def test_a_snapshot_that_cannot_be_read_is_reported_and_replaced_soon(
    autojump_clock: MockClock,
    open_directory: OpenDirectory,
    journal: BreakableJournal,
    logs: list[Any],
    stored: bytes,
) -> None:
    await MemoryJournal(journal.ledger).append(PROJECT, [claimed(seq) for seq in range(1, 4)], {})
    journal.ledger.snapshots[PROJECT] = Kept(3, stored)
    directory = await open_directory()
    assert await last_used(directory) == 3
    await directory.stop()
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert journal.ledger.snapshots[PROJECT].state != stored
    assert directory.statistics().totals.snapshots_unreadable == 1


async def test_a_failure_in_the_middle_of_catching_up_leaves_nothing_out(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    directory = await open_directory(tail_page_events=2)
    await number(directory)
    other = MemoryJournal(journal.ledger)
    await other.append(PROJECT, [claimed(seq) for seq in range(2, 8)], {})
    journal.before_tail.extend([trio.lowlevel.checkpoint, raising(JournalUnavailable("down"))])
    assert await number(directory) == 8
    assert directory.statistics().totals.ledgers_lost == 0


async def test_events_of_a_newer_version_are_passed_over_and_no_snapshot_is_written(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    unknown = Event(seq=1, at=DAWN, actor=A.actor, by=A.id, data=Unknown(name="teleport", stored="{}"))
    await MemoryJournal(journal.ledger).append(PROJECT, [unknown], {})
    directory = await open_directory(snapshot_every_events=2)
    assert [await number(directory) for _ in range(5)] == [1, 2, 3, 4, 5]
    await directory.stop()
    assert journal.ledger.snapshots == {}


async def test_a_lease_runs_out_at_its_time_though_the_ledger_has_an_event_of_an_hour_ahead(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await MemoryJournal(journal.ledger).append(PROJECT, [claimed(1, hours=1)], {})
    await ask(directory, A, Lease(surface="src/a", ttl_seconds=1800))
    await trio.sleep(1799)
    assert await held(directory) == ["src/a"]
    await trio.sleep(2)
    assert await held(directory) == []
    times = [row.event.at for row in journal.ledger.rows[PROJECT]]
    assert times == sorted(times), "the ledger's own time does not run backwards"


async def held(directory: Directory) -> list[str]:
    answer = await ask(directory, A, WhoHolds())
    assert isinstance(answer, Answer)
    assert isinstance(answer.reply, Leases)
    return [row.surface for row in answer.reply.leases]
