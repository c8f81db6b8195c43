"""What the demo shows: five agents building a login, told in scenes. Every act is a real call of a real MCP client.

The story knows nothing of servers and tokens: it is handed connected agents and a timeline. `pace_seconds` is only for
the human who reads along; nothing in the story depends on it.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import trio
from msgspec import Struct

from web.cli.bus_client import BusClient
from web.cli.timeline import Timeline

LEAD, API, WEB, DOCS, REVIEWER = "lead", "api", "web", "docs", "reviewer"
LANES = {LEAD: "planning", API: "backend", WEB: "frontend", DOCS: "docs"}
"""The agents of the beginning and their lanes; the reviewer comes late."""

CAST = (*LANES, REVIEWER)
PATIENCE_SECONDS = 30
"""How long an agent waits for another one before it goes on without."""

KINDS_SHOWN_MAX = 4

Result = dict[str, Any]


class Agent(Struct, frozen=True, kw_only=True):
    """One agent at work: what it calls and how that reads."""

    name: str
    client: BusClient
    timeline: Timeline

    def says(self, text: str, answer: str | None = None) -> None:
        """Put a line into the timeline."""
        self.timeline.act(self.name, text, answer)

    async def does(self, text: str, tool: str, shows: Callable[[Result], str], **arguments: Any) -> Result:
        """Call a tool and tell it; raises what `BusClient.call` raises."""
        result = await self.client.call(tool, **arguments)
        self.says(text, shows(result))
        return result


class Story:
    """The scenes, in their order; `prefix` comes before every name that lasts: of agents and of the sequence."""

    def __init__(
        self, clients: Mapping[str, BusClient], timeline: Timeline, *, prefix: str, pace_seconds: float
    ) -> None:
        self._timeline = timeline
        self._prefix = prefix
        self._sequence = f"{prefix}adr"
        self._pace_seconds = pace_seconds
        agents = {name: Agent(name=name, client=clients[name], timeline=timeline) for name in CAST}
        self.lead, self.api, self.web, self.docs, self.reviewer = (agents[name] for name in CAST)
        self._present = [agents[name] for name in LANES]

    async def tell(self) -> None:
        """Play the whole story, from arrival to catching up."""
        for scene in (self.arrive, self.claim_at_once, self.meet_in_a_file, self.hand_over, self.free_a_task):
            await scene()
            await self._breathe()
        await self.catch_up()

    async def arrive(self) -> None:
        """Say who works on what."""
        self._timeline.scene("Four agents arrive", "everybody sees who is there and on what")
        for agent in self._present:
            lane = LANES[agent.name]
            await agent.does(f"registers in the lane {lane}", "register", lambda r: r["actor"], lane=lane)

    async def claim_at_once(self) -> None:
        """Three agents take a number of the same sequence at the same moment."""
        self._timeline.scene(
            "Three need the next ADR number at the same moment", "no two get the same, none is skipped"
        )
        await self.lead.does(
            "says that the repository has 12 decisions",
            "seed_sequence",
            lambda r: f"counting goes on after {r['current']}",
            sequence=self._sequence,
            current=12,
            prefix="ADR-",
            pad=4,
        )
        async with trio.open_nursery() as nursery:
            for agent in (self.api, self.web, self.docs):
                nursery.start_soon(self._claim, agent)

    async def _claim(self, agent: Agent) -> None:
        await agent.does("claims the next number", "claim", lambda r: r["formatted"], sequence=self._sequence)

    async def meet_in_a_file(self) -> None:
        """Two want the same file; the second waits for the first."""
        self._timeline.scene("Two want the same file", "a lease tells you who is there before you collide")
        surface, file = "src/auth/**", "src/auth/login.py"
        await self.api.does(f"leases {surface}", "lease", _lease_answer, surface=surface, note="sessions")
        await self._breathe()
        await self.web.does(f"is about to edit {file} and leases it", "lease", _lease_answer, surface=file)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._wait_for_file, file)
            await self._breathe(2)
            await self.api.does(f"is done and releases {surface}", "release", lambda _: "released", surface=surface)
        await self.web.does(f"edits, and releases {file}", "release", lambda _: "released", surface=file)

    async def _wait_for_file(self, file: str) -> None:
        self.web.says("waits in that call until nobody is in the way; it does not poll")
        await self.web.does("is woken", "lease", _lease_answer, surface=file, wait_seconds=PATIENCE_SECONDS)

    async def hand_over(self) -> None:
        """One hands work over while the other waits for it, and learns that it was taken."""
        self._timeline.scene("A handoff that is acknowledged", "you know that your message was taken, not only sent")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take_over)
            await self._breathe(2)
            post = await self.api.does(
                "hands the new endpoint over to docs",
                "post",
                lambda r: f"post {r['post_id']}",
                to_actor=self._prefix + DOCS,
                subject="POST /sessions is ready to be documented",
                body="Request and response are in the handler's docstring; errors are still missing.",
                ref="src/auth/sessions.py",
            )
        await self.api.does(
            "looks whether it arrived",
            "read_posts",
            lambda r: _acked_by(r, post["post_id"]),
            from_me=True,
            limit=5,
        )

    async def _take_over(self) -> None:
        self.docs.says("has nothing to do and waits for posts")
        found = await self.docs.client.call("read_posts", to_me=True, unacked_only=True, wait_seconds=PATIENCE_SECONDS)
        for post in found["posts"]:
            self.docs.says("is woken by a post", f"“{post['subject']}” ({post['ref']})")
            await self.docs.does("takes it over", "ack", lambda _: "acknowledged", post_id=post["post_id"])

    async def free_a_task(self) -> None:
        """A task that waits for another is freed when that one ships."""
        self._timeline.scene("A task waits for another", "it goes on by itself when the other one ships")
        sessions = await self._create_task("Sessions API", API)
        page = await self._create_task("Login page", WEB)
        await self._start(self.web, page)
        await self.web.does(
            f"is stuck: task {page} needs task {sessions}",
            "task_block",
            lambda r: r["status"],
            task_id=page,
            on=sessions,
            reason="needs POST /sessions",
        )
        await self.web.client.call("whats_new")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._wait_for_task, page)
            await self._breathe()
            await self._start(self.api, sessions)
            await self._breathe()
            await self.api.does(f"ships task {sessions}", "task_ship", lambda r: r["status"], task_id=sessions)
        await self.web.does(f"ships task {page}", "task_ship", lambda r: r["status"], task_id=page)

    async def _create_task(self, title: str, owner: str) -> int:
        created = await self.lead.does(
            f"writes down “{title}” for {owner}",
            "task_create",
            lambda r: f"task {r['task_id']}, {r['status']}",
            title=title,
            owner=self._prefix + owner,
        )
        return int(created["task_id"])

    async def _start(self, agent: Agent, task_id: int) -> None:
        await agent.does(f"starts task {task_id}", "task_start", lambda r: r["status"], task_id=task_id)

    async def _wait_for_task(self, task_id: int) -> None:
        self.web.says("waits for news")
        with trio.move_on_after(PATIENCE_SECONDS):
            while True:
                news = await self.web.client.call("whats_new", wait_seconds=PATIENCE_SECONDS)
                if any(e["type"] == "task_resolve" and e["payload"]["task_id"] == task_id for e in news["events"]):
                    break
        await self.web.does(
            "is woken",
            "list_tasks",
            lambda r: next(
                f"task {t['task_id']} is {t['status']} again" for t in r["tasks"] if t["task_id"] == task_id
            ),
            owner=(await self.web.client.call("whoami"))["actor"],
        )

    async def catch_up(self) -> None:
        """Somebody who was not there learns in one call what happened."""
        self._timeline.scene("Somebody comes late", "one call instead of asking around")
        await self.reviewer.does("asks what is new", "whats_new", _digest)
        await self.reviewer.does("asks who took ADR-0014", "query_events", _claimer, sequence=self._sequence, number=14)

    async def _breathe(self, times: int = 1) -> None:
        await trio.sleep(self._pace_seconds * times)


def _lease_answer(result: Result) -> str:
    others = [f"{other['actor']} holds {other['surface']}" for other in result["others"]]
    return f"lease {result['lease_id']}; " + ("take care: " + ", ".join(others) if others else "nobody else is there")


def _acked_by(result: Result, post_id: int) -> str:
    post = next(post for post in result["posts"] if post["post_id"] == post_id)
    readers = ", ".join(ack["actor"] for ack in post["acked_by"])
    return f"acknowledged by {readers}" if readers else "nobody has taken it yet"


def _digest(result: Result) -> str:
    events = result["events"]
    most = Counter(event["type"] for event in events).most_common(KINDS_SHOWN_MAX)
    shown = ", ".join(f"{count} {kind}" for kind, count in most)
    return f"{len(events)} events: {shown} and {len(events) - sum(count for _, count in most)} more"


def _claimer(result: Result) -> str:
    event = result["events"][0]
    return f"{event['actor']}, event {event['id']} of the ledger"
