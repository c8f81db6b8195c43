"""Reading the ledger: searching it, and catching up with it.

Catching up looks at several books, so it gets the whole state.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated, assert_never

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from engine import task_queries, terms
from engine.decision import Context, Decision
from engine.events import EventType
from engine.lookups import EventLookup, EventQuery, EventView, Found, goes_on_before, within_a_page
from engine.open_posts import OpenPost
from engine.presence import Touched
from engine.refusals import Refusal, invalid
from engine.state import State
from engine.vocabulary import ANY, Command, Reply

NEWCOMER_EVENTS_MAX = 100
"""How far back a caller's first digest begins, in events."""

DIGEST_CLAIMS_MAX = 100
"""How many sequences a digest shows the newest claim of: those that were claimed last."""

STALE_TASKS_SEARCHED_MAX = 200
"""The caller's tasks in progress that a digest looks at to find stale ones: the most urgent."""

DIGEST_ITEMS_MAX = 20
"""How many posts, leases and awaited acks a digest shows; it counts the rest."""


class QueryEvents(Command, frozen=True, kw_only=True):
    """Search the ledger, newest first."""

    actor: Annotated[terms.ActorName | None, Meta(description="Only this actor's events, as `handle/label`.")] = None
    type: Annotated[EventType | None, Meta(description="Only events of this type.")] = None
    sequence: Annotated[terms.SequenceName | None, Meta(description="Only claims and seeds of this sequence.")] = None
    number: Annotated[terms.Id | None, Meta(description="Who claimed this number of `sequence`.")] = None
    ref: terms.Ref | None = None
    tag: terms.Tag | None = None
    since: Annotated[datetime | None, Meta(description="Only events from this time on; without a zone it is UTC.")] = (
        None
    )
    until: Annotated[
        datetime | None,
        Meta(
            description="Only events up to this time, or to the end of this date; without a zone it is UTC.",
            extra={"end": True},
        ),
    ] = None
    before: terms.Before | None = None
    last_n: Annotated[
        terms.EventLimit | None, Meta(description="The same as `limit`, for clients that know it by this name.")
    ] = None
    limit: terms.EventLimit = 100


class WhatsNew(Command, frozen=True, kw_only=True):
    """Catch up: what happened since the caller last asked, and what the caller holds and owes."""

    advance_cursor: Annotated[bool, Meta(description="Whether the next call starts after what this one returned.")] = (
        True
    )
    after: Annotated[
        terms.Counter | None,
        Meta(description="The last event you have dealt with: starts after it, and confirms what came up to it."),
    ] = None
    limit: terms.DigestLimit = 100
    wait_seconds: terms.WaitSeconds = 0


class AdvanceCursor(Command, frozen=True, kw_only=True):
    """Keep that the caller was shown everything up to an event. No tool: it follows `whats_new`."""

    upto: terms.Counter


class Events(Reply, frozen=True, kw_only=True):
    """Events, newest first.

    `omitted` is there only when a page became too large: so many older ones were found, to be read with `before`.
    `searched_back_to` is there only when the search ended early: it looked at the events down to this one, and goes on
    with `before` this one.
    """

    events: list[EventView]
    omitted: int | UnsetType = UNSET
    searched_back_to: int | UnsetType = UNSET


class PostHead(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"sender": "from"}):
    """A post without its body: enough to decide whether to read it. Empty fields are left out.

    `due_at`: somebody should acknowledge it by then. `overdue`: that time has passed and nobody has.
    """

    post_id: int
    sender: str
    to_lane: str | None = None
    to_actor: str | None = None
    subject: str | None = None
    ref: str | None = None
    created_at: datetime
    due_at: datetime | None = None
    overdue: bool = False


class ActiveLease(Struct, frozen=True, kw_only=True):
    """One active lease, in the digest."""

    surface: str
    actor: str
    expires_at: datetime


