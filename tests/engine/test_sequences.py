from typing import Any

import pytest

from engine import sequences
from engine.sequences import (
    Claim,
    Claimed,
    LatestClaims,
    ListSequences,
    Seeded,
    SeedSequence,
    VoidClaim,
    Voided,
)
from engine.terms import ID_MAX
from engine.vocabulary import EventData
from tests.engine.project import History, Project, Refused, Step, ada, after, asked, ben, check, lea


def claimed(number: int, formatted: str, *, note: str | None = None, key: str | None = None) -> Claimed:
    return Claimed(sequence="adr", number=number, formatted=formatted, note=note, key=key)


def answer(number: int, formatted: str, *, note: str | None = None) -> dict[str, Any]:
    return {"sequence": "adr", "number": number, "formatted": formatted, "note": note}


def first(formatted: str, *, note: str | None = None, **more: Any) -> dict[str, Any]:
    return {**answer(1, formatted, note=note), "new_sequence": True, **more}


def seeded(current: int, prefix: str, pad: int) -> Seeded:
    return Seeded(sequence="adr", current=current, prefix=prefix, pad=pad)


CLAIMS: list[tuple[History, Step, dict[str, Any] | Refused, tuple[EventData, ...]]] = [
    ([], ada(Claim(sequence="adr")), first("1"), (claimed(1, "1"),)),
    ([ada(Claim(sequence="adr"))], ben(Claim(sequence="adr")), answer(2, "2"), (claimed(2, "2"),)),
    ([ada(Claim(sequence="rfc"))], ada(Claim(sequence="adr")), first("1"), (claimed(1, "1"),)),
    ([], ada(Claim(sequence="adr", note="why")), first("1", note="why"), (claimed(1, "1", note="why"),)),
    ([], ada(Claim(sequence="adr", key="k")), first("1"), (claimed(1, "1", key="k"),)),
    (
        [ada(SeedSequence(sequence="adrs", current=4)), ada(Claim(sequence="rfc"))],
        ada(Claim(sequence="adr")),
        first("1", nearest_sequence="adrs"),
        (claimed(1, "1"),),
    ),
    (
        [ada(SeedSequence(sequence="adr", current=41, prefix="ADR-", pad=4))],
        ada(Claim(sequence="adr")),
        answer(42, "ADR-0042"),
        (claimed(42, "ADR-0042"),),
    ),
    (
        [ada(SeedSequence(sequence="adr", current=999, pad=2))],
        ada(Claim(sequence="adr")),
        answer(1000, "1000"),
        (claimed(1000, "1000"),),
    ),
    (
        [lea(SeedSequence(sequence="adr", current=ID_MAX - 1))],
        ada(Claim(sequence="adr")),
        answer(ID_MAX, str(ID_MAX)),
        (claimed(ID_MAX, str(ID_MAX)),),
    ),
    (
        [lea(SeedSequence(sequence="adr", current=ID_MAX))],
        ada(Claim(sequence="adr")),
        Refused("conflict", "used up"),
        (),
    ),
]

