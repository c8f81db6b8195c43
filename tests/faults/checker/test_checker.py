"""The checker accepts a right history, and rejects one with any single lie in it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import pytest

from tests.faults.checker import Failover, Operation, Row, check

START = datetime(2026, 1, 1, tzinfo=UTC)


class Story:
    """A history and its ledger, told one operation after the other; each takes one second."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.rows: list[Row] = []
        self.now = 0.0

    def row(self, client: str, kind: str, **data: Any) -> int:
        """An event; gives its number."""
        seq = len(self.rows) + 1
        self.rows.append(Row(seq, START + timedelta(seconds=self.now), client, kind, data))
        return seq

    def call(self, client: str, tool: str, answer: dict[str, Any] | None, **arguments: Any) -> None:
        """A call and its answer; without one, it was cut off."""
        began, self.now = START.timestamp() + self.now, self.now + 1
        ended = inf if answer is None else began + 0.5
        self.operations.append(Operation(client, tool, arguments, began, began, ended, answer=answer))

    def leave(self, client: str, tool: str, **arguments: Any) -> None:
        """A call on which the client hung up."""
        self.call(client, tool, None, **arguments)
        self.operations[-1] = replace(self.operations[-1], was_left=True)

    def refusal(self, client: str, tool: str, code: str, **arguments: Any) -> None:
        """A call that was refused."""
        self.call(client, tool, {}, **arguments)
        self.operations[-1] = replace(self.operations[-1], answer=None, refusal=code)

    def claim(self, client: str, number: int, key: str, *, in_ledger: bool = True) -> None:
        """A claim of `adr`, answered with `number`."""
        if in_ledger:
            self.row(client, "claim", sequence="adr", number=number, note=None, key=key)
        self.call(client, "claim", {"sequence": "adr", "number": number, "note": None}, sequence="adr", key=key)

    def post(self, client: str, to: str, body: str) -> int:
        """A post to somebody, answered; gives its number."""
        seq = self.row(client, "post", to_actor=f"ada/{to}", to_lane=None, body=body, key=body)
        self.call(client, "post", {"post_id": seq}, to_actor=to, body=body, key=body)
        return seq

    def inbox(self, client: str, *posts: int) -> None:
        """A look at one's inbox, which shows these posts."""
        shown = [{"post_id": post, "to_lane": None} for post in reversed(posts)]
        self.call(client, "read_posts", {"posts": shown}, to_me=True, unacked_only=True, limit=50)

    def ack(self, client: str, post: int, *, in_ledger: bool = True) -> None:
        """An acknowledgement, answered."""
        if in_ledger:
            self.row(client, "ack", post_id=post)
        self.call(client, "ack", {"post_id": post}, post_id=post)

    def lease(self, client: str, surface: str, *others: tuple[str, str], ttl: int = 1800) -> None:
        """An exclusive lease, whose answer names these others."""
        note = f"{client}/{self.now:g}"
        seq = self.row(client, "lease", surface=surface, ttl_seconds=ttl, note=note)
        told = [{"actor": f"ada/{other}", "surface": held} for other, held in others]
        answer = {"lease_id": seq, "surface": surface, "others": told}
        self.call(client, "lease", answer, surface=surface, note=note)

    def holders(self, client: str, surface: str, *leases: tuple[str, str]) -> None:
        """A look at who holds a surface."""
        told = [{"actor": f"ada/{holder}", "surface": held} for holder, held in leases]
        self.call(client, "who_holds", {"leases": told}, surface=surface)

    def digest(self, client: str, since: int, until: int, **arguments: Any) -> None:
        """A digest of the events after `since` up to `until`."""
        events = [{"id": row.seq, "type": row.type} for row in self.rows[since:until]]
        answer = {"since_event_id": since, "events": events, "remaining": len(self.rows) - until}
        self.call(client, "whats_new", answer, **arguments)


def rules(story: Story, failover: Failover | None = None) -> set[str]:
    """The rules that a story breaks."""
    return {violation.rule for violation in check(story.operations, story.rows, failover=failover).violations}


def a_right_history() -> Story:
    story = Story()
    story.claim("api", 1, "k1")
    story.claim("web", 2, "k2")
    story.claim("web", 2, "k2", in_ledger=False)
    post = story.post("api", "web", "hello")
    story.inbox("web", post)
    story.ack("web", post)
    story.ack("web", post, in_ledger=False)
    story.inbox("web")
    story.lease("api", "src/**")
    story.lease("web", "src/app.py", ("api", "src/**"))
    story.holders("web", "src/app.py", ("api", "src/**"), ("web", "src/app.py"))
    story.row("api", "release", surface="src/**")
    story.call("api", "release", {"released": 1}, surface="src/**")
    story.call("api", "release", {"released": 0}, surface="src/**")
    story.holders("api", "src/app.py", ("web", "src/app.py"))
    story.row("api", "task_create", task_id=1, title="t", owner=None)
    story.call("api", "task_create", {"task_id": 1}, title="t")
    story.refusal("web", "task_ship", "conflict", task_id=1)
    story.refusal("web", "ack", "not_found", post_id=99)
    story.call("web", "list_tasks", {"tasks": [{"task_id": 1, "status": "open"}]}, limit=50)
    story.call("web", "list_sequences", {"sequences": [{"name": "adr", "last_used": 2}]})
    story.digest("web", 0, 4)
    story.digest("web", 4, 8)
    story.digest("web", 2, 8, after=2)
    story.call("web", "query_events", {"events": [{"id": 8}, {"id": 7}]})
    return story


