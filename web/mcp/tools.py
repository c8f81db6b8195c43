"""The tools, each defined once: what agents read about it, what it takes, who may call it, what answers.

Most tools are a command to the project's actor, and their arguments are the command itself; the others have a handler
in `web.mcp.identity_tools`. Validation, sending and encoding are the business of `web.mcp.calls`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from actors import Answer
from engine.identity import Principal
from engine.leases import Lease, Release, WhoHolds
from engine.ledger import QueryEvents, WhatsNew
from engine.posts import Ack, Post, ReadPosts
from engine.presence import Register, WhoIsActive
from engine.refusals import Refusal
from engine.sequences import Claim, LatestClaims, ListSequences, SeedSequence, VoidClaim
from engine.tasks import ListTasks, TaskAssign, TaskBlock, TaskCancel, TaskCreate, TaskResolve, TaskShip, TaskStart
from web.http.exchange import Exchange
from web.mcp import identity_tools as identity
from web.mcp.sending import send
from web.services import Services

Handler = Callable[[Services, Exchange, Principal, Any], Awaitable[Answer | Refusal]]
"""Answers a call; its last argument is the struct that `Tool.arguments` names."""


class Tool(Struct, frozen=True, kw_only=True):
    """One tool of the contract.

    `reads`: changes nothing. `repeatable`: a second call changes nothing more. `destroys`: takes something away.
    """

    name: str
    title: str
    description: str
    arguments: type[Struct]
    handler: Handler = send
    reads: bool = False
    repeatable: bool = False
    destroys: bool = False
    leads_only: bool = False
    tells_unread: bool = True


TOOLS = (
    Tool(  # first, and only reading: conformance suites call the first tool they are shown
        name="whoami",
        title="Who am I",
        description="Your name and project; whether you are a lead.",
        arguments=identity.Nothing,
        handler=identity.whoami,
        reads=True,
    ),
    Tool(
        name="claim",
        title="Claim",
        description="Take the next number (ADR, migration) before you create the file. key: retry safely.",
        arguments=Claim,
    ),
    Tool(
        name="seed_sequence",
        title="Seed",
        description="Set last number, prefix, padding. archived (leads): no claims.",
        arguments=SeedSequence,
        repeatable=True,
    ),
    Tool(
        name="void_claim",
        title="Void",
        description="Give up a number you claimed. It is never given again.",
        arguments=VoidClaim,
        repeatable=True,
        destroys=True,
    ),
    Tool(
        name="list_sequences",
        title="Sequences",
        description="Every sequence: last and next number.",
        arguments=ListSequences,
        reads=True,
    ),
    Tool(
        name="latest_claims",
        title="Latest claims",
        description="Newest claim of each sequence.",
        arguments=LatestClaims,
        reads=True,
    ),
    Tool(
        name="register",
        title="Register",
        description="Your lane and what you do. Its posts then reach you.",
        arguments=Register,
        repeatable=True,
    ),
    Tool(
        name="who_is_active",
        title="Who is active",
        description="Who called lately: lane and status.",
        arguments=WhoIsActive,
        reads=True,
    ),
    Tool(
        name="post",
        title="Post",
        description="Hand work or a question to a lane or actor. ref: branch, commit, file, task:<id>.",
        arguments=Post,
    ),
    Tool(
        name="read_posts",
        title="Read posts",
        description="Posts, newest first. to_me and unacked_only: your inbox.",
        arguments=ReadPosts,
        reads=True,
        tells_unread=False,
    ),
    Tool(
        name="ack",
        title="Acknowledge",
        description="Take posts over, or decline them in note.",
        arguments=Ack,
        repeatable=True,
        tells_unread=False,
    ),
    Tool(
        name="lease",
        title="Lease",
        description="Before you edit: announce a path or glob relative to the repository's root. Always granted: "
        "talk to the others. pick_one: a free one of port:3000-3099.",
        arguments=Lease,
    ),
    Tool(
        name="release",
        title="Release",
        description="End your lease when done.",
        arguments=Release,
        repeatable=True,
    ),
    Tool(
        name="who_holds",
        title="Who holds",
        description="Active leases; with surface, those overlapping.",
        arguments=WhoHolds,
        reads=True,
    ),
    Tool(
        name="task_create",
        title="Create task",
        description="Write down work. depends_on: tasks to ship first. priority: 4 first.",
        arguments=TaskCreate,
    ),
    Tool(
        name="task_assign",
        title="Assign task",
        description="Give or hand over a task, also one in progress.",
        arguments=TaskAssign,
        repeatable=True,
    ),
    Tool(
        name="task_start",
        title="Start task",
        description="Begin a task. Without task_id: take the best ready one.",
        arguments=TaskStart,
    ),
    Tool(
        name="task_block",
        title="Block task",
        description="A task is stuck, and why. on: until that task ships.",
        arguments=TaskBlock,
    ),
    Tool(
        name="task_resolve",
        title="Unblock task",
        description="Take blockers off a task: all, or one.",
        arguments=TaskResolve,
    ),
    Tool(
        name="task_ship",
        title="Ship task",
        description="Finish a task.",
        arguments=TaskShip,
    ),
    Tool(
        name="task_cancel",
        title="Cancel task",
        description="End a task that will not be done.",
        arguments=TaskCancel,
        destroys=True,
    ),
    Tool(
        name="list_tasks",
        title="List tasks",
        description="Tasks, most urgent first. task_id: that one whole.",
        arguments=ListTasks,
        reads=True,
    ),
    Tool(
        name="query_events",
        title="Search",
        description="Who did what, newest first. sequence with number: who claimed it.",
        arguments=QueryEvents,
        reads=True,
    ),
    Tool(
        name="whats_new",
        title="What is new",
        description="When you start or resume: events since last time, unread posts, leases, claims.",
        arguments=WhatsNew,
        tells_unread=False,
    ),
    Tool(
        name="list_participants",
        title="List people",
        description="Everybody in the project.",
        arguments=identity.Nothing,
        handler=identity.list_participants,
        reads=True,
    ),
    Tool(
        name="admin_provision",
        title="Provision",
        description="Leads: a token for anyone.",
        arguments=identity.Provision,
        handler=identity.provision,
        leads_only=True,
    ),
    Tool(
        name="admin_rotate",
        title="Rotate token",
        description="Leads: a new token for the old ones.",
        arguments=identity.Named,
        handler=identity.rotate,
        destroys=True,
        leads_only=True,
    ),
    Tool(
        name="admin_revoke",
        title="Revoke tokens",
        description="Leads: stop somebody's tokens.",
        arguments=identity.Named,
        handler=identity.revoke,
        repeatable=True,
        destroys=True,
        leads_only=True,
    ),
    Tool(
        name="create_invite",
        title="Create invite",
        description="Leads: a code to join with.",
        arguments=identity.CreateInvite,
        handler=identity.create_invite,
        leads_only=True,
    ),
    Tool(
        name="list_invites",
        title="List invites",
        description="Leads: the open invites.",
        arguments=identity.Nothing,
        handler=identity.list_invites,
        reads=True,
        leads_only=True,
    ),
    Tool(
        name="revoke_invite",
        title="Revoke invite",
        description="Leads: end an open invite.",
        arguments=identity.OneInvite,
        handler=identity.revoke_invite,
        repeatable=True,
        destroys=True,
        leads_only=True,
    ),
)
