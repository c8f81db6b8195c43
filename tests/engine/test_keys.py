from datetime import timedelta
from typing import Any

import pytest

from engine.posts import Post
from engine.presence import Register
from engine.project import AnyCommand
from engine.refusals import Refusal
from engine.sequences import Claim, SeedSequence
from tests.engine.project import T0, Project, Refused, Step, ada, after, asked, ben, check, lea

CLAIM = Claim(sequence="adr", note="n", key="k")
POST = Post(to_lane="qa", to_actor="ben", subject="s", body="b", ref="r", tag="t", key="k")
DAY = timedelta(hours=24)
JUST_UNDER = DAY - timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (CLAIM, {"sequence": "adr", "number": 1, "formatted": "1", "note": "n", "new_sequence": True}),
        (POST, {"post_id": 1, "event_id": 1, "created_at": after(), "nobody_in_lane": True}),
    ],
)
def test_a_retry_with_the_key_gets_the_first_answer_and_writes_nothing(
    command: AnyCommand, answer: dict[str, Any]
) -> None:
    others: list[Step] = [ada(SeedSequence(sequence="adr", current=7, prefix="A", pad=3)), ada(Claim(sequence="adr"))]
    check([ada(command)], ada(command), answer)
    check([ada(command), *others, JUST_UNDER], ada(command), answer)


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (Claim(sequence="adrs", key="k"), {"new_sequence": True, "nearest_sequence": "adr"}),
        (Post(to_lane="q-a", body="b", key="k"), {"nobody_in_lane": True, "nearest_lane": "qa"}),
    ],
)
def test_a_retry_is_told_the_same_of_names_whatever_came_since(command: AnyCommand, hint: dict[str, Any]) -> None:
    project = Project()
    project.play([ben(Register(lane="qa")), ben(Claim(sequence="adr"))])
    first = asked(project, ada(command))
    assert first.items() >= hint.items()
    project.play([ben(Register(lane="q-a")), lea(SeedSequence(sequence="adr", archived=True))])
    assert asked(project, ada(command)) == first
    project.reopen()
    assert asked(project, ada(command)) == first


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (CLAIM, Claim(sequence="rfc", note="n", key="k")),
        (CLAIM, Claim(sequence="adr", note="m", key="k")),
        (CLAIM, Claim(sequence="adr", key="k")),
        (CLAIM, POST),
        (POST, CLAIM),
        (POST, Post(to_actor="ben", subject="s", body="b", ref="r", tag="t", key="k")),
        (POST, Post(to_lane="qa", subject="s", body="b", ref="r", tag="t", key="k")),
        (POST, Post(to_lane="qa", to_actor="cay", subject="s", body="b", ref="r", tag="t", key="k")),
        (POST, Post(to_lane="qa", to_actor="ben", body="b", ref="r", tag="t", key="k")),
        (POST, Post(to_lane="qa", to_actor="ben", subject="s", body="c", ref="r", tag="t", key="k")),
        (POST, Post(to_lane="qa", to_actor="ben", subject="s", body="b", tag="t", key="k")),
        (POST, Post(to_lane="qa", to_actor="ben", subject="s", body="b", ref="r", key="k")),
        (POST, Post(to_lane="qa", to_actor="ben", subject="s", body="b", ref="r", tag="t", reply_to=1, key="k")),
    ],
)
def test_the_same_key_with_other_arguments_is_a_conflict(first: AnyCommand, second: AnyCommand) -> None:
    check([ada(first), JUST_UNDER], ada(second), Refused("conflict", "key 'k' was used with other arguments"))


def test_another_spelling_of_the_same_addressee_is_the_same_argument() -> None:
    spelled = Post(to_lane="qa", to_actor="KIM/ben", subject="s", body="b", ref="r", tag="t", key="k")
    check([ada(POST)], ada(spelled), {"post_id": 1, "event_id": 1, "created_at": after(), "nobody_in_lane": True})


def test_a_key_belongs_to_whoever_used_it() -> None:
    project = Project()
    project.play([ada(CLAIM)])
    assert asked(project, ben(CLAIM))["number"] == 2
    assert asked(project, ada(CLAIM))["number"] == 1


@pytest.mark.parametrize("second", [CLAIM, Claim(sequence="adr", note="other", key="k"), POST])
def test_a_key_is_free_again_after_a_day(second: AnyCommand) -> None:
    project = Project()
    project.play([ada(CLAIM), DAY, ada(second)])
    assert project.state.seq == 2
    first = asked(project, ada(second))
    project.now += JUST_UNDER
    assert asked(project, ada(second)) == first
    assert project.state.seq == 2


def test_a_key_survives_a_restart() -> None:
    project = Project()
    project.play([ada(CLAIM), ben(POST)])
    project.reopen()
    assert asked(project, ada(CLAIM))["number"] == 1
    assert asked(project, ben(POST)) == {"post_id": 2, "event_id": 2, "created_at": after(), "nobody_in_lane": True}
    assert isinstance(project.ask(*ben(CLAIM)), Refusal)
    assert project.state.seq == 2


def test_a_retried_reply_is_answered_though_what_it_replied_to_has_left_the_state() -> None:
    reply = Post(to_lane="qa", body="and", reply_to=1, key="again")
    project = Project()
    project.play([ada(Post(to_lane="qa", body="first")), ben(reply)])
    assert asked(project, ben(reply))["post_id"] == 2
    assert project.state.seq == 2


def test_keys_older_than_a_day_are_forgotten_when_the_next_is_kept() -> None:
    project = Project()
    project.play([ada(Claim(sequence="adr", key=str(number))) for number in range(5)])
    project.play([timedelta(hours=1), ada(Claim(sequence="adr", key="young")), DAY - timedelta(hours=1)])
    assert len(project.state.keys.dump()) == 6
    project.play([ada(Claim(sequence="adr", key="last"))])
    assert [used.slot for used in project.state.keys.dump()] == ["1 young", "1 last"]


def test_a_key_used_anew_is_young_again() -> None:
    project = Project()
    project.play([ada(CLAIM), timedelta(hours=1), ada(Claim(sequence="adr", key="later"))])
    project.play([DAY - timedelta(hours=1), ada(CLAIM)])
    later, again = project.state.keys.dump()
    assert (later.slot, again.slot, again.at) == ("1 later", "1 k", T0 + DAY)


def test_a_project_remembers_so_many_keys_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.keys.KEYS_MAX", 3)
    project = Project()
    project.play([ada(Claim(sequence="adr", key=str(number))) for number in range(5)])
    assert [used.slot for used in project.state.keys.dump()] == ["1 2", "1 3", "1 4"]
    assert asked(project, ada(Claim(sequence="adr", key="0")))["number"] == 6


def test_keys_that_are_too_old_are_forgotten_a_few_at_a_time() -> None:
    project = Project()
    project.play([ada(Claim(sequence="adr", key=str(number))) for number in range(25)])
    project.play([DAY])
    left = []
    for number in range(3):
        project.play([ada(Claim(sequence="adr", key=f"new {number}"))])
        left.append(len(project.state.keys.dump()))
    assert left == [16, 7, 3]
