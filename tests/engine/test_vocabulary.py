"""Commands carry their own limits, each tried at the bound and one beyond it; replies have the contract's fields."""

from typing import Any, get_args

import msgspec
import pytest
from msgspec import Struct

from engine import commits, leases, ledger, posts, presence, sequences, tasks
from engine.commits import ReportCommit, ReportedCommit
from engine.leases import EndedLease, GrantedLease, Lease, LeaseRow, Leases, OtherLease, ReleasedLeases
from engine.ledger import ActiveLease, Digest, Events, Omitted, PostHead, QueryEvents, WhatsNew
from engine.lookups import EventView
from engine.posts import Ack, AckedPost, AckedPosts, AckRow, Post, PostedPost, Posts, PostView, ReadPosts
from engine.presence import Active, ActiveRow, Register, RegisteredLane, Touched, WhoIsActive
from engine.project import AnyCommand
from engine.sequences import (
    Claim,
    ClaimedNumber,
    ClaimRow,
    LatestClaimRows,
    SeedSequence,
    SequenceRow,
    Sequences,
    SequenceSet,
    VoidClaim,
    VoidedNumber,
)
from engine.tasks import (
    AssignedTask,
    BlockerRow,
    ListTasks,
    OneTask,
    TaskAssign,
    TaskBlock,
    TaskCreate,
    TaskRow,
    Tasks,
    TaskStart,
    TaskState,
    WholeTask,
)
from engine.terms import ID_MAX
from engine.vocabulary import Command, Reply

