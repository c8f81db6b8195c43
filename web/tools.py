"""The 27 tools, each defined once: what agents read about it, what it takes, who may call it, what answers.

Most tools are a command to the project's actor, and their arguments are the command itself; the others have a handler
in `web.identity_tools`. Validation, sending and encoding are the business of `web.calls`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from actors import Answer
from engine import commands
from engine.identity import Principal
from engine.refusals import Refusal
from web import identity_tools as identity
from web.exchange import Exchange
from web.sending import send
from web.services import Services

DESCRIPTION_LENGTH_MAX = 200

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
        description="Your name on the bus, your project, and whether you are a lead. Use it to check the connection.",
        arguments=identity.Nothing,
        handler=identity.whoami,
        reads=True,
    ),
    Tool(
        name="claim",
        title="Claim a number",
        description="Take the next free number of a sequence (ADR, migration) before you create the file. "
        "Nobody else ever gets it. Give a key so that a retry gets the same number.",
        arguments=commands.Claim,
    ),
    Tool(
        name="seed_sequence",
        title="Seed a sequence",
        description="Set where a sequence stands when numbers were used before the bus came, and its prefix and "
        "zero-padding. It never goes back.",
        arguments=commands.SeedSequence,
        repeatable=True,
    ),
    Tool(
        name="list_sequences",
        title="List sequences",
        description="Every sequence with its last number and the next one. Look here before you claim.",
        arguments=commands.ListSequences,
        reads=True,
    ),
    Tool(
        name="latest_claims",
        title="Latest claims",
        description="The newest claim of each sequence: who took it and when.",
        arguments=commands.LatestClaims,
        reads=True,
    ),
    Tool(
        name="register",
        title="Register your lane",
        description="Say which lane (area of work) you are in and what you do. Call it when you start and when your "
        "work changes; posts to the lane then reach you.",
        arguments=commands.Register,
        repeatable=True,
    ),
    Tool(
        name="who_is_active",
        title="Who is active",
        description="Who called the bus lately, in which lane, doing what. Use it to find whom to talk to.",
        arguments=commands.WhoIsActive,
        reads=True,
    ),
    Tool(
        name="post",
        title="Post a handoff",
        description="Hand work, a question or a warning to a lane or an actor. Use ref for a branch, commit or file, "
        "reply_to to answer a post.",
        arguments=commands.Post,
    ),
    Tool(
        name="read_posts",
        title="Read posts",
        description="Read posts, newest first. to_me with unacked_only is your inbox; from_me shows who acknowledged "
        "yours; wait_seconds waits for news.",
        arguments=commands.ReadPosts,
        reads=True,
        tells_unread=False,
    ),
    Tool(
        name="ack",
        title="Acknowledge a post",
        description="Say that you have taken a post over or dealt with it, so that its sender knows.",
        arguments=commands.Ack,
        repeatable=True,
        tells_unread=False,
    ),
    Tool(
        name="lease",
        title="Lease a surface",
        description="Announce that you edit a path or glob, before you do. Always granted; others lists who is there "
        "too: talk to them or wait_seconds until they leave. Repeat to renew.",
        arguments=commands.Lease,
        repeatable=True,
    ),
    Tool(
        name="release",
        title="Release a surface",
        description="End your lease of a surface as soon as you are done with it.",
        arguments=commands.Release,
        repeatable=True,
    ),
    Tool(
        name="who_holds",
        title="Who holds a surface",
        description="Active leases; with a surface, those that overlap it. Look before you edit or merge.",
        arguments=commands.WhoHolds,
        reads=True,
    ),
    Tool(
        name="task_create",
        title="Create a task",
        description="Write down work for yourself or others. depends_on lists the tasks that must ship first.",
        arguments=commands.TaskCreate,
    ),
    Tool(
        name="task_assign",
        title="Assign a task",
        description="Give an open or assigned task to somebody, or take it yourself.",
        arguments=commands.TaskAssign,
        repeatable=True,
    ),
    Tool(
        name="task_start",
        title="Start a task",
        description="Say that work on an assigned task begins.",
        arguments=commands.TaskStart,
    ),
    Tool(
        name="task_block",
        title="Block a task",
        description="Say that a task in progress is stuck and why; with on, until that task ships.",
        arguments=commands.TaskBlock,
    ),
    Tool(
        name="task_resolve",
        title="Resolve a blocker",
        description="Take blockers off a task, all or the one on blocker. Without any left it goes on.",
        arguments=commands.TaskResolve,
    ),
    Tool(
        name="task_ship",
        title="Ship a task",
        description="Say that a task is done. Tasks blocked on it go on by themselves.",
        arguments=commands.TaskShip,
    ),
    Tool(
        name="list_tasks",
        title="List tasks",
        description="Tasks, newest first. ready shows what can start or go on now.",
        arguments=commands.ListTasks,
        reads=True,
    ),
    Tool(
        name="query_events",
        title="Search the ledger",
        description="Who did what and when, newest first. Filters are combined; sequence with number tells who "
        "claimed a number.",
        arguments=commands.QueryEvents,
        reads=True,
    ),
    Tool(
        name="whats_new",
        title="What is new",
        description="Catch up when you start or resume: events since you last asked, unread posts, leases, claims, "
        "and your posts nobody acknowledged. wait_seconds waits for news.",
        arguments=commands.WhatsNew,
        tells_unread=False,
    ),
    Tool(
        name="list_participants",
        title="List participants",
        description="Everybody in the project with lane and role. Use it to find a name to post to or assign.",
        arguments=identity.Nothing,
        handler=identity.list_participants,
        reads=True,
    ),
    Tool(
        name="admin_provision",
        title="Provision a participant",
        description="Leads only: add a participant, or a further token for one. The token is shown once.",
        arguments=identity.Provision,
        handler=identity.provision,
        leads_only=True,
    ),
    Tool(
        name="admin_rotate",
        title="Rotate a token",
        description="Leads only: replace a participant's tokens by a new one, shown once, when one may have leaked.",
        arguments=identity.Named,
        handler=identity.rotate,
        destroys=True,
        leads_only=True,
    ),
    Tool(
        name="admin_revoke",
        title="Revoke tokens",
        description="Leads only: stop all tokens of a participant from working.",
        arguments=identity.Named,
        handler=identity.revoke,
        repeatable=True,
        destroys=True,
        leads_only=True,
    ),
    Tool(
        name="create_invite",
        title="Create an invite",
        description="Leads only: a code and a prompt with which another agent joins by itself.",
        arguments=identity.CreateInvite,
        handler=identity.create_invite,
        leads_only=True,
    ),
)