class Omitted(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many more there are of what a digest shows only the newest of."""

    unacked_posts: int = 0
    active_leases: int = 0
    awaiting_ack: int = 0
    latest_claims: int = 0


class StaleTask(Struct, frozen=True, kw_only=True):
    """A task that the caller made and whose owner has not been seen for long."""

    task_id: int
    title: str
    owner: str | None


class Digest(Reply, frozen=True, kw_only=True):
    """What happened since the cursor, oldest first, and what the caller holds and owes.

    Of posts the overdue ones come first, then the newest. `remaining` counts the events after the last one returned.
    `stale_tasks` and `omitted` are there only when they say something: the one when a task of the caller is stale, the
    other when a list was cut.
    """

    since_event_id: int
    events: list[EventView]
    remaining: int
    unacked_posts: list[PostHead]
    awaiting_ack: list[PostHead]
    active_leases: list[ActiveLease]
    latest_claims: dict[str, str]
    stale_tasks: list[StaleTask] | UnsetType = UNSET
    omitted: Omitted | UnsetType = UNSET

    @property
    def is_news(self) -> bool:
        """Whether anything happened."""
        return bool(self.events)


LedgerCommand = QueryEvents | WhatsNew | AdvanceCursor


def decide(state: State, command: LedgerCommand, context: Context) -> Decision | Refusal:
    """Decide a command about the ledger."""
    match command:
        case QueryEvents():
            return query_events(command, context)
        case WhatsNew():
            return whats_new(state, command, context)
        case AdvanceCursor():
            return advance_cursor(command, context)
        case _:
            assert_never(command)


def query_events(command: QueryEvents, context: Context) -> Decision | Refusal:
    """Search the ledger, newest first."""
    if command.number is not None and command.sequence is None:
        return invalid("number goes with sequence: say whose number it is.")
    if command.since is not None and command.until is not None and command.since > command.until:
        return invalid("since is later than until, so no event is between them: swap them.")
    query = EventQuery(
        upto=context.seq if command.before is None else min(context.seq, command.before - 1),
        actor=command.actor,
        former_names=() if context.addressee is None else context.addressee.former_names,
        type=command.type,
        sequence=command.sequence,
        number=command.number,
        ref=command.ref,
        tag=command.tag,
        since=command.since,
        until=command.until,
        limit=command.limit if command.last_n is None else command.last_n,
    )
    return Decision(reply=EventLookup(query, _page))


def _page(found: Found[EventView]) -> Events:
    shown, omitted = within_a_page(found)
    return Events(events=shown, omitted=omitted or UNSET, searched_back_to=goes_on_before(found, omitted))


def whats_new(state: State, command: WhatsNew, context: Context) -> Decision:
    """What happened since the caller's cursor, and what the caller holds and owes.

    The cursor moves once the events have reached the caller: to the last one shown, or, if the caller says what they
    have dealt with, to that; an event beyond the ledger's end is none that anybody has dealt with, so it counts as not
    said. A newcomer's is kept where it begins: if its move fails, they still begin there.
    """
    cursor = context.cursor
    after = None if command.after is None or command.after > state.seq else command.after
    since = after
    if since is None:
        since = max(0, state.seq - NEWCOMER_EVENTS_MAX) if cursor is None else min(cursor, state.seq)
    upto = min(state.seq, since + command.limit)
    digest = _digest(state, since, state.seq - upto, context)
    dealt_with = upto if after is None else since
    begins = since if command.advance_cursor and cursor is None else None
    advances = dealt_with if command.advance_cursor and dealt_with > (since if cursor is None else cursor) else None
    if upto == since:
        return Decision(reply=digest, cursor=begins, advances=advances, awaits=(ANY,))
    query = EventQuery(after=since, upto=upto, oldest_first=True, limit=command.limit)
    reply = EventLookup(query, lambda views: _with_events(digest, views))
    return Decision(reply=reply, cursor=begins, advances=advances, awaits=(ANY,))


def advance_cursor(command: AdvanceCursor, context: Context) -> Decision:
    """Keep the last event that was shown to the caller; the cursor never goes back."""
    return Decision(reply=Touched(), cursor=min(command.upto, context.seq))


def _with_events(digest: Digest, views: list[EventView]) -> Digest:
    return replace(digest, events=views)


def _digest(state: State, since: int, remaining: int, context: Context) -> Digest:
    reader, now = context.caller.id, context.now
    inbox, unanswered = state.posts.inbox(reader), state.posts.unanswered_from(reader)
    leases = state.leases.newest(now, DIGEST_ITEMS_MAX)
    claims = state.sequences.claimed_lately(DIGEST_CLAIMS_MAX)
    omitted = Omitted(
        unacked_posts=max(0, len(inbox) - DIGEST_ITEMS_MAX),
        awaiting_ack=max(0, len(unanswered) - DIGEST_ITEMS_MAX),
        active_leases=state.leases.active_count(now) - len(leases),
        latest_claims=state.sequences.claimed - len(claims),
    )
    return Digest(
        since_event_id=since,
        events=[],
        remaining=remaining,
        unacked_posts=_heads(state, state.posts.overdue_for(reader, now, DIGEST_ITEMS_MAX), inbox, now),
        awaiting_ack=_heads(state, state.posts.overdue_from(reader, now, DIGEST_ITEMS_MAX), unanswered, now),
        active_leases=[
            ActiveLease(surface=held.surface, actor=held.actor, expires_at=held.expires_at) for held in leases
        ],
        latest_claims={
            name: latest.formatted for name, latest in sorted((each.name, each.latest) for each in claims) if latest
        },
        stale_tasks=_stale_tasks(state, context) or UNSET,
        omitted=UNSET if omitted == Omitted() else omitted,
    )


def _stale_tasks(state: State, context: Context) -> list[StaleTask]:
    made = state.tasks.in_progress_made_by(context.caller.id, STALE_TASKS_SEARCHED_MAX)
    return [
        StaleTask(task_id=task.id, title=task.title, owner=task.owner)
        for task in made
        if task_queries.is_stale(state.seen, task, context)
    ][:DIGEST_ITEMS_MAX]


def _heads(state: State, overdue: Sequence[int], ids: Sequence[int], now: datetime) -> list[PostHead]:
    """The overdue posts first, then the newest."""
    shown = dict.fromkeys((*overdue, *ids[: -DIGEST_ITEMS_MAX - 1 : -1]))
    return [_head(state.posts[post_id], now) for post_id in islice(shown, DIGEST_ITEMS_MAX)]


def _head(post: OpenPost, now: datetime) -> PostHead:
    return PostHead(
        post_id=post.id,
        sender=post.sender,
        to_lane=post.to_lane,
        to_actor=post.to_actor,
        subject=post.subject,
        ref=post.ref,
        created_at=post.at,
        due_at=post.due_at,
        overdue=post.is_overdue(now),
    )
