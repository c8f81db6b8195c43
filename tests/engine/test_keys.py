from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from engine.keys import UsedKey
from engine.posts import Post
from engine.project import AnyCommand
from engine.refusals import Refusal
from engine.sequences import Claim, SeedSequence
from tests.engine.project import T0, Project, Refused, Step, ada, after, asked, ben, check

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
    assert [used.key for used in project.state.keys.dump()] == ["young", "last"]


def test_a_key_used_anew_is_young_again() -> None:
    project = Project()
    project.play([ada(CLAIM), timedelta(hours=1), ada(Claim(sequence="adr", key="later"))])
    project.play([DAY - timedelta(hours=1), ada(CLAIM)])
    later, again = project.state.keys.dump()
    assert (later.key, again.key, again.at) == ("later", "k", T0 + DAY)


class Counted(dict[tuple[int, str], UsedKey]):
    """Keys that count how many of them were looked through."""

    looked_at = 0

    def __iter__(self) -> Iterator[tuple[int, str]]:
        for slot in super().__iter__():
            self.looked_at += 1
            yield slot


def test_keeping_a_key_does_not_look_through_all_of_them() -> None:
    project = Project()
    project.play([ada(Claim(sequence="adr", key=str(number))) for number in range(100)])
    project.state.keys._used = counted = Counted(project.state.keys._used)
    project.play([ada(Claim(sequence="adr", key="one more"))])
    assert len(counted) == 101
    assert counted.looked_at == 1
