"""Rules of posts: how their commands are decided, and how posts are delivered and acknowledged.

What can be asked, what happens and what is answered is in `engine.posts`; the book is `engine.open_posts`.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import assert_never

from msgspec import UNSET
from msgspec.structs import replace

from engine.decision import Context, Decision
from engine.keys import KeyBook, fingerprint
from engine.lookups import (
    ACKS_SHOWN_MAX,
    AckFact,
    Found,
    PostLookup,
    PostQuery,
    PostRecord,
    Recall,
    goes_on_before,
    within_a_page,
)
from engine.open_posts import OpenPost, PostBook
from engine.posts import (
    Ack,
    Acked,
    AckedPost,
    AckedPosts,
    AckRow,
    Post,
    PostCommand,
    Posted,
    PostedPost,
    Posts,
    PostView,
    ReadPosts,
)
from engine.presence import PresenceBook, lane_close_to
from engine.ready_tasks import ReadyTask, ready_after
from engine.ready_tasks import topics as task_topics
from engine.refusals import Refusal, conflict, invalid, not_found
from engine.state import State
from engine.task_graph import TaskBook
from engine.vocabulary import Event, Topic


def decide(state: State, command: PostCommand, context: Context) -> Decision | Refusal:
    """Decide a command about posts."""
    match command:
        case Post():
            return post(state.posts, state.keys, state.presence, command, context)
        case ReadPosts():
            lane = state.presence.lane_of(context.caller.id)
            return read_posts(state.posts, state.tasks, lane, command, context)
        case Ack():
            return ack(state.posts, command, context)
        case _:
            assert_never(command)


def needed(book: PostBook, seq: int, command: PostCommand, reader: int) -> Sequence[int]:
    """The posts that must be fetched from history before this command of this reader can be decided."""
    match command:
        case Ack(posts=posts):  # who does not owe a post may have acknowledged it before
            return [each for each in posts if each <= seq and not book.owes(reader, each)]
        case Post(reply_to=int(wanted)) | ReadPosts(thread=int(wanted)):
            return () if wanted > seq or book.get(wanted) is not None else (wanted,)
        case _:
            return ()


def post(book: PostBook, keys: KeyBook, presence: PresenceBook, command: Post, context: Context) -> Decision | Refusal:
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
        thread=context.seq + 1,
        ack_within_seconds=command.ack_within_seconds,
        key=command.key,
    )
    used = None if command.key is None else keys.used(context, command.key, _fingerprint(posted))
    if isinstance(used, Refusal):
        return used
    if used is not None:
        return Decision(reply=_posted_post(used.seq, used.at, used.nearest, nobody_in_lane=used.is_new))
    if command.reply_to is not None:
        thread = _thread(book, context.recall, command.reply_to)
        if thread is None:
            return not_found(f"no post {command.reply_to} to reply to.")
        posted = replace(posted, thread=thread)
    nobody_in_lane = command.to_lane is not None and not presence.in_lane(command.to_lane)
    close = lane_close_to(presence, command.to_lane)
    reply = _posted_post(context.seq + 1, context.at, close, nobody_in_lane=nobody_in_lane)
    if command.key is not None:
        posted = replace(posted, nearest_lane=close)
    return Decision(reply=reply, events=(posted,))


def ack(book: PostBook, command: Ack, context: Context) -> Decision | Refusal:
    """Acknowledge posts, all of them or none; for each the first time counts."""
    reader, wanted = context.caller.id, command.posts
    if not wanted:
        return invalid("say which post: post_id, or post_ids for several.")
    earlier: dict[int, AckFact] = {}
    missing: list[str] = []
    for post_id in wanted:
        if book.owes(reader, post_id):
            continue
        if (record := context.recall.get(post_id)) is None:
            missing.append(str(post_id))
        elif (first := next((fact for fact in record.acks if fact.by == reader), None)) is not None:
            earlier[post_id] = first
    if missing:
        return not_found(f"no post {', '.join(missing)}." + (" Nothing was acknowledged." if len(wanted) > 1 else ""))
    for post_id, first in earlier.items():
        if command.note not in {None, first.note}:
            return conflict(
                f"you acknowledged post {post_id} before, and what you said then stays: answer it with post, "
                f"reply_to {post_id}."
            )
    acked = [AckedPost(post_id=each, acked_at=earlier[each].at if each in earlier else context.at) for each in wanted]
    events = tuple(Acked(post_id=each, note=command.note) for each in wanted if each not in earlier)
    return Decision(reply=AckedPosts(acked=acked) if command.post_ids else acked[0], events=events)


def read_posts(
    book: PostBook, tasks: TaskBook, lane: str | None, command: ReadPosts, context: Context
) -> Decision | Refusal:
    """Find posts, newest first: the caller's inbox from the book, everything else from history.

    A wait for whatever is addressed to the caller also ends when a task of theirs becomes ready.
    """
    thread = None
    if command.thread is not None and (thread := _thread(book, context.recall, command.thread)) is None:
        return not_found(f"no post {command.thread}, so no thread.")
    reader = context.caller.id
    upto = context.seq if command.before is None else min(context.seq, command.before - 1)
    ready: list[ReadyTask] = []
    awaits = _awaits(lane, command, reader, thread)
    if _waits_for_anything(command):
        known_upto = context.since if command.after is None else command.after
        ready = [] if known_upto is None else ready_after(tasks, reader, known_upto)
        awaits += task_topics(tasks, reader)
    if command.to_me and command.unacked_only:
        ids = _inbox(book, command, reader, thread, upto)
        # What left memory is old; a caller who names the last post it knows of waits for newer ones.
        gone_upto = min(upto, book.inbox_gone_upto(reader)) if command.after is None else 0
        if not ids and not gone_upto:
            return Decision(reply=Posts(posts=[], ready_tasks=ready or UNSET), awaits=awaits)
        if ids:
            with_acks = command.from_me  # else only the caller's count, and there are none in an inbox
            query = PostQuery(upto=upto, ids=tuple(ids), acks_of=(reader,), with_acks=with_acks, limit=command.limit)
        else:
            query = _query(lane, command, reader, thread, gone_upto)
    else:
        query = _query(lane, command, reader, thread, upto)
    reply = PostLookup(query, _views(reader, context.now, ready, with_acks=command.from_me))
    return Decision(reply=reply, awaits=awaits)


def fold_posted(book: PostBook, keys: KeyBook, in_lane: Sequence[int], event: Event, data: Posted) -> None:
    """Open the post and deliver it. `in_lane` are the readers in the post's lane."""
    readers = {reader for reader in in_lane if reader != event.by}
    if data.to_id is not None:
        readers.add(data.to_id)
    book.add(
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
            due_at=_due_at(event, data),
            in_backlog=data.to_lane is not None,
        ),
        readers,
    )
    if data.key is not None:
        nobody_in_lane = data.to_lane is not None and not in_lane
        keys.keep(event, data.key, _fingerprint(data), is_new=nobody_in_lane, nearest=data.nearest_lane)


