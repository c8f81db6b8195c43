"""A ledger that lost its end is noted where the owner and `llm-bus doctor` look."""

from datetime import timedelta

import pytest

from engine.history import Head
from store import Store
from store.ledger import losses
from tests.actors.journal_conformance import claim
from tests.store.estate import settle
from web.cli.doctor import Finding, _check_ledgers

pytestmark = pytest.mark.usefixtures("bounded")


async def test_a_loss_is_noted_in_the_audit_trail_and_told_by_doctor(store: Store, conninfo: str) -> None:
    ann = await settle(store, "ann@example.com")
    await store.journal.note_loss(ann.project_id, Head(8, claim(8).at), Head(5, claim(5).at))
    (loss,) = await store.read(losses.recent, timedelta(days=1), 10)
    assert (loss.handle, loss.slug, loss.had, loss.kept) == ("ann", "bus", 8, 5)
    findings: list[Finding] = []
    await _check_ledgers(conninfo, findings.append)
    assert findings[0].says.startswith("The ledger of ann/bus lost its events after 5;")
