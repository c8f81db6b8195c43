"""Names from memory, and what an unknown one costs."""

import trio
from trio.testing import wait_all_tasks_blocked

from engine.identity import Addressee, Roster
from engine.refusals import Refusal
from tests.bounds import HANG_SECONDS
from web.identity.rosters import Rosters

ADA = Roster(handle="ada", labels={"scout": 1})


class SlowStore:
    """A store whose reads end when they are let go; counts them."""

    def __init__(self) -> None:
        self.reads: list[int] = []
        self.go_on = trio.Event()
        self.go_on.set()

    async def roster(self, project_id: int) -> Roster | None:
        """The same people in every project."""
        self.reads.append(project_id)
        await self.go_on.wait()
        return ADA


async def test_known_names_are_resolved_from_memory_while_an_unknown_one_is_looked_for() -> None:
    store = SlowStore()
    rosters = Rosters(store.roster)
    await rosters.resolve("scout", 1)
    store.go_on = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rosters.resolve, "ghost", 1)
        await wait_all_tasks_blocked()
        with trio.fail_after(HANG_SECONDS):
            assert await rosters.resolve("scout", 1) == Addressee(1, "ada/scout")
        assert store.reads == [1, 1]
        store.go_on.set()


async def test_an_unknown_name_in_one_project_does_not_cost_another_its_roster() -> None:
    store = SlowStore()
    rosters = Rosters(store.roster)
    await rosters.resolve("scout", 1)
    store.go_on = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(rosters.resolve, "scout", 2)
        await wait_all_tasks_blocked()
        nursery.start_soon(rosters.resolve, "ghost", 1)
        await wait_all_tasks_blocked()
        store.go_on.set()
    await rosters.resolve("scout", 2)
    assert sorted(store.reads) == [1, 1, 2]


async def test_an_unknown_name_is_looked_for_in_the_store_before_it_is_refused() -> None:
    store = SlowStore()
    rosters = Rosters(store.roster)
    await rosters.resolve("scout", 1)
    unknown = await rosters.resolve("ghost", 1)
    assert isinstance(unknown, Refusal)
    assert unknown.code == "not_found"
    assert store.reads == [1, 1]
