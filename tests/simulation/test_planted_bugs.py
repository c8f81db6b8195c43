"""The simulation finds what it is there for: each bug, planted on purpose, is caught within a few seeds."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from actors import Directory
from actors.batch import Deciding
from actors.commits import Commit
from actors.pace import Pace
from actors.replica import Replica
from engine import ledger, post_rules
from engine.history import Head
from engine.keys import KeyBook
from engine.ledger import WhatsNew
from engine.open_posts import PostBook
from engine.project import AnyCommand
from engine.sequences import Claim
from tests.actors.memory_journal import MemoryJournal
from tests.simulation import clients, world
from tests.simulation.journal import FaultyJournal, Weather
from tests.simulation.world import Failover, simulate

SEEDS_MAX = 1200
STEPS = 15

Plant = Callable[[pytest.MonkeyPatch], None]


def answers_before_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = Deciding.run

    def hasty(self: Deciding, *arguments: Any) -> Any:
        work = decide(self, *arguments)
        for request, settled in work.answers:
            request.settle(settled)
        return work

    monkeypatch.setattr(Deciding, "run", hasty)


def never_looks_whether_an_unknown_commit_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(*_: object) -> None:
        return None

    monkeypatch.setattr(Commit, "happened", blind)


def remembers_only_the_last_unknown_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    happened = Commit.happened

    async def forgetful(self: Commit) -> Any:
        del self._unsettled[:-1]
        return await happened(self)

    monkeypatch.setattr(Commit, "happened", forgetful)


def keeps_what_a_failed_commit_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next try reads the ledger anyway, so it shows where an actor has given up: in long outages."""
    monkeypatch.setattr(Weather, "drawn", lambda _: Weather(fails=0.1, persists=0.97, delay_seconds_max=0.01))
    monkeypatch.setattr(Replica, "take_back", lambda _: None)


def forgets_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyBook, "used", lambda *_: None)


def gives_a_newcomer_nothing_of_the_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post_rules, "deliver_lane", lambda *_: None)


def reads_a_snapshot_of_an_older_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the release that wrote it had no inboxes, and its version were still the same."""
    monkeypatch.setattr(PostBook, "dump_inboxes", lambda _: [])


def moves_the_cursor_before_the_read(monkeypatch: pytest.MonkeyPatch) -> None:
    whats_new = ledger.whats_new

    def hasty(*arguments: Any) -> Any:
        decision = whats_new(*arguments)
        return replace(decision, cursor=decision.advances, advances=None)

    monkeypatch.setattr(ledger, "whats_new", hasty)


def loses_news_with_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where many ask for something all the time, other news hides the loss; here few do, and most of them wait."""

    def mostly_wait(rng: Random, mark: str, _: int) -> AnyCommand:
        return Claim(sequence="a", note=mark) if rng.random() < 0.3 else WhatsNew(wait_seconds=55)

    monkeypatch.setattr(clients, "draw_command", mostly_wait)
    monkeypatch.setattr(world, "CLIENTS_MAX", 3)
    monkeypatch.setattr(Directory, "missed_news", lambda _: None)


def never_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pace, "spent", False)


def ignores_that_it_is_deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FaultyJournal, "alone", True)


def writes_without_the_event_before(monkeypatch: pytest.MonkeyPatch) -> None:
    write = MemoryJournal._write

    def careless(self: MemoryJournal, project_id: int, events: Any, *others: Any) -> None:
        rows = self.ledger.rows[project_id]
        if events and events[0].seq > len(rows) + 1:
            rows += rows[-1:] * (events[0].seq - 1 - len(rows))
        write(self, project_id, events, *others)

    monkeypatch.setattr(MemoryJournal, "_write", careless)


def takes_what_it_found_for_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def trusting(self: FaultyJournal, project_id: int) -> Head:
        return await self.head(project_id)

    monkeypatch.setattr(FaultyJournal, "confirm", trusting)


RARE: dict[Plant, int] = {loses_news_with_its_process: 115, ignores_that_it_is_deaf: 230}
"""Bugs that few seeds show: for them the search begins shortly before the first that does, which saves many runs."""


def _simulate_many(plant: Plant, failover: Failover | None) -> None:
    first = RARE.get(plant, 0)
    for seed in range(first, first + SEEDS_MAX):
        simulate(seed, STEPS, failover)


@pytest.mark.parametrize(
    "plant",
    [
        answers_before_the_commit,
        never_looks_whether_an_unknown_commit_happened,
        remembers_only_the_last_unknown_commit,
        keeps_what_a_failed_commit_decided,
        forgets_keys,
        gives_a_newcomer_nothing_of_the_lane,
        reads_a_snapshot_of_an_older_shape,
        moves_the_cursor_before_the_read,
        loses_news_with_its_process,
        never_gives_way,
        ignores_that_it_is_deaf,
    ],
)
def test_the_simulation_catches_an_actor_that(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, ExceptionGroup)):
        _simulate_many(plant, None)


@pytest.mark.parametrize(
    ("plant", "failover"),
    [(writes_without_the_event_before, "asynchronous"), (takes_what_it_found_for_durable, "synchronous")],
)
def test_the_simulation_of_failovers_catches_an_actor_that(
    plant: Plant, failover: Failover, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, ExceptionGroup)):
        _simulate_many(plant, failover)
