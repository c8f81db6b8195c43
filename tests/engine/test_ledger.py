from datetime import timedelta
from typing import Any

import pytest

from engine.decision import Decision
from engine.leases import Lease, Release
from engine.ledger import DIGEST_ITEMS_MAX, QueryEvents, WhatsNew
from engine.posts import Ack, Post
from engine.presence import Register
from engine.sequences import Claim, SeedSequence
from engine.tasks import TaskCreate
from tests.engine.project import T0, History, Project, Refused, Step, ada, after, asked, ben, cay, check

SECOND = timedelta(seconds=1)
NEWCOMER_EVENTS = 100
"""How far back a newcomer's first digest begins, says the contract."""

EVENTS: History = [
    ada(Claim(sequence="adr", note="why", key="secret")),
    SECOND,
    ben(SeedSequence(sequence="rfc", current=4)),
    SECOND,
    ben(Claim(sequence="adr")),
    SECOND,
    ada(Post(to_actor="ben", body="secret", ref="PR-1", tag="x")),
    SECOND,
    ada(Post(to_lane="qa", subject="s", body="secret", tag="x")),
    SECOND,
    ben(Claim(sequence="rfc")),
    SECOND,
    ben(Ack(post_id=4)),
]

QUERIES: list[tuple[QueryEvents, list[int]]] = [
    (QueryEvents(), [7, 6, 5, 4, 3, 2, 1]),
    (QueryEvents(limit=2), [7, 6]),
    (QueryEvents(last_n=3, limit=2), [7, 6, 5]),
    (QueryEvents(limit=2, before=6), [5, 4]),
    (QueryEvents(before=1), []),
    (QueryEvents(before=1000), [7, 6, 5, 4, 3, 2, 1]),
    (QueryEvents(actor="kim/ada"), [5, 4, 1]),
    (QueryEvents(actor="ada"), []),
    (QueryEvents(type="claim"), [6, 3, 1]),
    (QueryEvents(type="claim", actor="kim/ben"), [6, 3]),
    (QueryEvents(sequence="rfc"), [6, 2]),
    (QueryEvents(sequence="adr", number=2), [3]),
    (QueryEvents(sequence="rfc", number=4), []),
    (QueryEvents(ref="PR-1"), [4]),
    (QueryEvents(tag="x"), [5, 4]),
    (QueryEvents(since=T0 + 4 * SECOND), [7, 6, 5]),
    (QueryEvents(until=T0 + 1 * SECOND), [2, 1]),
    (QueryEvents(since=T0 + SECOND, until=T0 + 3 * SECOND), [4, 3, 2]),
]


@pytest.mark.parametrize(("command", "ids"), QUERIES)
def test_a_query_finds_the_events_that_match_every_filter(command: QueryEvents, ids: list[int]) -> None:
    project = Project()
    project.play(EVENTS)
    assert [event["id"] for event in asked(project, cay(command))["events"]] == ids


def test_a_number_without_its_sequence_is_refused() -> None:
    check(EVENTS, cay(QueryEvents(number=1)), Refused("invalid", "number goes with sequence"))


def test_a_time_that_ends_before_it_begins_is_refused() -> None:
    turned = QueryEvents(since=T0 + timedelta(seconds=1), until=T0)
    check(EVENTS, cay(turned), Refused("invalid", "since is later than until"))
    assert asked(Project(), cay(QueryEvents(since=T0, until=T0))) == {"events": []}


def test_events_show_when_who_and_what_but_no_secret() -> None:
    project = Project()
    project.play(EVENTS)
    claim, _, _, post, lane_post, _, ack = reversed(asked(project, cay(QueryEvents()))["events"])
    assert claim == {
        "id": 1,
        "ts": after(),
        "actor": "kim/ada",
        "type": "claim",
        "payload": {"sequence": "adr", "number": 1, "formatted": "1", "note": "why"},
    }
    assert ack["payload"] == {"post_id": 4}
    shown = {"to_lane": None, "to_actor": "kim/ben", "subject": None, "ref": "PR-1", "tag": "x", "thread": 4}
    assert post["payload"] == shown
    assert lane_post["payload"] == {
        **shown,
        "to_lane": "qa",
        "to_actor": None,
        "subject": "s",
        "ref": None,
        "thread": 5,
    }


def claims(count: int) -> list[Step | timedelta]:
    return [ada(Claim(sequence="adr")) for _ in range(count)]


def ids(digest: dict[str, Any]) -> list[int]:
    return [event["id"] for event in digest["events"]]


