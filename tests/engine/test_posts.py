"""Handoffs: what is written, who owes an acknowledgement, who gave one, and what reading finds."""

from datetime import timedelta
from typing import Any

import pytest

from engine.decision import Context, Decision
from engine.ledger import QueryEvents
from engine.lookups import PostQuery, Recall
from engine.post_rules import fold_recall
from engine.posts import Ack, Acked, Post, Posted, ReadPosts
from engine.presence import Register
from engine.project import AnyCommand, decide, needed, stamp
from engine.vocabulary import EventData
from tests.engine.project import (
    PEOPLE,
    T0,
    History,
    Person,
    Project,
    Refused,
    Step,
    ada,
    after,
    asked,
    ben,
    cay,
    check,
    kim,
)

IN_QA: History = [ada(Register(lane="qa")), ben(Register(lane="qa"))]
TO_QA = Post(to_lane="qa", body="b")
TO_BEN = Post(to_actor="ben", body="b")


def posted(thread: int, **more: Any) -> Posted:
    fields = {"to_lane": None, "to_actor": None, "subject": None, "body": "b", "ref": None, "tag": None}
    return Posted(**{**fields, "thread": thread, **more})


def receipt(post_id: int, **more: Any) -> dict[str, Any]:
    return {"post_id": post_id, "event_id": post_id, "created_at": after(), **more}


def unheard(post_id: int, **more: Any) -> dict[str, Any]:
    return receipt(post_id, nobody_in_lane=True, **more)


WRITTEN: list[tuple[str, History, Step, dict[str, Any] | Refused, tuple[EventData, ...]]] = [
    ("to a lane", IN_QA, ada(TO_QA), receipt(3), (posted(3, to_lane="qa"),)),
    ("to a lane that nobody is in", [], ada(TO_QA), unheard(1), (posted(1, to_lane="qa"),)),
    (
        "to a lane that is close to one",
        [ada(Register(lane="Backend")), ben(Register(lane="docs"))],
        ada(Post(to_lane="bakend", body="b")),
        unheard(3, nearest_lane="Backend"),
        (posted(3, to_lane="bakend"),),
    ),
    ("to a label", [], ada(TO_BEN), receipt(1), (posted(1, to_actor="kim/ben", to_id=ben.id),)),
    (
        "to a qualified name",
        [],
        ada(Post(to_actor="KIM/ben", body="b")),
        receipt(1),
        (posted(1, to_actor="kim/ben", to_id=ben.id),),
    ),
    (
        "to the owner in person",
        [],
        ada(Post(to_actor="Kim", body="b")),
        receipt(1),
        (posted(1, to_actor="kim", to_id=0),),
    ),
    (
        "with everything said",
        [ada(TO_QA)],
        ben(
            Post(to_lane="ops", to_actor="ada", subject="s", body="b", ref="PR-1", tag="t", reply_to=1, key="k"),
        ),
        unheard(2),
        (posted(1, to_lane="ops", to_actor="kim/ada", to_id=1, subject="s", ref="PR-1", tag="t", reply_to=1, key="k"),),
    ),
    (
        "in reply to a reply",
        [ada(TO_QA), ada(TO_QA), ben(Post(to_lane="qa", body="b", reply_to=2))],
        ada(Post(to_lane="qa", body="b", reply_to=3)),
        unheard(4),
        (posted(2, to_lane="qa", reply_to=3),),
    ),
    (
        "in reply to what left the state",
        [ada(TO_QA), ben(Post(to_lane="qa", body="b", reply_to=1)), ada(Ack(post_id=2))],
        ada(Post(to_lane="qa", body="b", reply_to=2)),
        unheard(4),
        (posted(1, to_lane="qa", reply_to=2),),
    ),
    ("to nobody", [], ada(Post(body="b")), Refused("invalid", "needs to_lane or to_actor"), ()),
    ("to a stranger", [], ada(Post(to_actor="eve", body="b")), Refused("not_found", "no participant 'eve'"), ()),
    ("to another owner", [], ada(Post(to_actor="lee/ben", body="b")), Refused("not_found", "no owner 'lee'"), ()),
    (
        "in reply to nothing",
        [ada(TO_QA)],
        ada(Post(to_lane="qa", body="b", reply_to=2)),
        Refused("not_found", "no post 2 to reply to"),
        (),
    ),
    (
        "in reply to what is no post",
        [ada(Register(lane="qa"))],
        ada(Post(to_lane="qa", body="b", reply_to=1)),
        Refused("not_found", "no post 1 to reply to"),
        (),
    ),
]

