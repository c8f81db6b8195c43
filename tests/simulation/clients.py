"""Simulated agents: they ask for anything, give up when it takes too long, and try again when they may.

Every call is written down as an `Attempt`, with what the caller could know when it began and when it ended; judging is
`tests.simulation.judge`'s business.
"""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any, Protocol

import trio

from actors import ActorError, Answer
from engine.identity import Principal, Roster, resolve
from engine.leases import Lease, Release, WhoHolds
from engine.ledger import QueryEvents, WhatsNew
from engine.posts import Ack, Post, ReadPosts
from engine.presence import Register, Touch, WhoIsActive
from engine.project import AnyCommand
from engine.refusals import Refusal
from engine.sequences import Claim, LatestClaims, ListSequences, SeedSequence, VoidClaim
from engine.tasks import ListTasks, TaskAssign, TaskBlock, TaskCancel, TaskCreate, TaskResolve, TaskShip, TaskStart
from engine.vocabulary import Event
from tests.simulation.attempts import Attempt, Life
from tests.simulation.judge import judge_answer

PROJECT = 1
PATIENCE_SECONDS = 90
"""Nobody waits longer than this beyond their `wait_seconds`, whatever happens: several retries' time."""

ROSTER = Roster(handle="ann", labels={f"agent{number}": number for number in range(1, 6)})
CALLERS = [
    Principal(id=number, project_id=PROJECT, handle="ann", label=label, project="p", is_admin=number < 3)
    for label, number in ROSTER.labels.items()
]
LANES = ["api", "web"]
SURFACES = ["src/a", "src/b", "src/**", "docs/*.md", "src/a"]


def draw_command(rng: Random, mark: str, ledger_seq: int) -> AnyCommand:
    """Anything at all; `mark` makes what can be told apart unique."""
    task_id, post_id = rng.randint(1, 6), rng.randint(1, max(1, ledger_seq))
    wait_seconds = rng.choice([0, 0, 1, 10, 55])
    name = rng.choice([None, *ROSTER.labels])
    makers: list[Callable[[], Any]] = [
        lambda: Claim(sequence=rng.choice("abc"), note=mark, key=rng.choice([None, mark])),
        lambda: Post(
            to_lane=rng.choice([None, *LANES]),
            to_actor=name or "ann",
            body=mark,
            reply_to=rng.choice([None, None, post_id]),
            ack_within_seconds=rng.choice([None, None, 60]),
            key=rng.choice([None, mark]),
        ),
        lambda: Ack(post_id=post_id, post_ids=rng.choice([(), (), (rng.randint(1, post_id), post_id)])),
        lambda: ReadPosts(to_me=True, unacked_only=True, limit=200, wait_seconds=wait_seconds),
        lambda: ReadPosts(from_me=True, thread=rng.choice([None, post_id])),
        lambda: Register(lane=rng.choice(LANES), status=mark),
        lambda: Lease(
            surface=rng.choice(SURFACES),
            ttl_seconds=rng.choice([1, 5, 30, 1800]),
            note=mark,
            mode=rng.choice(["exclusive", "exclusive", "shared"]),
            wait_seconds=wait_seconds,
        ),
        lambda: Release(surface=rng.choice([*SURFACES, "port:1", "port:2"])),
        lambda: Lease(
            surface="port:1-2",
            ttl_seconds=rng.choice([5, 30]),
            note=mark,
            pick_one=rng.random() < 0.9,
            wait_seconds=wait_seconds,
        ),
        lambda: WhatsNew(limit=rng.choice([3, 100]), wait_seconds=wait_seconds),
        lambda: TaskCreate(title=mark, owner=name, priority=task_id % 5, depends_on=rng.choice([(), (), (task_id,)])),
        lambda: TaskAssign(task_id=task_id, owner=name or "agent1"),
        lambda: TaskStart(task_id=task_id if task_id % 2 else None, wait_seconds=wait_seconds),
        lambda: TaskBlock(task_id=task_id, on=rng.choice([None, rng.randint(1, 6)]), reason=mark),
        lambda: TaskResolve(task_id=task_id),
        lambda: TaskShip(task_id=task_id) if task_id % 3 else TaskCancel(task_id=task_id, reason=mark),
        lambda: SeedSequence(sequence=rng.choice("ab"), current=rng.randint(0, 60), pad=rng.choice([None, 4])),
        lambda: VoidClaim(sequence=rng.choice("ab"), number=rng.randint(1, 20), reason=mark),
        lambda: SeedSequence(sequence="c", current=0, archived=rng.choice([True, False, None])),
        lambda: rng.choice(
            [ListSequences(), LatestClaims(), WhoHolds(), ListTasks(ready=True), WhoIsActive(), Touch()]
        ),
        lambda: QueryEvents(sequence="a", limit=5),
    ]
    (make,) = rng.choices(makers, weights=[12, 12, 12, 8, 3, 4, 8, 4, 3, 10, 3, 2, 2, 1, 1, 1, 1, 3, 2, 6, 1])
    drawn: AnyCommand = make()
    return drawn


