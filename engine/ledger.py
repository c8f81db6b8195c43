"""Reading the ledger: searching it, and catching up with it."""

from datetime import datetime

from msgspec import UNSET
from msgspec.structs import replace

from engine.commands import QueryEvents, WhatsNew
from engine.decision import Context, Decision
from engine.leases import active
from engine.lookups import EventLookup, EventQuery
from engine.open_posts import OpenPost
from engine.refusals import Refusal, invalid
from engine.replies import ActiveLease, Digest, Events, EventView, Omitted, PostHead
from engine.sequences import latest_claims
from engine.state import State

NEWCOMER_EVENTS_MAX = 100
"""How far back a caller's first digest begins, in events."""

DIGEST_ITEMS_MAX = 20
"""How many posts, leases and awaited acks a digest shows; it counts the rest."""


def query_events(state: State, command: QueryEvents) -> Decision | Refusal:
    """Search the ledger, newest first."""
    if command.number is not None and command.sequence is None:
        return invalid("number goes with sequence: say whose number it is.")
    query = EventQuery(
        upto=state.seq if command.before is None else min(state.seq, command.before - 1),
        actor=command.actor,
        type=command.type,
        sequence=command.sequence,
        number=command.number,
        ref=command.ref,
        tag=command.tag,
        since=command.since,
        until=command.until,
        limit=command.limit if command.last_n is None else command.last_n,
    )
    return Decision(reply=EventLookup(query, lambda views: Events(events=views)))


def whats_new(state: State, command: WhatsNew, context: Context) -> Decision:
    """What happened since the caller's cursor, and what the caller holds and owes."""
    reader = context.caller.id
    since = state.cursors.get(reader, max(0, state.seq - NEWCOMER_EVENTS_MAX))
    upto = min(state.seq, since + command.limit)
    digest = _digest(state, reader, since, state.seq - upto, context.now)
    # Also 0 is kept: who has looked once is no newcomer any more, however much happens before the next look.
    cursor = upto if command.advance_cursor and upto != state.cursors.get(reader) else None
    if upto == since:
        return Decision(reply=digest, cursor=cursor)
    query = EventQuery(after=since, upto=upto, oldest_first=True, limit=command.limit)
    return Decision(reply=EventLookup(query, lambda views: _with_events(digest, views)), cursor=cursor)


def _with_events(digest: Digest, views: list[EventView]) -> Digest:
    return replace(digest, events=views)


def _digest(state: State, reader: int, since: int, remaining: int, now: datetime) -> Digest:
    inbox, unanswered = state.posts.inbox(reader), state.posts.unanswered_from(reader)
    leases = sorted(active(state, now), key=lambda held: held.id, reverse=True)
    omitted = Omitted(
        unacked_posts=max(0, len(inbox) - DIGEST_ITEMS_MAX),
        awaiting_ack=max(0, len(unanswered) - DIGEST_ITEMS_MAX),
        active_leases=max(0, len(leases) - DIGEST_ITEMS_MAX),
    )
    return Digest(
        since_event_id=since,
        events=[],
        remaining=remaining,
        unacked_posts=_heads(state, inbox),
        awaiting_ack=_heads(state, unanswered),
        active_leases=[
            ActiveLease(surface=held.surface, actor=held.actor, expires_at=held.expires_at)
            for held in leases[:DIGEST_ITEMS_MAX]
        ],
        latest_claims={row.sequence: row.formatted for row in latest_claims(state)},
        omitted=UNSET if omitted == Omitted() else omitted,
    )


def _heads(state: State, ids: list[int]) -> list[PostHead]:
    return [_head(state.posts[post_id]) for post_id in ids[: -DIGEST_ITEMS_MAX - 1 : -1]]


def _head(post: OpenPost) -> PostHead:
    return PostHead(
        post_id=post.id,
        sender=post.sender,
        to_lane=post.to_lane,
        to_actor=post.to_actor,
        subject=post.subject,
        ref=post.ref,
        created_at=post.at,
    )