ACKED: list[tuple[str, History, Step, dict[str, Any] | Refused, tuple[EventData, ...]]] = [
    (
        "by whom it was for",
        [ada(TO_BEN)],
        ben(Ack(post_id=1)),
        {"post_id": 1, "acked_at": after()},
        (Acked(post_id=1),),
    ),
    ("by anyone", [ada(TO_BEN)], cay(Ack(post_id=1)), {"post_id": 1, "acked_at": after()}, (Acked(post_id=1),)),
    ("by its author", [ada(TO_BEN)], ada(Ack(post_id=1)), {"post_id": 1, "acked_at": after()}, (Acked(post_id=1),)),
    (
        "again while it is open",
        [ada(TO_BEN), cay(Ack(post_id=1)), timedelta(seconds=5)],
        cay(Ack(post_id=1)),
        {"post_id": 1, "acked_at": after()},
        (),
    ),
    (
        "again after it left the state",
        [ada(TO_BEN), ben(Ack(post_id=1)), timedelta(seconds=5)],
        ben(Ack(post_id=1)),
        {"post_id": 1, "acked_at": after()},
        (),
    ),
    (
        "by one more after it left the state",
        [ada(TO_BEN), ben(Ack(post_id=1)), timedelta(seconds=5)],
        cay(Ack(post_id=1)),
        {"post_id": 1, "acked_at": after(5)},
        (Acked(post_id=1),),
    ),
    (
        "again by one more after it left the state",
        [ada(TO_BEN), ben(Ack(post_id=1)), timedelta(seconds=5), cay(Ack(post_id=1)), timedelta(seconds=5)],
        cay(Ack(post_id=1)),
        {"post_id": 1, "acked_at": after(5)},
        (),
    ),
    (
        "several at once, each once",
        [ada(TO_BEN), ada(TO_BEN), ben(Ack(post_id=1)), timedelta(seconds=5)],
        ben(Ack(post_ids=(2, 1, 2))),
        {"acked": [{"post_id": 2, "acked_at": after(5)}, {"post_id": 1, "acked_at": after()}]},
        (Acked(post_id=2),),
    ),
    (
        "one and several",
        [ada(TO_BEN), ada(TO_BEN)],
        ben(Ack(post_id=1, post_ids=(2,))),
        {"acked": [{"post_id": 1, "acked_at": after()}, {"post_id": 2, "acked_at": after()}]},
        (Acked(post_id=1), Acked(post_id=2)),
    ),
    (
        "all or none",
        [ada(TO_BEN)],
        ben(Ack(post_ids=(1, 2, 7))),
        Refused("not_found", "no post 2, 7. Nothing was acknowledged."),
        (),
    ),
    (
        "with a note",
        [ada(TO_BEN)],
        ben(Ack(post_id=1, note="mine")),
        {"post_id": 1, "acked_at": after()},
        (Acked(post_id=1, note="mine"),),
    ),
    (
        "again with the same note",
        [ada(TO_BEN), ben(Ack(post_id=1, note="mine"))],
        ben(Ack(post_id=1, note="mine")),
        {"post_id": 1, "acked_at": after()},
        (),
    ),
    (
        "again without a note",
        [ada(TO_BEN), ben(Ack(post_id=1, note="mine"))],
        ben(Ack(post_id=1)),
        {"post_id": 1, "acked_at": after()},
        (),
    ),
    (
        "again with another note",
        [ada(TO_BEN), ada(TO_BEN), ben(Ack(post_id=1))],
        ben(Ack(post_ids=(2, 1), note="not me")),
        Refused("conflict", "you acknowledged post 1 before"),
        (),
    ),
    ("none", [ada(TO_BEN)], ben(Ack()), Refused("invalid", "say which post: post_id, or post_ids"), ()),
    ("though never written", [], ben(Ack(post_id=1)), Refused("not_found", "no post 1"), ()),
    ("though no post", [ada(Register(lane="qa"))], ben(Ack(post_id=1)), Refused("not_found", "no post 1"), ()),
]