def test_a_digest_tells_what_happened_and_what_the_caller_holds_and_owes() -> None:
    check(
        [
            ben(Register(lane="qa")),
            ada(Post(to_lane="qa", subject="s", body="hidden", ref="PR-1")),
            ben(Post(to_actor="cay", body="hidden")),
            SECOND,
            cay(Lease(surface="src/**", ttl_seconds=60)),
            ada(SeedSequence(sequence="adr", current=6, prefix="A-", pad=3)),
            ada(Claim(sequence="adr")),
            ben(Lease(surface="gone", ttl_seconds=1)),
            SECOND,
        ],
        ben(WhatsNew(limit=2)),
        {
            "since_event_id": 0,
            "events": [
                {
                    "id": 1,
                    "ts": after(),
                    "actor": "kim/ben",
                    "type": "register",
                    "payload": {"lane": "qa", "status": ""},
                },
                {
                    "id": 2,
                    "ts": after(),
                    "actor": "kim/ada",
                    "type": "post",
                    "payload": {
                        "to_lane": "qa",
                        "to_actor": None,
                        "subject": "s",
                        "ref": "PR-1",
                        "tag": None,
                        "thread": 2,
                    },
                },
            ],
            "remaining": 5,
            "unacked_posts": [
                {
                    "post_id": 2,
                    "from": "kim/ada",
                    "to_lane": "qa",
                    "subject": "s",
                    "ref": "PR-1",
                    "created_at": after(),
                }
            ],
            "awaiting_ack": [{"post_id": 3, "from": "kim/ben", "to_actor": "kim/cay", "created_at": after()}],
            "active_leases": [{"surface": "src/**", "actor": "kim/cay", "expires_at": after(61)}],
            "latest_claims": {"adr": "A-007"},
        },
    )


def test_a_digest_of_an_empty_project_is_empty() -> None:
    check(
        [],
        ben(WhatsNew()),
        {
            "since_event_id": 0,
            "events": [],
            "remaining": 0,
            "unacked_posts": [],
            "awaiting_ack": [],
            "active_leases": [],
            "latest_claims": {},
        },
    )


def test_each_digest_goes_on_where_the_last_one_ended() -> None:
    project = Project()
    project.play(claims(5))
    first, second = asked(project, ben(WhatsNew(limit=3))), asked(project, ben(WhatsNew(limit=3)))
    assert (first["since_event_id"], ids(first), first["remaining"]) == (0, [1, 2, 3], 2)
    assert (second["since_event_id"], ids(second), second["remaining"]) == (3, [4, 5], 0)
    third = asked(project, ben(WhatsNew(limit=3)))
    assert (third["since_event_id"], ids(third), third["remaining"]) == (5, [], 0)
    assert ids(asked(project, cay(WhatsNew()))) == [1, 2, 3, 4, 5], "a cursor is its reader's own"


def test_a_look_without_advancing_leaves_the_cursor() -> None:
    project = Project()
    project.play(claims(2))
    looks = [asked(project, ben(WhatsNew(advance_cursor=False))) for _ in range(2)]
    assert looks[0] == looks[1]
    assert ids(looks[0]) == [1, 2]
    assert project.cursors == {}


def test_a_newcomer_starts_a_hundred_events_back() -> None:
    project = Project()
    project.play(claims(NEWCOMER_EVENTS + 20))
    digest = asked(project, ben(WhatsNew(limit=500)))
    assert digest["since_event_id"] == 20
    assert ids(digest) == list(range(21, NEWCOMER_EVENTS + 21))


def test_a_newcomer_who_did_not_get_the_answer_begins_at_the_same_event() -> None:
    project = Project()
    project.play(claims(NEWCOMER_EVENTS + 20))
    unread = project.decide(*ben(WhatsNew()))
    assert isinstance(unread, Decision)
    assert (unread.cursor, unread.advances) == (20, NEWCOMER_EVENTS + 20)


@pytest.mark.parametrize("count", [0, 1])
def test_who_has_called_once_is_no_newcomer_however_much_happens_then(count: int) -> None:
    project = Project()
    project.play(claims(count))
    asked(project, ben(WhatsNew()))
    project.play(claims(NEWCOMER_EVENTS + 20))
    digest = asked(project, ben(WhatsNew(limit=500)))
    assert digest["since_event_id"] == count
    assert len(digest["events"]) == NEWCOMER_EVENTS + 20


def test_nothing_is_written_for_a_digest_that_moves_nothing() -> None:
    project = Project()
    for _ in range(2):
        project.play([ben(WhatsNew())])
    outcome = project.decide(*ben(WhatsNew()))
    assert getattr(outcome, "cursor", "none") is None


