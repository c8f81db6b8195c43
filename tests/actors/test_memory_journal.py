"""The journal that serves the tests keeps the promises of the real one, and breaks them on order."""

from functools import partial

import pytest

from actors.journal import Journal
from engine.errors import Contended, JournalUnavailable, OutcomeUnknown
from tests.actors.journal_conformance import *  # noqa: F403  # the suite is there to be run from here
from tests.actors.journal_conformance import PROJECT, OpenJournal, claim
from tests.actors.memory_journal import MemoryJournal, MemoryLedger, raising


@pytest.fixture
def open_journal() -> OpenJournal:
    ledger = MemoryLedger()

    def open_one() -> Journal:
        return MemoryJournal(ledger)

    return open_one


async def test_an_append_that_fails_before_writes_nothing() -> None:
    journal = MemoryJournal()
    journal.before_append.append(raising(JournalUnavailable("down")))
    with pytest.raises(JournalUnavailable):
        await journal.append(PROJECT, [claim(1)], {})
    assert await journal.tail(PROJECT, 0, 9) == []


async def test_an_unknown_outcome_happened_or_did_not_as_ordered() -> None:
    journal = MemoryJournal()
    journal.before_append.append(raising(OutcomeUnknown("lost on the way there")))
    with pytest.raises(OutcomeUnknown):
        await journal.append(PROJECT, [claim(1)], {})
    assert await journal.tail(PROJECT, 0, 9) == []
    journal.after_append.append(raising(OutcomeUnknown("lost on the way back")))
    with pytest.raises(OutcomeUnknown):
        await journal.append(PROJECT, [claim(1)], {})
    assert len(await journal.tail(PROJECT, 0, 9)) == 1


async def test_foreign_events_can_come_in_between() -> None:
    journal = MemoryJournal()
    foreigner = MemoryJournal(journal.ledger)
    journal.before_append.append(partial(foreigner.append, PROJECT, [claim(1)], {}))
    with pytest.raises(Contended):
        await journal.append(PROJECT, [claim(1)], {})
    assert [row.writer for row in await journal.tail(PROJECT, 0, 9)] == [foreigner.writer]