@pytest.mark.parametrize(
    ("history", "step", "expected", "events"), [pytest.param(*row, id=name) for name, *row in WRITTEN]
)
def test_a_post_is_written(
    history: History, step: Step, expected: dict[str, Any] | Refused, events: tuple[EventData, ...]
) -> None:
    check(history, step, expected, *events)


@pytest.mark.parametrize(
    ("history", "step", "expected", "events"), [pytest.param(*row, id=name) for name, *row in ACKED]
)
def test_a_post_is_acknowledged_once_by_each(
    history: History, step: Step, expected: dict[str, Any] | Refused, events: tuple[EventData, ...]
) -> None:
    check(history, step, expected, *events)


def moved(who: Person, lane: str) -> Step:
    return who(Register(lane=lane))


OWED: list[tuple[str, History, dict[Person, list[int]]]] = [
    ("in person", [ada(TO_BEN)], {ben: [1]}),
    ("to oneself", [ben(TO_BEN)], {ben: [1]}),
    ("to the owner in person", [ada(Post(to_actor="kim", body="b"))], {kim: [1]}),
    ("to a lane: its members, not its author", [*IN_QA, moved(cay, "ops"), ada(TO_QA)], {ben: [4]}),
    ("to a lane from outside", [*IN_QA, cay(TO_QA)], {ada: [3], ben: [3]}),
    ("to a lane without anybody", [ada(TO_QA)], {}),
    (
        "to a lane and a member in person, once",
        [*IN_QA, cay(Post(to_lane="qa", to_actor="ben", body="b"))],
        {ada: [3], ben: [3]},
    ),
    (
        "to one's own lane and oneself",
        [*IN_QA, ada(Post(to_lane="qa", to_actor="ada", body="b"))],
        {ada: [3], ben: [3]},
    ),
    ("late: what nobody acknowledged", [*IN_QA, ada(TO_QA), moved(cay, "qa")], {ben: [3], cay: [3]}),
    ("late: nothing that somebody acknowledged", [*IN_QA, ada(TO_QA), ben(Ack(post_id=3)), moved(cay, "qa")], {}),
    (
        "late: nothing that an outsider acknowledged",
        [*IN_QA, ada(TO_QA), kim(Ack(post_id=3)), moved(cay, "qa")],
        {ben: [3]},
    ),
    ("late: to a lane that was empty", [ada(TO_QA), ben(TO_QA), moved(cay, "qa")], {cay: [1, 2]}),
    ("late: never one's own", [ada(TO_QA), ben(TO_QA), moved(ada, "qa")], {ada: [2]}),
    (
        "late: older than what is owed already",
        [ada(TO_QA), ada(Post(to_actor="cay", body="b")), moved(cay, "qa")],
        {cay: [1, 2]},
    ),
    ("late: nothing of other lanes", [ada(Post(to_lane="ops", body="b")), moved(cay, "qa")], {}),
    ("late: nothing in person to others", [ada(TO_BEN), moved(cay, "qa")], {ben: [1]}),
    ("registered again", [*IN_QA, ada(TO_QA), moved(ben, "qa")], {ben: [3]}),
    ("after moving away", [*IN_QA, ada(TO_QA), moved(ben, "ops"), ada(TO_QA)], {ben: [3]}),
    ("after coming back", [*IN_QA, ada(TO_QA), moved(ben, "ops"), ada(TO_QA), moved(ben, "qa")], {ben: [3, 5]}),
    ("after one of two acknowledged", [*IN_QA, cay(TO_QA), ben(Ack(post_id=3))], {ada: [3]}),
    ("after all acknowledged", [*IN_QA, cay(TO_QA), ben(Ack(post_id=3)), ada(Ack(post_id=3))], {}),
    ("after an outsider acknowledged", [ada(TO_BEN), cay(Ack(post_id=1))], {ben: [1]}),
    ("after its author acknowledged", [ada(TO_BEN), ada(Ack(post_id=1))], {ben: [1]}),
    ("after an acknowledgement once it had left", [ada(TO_BEN), ben(Ack(post_id=1)), cay(Ack(post_id=1))], {}),
]


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize(("history", "owed"), [pytest.param(*row, id=name) for name, *row in OWED])
def test_a_post_is_owed_by_whom_it_was_delivered_to(
    history: History, owed: dict[Person, list[int]], reopened: bool
) -> None:
    project = Project()
    project.play(history)
    if reopened:
        project.reopen()
    assert {who: ids for who in PEOPLE if (ids := project.state.posts.inbox(who.id))} == owed
    for who in PEOPLE:
        found = asked(project, who(ReadPosts(to_me=True, unacked_only=True)))["posts"]
        assert [post["post_id"] for post in found] == owed.get(who, [])[::-1]


