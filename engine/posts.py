"""Handoffs: who may write what to whom, who still owes an acknowledgement, and how posts are read.

A post to a lane is delivered to everybody registered in it at that moment, except its author; whoever registers later
also gets the lane's posts that nobody has acknowledged. A post to a participant is delivered to them. Delivered means
owed: it stays in the reader's inbox, whatever lane they move to, until they acknowledge it. Anyone may acknowledge.
"""

from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime

from msgspec import UNSET
from msgspec.structs import replace

from engine import keys
from engine.commands import Ack, AnyCommand, Post, ReadPosts
from engine.decision import Context, Decision
from engine.events import Acked, Event, Posted
from engine.lookups import AckFact, PostLookup, PostQuery, PostRecord
from engine.open_posts import OpenPost
from engine.recall import Recall
from engine.refusals import Refusal, invalid, not_found
from engine.replies import AckedPost, AckRow, PostedPost, Posts, PostView
from engine.state import KeyedPost, State


def needed(state: State, command: AnyCommand) -> int | None:
    """The post that must be fetched from history before this command can be decided."""
    match command:
        case Ack(post_id=wanted) | Post(reply_to=int(wanted)) | ReadPosts(thread=int(wanted)):
            return wanted if wanted <= state.seq and state.posts.get(wanted) is None else None
        case _:
            return None


def post(state: State, command: Post, context: Context) -> Decision | Refusal:
    """Hand something over."""
    if command.to_lane is None and command.to_actor is None:
        return invalid("a post needs to_lane or to_actor: say who should get it.")
    addressee = None if command.to_actor is None else context.named()
    posted = Posted(
        to_lane=command.to_lane,
        to_actor=None if addressee is None else addressee.actor,
        to_id=None if addressee is None else addressee.id,
        subject=command.subject,
        body=command.body,
        ref=command.ref,
        tag=command.tag,
        reply_to=command.reply_to,
        thread=state.seq + 1,
        key=command.key,
    )
    if (answered := keys.replay(state, context, posted)) is not None:
        return answered
    if command.reply_to is not None:
        thread = _thread(state, context.recall, command.reply_to)
        if thread is None:
            return not_found(f"no post {command.reply_to} to reply to.")
        posted = replace(posted, thread=thread)
    return Decision(reply=_posted_post(state.seq + 1, context.now), events=(posted,))


def ack(state: State, command: Ack, context: Context) -> Decision | Refusal:
    """Acknowledge a post; the first time counts."""
    reader = context.caller.id
    if (found := state.posts.get(command.post_id)) is not None:
        first = found.acks.get(reader)
    elif (record := context.recall.get(command.post_id)) is not None:
        first = next((fact.at for fact in record.acks if fact.by == reader), None)
    else:
        return not_found(f"no post {command.post_id}.")
    if first is not None:
        return Decision(reply=AckedPost(post_id=command.post_id, acked_at=first))
    reply = AckedPost(post_id=command.post_id, acked_at=context.now)
    return Decision(reply=reply, events=(Acked(post_id=command.post_id),))


def read_posts(state: State, command: ReadPosts, context: Context) -> Decision | Refusal:
    """Find posts, newest first: the caller's inbox from the state, everything else from history."""
    thread = None
    if command.thread is not None and (thread := _thread(state, context.recall, command.thread)) is None:
        return not_found(f"no post {command.thread}, so no thread.")
    reader = context.caller.id
    upto = state.seq if command.before is None else min(state.seq, command.before - 1)
    if command.to_me and command.unacked_only:
        ids = _inbox(state, command, reader, thread, upto)
        if not ids:
            return Decision(reply=Posts(posts=[]))
        query = PostQuery(upto=upto, ids=tuple(ids), limit=command.limit)
    else:
        query = _query(state, command, reader, thread, upto)
    return Decision(reply=PostLookup(query, _views(reader, with_acks=command.from_me)))