SEEDS: list[tuple[History, Step, dict[str, Any] | Refused, tuple[EventData, ...]]] = [
    (
        [],
        ada(SeedSequence(sequence="adr", current=0)),
        {"sequence": "adr", "current": 0, "prefix": "", "pad": 0},
        (seeded(0, "", 0),),
    ),
    (
        [ada(SeedSequence(sequence="adr", current=3, prefix="A", pad=2))],
        ben(SeedSequence(sequence="adr", current=5)),
        {"sequence": "adr", "current": 5, "prefix": "A", "pad": 2},
        (seeded(5, "A", 2),),
    ),
    (
        [ada(SeedSequence(sequence="adr", current=3, prefix="A", pad=2))],
        ben(SeedSequence(sequence="adr", current=3, prefix="", pad=0)),
        {"sequence": "adr", "current": 3, "prefix": "", "pad": 0},
        (seeded(3, "", 0),),
    ),
    (
        [ada(Claim(sequence="adr")), ada(Claim(sequence="adr"))],
        ada(SeedSequence(sequence="adr", current=1)),
        Refused("conflict", "stands at 2 and cannot go back to 1"),
        (),
    ),
    (
        [ada(SeedSequence(sequence="adr", current=9))],
        ada(SeedSequence(sequence="adr", current=8, prefix="new")),
        Refused("conflict", "cannot go back"),
        (),
    ),
    (
        [ada(Claim(sequence="adr"))],
        ada(SeedSequence(sequence="adr", prefix="A-")),
        {"sequence": "adr", "current": 1, "prefix": "A-", "pad": 0},
        (seeded(1, "A-", 0),),
    ),
    ([], ada(SeedSequence(sequence="adr")), Refused("invalid", "say what to set"), ()),
    (
        [ada(SeedSequence(sequence="adr", current=7))],
        ada(SeedSequence(sequence="adr", current=7 + sequences.SEED_AHEAD_MAX)),
        {"sequence": "adr", "current": 10_007, "prefix": "", "pad": 0},
        (seeded(10_007, "", 0),),
    ),
    (
        [ada(SeedSequence(sequence="adr", current=7))],
        ada(SeedSequence(sequence="adr", current=8 + sequences.SEED_AHEAD_MAX)),
        Refused("forbidden", "stands at 7: only leads move one more than 10000 ahead"),
        (),
    ),
    (
        [],
        lea(SeedSequence(sequence="adr", current=20_260_131_120_000)),
        {"sequence": "adr", "current": 20_260_131_120_000, "prefix": "", "pad": 0},
        (seeded(20_260_131_120_000, "", 0),),
    ),
]

VOIDED = Voided(sequence="adr", number=1, formatted="A-1", reason="no file", claimed_by="kim/ada")
VOID_ANSWER = {"sequence": "adr", "number": 1, "formatted": "A-1"}
CLAIMED_ONCE: History = [ada(SeedSequence(sequence="adr", prefix="A-", current=0)), ada(Claim(sequence="adr"))]
VOID = VoidClaim(sequence="adr", number=1, reason="no file")

VOIDS: list[tuple[History, Step, dict[str, Any] | Refused, tuple[EventData, ...]]] = [
    (CLAIMED_ONCE, ada(VOID), VOID_ANSWER, (VOIDED,)),
    (CLAIMED_ONCE, lea(VOID), VOID_ANSWER, (VOIDED,)),
    ([*CLAIMED_ONCE, ada(SeedSequence(sequence="adr", prefix="B-"))], ada(VOID), VOID_ANSWER, (VOIDED,)),
    ([*CLAIMED_ONCE, ada(VOID)], ada(VoidClaim(sequence="adr", number=1, reason="again")), VOID_ANSWER, ()),
    (CLAIMED_ONCE, ben(VOID), Refused("forbidden", "kim/ada claimed A-1: only they or a lead"), ()),
    (
        CLAIMED_ONCE,
        ada(VoidClaim(sequence="adr", number=2, reason="r")),
        Refused("not_found", "no claim of number 2"),
        (),
    ),
    (CLAIMED_ONCE, ada(VoidClaim(sequence="rfc", number=1, reason="r")), Refused("not_found", "sequence 'rfc'"), ()),
    (
        [*CLAIMED_ONCE, lea(SeedSequence(sequence="adr", current=9))],
        lea(VoidClaim(sequence="adr", number=5, reason="r")),
        Refused("not_found", "no claim of number 5"),
        (),
    ),
]

ARCHIVE = SeedSequence(sequence="adr", archived=True)
ARCHIVED_ONCE: History = [*CLAIMED_ONCE, lea(ARCHIVE)]
SET = {"sequence": "adr", "current": 1, "prefix": "A-", "pad": 0}