def test_a_post_that_all_acknowledged_leaves_the_state() -> None:
    project = Project()
    project.play([ada(TO_BEN), ada(TO_QA), cay(Ack(post_id=1))])
    assert [post.id for post in project.state.posts.dump()] == [1, 2]
    project.play([ben(Ack(post_id=1)), cay(Ack(post_id=2))])
    assert project.state.posts.dump() == []


def test_within_one_batch_a_recalled_post_is_acknowledged_once() -> None:
    project = Project()
    project.play([ada(TO_BEN), ben(Ack(post_id=1))])
    command = Ack(post_id=1)
    assert tuple(needed(project.state, command, ada.id)) == (1,)
    recall = Recall(project.records())
    outcomes = []
    for who in (cay, ben, cay):
        outcome = decide(
            project.state,
            command,
            Context(caller=who.principal, seq=project.state.seq, now=project.now, at=project.now, recall=recall),
        )
        assert isinstance(outcome, Decision)
        outcomes.append(outcome.events)
        for event in stamp(project.state, who.principal, project.now, outcome.events):
            project.fold(event)
            fold_recall(recall, event)
    assert outcomes == [(Acked(post_id=1),), (), ()]
    recalled = recall.get(1)
    assert recalled is not None
    assert [fact.by for fact in recalled.acks] == [ben.id, cay.id]


def test_a_recall_ignores_what_it_does_not_hold() -> None:
    project = Project()
    project.play([ada(TO_BEN), ada(TO_QA), ben(Ack(post_id=1)), ben(Ack(post_id=2))])
    recall = Recall(record for record in project.records() if record.event.seq == 1)
    before = recall.get(1)
    for event in project.events[1::2]:
        fold_recall(recall, event)
    assert recall.get(1) == before
    assert recall.get(2) is None


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (Ack(post_id=1), (1,)),
        (Ack(post_id=2), (2,)),
        (Ack(post_id=3), (3,)),
        (Ack(post_id=4), ()),
        (Ack(post_ids=(4, 2, 1)), (2, 1)),
        (Ack(post_id=1, post_ids=(2, 1)), (1, 2)),
        (Post(to_lane="qa", body="b"), ()),
        (Post(to_lane="qa", body="b", reply_to=1), ()),
        (Post(to_lane="qa", body="b", reply_to=2), (2,)),
        (ReadPosts(), ()),
        (ReadPosts(thread=1), ()),
        (ReadPosts(thread=2), (2,)),
        (Register(lane="qa"), ()),
    ],
)
def test_only_a_post_that_may_have_left_the_state_is_fetched(command: AnyCommand, expected: tuple[int, ...]) -> None:
    project = Project()
    project.play([ada(TO_QA), ada(TO_BEN), ben(Ack(post_id=2))])
    assert tuple(needed(project.state, command, cay.id)) == expected


def test_the_oldest_open_post_is_known() -> None:
    project = Project()
    assert project.state.posts.oldest is None
    project.play([ada(TO_BEN), ada(TO_BEN), ben(Ack(post_id=1))])
    assert project.state.posts.oldest is project.state.posts[2]


def test_posts_that_are_open_since_long_are_counted_and_listed() -> None:
    project = Project()
    project.play([ada(TO_BEN), timedelta(hours=1), ada(TO_BEN), ada(TO_BEN), timedelta(hours=1)])
    book = project.state.posts
    assert book.count_before(project.now) == 3
    assert [post.id for post in book.before(T0 + timedelta(minutes=1), 9)] == [1]
    assert [post.id for post in book.before(project.now, 2)] == [1, 2]


def test_who_owes_a_post_acknowledges_it_without_a_look_at_history() -> None:
    project = Project()
    project.play([ada(TO_BEN)])
    assert tuple(needed(project.state, Ack(post_id=1), ben.id)) == ()
    assert tuple(needed(project.state, Ack(post_id=1), cay.id)) == (1,)


