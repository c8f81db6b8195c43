"""The last events of a project, made the same at every size before they are read.

A digest shows the newest events, whatever the history holds. A project that was measured before ends with the posts or
claims of that; without this, its digest would be compared with one of other events.
"""

from engine.ledger import NEWCOMER_EVENTS_MAX
from web.bench.processes import Served
from web.bench.seed import PEER, RUNNER, Project
from web.bench.tool_calls import Session

CALLS = (
    ("lease", {"surface": "src/module.py"}),
    ("release", {"surface": "src/module.py"}),
    ("post", {"to_actor": PEER, "subject": "reply", "body": "Seen. " * 15}),
    *(("claim", {"sequence": "adr"}),) * 5,
)
"""What the runner does; a post from the peer comes before it and its acknowledgement after it, as in the seed."""


async def make_recent(served: Served, project: Project) -> None:
    """Give the project as many new events as a newcomer's digest shows, in the seed's proportions."""
    async with Session.opened(served, project.token) as runner, Session.opened(served, project.peer_token) as peer:
        for number in range(NEWCOMER_EVENTS_MAX // (len(CALLS) + 2)):
            handoff = {"to_actor": RUNNER, "subject": f"handoff {number}", "body": "Done so far. " * 15, "ref": "PR-1"}
            posted, _ = await peer.call("post", handoff)
            for tool, arguments in CALLS:
                await runner.call(tool, arguments)
            await runner.call("ack", {"post_id": posted["post_id"]})