LIMITS: list[tuple[type[Struct], dict[str, Any], dict[str, Any]]] = [
    (Claim, {"sequence": "a-z_0"}, {"sequence": "A"}),
    (Claim, {"sequence": "a" * 64}, {"sequence": "a" * 65}),
    (Claim, {"sequence": "a"}, {"sequence": ""}),
    (Claim, {"sequence": "a"}, {"sequence": "a\n"}),
    (Claim, {"sequence": "a", "note": "n" * 500}, {"sequence": "a", "note": "n" * 501}),
    (Claim, {"sequence": "a", "key": "k" * 64}, {"sequence": "a", "key": "k" * 65}),
    (SeedSequence, {"sequence": "a", "current": 0}, {"sequence": "a", "current": -1}),
    (SeedSequence, {"sequence": "a", "current": ID_MAX}, {"sequence": "a", "current": ID_MAX + 1}),
    (SeedSequence, {"sequence": "a", "current": 0, "pad": 12}, {"sequence": "a", "current": 0, "pad": 13}),
    (
        SeedSequence,
        {"sequence": "a", "current": 0, "prefix": "p" * 16},
        {"sequence": "a", "current": 0, "prefix": "p" * 17},
    ),
    (
        VoidClaim,
        {"sequence": "a", "number": 1, "reason": "r" * 500},
        {"sequence": "a", "number": 1, "reason": "r" * 501},
    ),
    (VoidClaim, {"sequence": "a", "number": 1, "reason": "r"}, {"sequence": "a", "number": 0, "reason": "r"}),
    (Register, {"lane": "l" * 64}, {"lane": "l" * 65}),
    (Register, {"lane": "l", "status": "s" * 140}, {"lane": "l", "status": "s" * 141}),
    (WhoIsActive, {"within_seconds": 86_400}, {"within_seconds": 86_401}),
    (WhoIsActive, {"within_seconds": 1}, {"within_seconds": 0}),
    (Post, {"body": "b" * 8000}, {"body": "b" * 8001}),
    (Post, {"body": " b "}, {"body": " \n\t"}),
    (Post, {"body": "b", "to_actor": "a" * 97}, {"body": "b", "to_actor": "a" * 98}),
    (Post, {"body": "b", "subject": "s" * 200}, {"body": "b", "subject": "s" * 201}),
    (Post, {"body": "b", "ref": "r" * 120}, {"body": "b", "ref": "r" * 121}),
    (Post, {"body": "b", "tag": "t" * 64}, {"body": "b", "tag": "t" * 65}),
    (Post, {"body": "b", "ack_within_seconds": 60}, {"body": "b", "ack_within_seconds": 59}),
    (Post, {"body": "b", "ack_within_seconds": 604_800}, {"body": "b", "ack_within_seconds": 604_801}),
    (Ack, {"post_id": 1, "note": "n" * 200}, {"post_id": 1, "note": "n" * 201}),
    (Ack, {"post_ids": [1] * 50}, {"post_ids": [1] * 51}),
    (ReadPosts, {"limit": 200}, {"limit": 201}),
    (ReadPosts, {"limit": 1}, {"limit": 0}),
    (ReadPosts, {"wait_seconds": 55}, {"wait_seconds": 56}),
    (Lease, {"surface": "s" * 200}, {"surface": "s" * 201}),
    (Lease, {"surface": "s", "ttl_seconds": 86_400}, {"surface": "s", "ttl_seconds": 86_401}),
    (Lease, {"surface": "s", "note": "n" * 200}, {"surface": "s", "note": "n" * 201}),
    (Lease, {"surface": "s", "mode": "shared"}, {"surface": "s", "mode": "both"}),
    (TaskCreate, {"title": "t" * 200}, {"title": "t" * 201}),
    (TaskCreate, {"title": "t", "detail": "d" * 4000}, {"title": "t", "detail": "d" * 4001}),
    (TaskCreate, {"title": "t", "depends_on": [1] * 50}, {"title": "t", "depends_on": [1] * 51}),
    (TaskBlock, {"task_id": 1, "reason": "r" * 500}, {"task_id": 1, "reason": "r" * 501}),
    (TaskAssign, {"task_id": 1, "owner": "o"}, {"task_id": 0, "owner": "o"}),
    (QueryEvents, {"limit": 1000}, {"limit": 1001}),
    (QueryEvents, {"type": "claim"}, {"type": "claims"}),
    (WhatsNew, {"limit": 500}, {"limit": 501}),
    (Claim, {"sequence": "a"}, {"sequence": "a", "project": "another"}),
    (Claim, {"sequence": "a", "by": "hook"}, {"sequence": "a", "by": "magic"}),
    (Lease, {"surface": "s", "by": "hook"}, {"surface": "s", "by": ""}),
    (ReportCommit, {"commit": "9fce"}, {"commit": "9fc"}),
    (ReportCommit, {"commit": "a" * 64}, {"commit": "a" * 65}),
    (ReportCommit, {"commit": "9fce"}, {"commit": "9fce\n"}),
    (ReportCommit, {"commit": "9fce", "unchecked": "w" * 200}, {"commit": "9fce", "unchecked": "w" * 201}),
    (
        ReportCommit,
        {"commit": "9fce", "numbers": {"claimed": 1_000_000}},
        {"commit": "9fce", "numbers": {"claimed": 1_000_001}},
    ),
    (ReportCommit, {"commit": "9fce", "paths": {"none": 0}}, {"commit": "9fce", "paths": {"none": -1}}),
]


@pytest.mark.parametrize(("command", "allowed", "beyond"), LIMITS)
def test_a_command_holds_its_limits(command: type[Struct], allowed: dict[str, Any], beyond: dict[str, Any]) -> None:
    msgspec.convert(allowed, command)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(beyond, command)


WAITING: list[AnyCommand] = [
    ListTasks(task_id=1, wait_seconds=5),
    TaskStart(wait_seconds=5),
    ReadPosts(wait_seconds=5),
    Lease(surface="s", wait_seconds=5),
    WhatsNew(wait_seconds=5),
]