ARCHIVES: list[tuple[History, Step, dict[str, Any] | Refused, tuple[EventData, ...]]] = [
    (
        CLAIMED_ONCE,
        lea(ARCHIVE),
        {**SET, "archived": True},
        (Seeded(sequence="adr", current=1, prefix="A-", pad=0, archived=True),),
    ),
    (CLAIMED_ONCE, ada(ARCHIVE), Refused("forbidden", "only leads archive a sequence"), ()),
    ([], lea(ARCHIVE), Refused("not_found", "no sequence 'adr' to archive"), ()),
    (CLAIMED_ONCE, ada(SeedSequence(sequence="adr", archived=False)), SET, (seeded(1, "A-", 0),)),
    (ARCHIVED_ONCE, ada(Claim(sequence="adr")), Refused("conflict", "sequence 'adr' is archived"), ()),
    (ARCHIVED_ONCE, lea(ARCHIVE), Refused("conflict", "is archived"), ()),
    (ARCHIVED_ONCE, lea(SeedSequence(sequence="adr", current=5)), Refused("conflict", "is archived"), ()),
    (ARCHIVED_ONCE, ada(SeedSequence(sequence="adr", archived=False)), Refused("forbidden", "take it back"), ()),
    (ARCHIVED_ONCE, lea(SeedSequence(sequence="adr", archived=False)), SET, (seeded(1, "A-", 0),)),
    (
        [*ARCHIVED_ONCE, lea(SeedSequence(sequence="adr", archived=False))],
        ben(Claim(sequence="adr")),
        answer(2, "A-2"),
        (claimed(2, "A-2"),),
    ),
    (ARCHIVED_ONCE, ada(VOID), VOID_ANSWER, (VOIDED,)),
    (ARCHIVED_ONCE, ada(LatestClaims()), {"sequences": []}, ()),
    (
        [*ARCHIVED_ONCE, ada(Claim(sequence="rfc"))],
        ada(Claim(sequence="adrs")),
        {"sequence": "adrs", "number": 1, "formatted": "1", "note": None, "new_sequence": True},
        (Claimed(sequence="adrs", number=1, formatted="1", note=None),),
    ),
]


@pytest.mark.parametrize(("history", "step", "expected", "events"), CLAIMS)
def test_a_claim_takes_the_next_number(
    history: History, step: Step, expected: dict[str, Any] | Refused, events: tuple[EventData, ...]
) -> None:
    check(history, step, expected, *events)


@pytest.mark.parametrize(("history", "step", "expected", "events"), SEEDS)
def test_a_sequence_moves_forward_only(
    history: History, step: Step, expected: dict[str, Any] | Refused, events: tuple[EventData, ...]
) -> None:
    check(history, step, expected, *events)


@pytest.mark.parametrize(("history", "step", "expected", "events"), VOIDS)
def test_a_number_is_voided_once_by_its_claimer_or_a_lead(
    history: History, step: Step, expected: dict[str, Any] | Refused, events: tuple[EventData, ...]
) -> None:
    check(history, step, expected, *events)


@pytest.mark.parametrize(("history", "step", "expected", "events"), ARCHIVES)
def test_a_lead_archives_a_sequence_and_takes_it_back(
    history: History, step: Step, expected: dict[str, Any] | Refused, events: tuple[EventData, ...]
) -> None:
    check(history, step, expected, *events)


def test_a_voided_number_is_counted_shown_and_never_given_again() -> None:
    project = check(
        [*CLAIMED_ONCE, ada(VOID)],
        ben(LatestClaims()),
        {
            "sequences": [
                {"sequence": "adr", "number": 1, "formatted": "A-1", "by": "kim/ada", "at": after(), "void": True}
            ]
        },
    )
    assert asked(project, ben(Claim(sequence="adr")))["number"] == 2
    assert asked(project, ben(LatestClaims()))["sequences"][0].get("void") is None
    (row,) = asked(project, ben(ListSequences()))["sequences"]
    assert (row["last_used"], row["voids"]) == (2, 1)