def fold_acked(book: PostBook, event: Event, data: Acked) -> None:
    """Settle what the reader owed. A post that left the book earlier stays as history has it."""
    book.acknowledge(event.by, data.post_id)


def deliver_lane(book: PostBook, reader: int, lane: str) -> None:
    """Give a newcomer the lane's posts that nobody has acknowledged, except their own."""
    for post_id in list(book.backlog(lane)):
        if book[post_id].by != reader:
            book.deliver(post_id, reader)


def fold_recall(recall: Recall, event: Event) -> None:
    """Keep the fetched posts true to an event that was decided after they were fetched."""
    if isinstance(event.data, Acked):
        recall.acknowledge(event.data.post_id, _ack_fact(event, event.data))


def _ack_fact(event: Event, data: Acked) -> AckFact:
    return AckFact(by=event.by, actor=event.actor, at=event.at, note=data.note)


def _due_at(event: Event, data: Posted) -> datetime | None:
    return None if data.ack_within_seconds is None else event.at + timedelta(seconds=data.ack_within_seconds)


def _fingerprint(data: Posted) -> bytes:
    said = (data.subject, data.body, data.ref, data.tag, data.reply_to, data.ack_within_seconds)
    return fingerprint("post", data.to_lane, data.to_id, *said)


def _posted_post(seq: int, at: datetime, close: str | None, *, nobody_in_lane: bool) -> PostedPost:
    return PostedPost(
        post_id=seq,
        event_id=seq,
        created_at=at,
        nobody_in_lane=nobody_in_lane or UNSET,
        nearest_lane=close or UNSET,
    )