MAIL: History = [
    *IN_QA,
    cay(Post(to_lane="qa", subject="s", body="three", ref="PR-1", tag="x")),
    ada(Post(to_actor="ben", body="four", tag="x", reply_to=3)),
    ben(Post(to_lane="ops", body="five", ref="PR-1")),
    ben(Ack(post_id=3)),
    ada(Ack(post_id=3)),
    cay(Post(to_actor="ben", body="eight", ref="PR-2", reply_to=4)),
    ben(Post(to_lane="qa", body="nine")),
    cay(Ack(post_id=9)),
]

READ: list[tuple[str, Step, list[int] | Refused]] = [
    ("everything", cay(ReadPosts()), [9, 8, 5, 4, 3]),
    ("a page", cay(ReadPosts(limit=2)), [9, 8]),
    ("the next page", cay(ReadPosts(limit=2, before=8)), [5, 4]),
    ("before the first", cay(ReadPosts(before=1)), []),
    ("before what is not there yet", cay(ReadPosts(before=1000)), [9, 8, 5, 4, 3]),
    ("a lane", cay(ReadPosts(to_lane="qa")), [9, 3]),
    ("a tag", cay(ReadPosts(tag="x")), [4, 3]),
    ("a ref", cay(ReadPosts(ref="PR-1")), [5, 3]),
    ("a tag and a ref", cay(ReadPosts(tag="x", ref="PR-1")), [3]),
    ("to me or my lane", ben(ReadPosts(to_me=True)), [9, 8, 4, 3]),
    ("to me without a lane", cay(ReadPosts(to_me=True)), []),
    ("to me in a lane", ben(ReadPosts(to_me=True, to_lane="qa")), [9, 3]),
    ("from me", ben(ReadPosts(from_me=True)), [9, 5]),
    ("from me to me", ben(ReadPosts(from_me=True, to_me=True)), [9]),
    ("a thread by its first post", cay(ReadPosts(thread=3)), [8, 4, 3]),
    ("a thread by its last post", cay(ReadPosts(thread=8)), [8, 4, 3]),
    ("a thread within a lane", cay(ReadPosts(thread=4, to_lane="qa")), [3]),
    ("what I have not acknowledged", ben(ReadPosts(unacked_only=True)), [9, 8, 5, 4]),
    ("what I have not acknowledged, in a lane", cay(ReadPosts(unacked_only=True, to_lane="qa")), [3]),
    ("what I owe", ben(ReadPosts(unacked_only=True, to_me=True)), [8, 4]),
    ("what I owe, a page", ben(ReadPosts(unacked_only=True, to_me=True, limit=1)), [8]),
    ("what I owe, the next page", ben(ReadPosts(unacked_only=True, to_me=True, limit=1, before=8)), [4]),
    ("what I owe of what is newer", ben(ReadPosts(unacked_only=True, to_me=True, after=4)), [8]),
    ("nothing newer that I owe", ben(ReadPosts(unacked_only=True, to_me=True, after=8)), []),
    ("what is newer", ben(ReadPosts(after=8)), [9]),
    ("what I owe by tag", ben(ReadPosts(unacked_only=True, to_me=True, tag="x")), [4]),
    ("what I owe by ref", ben(ReadPosts(unacked_only=True, to_me=True, ref="PR-2")), [8]),
    ("what I owe by another ref", ben(ReadPosts(unacked_only=True, to_me=True, ref="PR-1")), []),
    ("what I owe by lane", ben(ReadPosts(unacked_only=True, to_me=True, to_lane="qa")), []),
    ("what I owe by thread", ben(ReadPosts(unacked_only=True, to_me=True, thread=3)), [8, 4]),
    ("what I owe by another thread", ben(ReadPosts(unacked_only=True, to_me=True, thread=5)), []),
    ("what I owe to myself", ben(ReadPosts(unacked_only=True, to_me=True, from_me=True)), []),
    ("what I owe in my lane", ada(ReadPosts(unacked_only=True, to_me=True)), [9]),
    ("nothing owed", cay(ReadPosts(unacked_only=True, to_me=True)), []),
    ("a thread of no post", ben(ReadPosts(thread=1)), Refused("not_found", "no post 1")),
    ("a thread of the future", ben(ReadPosts(thread=1000)), Refused("not_found", "no post 1000")),
    (
        "a thread of no post in the inbox",
        ben(ReadPosts(thread=1, to_me=True, unacked_only=True)),
        Refused("not_found", ""),
    ),
]


