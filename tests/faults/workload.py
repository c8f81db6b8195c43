"""What clients do all day, until told to stop: half of them only claim, the others do a bit of everything.

A client that claims or posts does so with a key, and insists: whatever dies meanwhile, it repeats the same call until
it is answered. Calls without a key are made once. Every client ends with an answer, never in the middle of a call.
"""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count, cycle
from typing import Any

import trio

from tests.load import Answered, Client, Outcome

SEQUENCES = ("adr", "migration", "rfc")
LANES = ("api", "web", "store")
SURFACES = ("src/api/**", "src/api/login.py", "src/web/*.py", "src/web/app.py", "docs", "**/*.sql")
FINISH_SECONDS_MAX = 120

Act = Callable[[Client, random.Random, str], Awaitable[Outcome]]
"""One thing to do, under a name that nothing else has."""


@asynccontextmanager
async def load(clients: Sequence[Client], rng: random.Random) -> AsyncIterator[None]:
    """Keep these clients at work as long as the block lasts, and then until their last call is answered."""
    done = trio.Event()

    async def keep_at_work(client: Client, act: Act) -> None:
        chance = random.Random(rng.getrandbits(64))
        async with client:
            for number in count(1):
                await act(client, chance, f"{client.name}/{number}")
                if done.is_set():
                    return

    async with trio.open_nursery() as nursery:
        for client, act in zip(clients, cycle((_claim, _do_something)), strict=False):
            nursery.start_soon(keep_at_work, client, act)
        yield
        done.set()
        nursery.cancel_scope.deadline = trio.current_time() + FINISH_SECONDS_MAX
    assert not nursery.cancel_scope.cancelled_caught, "a client was left without an answer"


async def _claim(client: Client, rng: random.Random, name: str) -> Outcome:
    return await client.insist("claim", sequence=rng.choice(SEQUENCES), note=name, key=name)


async def _do_something(client: Client, rng: random.Random, name: str) -> Outcome:
    match rng.choices(("write", "work", "read", "wait", "manage"), (40, 25, 28, 5, 2))[0]:
        case "write":
            return await _write(client, rng, name)
        case "work":
            tool, arguments = rng.choice(_task_steps(rng, name))
            return await client.call(tool, **arguments)
        case "read":
            tool, arguments = rng.choice(_reads(rng))
            return await client.call(tool, **arguments)
        case "wait":
            return await client.call("read_posts", to_me=True, unacked_only=True, wait_seconds=1)
        case _:
            tool, arguments = rng.choice(_manage(rng))
            return await client.call(tool, **arguments)


async def _write(client: Client, rng: random.Random, name: str) -> Outcome:
    match rng.randrange(10):
        case 0 | 1 | 2 | 3:
            return await _claim(client, rng, name)
        case 4 | 5:
            return await client.insist("post", to_lane=rng.choice(LANES), body=f"body of {name}", key=name)
        case 6:
            return await client.call("register", lane=rng.choice(LANES), status=name)
        case 7:
            mode = rng.choice(("shared", "exclusive"))
            return await client.call("lease", surface=rng.choice(SURFACES), mode=mode)
        case 8:
            return await client.call("release", surface=rng.choice(SURFACES))
        case _:
            return await _acknowledge_something(client)


async def _acknowledge_something(client: Client) -> Outcome:
    inbox = await client.call("read_posts", to_me=True, unacked_only=True, limit=1)
    if isinstance(inbox, Answered) and inbox.value["posts"]:
        return await client.call("ack", post_id=inbox.value["posts"][0]["post_id"])
    return inbox


def _task_steps(rng: random.Random, name: str) -> list[tuple[str, dict[str, Any]]]:
    """Ways to move a task; most are refused, because nobody looks first."""
    some, other = rng.randint(1, 30), rng.randint(1, 30)
    return [
        ("task_create", {"title": name, "lane": rng.choice(LANES)}),
        ("task_assign", {"task_id": some, "owner": "builder"}),
        ("task_start", {"task_id": some}),
        ("task_block", {"task_id": some, "on": other, "reason": name}),
        ("task_resolve", {"task_id": some}),
        ("task_ship", {"task_id": some}),
    ]


def _reads(rng: random.Random) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("whoami", {}),
        ("list_sequences", {}),
        ("latest_claims", {}),
        ("who_is_active", {}),
        ("who_holds", {"surface": rng.choice(SURFACES)}),
        ("list_tasks", {"ready": True}),
        ("list_participants", {}),
        ("read_posts", {"from_me": True, "limit": 5}),
        ("query_events", {"type": "claim", "limit": 5}),
        ("whats_new", {"limit": 5}),
    ]


def _manage(rng: random.Random) -> list[tuple[str, dict[str, Any]]]:
    return [
        ("create_invite", {"uses": 2}),
        ("admin_provision", {"participant_name": f"helper-{rng.randint(1, 5)}"}),
        ("admin_revoke", {"participant_name": f"helper-{rng.randint(1, 5)}"}),
        ("seed_sequence", {"sequence": f"seeded-{rng.randint(1, 3)}", "current": rng.randint(1, 1000)}),
    ]
