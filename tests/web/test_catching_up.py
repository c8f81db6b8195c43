"""`whats_new` over HTTP: what was shown is kept once the answer was sent, and shown again if it was not."""

import httpx2
import pytest
import trio

from actors.recent import Recent
from store.postgres.connection import Connection
from tests.bounds import HANG_SECONDS
from tests.web.bus import Bus


def shown(digest: dict[str, object]) -> list[int]:
    events = digest["events"]
    assert isinstance(events, list)
    return [event["id"] for event in events]


async def test_each_event_is_shown_once_also_over_a_new_connection_each_time(bus: Bus, token: str) -> None:
    for number in range(1, 21):
        await bus.call(token, "claim", sequence="adr")
        async with httpx2.AsyncClient(base_url=bus.url) as http:
            digest = await Bus(bus.url, bus.store, http, bus.stopping).call(token, "whats_new")
        assert shown(digest) == [number]


async def test_events_are_shown_until_the_reader_says_that_they_are_dealt_with(bus: Bus, token: str) -> None:
    for _ in range(3):
        await bus.call(token, "claim", sequence="adr")
    assert shown(await bus.call(token, "whats_new", after=0)) == [1, 2, 3]
    assert shown(await bus.call(token, "whats_new", after=2)) == [3]
    assert shown(await bus.call(token, "whats_new")) == [3]
    assert shown(await bus.call(token, "whats_new")) == []


async def test_a_client_that_leaves_before_the_answer_is_shown_the_events_again(
    bus: Bus, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recent, "find", lambda *_: None)  # as when they happened too long ago
    await bus.call(token, "claim", sequence="adr")
    is_locked, goes_on = trio.Event(), trio.Event()

    async def lock_the_ledger(connection: Connection) -> None:
        await connection.execute("lock table events in access exclusive mode")
        is_locked.set()
        await goes_on.wait()

    with trio.fail_after(HANG_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bus.store.write, lock_the_ledger)
            await is_locked.wait()
            with trio.move_on_after(0.5):
                await bus.call(token, "whats_new")
            goes_on.set()
        assert shown(await bus.call(token, "whats_new")) == [1]
