"""Projects with a past for the tests of export and import: a seeded random history, decided by the engine.

What participants write there is chosen to be awkward in JSON, in Markdown and on one line.
"""

from datetime import timedelta
from random import Random

from engine.leases import Lease, Release
from engine.posts import Ack, Post
from engine.presence import Register
from engine.project import AnyCommand, snapshot
from engine.sequences import Claim, SeedSequence, VoidClaim
from engine.state import State
from engine.tasks import TaskAssign, TaskBlock, TaskCreate, TaskResolve, TaskShip, TaskStart
from engine.vocabulary import Event
from store import Store
from store.people import minting
from tests.engine.project import PEOPLE, ROSTER, Project

AWKWARD = (
    "plain",
    "a | b\\|",
    "two\nlines\u2028three",
    'quote " and \\ and \x07',
    "<b>`*",
    "żółć 🚌",
    "\u00e9 e\u0301",
)
LANES, SEQUENCES = ("qa", "ops"), ("adr", "migration")
PAGE = 500


def play(project: Project, random: Random, steps: int) -> None:
    """Let everybody do this many more things; what is refused did not happen."""
    for _ in range(steps):
        project.now += timedelta(milliseconds=random.choice((0, 1, 250, 90_000)))
        project.ask(random.choice(PEOPLE).principal, command(random))


def command(random: Random) -> AnyCommand:
    text, lane, name = random.choice(AWKWARD), random.choice(LANES), random.choice(("ada", "kim/ben", "kim"))
    some, key = random.choice((None, text)), random.choice((None, None, "k1", "k2"))
    any_id, task_id = random.randint(1, 200), random.randint(1, 25)
    choices: tuple[AnyCommand, ...] = (
        Claim(sequence=random.choice(SEQUENCES), note=some, key=key),
        SeedSequence(sequence="adr", current=random.randint(0, 500), prefix="ADR-", pad=4),
        SeedSequence(sequence="migration", archived=random.choice((True, False, False))),
        VoidClaim(sequence=random.choice(SEQUENCES), number=random.randint(1, 20), reason=text),
        Register(lane=lane, status=some),
        Post(to_lane=lane, subject=some, body=text * 3, ref="PR-1", tag=some, key=key),
        Post(to_actor=name, body=text, reply_to=random.choice((None, any_id))),
        Post(to_lane=lane, body=text, ack_within_seconds=random.choice((60, 86_400))),
        Ack(post_id=any_id, note=some),
        Ack(post_ids=(any_id, any_id + 1)),
        Lease(surface=f"src/{lane}/**", ttl_seconds=random.choice((1, 600, 86_400)), note=some, mode="shared"),
        Lease(surface="docs/a|b.md"),
        Lease(surface="port:3000-3009", pick_one=True, ttl_seconds=600),
        Release(surface="docs/a|b.md"),
        TaskCreate(title=text, detail=some, lane=lane, owner=random.choice((None, name))),
        TaskCreate(title="next", depends_on=(task_id,)),
        TaskAssign(task_id=task_id, owner=name),
        TaskStart(task_id=task_id),
        TaskBlock(task_id=task_id, on=random.choice((None, random.randint(1, 25))), reason=text),
        TaskResolve(task_id=task_id),
        TaskShip(task_id=task_id),
    )
    return random.choice(choices)


async def people(store: Store, slug: str = "bus") -> int:
    """A project of kim's with the engine tests' people in it, and its id; ids are theirs in a fresh database."""
    for label in ROSTER.labels:
        minted = await store.write(minting.mint, "kim@example.com", slug, label, lane="qa", is_admin=label == "ada")
    return minted.project.id


async def write(store: Store, project_id: int, events: list[Event]) -> None:
    """Append to the ledger, as an actor does."""
    for first in range(0, len(events), PAGE):
        await store.journal.append(project_id, events[first : first + PAGE], {})


def facts(state: State) -> bytes:
    """What a state says, in an order that two of the same share."""
    return snapshot(state)