@pytest.mark.parametrize(("step", "expected"), [pytest.param(*row, id=name) for name, *row in READ])
def test_reading_finds_the_posts_that_match_every_filter(step: Step, expected: list[int] | Refused) -> None:
    project = Project()
    project.play(MAIL)
    if isinstance(expected, Refused):
        check(MAIL, step, expected)
    else:
        assert [post["post_id"] for post in asked(project, step)["posts"]] == expected


def test_a_post_is_shown_whole_and_acknowledged_only_for_who_acknowledged() -> None:
    project = Project()
    project.play(MAIL)
    first, *_ = asked(project, ben(ReadPosts(thread=3, limit=1, before=4)))["posts"]
    assert first == {
        "post_id": 3,
        "from": "kim/cay",
        "to_lane": "qa",
        "to_actor": None,
        "subject": "s",
        "body": "three",
        "ref": "PR-1",
        "tag": "x",
        "created_at": after(),
        "acked": True,
    }
    (again,) = asked(project, cay(ReadPosts(before=4)))["posts"]
    assert again == {**first, "acked": False}


def test_a_reply_says_to_what_it_replies() -> None:
    project = Project()
    project.play(MAIL)
    (reply,) = asked(project, ben(ReadPosts(before=5, limit=1)))["posts"]
    assert (reply["to_actor"], reply["reply_to"]) == ("kim/ben", 3)


def test_an_author_sees_who_acknowledged_and_when() -> None:
    project = Project()
    project.play([*IN_QA, cay(TO_QA), ben(Ack(post_id=3)), timedelta(seconds=2), ada(Ack(post_id=3)), cay(TO_QA)])
    newest, oldest = asked(project, cay(ReadPosts(from_me=True)))["posts"]
    assert newest["acked_by"] == []
    assert oldest["acked_by"] == [{"actor": "kim/ben", "at": after()}, {"actor": "kim/ada", "at": after(2)}]
    assert "acked_by" not in asked(project, ben(ReadPosts()))["posts"][0]


def test_an_author_sees_what_was_said_with_an_acknowledgement() -> None:
    project = Project()
    project.play([ada(TO_BEN), ben(Ack(post_id=1, note="not me, because I left the lane")), cay(Ack(post_id=1))])
    (post,) = asked(project, ada(ReadPosts(from_me=True)))["posts"]
    assert post["acked_by"] == [
        {"actor": "kim/ben", "at": after(), "note": "not me, because I left the lane"},
        {"actor": "kim/cay", "at": after()},
    ]
    (event,) = asked(project, ada(QueryEvents(actor="kim/ben")))["events"]
    assert event["payload"] == {"post_id": 1, "note": "not me, because I left the lane"}


def test_a_post_is_overdue_when_its_time_has_passed_and_nobody_acknowledged_it() -> None:
    project = Project()
    project.play([ada(Post(to_actor="ben", body="b", ack_within_seconds=60)), timedelta(seconds=60)])
    (post,) = asked(project, ben(ReadPosts()))["posts"]
    assert (post["due_at"], post.get("overdue")) == (after(60), None)
    project.now += timedelta(seconds=1)
    assert asked(project, ada(ReadPosts()))["posts"][0]["overdue"] is True
    project.play([cay(Ack(post_id=1))])
    assert "overdue" not in asked(project, ada(ReadPosts()))["posts"][0]
    assert asked(project, ada(QueryEvents(type="post")))["events"][0]["payload"]["ack_within_seconds"] == 60


def test_a_read_asks_history_only_for_what_was_durable() -> None:
    project = Project()
    project.play([*IN_QA, cay(TO_QA)])
    outcome = project.decide(*ben(ReadPosts(to_me=True, unacked_only=True, before=50)))
    assert isinstance(outcome, Decision)
    assert getattr(outcome.reply, "query", None) == PostQuery(upto=3, ids=(3,), acks_of=(2,), with_acks=False, limit=50)
    assert project.now == T0


def test_finding_nothing_is_no_news() -> None:
    project = Project()
    nothing, something = project.ask(*ben(ReadPosts())), None
    project.play([ada(TO_BEN)])
    something = project.ask(*ben(ReadPosts()))
    assert (nothing.is_news, something.is_news) == (False, True)  # type: ignore[union-attr]