class Surroundings(Protocol):
    """What a client sees of the world."""

    rng: Random
    ledger: list[Event]
    attempts: list[Attempt]
    answered: int
    epoch: int

    async def look(self) -> None:
        """Bring `ledger` up to date."""

    async def some_life(self) -> Life:
        """A process that is up."""

    def mark(self) -> str:
        """A text that was never used before."""


class Client:
    """One agent."""

    def __init__(self, world: Surroundings, caller: Principal) -> None:
        self._world = world
        self._caller = caller
        self._answered = False

    async def run(self, steps: int) -> None:
        """Make so many calls, not counting repetitions."""
        rng = self._world.rng
        for _ in range(steps):
            await trio.sleep(rng.choice([0, 0, 0, rng.expovariate(1.0), rng.expovariate(0.1)]))
            command = draw_command(rng, self._world.mark(), len(self._world.ledger))
            await self._call(command)
            if getattr(command, "key", None) is not None:
                await self._repeat(command)

    async def _repeat(self, command: AnyCommand) -> None:
        """A command with a key may be sent again, and must be when nobody answered."""
        rng = self._world.rng
        for _ in range(4):
            if self._answered and rng.random() < 0.8:
                return
            await trio.sleep(rng.expovariate(0.5))
            await self._call(command, repeats=True)

    async def _call(self, command: AnyCommand, *, repeats: bool = False) -> None:
        world = self._world
        life = await world.some_life()
        await world.look()
        attempt = Attempt(
            caller=self._caller,
            command=command,
            life=life,
            began=trio.current_time(),
            began_seq=len(world.ledger),
            known_seq=world.answered,
            repeats=repeats,
        )
        epoch = world.epoch
        gives_up_after = world.rng.choice([*[float("inf")] * 8, world.rng.uniform(0, 1), world.rng.uniform(0, 20)])
        with trio.move_on_after(gives_up_after):
            await self._ask(attempt)
        self._answered = attempt.outcome is not None
        attempt.ended = trio.current_time()
        await world.look()
        attempt.ended_seq = len(world.ledger)
        if epoch == world.epoch:  # else a failover may have lost what this call was told
            world.attempts.append(attempt)
            judge_answer(attempt, world.ledger)
            if attempt.event is not None:
                world.answered = max(world.answered, attempt.event.seq)
            await self._follow_up(attempt)

    async def _follow_up(self, attempt: Attempt) -> None:
        """What an endpoint does once the client has the answer. It does not if the client left."""
        if isinstance(attempt.outcome, Answer) and self._world.rng.random() < 0.9:
            with suppress(ActorError):
                await attempt.life.directory.follow_up(self._caller, attempt.outcome)

    async def _ask(self, attempt: Attempt) -> None:
        command = attempt.command
        addressee = None if command.addressee_name is None else resolve(command.addressee_name, ROSTER)
        assert not isinstance(addressee, Refusal)
        with trio.fail_after(command.wait_seconds + PATIENCE_SECONDS):
            try:
                attempt.outcome = await attempt.life.directory.ask(attempt.caller, command, addressee=addressee)
            except ActorError as error:
                attempt.outcome = error
