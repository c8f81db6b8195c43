"""The simulation finds what it is there for: each bug, planted on purpose, is caught within a few seeds."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.project import ProjectActor
from engine import posts
from engine.keys import KeyBook
from tests.simulation.world import simulate

SEEDS_MAX = 200
STEPS = 15

Plant = Callable[[pytest.MonkeyPatch], None]


def answers_before_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    commit = ProjectActor._commit

    async def hasty(self: ProjectActor, work: Any, *, holding_turn: bool) -> None:
        for request, settled in work.answers:
            request.settle(settled)
        await commit(self, work, holding_turn=holding_turn)

    monkeypatch.setattr(ProjectActor, "_commit", hasty)


def never_looks_whether_an_unknown_commit_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    async def blind(*_: object) -> None:
        return None

    monkeypatch.setattr(ProjectActor, "_happened", blind)


def remembers_only_the_last_unknown_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    happened = ProjectActor._happened

    async def forgetful(self: ProjectActor, unsettled: Any, state: Any) -> Any:
        return await happened(self, unsettled[-1:], state)

    monkeypatch.setattr(ProjectActor, "_happened", forgetful)


def takes_a_commit_of_cursors_for_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    is_durable = ProjectActor._is_durable

    async def blind(self: ProjectActor, work: Any, state: Any) -> bool:
        return bool(work.events) and await is_durable(self, work, state)

    monkeypatch.setattr(ProjectActor, "_is_durable", blind)


def keeps_the_state_of_a_failed_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    def keep(self: ProjectActor, state: Any) -> None:
        if state is not None or "kept" not in vars(self):
            vars(self)["kept"] = state

    monkeypatch.setattr(ProjectActor, "_state", property(lambda self: vars(self)["kept"], keep), raising=False)


def forgets_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyBook, "used", lambda *_: None)


def gives_a_newcomer_nothing_of_the_lane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posts, "deliver_lane", lambda *_: None)


def _simulate_many() -> None:
    for seed in range(SEEDS_MAX):
        simulate(seed, STEPS)


@pytest.mark.parametrize(
    "plant",
    [
        answers_before_the_commit,
        never_looks_whether_an_unknown_commit_happened,
        remembers_only_the_last_unknown_commit,
        takes_a_commit_of_cursors_for_lost,
        keeps_the_state_of_a_failed_commit,
        forgets_keys,
        gives_a_newcomer_nothing_of_the_lane,
    ],
)
def test_the_simulation_catches_an_actor_that(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, ExceptionGroup)):
        _simulate_many()
