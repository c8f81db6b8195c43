"""The fields of every reply, as the contract names them; the tests of each command hold the values."""

import pytest
from msgspec import Struct

from engine import replies
from engine.replies import Digest, Posts, Reply

SHAPES: list[tuple[type[Struct], str]] = [
    (replies.Touched, ""),
    (replies.ClaimedNumber, "sequence number formatted note"),
    (replies.SequenceSet, "sequence current prefix pad"),
    (replies.Sequences, "sequences"),
    (replies.SequenceRow, "name prefix pad last_used next next_formatted"),
    (replies.LatestClaimRows, "sequences"),
    (replies.ClaimRow, "sequence number formatted by at"),
    (replies.RegisteredLane, "actor lane status registered_at"),
    (replies.Active, "active"),
    (replies.ActiveRow, "actor lane status last_seen"),
    (replies.PostedPost, "post_id event_id created_at"),
    (replies.Posts, "posts"),
    (
        replies.PostView,
        "post_id from to_lane to_actor subject body ref tag created_at acked reply_to acked_by",
    ),
    (replies.AckRow, "actor at"),
    (replies.AckedPost, "post_id acked_at"),
    (replies.GrantedLease, "lease_id surface expires_at others"),
    (replies.OtherLease, "actor surface expires_at"),
    (replies.ReleasedLeases, "released"),
    (replies.Leases, "leases"),
    (replies.LeaseRow, "surface actor expires_at expires_in_seconds note mode"),
    (replies.TaskState, "task_id status"),
    (replies.AssignedTask, "task_id owner status"),
    (replies.Tasks, "tasks"),
    (replies.TaskRow, "task_id title lane owner status blockers waits_for"),
    (replies.BlockerRow, "on reason"),
    (replies.Events, "events"),
    (replies.EventView, "id ts actor type payload"),
    (
        replies.Digest,
        "since_event_id events remaining unacked_posts awaiting_ack active_leases latest_claims omitted",
    ),
    (replies.PostHead, "post_id from to_lane to_actor subject ref created_at"),
    (replies.ActiveLease, "surface actor expires_at"),
    (replies.Omitted, "unacked_posts active_leases awaiting_ack"),
]


@pytest.mark.parametrize(("reply", "names"), SHAPES)
def test_a_reply_has_the_fields_of_the_contract(reply: type[Struct], names: str) -> None:
    assert " ".join(reply.__struct_encode_fields__) == names


def test_no_reply_is_forgotten_here() -> None:
    shapes = {cls for cls in vars(replies).values() if isinstance(cls, type) and issubclass(cls, Struct)}
    assert shapes - {Struct, Reply} == {cls for cls, _ in SHAPES}


def test_only_reads_that_can_wait_may_be_no_news() -> None:
    assert replies.Touched().is_news
    assert {cls for cls, _ in SHAPES if "is_news" in vars(cls)} == {Posts, Digest}
