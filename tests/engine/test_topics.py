"""A wait is ended by what could end it and not by what could not: the topics of waits and events."""

import pytest

from engine.decision import Decision, Pending
from engine.leases import Lease, Release
from engine.ledger import WhatsNew
from engine.posts import Ack, Post, ReadPosts
from engine.presence import Register
from engine.sequences import Claim
from engine.tasks import TaskCreate
from tests.engine.project import Project, Step, ada, ben, cay

CASES: dict[str, tuple[list[Step], Step, list[Step], list[Step]]] = {
    # what came before, the wait, what ends it, what does not
    "any event ends the wait for news": (
        [],
        ben(WhatsNew(wait_seconds=9)),
        [ada(Claim(sequence="adr")), ada(TaskCreate(title="x")), ben(Register(lane="api"))],
        [],
    ),
    "an inbox": (
        [ben(Register(lane="api"))],
        ben(ReadPosts(to_me=True, unacked_only=True, wait_seconds=9)),
        [ada(Post(to_actor="ben", body="x")), ada(Post(to_lane="api", body="x")), ben(Register(lane="web"))],
        [
            ada(Post(to_actor="cay", body="x")),
            ada(Post(to_lane="web", body="x")),
            cay(Register(lane="api")),
            ada(Claim(sequence="adr")),
            ada(TaskCreate(title="x")),
            ada(TaskCreate(title="x", owner="cay")),
        ],
    ),
    "an inbox with old posts in it": (
        [ada(Post(to_actor="ben", body="old"))],
        ben(ReadPosts(to_me=True, unacked_only=True, after=1, wait_seconds=9)),
        [ada(Post(to_actor="ben", body="x"))],
        [ada(Post(to_actor="cay", body="x"))],
    ),
    "posts to me": (
        [],
        ben(ReadPosts(to_me=True, wait_seconds=9)),
        [ada(Post(to_actor="ben", body="x")), ben(Register(lane="api"))],
        [ada(Post(to_lane="api", body="x"))],
    ),
    "a lane": (
        [],
        ben(ReadPosts(to_lane="api", wait_seconds=9)),
        [ada(Post(to_lane="api", body="x"))],
        [ada(Post(to_lane="web", body="x"))],
    ),
    "a ref": (
        [],
        ben(ReadPosts(ref="r", wait_seconds=9)),
        [ada(Post(to_lane="api", body="x", ref="r"))],
        [ada(Post(to_lane="api", body="x", ref="q"))],
    ),
    "a tag": (
        [],
        ben(ReadPosts(tag="t", wait_seconds=9)),
        [ada(Post(to_lane="api", body="x", tag="t"))],
        [ada(Post(to_lane="api", body="x"))],
    ),
    "a thread": (
        [ada(Post(to_lane="api", body="x")), ada(Post(to_lane="api", body="y"))],
        ben(ReadPosts(thread=1, wait_seconds=9)),
        [ada(Post(to_actor="cay", body="x", reply_to=1))],
        [ada(Post(to_actor="ben", body="x", reply_to=2)), cay(Ack(post_id=1))],
    ),
    "any post": (
        [],
        ben(ReadPosts(wait_seconds=9)),
        [ada(Post(to_actor="cay", body="x"))],
        [ada(Claim(sequence="adr")), ben(Register(lane="api"))],
    ),
    "a surface": (
        [ada(Lease(surface="src/auth/**", ttl_seconds=600)), cay(Lease(surface="docs/a.md"))],
        ben(Lease(surface="src/auth/token.py", wait_seconds=9)),
        [ada(Release(surface="src/auth/**")), ada(Lease(surface="src/auth", mode="shared"))],
        [cay(Release(surface="docs/a.md")), cay(Lease(surface="src/web"))],
    ),
    "a surface with two who hold it": (
        [ada(Lease(surface="src/a.py", ttl_seconds=600)), cay(Lease(surface="src/**", ttl_seconds=900))],
        ben(Lease(surface="src/a.py", wait_seconds=9)),
        [cay(Release(surface="src/**"))],
        [ada(Release(surface="src/a.py"))],  # the other one still holds it
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_wait_is_ended_by_what_could_end_it(name: str) -> None:
    history, wait, ending, others = CASES[name]
    for expected, steps in ((True, ending), (False, others)):
        for step in steps:
            project = Project()
            project.play([*history])
            seq = project.state.seq
            outcome = project.decide(*wait, patient=True)
            assert isinstance(outcome, Decision | Pending)
            project.play([step])
            topics = {topic for event in project.events[seq:] for topic in event.topics}
            assert (not topics.isdisjoint(outcome.awaits)) is expected, step
