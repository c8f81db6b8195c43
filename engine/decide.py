"""Deciding commands: the one way into the rules.

`decide` looks at the state and says what a command comes to; it changes nothing. Whoever calls it writes the decision's
events, folds them with `engine.fold.apply`, and only then passes the reply on.
"""

from typing import assert_never

from engine import leases, ledger, posts, presence, sequences, tasks
from engine.commands import (
    Ack,
    AnyCommand,
    Claim,
    LatestClaims,
    Lease,
    ListSequences,
    ListTasks,
    Post,
    QueryEvents,
    ReadPosts,
    Register,
    Release,
    SeedSequence,
    TaskAssign,
    TaskBlock,
    TaskCreate,
    TaskResolve,
    TaskShip,
    TaskStart,
    Touch,
    WhatsNew,
    WhoHolds,
    WhoIsActive,
)
from engine.decision import Context, Decision, Pending
from engine.refusals import Refusal
from engine.replies import Touched
from engine.state import State

Outcome = Decision | Pending | Refusal


def decide(state: State, command: AnyCommand, context: Context) -> Outcome:  # noqa: PLR0912 - one row a command
    """What `command` comes to in this state, for this caller, now.

    Raises `MissingAddressee` when the command names somebody and the context does not say whom it means.
    """
    match command:
        case Claim():
            return sequences.claim(state, command, context)
        case SeedSequence():
            return sequences.seed(state, command)
        case ListSequences():
            return sequences.list_sequences(state)
        case LatestClaims():
            return sequences.list_latest_claims(state)
        case Register():
            return presence.register(command, context)
        case WhoIsActive():
            return presence.who_is_active(state, command, context)
        case Post():
            return posts.post(state, command, context)
        case ReadPosts():
            return posts.read_posts(state, command, context)
        case Ack():
            return posts.ack(state, command, context)
        case Lease():
            return leases.lease(state, command, context)
        case Release():
            return leases.release(state, command, context)
        case WhoHolds():
            return leases.who_holds(state, command, context)
        case TaskCreate():
            return tasks.create(state, command, context)
        case TaskAssign():
            return tasks.assign(state, command, context)
        case TaskStart():
            return tasks.start(state, command)
        case TaskBlock():
            return tasks.block(state, command)
        case TaskResolve():
            return tasks.resolve(state, command)
        case TaskShip():
            return tasks.ship(state, command)
        case ListTasks():
            return tasks.list_tasks(state, command)
        case QueryEvents():
            return ledger.query_events(state, command)
        case WhatsNew():
            return ledger.whats_new(state, command, context)
        case Touch():
            return Decision(reply=Touched())
        case _:
            assert_never(command)