def apply_posted(state: State, event: Event, data: Posted) -> None:
    """Open the post and deliver it."""
    waiting = set[int]()
    if data.to_lane is not None:
        waiting = {reader for reader, presence in state.presence.items() if presence.lane == data.to_lane} - {event.by}
    if data.to_id is not None:
        waiting.add(data.to_id)
    state.posts.add(
        OpenPost(
            id=event.seq,
            by=event.by,
            sender=event.actor,
            to_lane=data.to_lane,
            to_actor=data.to_actor,
            subject=data.subject,
            ref=data.ref,
            tag=data.tag,
            thread=data.thread,
            at=event.at,
            waiting=waiting,
            acks={},
        )
    )
    if data.key is not None:
        kept = KeyedPost(at=event.at, fingerprint=keys.fingerprint(data), reply=_posted_post(event.seq, event.at))
        keys.keep(state, event, data.key, kept)


def apply_acked(state: State, event: Event, data: Acked) -> None:
    """Settle what the reader owed; a post that left the state long ago stays there."""
    if (found := state.posts.get(data.post_id)) is not None:
        state.posts.acknowledge(found, event.by, event.at)


def deliver_lane(state: State, reader: int, lane: str) -> None:
    """Give a newcomer the lane's posts that nobody has acknowledged, except their own."""
    for post_id in state.posts.unanswered_in(lane):
        found = state.posts[post_id]
        if found.by != reader:
            state.posts.deliver(found, reader)


def _posted_post(seq: int, at: datetime) -> PostedPost:
    return PostedPost(post_id=seq, event_id=seq, created_at=at)


def _thread(state: State, recall: Recall, post_id: int) -> int | None:
    if (found := state.posts.get(post_id)) is not None:
        return found.thread
    record = recall.get(post_id)
    return record.event.data.thread if record is not None and isinstance(record.event.data, Posted) else None


def _inbox(state: State, command: ReadPosts, reader: int, thread: int | None, upto: int) -> list[int]:
    found: list[int] = []
    owed = state.posts.inbox(reader)
    for post_id in reversed(owed[: bisect_right(owed, upto)]):
        if _matches(state.posts[post_id], command, reader, thread):
            found.append(post_id)
            if len(found) == command.limit:
                break
    return found


def _matches(candidate: OpenPost, command: ReadPosts, reader: int, thread: int | None) -> bool:
    return (
        (command.to_lane is None or candidate.to_lane == command.to_lane)
        and (command.tag is None or candidate.tag == command.tag)
        and (command.ref is None or candidate.ref == command.ref)
        and (thread is None or candidate.thread == thread)
        and (not command.from_me or candidate.by == reader)
    )


def _query(state: State, command: ReadPosts, reader: int, thread: int | None, upto: int) -> PostQuery:
    presence = state.presence.get(reader)
    return PostQuery(
        upto=upto,
        to_reader=reader if command.to_me else None,
        reader_lane=presence.lane if command.to_me and presence is not None else None,
        to_lane=command.to_lane,
        by=reader if command.from_me else None,
        ref=command.ref,
        tag=command.tag,
        thread=thread,
        unacked_by=reader if command.unacked_only else None,
        limit=command.limit,
    )


def _views(reader: int, *, with_acks: bool) -> Callable[[list[PostRecord]], Posts]:
    return lambda records: Posts(posts=[_view(record, reader, with_acks=with_acks) for record in records])


def _view(record: PostRecord, reader: int, *, with_acks: bool) -> PostView:
    event, data = record.event, record.event.data
    assert isinstance(data, Posted)  # noqa: S101 - the journal's promise, told to the type checker
    return PostView(
        post_id=event.seq,
        sender=event.actor,
        to_lane=data.to_lane,
        to_actor=data.to_actor,
        subject=data.subject,
        body=data.body,
        ref=data.ref,
        tag=data.tag,
        created_at=event.at,
        acked=any(fact.by == reader for fact in record.acks),
        reply_to=UNSET if data.reply_to is None else data.reply_to,
        acked_by=[_ack_row(fact) for fact in record.acks] if with_acks else UNSET,
    )


def _ack_row(fact: AckFact) -> AckRow:
    return AckRow(actor=fact.actor, at=fact.at)