def test_a_right_history_is_accepted() -> None:
    story = a_right_history()
    verdict = check(story.operations, story.rows)
    assert verdict.violations == []
    assert verdict.acknowledged == 10


def an_answer_without_its_event(story: Story) -> None:
    story.claim("api", 3, "k3", in_ledger=False)


def an_answer_that_the_ledger_tells_otherwise(story: Story) -> None:
    story.row("api", "claim", sequence="adr", number=3, note=None, key="k3")
    story.call("api", "claim", {"sequence": "adr", "number": 4, "note": None}, sequence="adr", key="k3")


def an_event_that_is_missing(story: Story) -> None:
    story.rows[:] = [row if row.seq < 8 else replace(row, seq=9) for row in story.rows]


def a_clock_that_goes_back(story: Story) -> None:
    story.rows[-1] = replace(story.rows[-1], at=START - timedelta(seconds=1))


def a_number_that_is_left_out(story: Story) -> None:
    story.claim("api", 4, "k3")


def a_number_that_two_have(story: Story) -> None:
    story.claim("api", 2, "k3")


def a_key_that_was_carried_out_twice(story: Story) -> None:
    story.claim("web", 3, "k2")


def a_key_that_got_two_answers(story: Story) -> None:
    story.call("web", "claim", {"sequence": "adr", "number": 1, "note": None}, sequence="adr", key="k2")


def events_in_another_order_than_their_answers(story: Story) -> None:
    story.claim("web", 3, "k3")
    story.claim("api", 4, "k4")
    one, other = story.operations[-2:]
    story.operations[-2:] = [
        replace(one, client="api", arguments=other.arguments, answer=other.answer),
        replace(other, client="web", arguments=one.arguments, answer=one.answer),
    ]


def an_acknowledgement_before_its_post(story: Story) -> None:
    story.row("web", "ack", post_id=len(story.rows) + 2)
    story.post("api", "web", "late")


def an_acknowledged_post_in_the_inbox(story: Story) -> None:
    story.inbox("web", 3)


def an_inbox_that_lacks_a_post_of_somebody_else(story: Story) -> None:
    story.post("api", "web", "unseen")
    story.inbox("web")


def a_lease_whose_holder_was_not_told_of_the_other(story: Story) -> None:
    story.lease("api", "src/**")


def a_lease_whose_holder_was_told_of_one_who_had_released(story: Story) -> None:
    story.lease("dora", "src/app.py", ("web", "src/app.py"), ("api", "src/**"))


def nothing_released_while_the_lease_is_held(story: Story) -> None:
    story.call("web", "release", {"released": 0}, surface="src/app.py")


def nobody_holds_what_somebody_holds(story: Story) -> None:
    story.holders("dora", "src/app.py")


def a_lease_that_outlives_its_time(story: Story) -> None:
    story.lease("api", "docs", ttl=1)
    story.now += 60
    story.holders("web", "docs", ("api", "docs"))


def no_such_post_though_it_is_there(story: Story) -> None:
    story.refusal("web", "ack", "not_found", post_id=story.post("api", "web", "unseen"))


def a_conflict_that_there_is_not(story: Story) -> None:
    story.refusal("web", "task_assign", "conflict", task_id=1, owner="web")


def a_refusal_without_reason(story: Story) -> None:
    story.refusal("web", "claim", "conflict", sequence="adr", key="k9")


def history_that_ends_before_what_was_answered(story: Story) -> None:
    story.call("api", "query_events", {"events": [{"id": 6}]})


def a_sequence_as_it_never_was(story: Story) -> None:
    story.call("web", "list_sequences", {"sequences": [{"name": "adr", "last_used": 7}]})


def a_digest_that_skips_events(story: Story) -> None:
    story.claim("api", 3, "k3")
    story.claim("api", 4, "k4")
    story.digest("web", 9, 10)


def a_digest_that_skips_what_an_answer_showed_that_never_came(story: Story) -> None:
    story.claim("api", 3, "k3")
    story.call("web", "whats_new", None, limit=1)
    story.digest("web", 9, 9)