def test_a_digest_shows_the_newest_and_counts_the_rest() -> None:
    project = Project()
    more = DIGEST_ITEMS_MAX + 3
    project.play([ada(Post(to_actor="ben", body="b")) for _ in range(more)])
    project.play([ada(Lease(surface=f"s{number}")) for number in range(more + 1)])
    digest = asked(project, ben(WhatsNew(limit=1)))
    assert [post["post_id"] for post in digest["unacked_posts"]] == list(range(more, 3, -1))
    assert [lease["surface"] for lease in digest["active_leases"]] == [f"s{number}" for number in range(more, 3, -1)]
    assert digest["omitted"] == {"unacked_posts": 3, "active_leases": 4}
    digest = asked(project, ada(WhatsNew(limit=1)))
    assert [post["post_id"] for post in digest["awaiting_ack"]] == list(range(more, 3, -1))
    assert digest["omitted"] == {"awaiting_ack": 3, "active_leases": 4}


def test_a_digest_awaits_only_posts_that_nobody_acknowledged() -> None:
    project = Project()
    project.play([ada(Post(to_actor="ben", body="b")), ada(Post(to_actor="ben", body="b")), cay(Ack(post_id=1))])
    assert [post["post_id"] for post in asked(project, ada(WhatsNew()))["awaiting_ack"]] == [2]
    assert [post["post_id"] for post in asked(project, ben(WhatsNew()))["unacked_posts"]] == [2, 1]


@pytest.mark.parametrize("reopened", [False, True])
def test_a_digest_names_what_is_overdue_first_to_those_who_owe_it_and_to_the_sender(reopened: bool) -> None:
    project = Project()
    urgent = Post(to_actor="ben", body="b", ack_within_seconds=60)
    project.play([ada(urgent), ada(Post(to_lane="qa", body="b", ack_within_seconds=120)), ben(Register(lane="qa"))])
    project.play([ada(Post(to_actor="ben", body="b")) for _ in range(DIGEST_ITEMS_MAX)])
    project.play([timedelta(seconds=30), ada(urgent), ada(urgent), ben(Ack(post_id=DIGEST_ITEMS_MAX + 5))])
    newest = DIGEST_ITEMS_MAX + 4
    assert overdue(project) == ([], [])
    project.now += timedelta(seconds=45)
    assert overdue(project) == ([1], [1])
    project.now += timedelta(seconds=50)
    if reopened:
        project.reopen()
    assert overdue(project) == ([1, newest, 2], [1, newest, 2])
    assert [post["post_id"] for post in asked(project, ben(WhatsNew()))["unacked_posts"]][3:5] == [
        newest - 1,
        newest - 2,
    ]
    project.play([cay(Ack(post_id=1)), ben(Ack(post_id=2))])
    assert overdue(project) == ([newest], [newest])


def overdue(project: Project) -> tuple[list[int], list[int]]:
    """What ben's digest calls overdue for him to acknowledge, and ada's of what she sent."""
    posts = asked(project, ben(WhatsNew()))["unacked_posts"], asked(project, ada(WhatsNew()))["awaiting_ack"]
    owed, sent = ([post["post_id"] for post in shown if post.get("overdue")] for shown in posts)
    return owed, sent


def test_only_events_are_news() -> None:
    project = Project()
    project.play([ada(Lease(surface="a"))])
    news, none = project.ask(*ben(WhatsNew())), project.ask(*ben(WhatsNew()))
    assert (getattr(news, "is_news", None), getattr(none, "is_news", None)) == (True, False)


def test_details_of_a_task_are_in_the_ledger() -> None:
    project = Project()
    project.play([ada(TaskCreate(title="t", detail="long", owner="ben")), ada(Lease(surface="a", note="n"))])
    project.play([ada(Release(surface="a"))])
    release, lease, task = asked(project, cay(QueryEvents()))["events"]
    assert task["payload"] == {"task_id": 1, "title": "t", "lane": None, "owner": "kim/ben", "detail": "long"}
    assert lease["payload"] == {"surface": "a", "ttl_seconds": 1800, "note": "n"}
    assert release["payload"] == {"surface": "a"}


def test_a_look_after_an_event_starts_there_and_confirms_no_more_than_that() -> None:
    project = Project()
    project.play([ada(Claim(sequence="adr"))] * 5)
    assert ids(asked(project, ben(WhatsNew(after=2)))) == [3, 4, 5]
    assert project.cursors == {ben.id: 2}
    assert ids(asked(project, ben(WhatsNew(after=1, limit=2)))) == [2, 3]
    assert ids(asked(project, ben(WhatsNew()))) == [3, 4, 5]


def test_a_look_after_an_event_that_is_not_there_confirms_nothing_that_was_not_shown() -> None:
    project = Project()
    project.play([ada(Claim(sequence="adr"))] * 5)
    asked(project, ben(WhatsNew(limit=2)))
    assert ids(asked(project, ben(WhatsNew(after=6, limit=2)))) == [3, 4]
    assert project.cursors == {ben.id: 4}