def test_only_these_commands_wait_and_only_if_asked_to() -> None:
    assert {command.wait_seconds for command in WAITING} == {5}
    fields = {cls for cls in get_args(AnyCommand) if "wait_seconds" in cls.__struct_fields__}
    assert fields == {type(command) for command in WAITING}
    assert Claim(sequence="adr").wait_seconds == 0


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (Post(to_actor="ben", body="b"), "ben"),
        (Post(to_lane="qa", body="b"), None),
        (TaskCreate(title="t", owner="ben"), "ben"),
        (TaskCreate(title="t"), None),
        (TaskAssign(task_id=1, owner="ben"), "ben"),
        (Claim(sequence="adr"), None),
        (QueryEvents(actor="kim/ben"), None),
    ],
)
def test_a_command_says_whom_it_names(command: AnyCommand, name: str | None) -> None:
    assert command.addressee_name == name


SHAPES: list[tuple[type[Struct], str]] = [
    (Touched, ""),
    (ReportedCommit, "commit"),
    (ClaimedNumber, "sequence number formatted note new_sequence nearest_sequence"),
    (SequenceSet, "sequence current prefix pad archived"),
    (VoidedNumber, "sequence number formatted"),
    (Sequences, "sequences archived"),
    (SequenceRow, "name prefix pad last_used next next_formatted voids"),
    (LatestClaimRows, "sequences"),
    (ClaimRow, "sequence number formatted by at void"),
    (RegisteredLane, "actor lane status registered_at nearest_lane"),
    (Active, "active nearest_lane"),
    (ActiveRow, "actor lane status last_seen"),
    (PostedPost, "post_id event_id created_at nobody_in_lane nearest_lane"),
    (Posts, "posts omitted searched_back_to ready_tasks"),
    (
        PostView,
        "post_id from to_lane to_actor subject body ref tag created_at acked reply_to acked_by acked_by_more "
        "due_at overdue",
    ),
    (AckRow, "actor at note"),
    (AckedPost, "post_id acked_at"),
    (AckedPosts, "acked"),
    (GrantedLease, "lease_id surface expires_at others omitted renewed"),
    (OtherLease, "actor surface expires_at"),
    (ReleasedLeases, "released you_hold"),
    (EndedLease, "lease_id surface holder"),
    (Leases, "leases"),
    (LeaseRow, "surface actor expires_at expires_in_seconds note mode"),
    (TaskState, "task_id status owner nearest_lane"),
    (AssignedTask, "task_id owner status"),
    (Tasks, "tasks nearest_lane searched_back_to"),
    (TaskRow, "task_id title lane owner status blockers priority waits_for stale"),
    (OneTask, "tasks"),
    (
        WholeTask,
        "task_id title detail lane owner status priority by created_at depends_on waits_for blockers stale posts "
        "history",
    ),
    (BlockerRow, "on reason"),
    (Events, "events omitted searched_back_to"),
    (EventView, "id ts actor type payload"),
    (
        Digest,
        "since_event_id events remaining unacked_posts awaiting_ack active_leases latest_claims stale_tasks omitted",
    ),
    (PostHead, "post_id from to_lane to_actor subject ref created_at due_at overdue"),
    (ActiveLease, "surface actor expires_at"),
    (Omitted, "unacked_posts active_leases awaiting_ack latest_claims"),
]


@pytest.mark.parametrize(("reply", "names"), SHAPES)
def test_a_reply_has_the_fields_of_the_contract(reply: type[Struct], names: str) -> None:
    assert " ".join(reply.__struct_encode_fields__) == names


def test_no_reply_is_forgotten_here() -> None:
    concerns = (commits, ledger, leases, posts, presence, sequences, tasks)
    declared = {cls for module in concerns for cls in vars(module).values() if isinstance(cls, type)}
    assert {cls for cls in declared if issubclass(cls, Reply)} - {Reply} <= {cls for cls, _ in SHAPES}


def test_only_reads_that_can_wait_may_be_no_news() -> None:
    assert Touched().is_news
    assert {cls for cls, _ in SHAPES if "is_news" in vars(cls)} == {Posts, Digest}


def test_every_command_is_in_the_union() -> None:
    concerns = (commits, ledger, leases, posts, presence, sequences, tasks)
    declared = {cls for module in concerns for cls in vars(module).values() if isinstance(cls, type)}
    assert {cls for cls in declared if issubclass(cls, Command)} - {Command} == set(get_args(AnyCommand))