def _thread(book: PostBook, recall: Recall, post_id: int) -> int | None:
    if (found := book.get(post_id)) is not None:
        return found.thread
    record = recall.get(post_id)
    return None if record is None else record.posted.thread


def _inbox(book: PostBook, command: ReadPosts, reader: int, thread: int | None, upto: int) -> list[int]:
    found: list[int] = []
    owed = book.inbox(reader)
    for post_id in reversed(owed[: bisect_right(owed, upto)]):
        if _matches(book[post_id], command, reader, thread):
            found.append(post_id)
            if len(found) == command.limit:
                break
    return found


def _awaits(lane: str | None, command: ReadPosts, reader: int, thread: int | None) -> tuple[Topic, ...]:
    """The topics of events that could add a post to the answer."""
    if command.to_me:
        return (f"to:{reader}", f"register:{reader}", *(() if lane is None else (f"lane:{lane}",)))
    named = {"thread": thread, "lane": command.to_lane, "ref": command.ref, "tag": command.tag}
    return next(((f"{name}:{value}",) for name, value in named.items() if value is not None), (Posted.type,))


def _matches(candidate: OpenPost, command: ReadPosts, reader: int, thread: int | None) -> bool:
    return (
        (command.after is None or candidate.id > command.after)
        and (command.to_lane is None or candidate.to_lane == command.to_lane)
        and (command.tag is None or candidate.tag == command.tag)
        and (command.ref is None or candidate.ref == command.ref)
        and (thread is None or candidate.thread == thread)
        and (not command.from_me or candidate.by == reader)
    )


def _query(lane: str | None, command: ReadPosts, reader: int, thread: int | None, upto: int) -> PostQuery:
    return PostQuery(
        upto=upto,
        to_reader=reader if command.to_me else None,
        reader_lane=lane if command.to_me else None,
        to_lane=command.to_lane,
        by=reader if command.from_me else None,
        ref=command.ref,
        tag=command.tag,
        thread=thread,
        unacked_by=reader if command.unacked_only else None,
        acks_of=(reader,),
        after=command.after or 0,
        limit=command.limit,
    )


def _waits_for_anything(command: ReadPosts) -> bool:
    """Whether the caller waits for whatever is addressed to them."""
    narrowed = (command.to_lane, command.tag, command.ref, command.thread, command.before)
    waits = command.to_me and command.wait_seconds > 0
    return waits and not command.from_me and all(value is None for value in narrowed)


def _views(
    reader: int, now: datetime, ready: list[ReadyTask], *, with_acks: bool
) -> Callable[[Found[PostRecord]], Posts]:
    def page(found: Found[PostRecord]) -> Posts:
        shown, omitted = within_a_page([_view(record, reader, now, with_acks=with_acks) for record in found])
        return Posts(
            posts=shown,
            omitted=omitted or UNSET,
            searched_back_to=goes_on_before(found, omitted),
            ready_tasks=ready or UNSET,
        )

    return page


def _view(record: PostRecord, reader: int, now: datetime, *, with_acks: bool) -> PostView:
    event, data = record.event, record.posted
    due_at = _due_at(event, data)
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
        acked_by=[_ack_row(fact) for fact in record.acks[:ACKS_SHOWN_MAX]] if with_acks else UNSET,
        acked_by_more=record.acks_more or UNSET if with_acks else UNSET,
        due_at=due_at or UNSET,
        overdue=(due_at is not None and due_at < now and not record.acks) or UNSET,
    )


def _ack_row(fact: AckFact) -> AckRow:
    return AckRow(actor=fact.actor, at=fact.at, note=UNSET if fact.note is None else fact.note)
