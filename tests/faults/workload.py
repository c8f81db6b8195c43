"""What clients do all day, until told to stop. Everything they write bears a mark of its own, which the checker needs.

A client makes one call at a time. It insists on calls that are safe to repeat: whatever dies meanwhile, it repeats the
same call until it is answered. Some clients stay with one server, others choose one anew for every call, so that what
they do depends on what another server just answered.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

import trio

from tests.faults.patience import patient
from tests.faults.wire import WRITE
from tests.load import Answered, Client

SEQUENCES = ("adr", "migration", "rfc")
LANES = ("api", "web", "store")
SURFACES = ("src/api/**", "src/api/login.py", "src/web/**", "src/web/app.py", "docs/index.md")
SHORT_SURFACE = "short/lived.py"
SHORT_SECONDS = 3
INBOX_POSTS_MAX = 200
PATIENCE_SECONDS_MAX = 0.05
THINKING_SECONDS_MAX = 0.03
FINISH_SECONDS_MAX = 120
LOOK_SECONDS = 0.01

Act = Callable[[Client, random.Random, str], Awaitable[object]]
"""One thing to do, under a mark that nothing else has."""


class LeftUnanswered(AssertionError):
    """A client that insists was not answered long after the last fault was over."""


class Gate:
    """Where clients pass between two things that they do; while it is closed, they wait there and call nobody."""

    def __init__(self) -> None:
        self._opened = trio.Event()
        self._opened.set()
        self.waiting = 0

    async def pass_through(self) -> None:
        """Go on when the gate is open."""
        self.waiting += 1
        await self._opened.wait()
        self.waiting -= 1

    async def close(self, clients: int) -> None:
        """Wait until all of so many clients stand before it."""
        self._opened = trio.Event()
        while self.waiting < clients:  # noqa: ASYNC110 - clients come one by one
            await trio.sleep(LOOK_SECONDS)

    def open(self) -> None:
        """Let them go on."""
        self._opened.set()


@asynccontextmanager
async def load(clients: Sequence[Client], rng: random.Random, gate: Gate | None = None) -> AsyncIterator[None]:
    """Keep these clients at work as long as the block lasts, and then until their last call is answered."""
    gate = gate or Gate()
    done = trio.Event()
    names = [client.name for client in clients]

    async def keep_at_work(client: Client) -> None:
        chance = random.Random(rng.getrandbits(64))
        others = [name for name in names if name != client.name] or names
        async with client:
            for number in count(1):
                act = _draw(chance, others)
                await act(client, chance, f"{WRITE.decode()} {client.name}/{number}")
                if done.is_set():
                    return
                await trio.sleep(chance.uniform(0, THINKING_SECONDS_MAX))
                await gate.pass_through()

    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(keep_at_work, client)
        yield
        done.set()
        nursery.cancel_scope.deadline = trio.current_time() + patient(FINISH_SECONDS_MAX)
    if nursery.cancel_scope.cancelled_caught:
        raise LeftUnanswered(f"a client was not answered within {FINISH_SECONDS_MAX} s after the last fault")


def _draw(chance: random.Random, others: Sequence[str]) -> Act:
    acts: dict[Act, int] = {
        _claim: 30,
        _claim_again: 5,
        _claim_and_leave: 5,
        _post_to(others): 10,
        _acknowledge: 10,
        _lease_and_release: 10,
        _lease_briefly: 2,
        _work_on_a_task: 5,
        _register: 3,
        _look_at_sequences: 6,
        _look_at_holders: 6,
        _look_at_tasks: 3,
        _look_at_history: 5,
        _read_digest: 6,
        _wait_for_posts: 1,
    }
    return chance.choices(list(acts), list(acts.values()))[0]


async def _claim(client: Client, chance: random.Random, mark: str) -> None:
    await client.insist("claim", sequence=chance.choice(SEQUENCES), note=mark, key=_key(mark))


async def _claim_again(client: Client, chance: random.Random, mark: str) -> None:
    """Ask twice with the same key; the second time it is another call, and perhaps another server."""
    sequence = chance.choice(SEQUENCES)
    for _ in range(2):
        await client.insist("claim", sequence=sequence, note=mark, key=_key(mark))


async def _claim_and_leave(client: Client, chance: random.Random, mark: str) -> None:
    """Hang up on the first attempt, whether or not it was answered, and ask again."""
    seconds = chance.uniform(0, PATIENCE_SECONDS_MAX)
    await client.leave_and_insist(seconds, "claim", sequence=chance.choice(SEQUENCES), note=mark, key=_key(mark))


def _post_to(others: Sequence[str]) -> Act:
    async def _post(client: Client, chance: random.Random, mark: str) -> None:
        await client.insist("post", to_actor=chance.choice(others), body=mark, key=_key(mark))

    return _post


async def _acknowledge(client: Client, _: random.Random, __: str) -> None:
    inbox = await client.insist("read_posts", to_me=True, unacked_only=True, limit=INBOX_POSTS_MAX)
    if isinstance(inbox, Answered):
        for post in inbox.value["posts"][-3:]:
            await client.insist("ack", post_id=post["post_id"])


async def _lease_and_release(client: Client, chance: random.Random, mark: str) -> None:
    surface, mode = chance.choice(SURFACES), chance.choice(("shared", "exclusive"))
    await client.insist("lease", surface=surface, mode=mode, note=mark)
    await client.insist("who_holds", surface=surface)
    await client.insist("release", surface=surface)
    await client.insist("who_holds", surface=surface)


async def _lease_briefly(client: Client, _: random.Random, mark: str) -> None:
    """Take a lease that ends by itself; all the others see it go when they look at the surface."""
    await client.insist("lease", surface=SHORT_SURFACE, mode="shared", ttl_seconds=SHORT_SECONDS, note=mark)


async def _work_on_a_task(client: Client, chance: random.Random, mark: str) -> None:
    created = await client.call("task_create", title=mark, lane=chance.choice(LANES))
    if isinstance(created, Answered):
        task_id = created.value["task_id"]
        await client.insist("task_assign", task_id=task_id, owner=client.name)
        await client.insist("task_start", task_id=task_id)
        await client.insist("task_ship", task_id=task_id)


async def _register(client: Client, chance: random.Random, mark: str) -> None:
    await client.call("register", lane=chance.choice(LANES), status=mark)


async def _look_at_sequences(client: Client, _: random.Random, __: str) -> None:
    await client.insist("list_sequences")


async def _look_at_holders(client: Client, chance: random.Random, _: str) -> None:
    await client.insist("who_holds", surface=chance.choice((*SURFACES, SHORT_SURFACE)))


async def _look_at_tasks(client: Client, _: random.Random, __: str) -> None:
    await client.insist("list_tasks", limit=20)


async def _look_at_history(client: Client, _: random.Random, __: str) -> None:
    await client.insist("query_events", limit=5)


async def _read_digest(client: Client, chance: random.Random, _: str) -> None:
    await client.call("whats_new", limit=chance.choice((5, 50, 500)))


async def _wait_for_posts(client: Client, _: random.Random, __: str) -> None:
    await client.call("read_posts", to_me=True, unacked_only=True, limit=INBOX_POSTS_MAX, wait_seconds=1)


def _key(mark: str) -> str:
    return mark.removeprefix(WRITE.decode()).strip()