def a_digest_that_skips_more_than_the_one_left_could_have_shown(story: Story) -> None:
    story.claim("api", 3, "k3")
    story.claim("api", 4, "k4")
    story.leave("web", "whats_new", limit=1)
    story.digest("web", 10, 10)


def a_digest_that_does_not_begin_where_it_was_told_to(story: Story) -> None:
    story.digest("web", 2, 8, after=3)


def a_digest_of_other_events(story: Story) -> None:
    story.digest("web", 7, 8)
    story.operations[-1].answer["events"][0]["type"] = "ack"  # type: ignore[index]


@pytest.mark.parametrize(
    ("lie", "rule"),
    [
        (an_answer_without_its_event, "lost"),
        (an_answer_that_the_ledger_tells_otherwise, "altered"),
        (an_event_that_is_missing, "gap"),
        (a_clock_that_goes_back, "time"),
        (a_number_that_is_left_out, "numbers"),
        (a_number_that_two_have, "numbers"),
        (a_key_that_was_carried_out_twice, "twice"),
        (a_key_that_got_two_answers, "key"),
        (events_in_another_order_than_their_answers, "order"),
        (an_acknowledgement_before_its_post, "ack before its post"),
        (an_acknowledged_post_in_the_inbox, "read goes back"),
        (an_inbox_that_lacks_a_post_of_somebody_else, "stale read"),
        (a_lease_whose_holder_was_not_told_of_the_other, "lease untold"),
        (a_lease_whose_holder_was_told_of_one_who_had_released, "lease untold"),
        (nothing_released_while_the_lease_is_held, "read goes back"),
        (nobody_holds_what_somebody_holds, "stale read"),
        (a_lease_that_outlives_its_time, "never true"),
        (no_such_post_though_it_is_there, "stale read"),
        (a_conflict_that_there_is_not, "read goes back"),
        (a_refusal_without_reason, "refused"),
        (history_that_ends_before_what_was_answered, "read goes back"),
        (a_sequence_as_it_never_was, "never true"),
        (a_digest_that_skips_events, "digest skips"),
        (a_digest_that_skips_what_an_answer_showed_that_never_came, "digest skips"),
        (a_digest_that_skips_more_than_the_one_left_could_have_shown, "digest skips"),
        (a_digest_that_does_not_begin_where_it_was_told_to, "digest skips"),
        (a_digest_of_other_events, "digest differs"),
    ],
)
def test_a_history_is_rejected_for(lie: Callable[[Story], None], rule: str) -> None:
    story = a_right_history()
    lie(story)
    assert rule in rules(story)


def test_operations_that_overlap_may_be_in_either_order() -> None:
    story = Story()
    story.claim("web", 1, "k1")
    story.claim("api", 2, "k2")
    first, second = story.operations
    story.operations = [replace(second, began=first.began - 1), replace(first, ended=second.ended + 1)]
    assert rules(story) == set()


def test_a_call_that_nobody_answered_may_have_happened_or_not() -> None:
    story = Story()
    story.call("api", "claim", None, sequence="adr", key="k1")
    story.row("api", "claim", sequence="adr", number=1, note=None, key="k1")
    story.call("api", "claim", None, sequence="adr", key="k2")
    story.claim("web", 2, "k3")
    assert rules(story) == set()


def test_a_digest_may_begin_after_what_an_answer_could_have_shown_on_which_the_client_hung_up() -> None:
    story = Story()
    for number in (1, 2, 3, 4):
        story.claim("api", number, f"k{number}")
    story.digest("web", 0, 1)
    story.leave("web", "whats_new", limit=2)
    story.digest("web", 3, 4)
    assert rules(story) == set()


def test_a_digest_may_begin_after_any_of_those_before_it() -> None:
    story = a_right_history()
    story.digest("web", 0, 8)
    story.digest("web", 0, 2)
    story.digest("web", 8, 8)
    assert rules(story) == set()


def test_an_asynchronous_failover_excuses_what_came_after_the_standbys_end_and_nothing_else() -> None:
    story = Story()
    story.claim("api", 1, "k1")
    story.claim("api", 2, "k2", in_ledger=False)
    story.claim("web", 2, "k3")
    failover = Failover(at=story.operations[2].began, kept=1)
    verdict = check(story.operations, story.rows, failover=failover)
    assert (verdict.excused, verdict.violations) == (1, [])
    story.claim("api", 3, "k4", in_ledger=False)
    assert rules(story, failover) == {"lost"}
    assert rules(story, replace(failover, kept=2)) == {"lost"}


def test_a_server_that_is_alone_may_read_from_memory_what_a_failover_lost_only_until_it_looks_again() -> None:
    story = Story()
    story.claim("api", 1, "k1")
    story.call("api", "list_sequences", {"sequences": [{"name": "adr", "last_used": 2}]})
    failover = Failover(at=story.operations[1].began, kept=1)
    assert rules(story, failover) == {"never true"}
    assert rules(story, replace(failover, trusted_seconds=1.0)) == set()