def test_a_void_that_memory_forgot_is_found_in_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "VOIDS_KEPT_MAX", 2)
    project = Project()
    project.play([ada(Claim(sequence="adr")) for _ in range(5)])
    project.play([ada(VoidClaim(sequence="adr", number=number, reason="r")) for number in (1, 2, 3, 4, 1, 4)])
    assert project.state.sequences.get("adr").void_numbers == (3, 4)
    assert asked(project, ada(ListSequences()))["sequences"][0]["voids"] == 4


def test_archived_sequences_are_listed_apart() -> None:
    row = {"name": "adr", "prefix": "A-", "pad": 0, "last_used": 1, "next": 2, "next_formatted": "A-2", "voids": 1}
    check([*ARCHIVED_ONCE, ada(VOID)], ben(ListSequences()), {"sequences": [], "archived": [row]})


def test_claims_of_many_are_distinct_and_without_a_gap() -> None:
    project = Project()
    numbers = [asked(project, who(Claim(sequence="adr")))["number"] for who in (ada, ben, ada, ada, ben)]
    assert numbers == [1, 2, 3, 4, 5]


def test_sequences_are_listed_by_name() -> None:
    check(
        [ada(Claim(sequence="rfc")), ben(SeedSequence(sequence="adr", current=6, prefix="A-", pad=3))],
        ada(ListSequences()),
        {
            "sequences": [
                {"name": "adr", "prefix": "A-", "pad": 3, "last_used": 6, "next": 7, "next_formatted": "A-007"},
                {"name": "rfc", "prefix": "", "pad": 0, "last_used": 1, "next": 2, "next_formatted": "2"},
            ]
        },
    )


def test_latest_claims_are_by_name_and_leave_out_what_was_only_seeded() -> None:
    check(
        [
            ada(Claim(sequence="rfc")),
            ada(SeedSequence(sequence="never", current=5)),
            ada(Claim(sequence="adr")),
            ben(Claim(sequence="adr")),
        ],
        ada(LatestClaims()),
        {
            "sequences": [
                {"sequence": "adr", "number": 2, "formatted": "2", "by": "kim/ben", "at": after()},
                {"sequence": "rfc", "number": 1, "formatted": "1", "by": "kim/ada", "at": after()},
            ]
        },
    )


def test_a_new_look_leaves_the_newest_claim_as_it_was_given() -> None:
    check(
        [ada(Claim(sequence="adr")), ada(SeedSequence(sequence="adr", current=1, prefix="A-"))],
        ben(LatestClaims()),
        {"sequences": [{"sequence": "adr", "number": 1, "formatted": "1", "by": "kim/ada", "at": after()}]},
    )


@pytest.mark.parametrize("command", [ListSequences(), LatestClaims()])
def test_a_project_without_sequences_lists_none(command: ListSequences | LatestClaims) -> None:
    check([], ada(command), {"sequences": []})


def test_a_project_with_very_many_sequences_keeps_using_them_and_makes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequences, "SEQUENCES_PER_PROJECT_MAX", 2)
    history: History = [ada(Claim(sequence="adr", key="k")), ada(SeedSequence(sequence="rfc", current=7))]
    refused = Refused("conflict", "this project has 2 sequences already")
    check(history, ada(Claim(sequence="new")), refused)
    check(history, ada(SeedSequence(sequence="new", current=1)), refused)
    check(history, ben(Claim(sequence="adr")), answer(2, "2"), claimed(2, "2"))
    check(history, ada(Claim(sequence="adr", key="k")), first("1"))
    seed = {"sequence": "adr", "current": 5, "prefix": "", "pad": 0}
    check(history, ada(SeedSequence(sequence="adr", current=5)), seed, seeded(5, "", 0))
