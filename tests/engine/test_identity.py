import pytest
from msgspec import structs

from engine.decision import Context
from engine.errors import MissingAddressee
from engine.identity import OWNER, Addressee, Roster, resolve
from engine.lookups import Recall
from engine.posts import Post
from engine.project import AnyCommand, decide
from engine.refusals import Refusal
from engine.tasks import TaskAssign, TaskCreate
from tests.engine.project import Project, ada, kim

ROSTER = Roster(handle="kim", labels={"ada": 1, "Ada": 2, "a b": 3})


@pytest.mark.parametrize(
    ("name", "roster", "expected"),
    [
        ("ada", ROSTER, Addressee(1, "kim/ada")),
        ("Ada", ROSTER, Addressee(2, "kim/Ada")),
        ("a b", ROSTER, Addressee(3, "kim/a b")),
        ("kim/ada", ROSTER, Addressee(1, "kim/ada")),
        ("KIM/ada", ROSTER, Addressee(1, "kim/ada")),
        ("kim / ada", ROSTER, Addressee(1, "kim/ada")),
        ("kim", ROSTER, Addressee(OWNER, "kim")),
        ("Kim", ROSTER, Addressee(OWNER, "kim")),
        ("kim", Roster(handle="kim", labels={"kim": 5}), Addressee(5, "kim/kim")),
        ("Kim", Roster(handle="kim", labels={"kim": 5}), Addressee(OWNER, "kim")),
        ("kim/kim", Roster(handle="kim", labels={"kim": 5}), Addressee(5, "kim/kim")),
        (
            "WEB",
            Roster(handle="kim", labels={"web": 5, "api": 6}, former_labels={"web": ("ui", "css"), "api": ("a",)}),
            Addressee(5, "kim/web", ("kim/ui", "kim/css")),
        ),
        ("WEB", Roster(handle="kim", labels={"web": 5}), Addressee(5, "kim/web")),
        ("kim/Web", Roster(handle="kim", labels={"web": 5}), Addressee(5, "kim/web")),
        ("@web", Roster(handle="kim", labels={"web": 5}), Addressee(5, "kim/web")),
        ("@kim/web", Roster(handle="kim", labels={"web": 5}), Addressee(5, "kim/web")),
        ("web", Roster(handle="kim", labels={"@web": 5}), Addressee(5, "kim/@web")),
        ("@Kim", ROSTER, Addressee(OWNER, "kim")),
        ("caf\u00e9", Roster(handle="kim", labels={"cafe\u0301": 5}), Addressee(5, "kim/cafe\u0301")),
    ],
)
def test_a_name_means_somebody(name: str, roster: Roster, expected: Addressee) -> None:
    assert resolve(name, roster) == expected


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("eve", "not_found"),
        ("ADA", "not_found"),
        ("kim/eve", "not_found"),
        ("kim/kim", "not_found"),
        ("lee/ada", "not_found"),
        ("kim/x/ada", "not_found"),
        ("/ada", "not_found"),
        ("kim/", "invalid"),
        ("/", "invalid"),
        ("", "invalid"),
    ],
)
def test_a_name_that_means_nobody_is_refused_with_what_to_do(name: str, code: str) -> None:
    refusal = resolve(name, ROSTER)
    assert isinstance(refusal, Refusal)
    assert refusal.code == code
    assert str(refusal) == f"{code}: {refusal.message}"


@pytest.mark.parametrize("name", ["bakend", "kim/backend.", "Backends"])
def test_a_name_that_is_close_to_one_is_told_so(name: str) -> None:
    refusal = resolve(name, Roster(handle="kim", labels={"backend": 1, "web": 2}))
    assert isinstance(refusal, Refusal)
    assert "perhaps you mean 'backend'; list_participants" in refusal.message


@pytest.mark.parametrize(("name", "meant"), [("bne", "ben"), ("Zoe", "zoë"), ("ZEO", "zoë"), ("müller", "muller")])
def test_a_short_name_is_found_without_its_accents_or_its_order(name: str, meant: str) -> None:
    refusal = resolve(name, Roster(handle="kim", labels={"bert": 1, "ben": 2, "zoë": 3, "muller": 4}))
    assert isinstance(refusal, Refusal)
    assert f"perhaps you mean '{meant}';" in refusal.message


def test_a_former_label_means_who_had_it_where_that_is_one_and_nobody_has_it_since() -> None:
    roster = Roster(handle="kim", labels={"web": 5, "api": 6}, former_labels={"web": ("ui", "css"), "api": ("ui",)})
    assert resolve("css", roster) == resolve("kim/css", roster) == roster.member("web")
    for name, is_fresh in (("css", False), ("ui", True), ("CSS", True)):
        refusal = resolve(name, roster, is_fresh=is_fresh)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "not_found"


def test_a_former_handle_means_the_present_one_and_labels_come_first() -> None:
    former_labels = {"web": ("css",)}
    roster = Roster(handle="kim", labels={"web": 5, "jo": 6}, former_handles=("kay", "jo"), former_labels=former_labels)
    assert resolve("Kay/web", roster) == resolve("kay/css", roster) == resolve("web", roster)
    assert roster.member("web").former_names == ("kim/css", "kay/web", "kay/css", "jo/web", "jo/css")
    assert resolve("kay", roster) == resolve("kim", roster) == Addressee(OWNER, "kim", ("kay", "jo"))
    assert resolve("jo", roster) == roster.member("jo")
    outdated = resolve("kay", roster, is_fresh=False)
    assert isinstance(outdated, Refusal)
    assert outdated.code == "not_found"


def test_the_ledger_writes_handle_and_label_or_the_bare_handle() -> None:
    assert (ada.actor, kim.actor) == ("kim/ada", "kim")
    assert structs.replace(ada.principal, former_labels=("adah", "a")).former_names == ["kim/adah", "kim/a"]
    before = {"former_handles": ("kay",), "former_labels": ("a",)}
    assert structs.replace(ada.principal, **before).former_names == ["kim/a", "kay/ada", "kay/a"]
    assert structs.replace(kim.principal, **before).former_names == ["kay"]


@pytest.mark.parametrize(
    "command",
    [Post(to_actor="ben", body="b"), TaskCreate(title="t", owner="ben"), TaskAssign(task_id=1, owner="ben")],
)
def test_a_command_that_names_somebody_is_never_decided_without_whom_it_means(command: AnyCommand) -> None:
    project = Project()
    project.play([ada(TaskCreate(title="t"))])
    assert command.addressee_name == "ben"
    with pytest.raises(MissingAddressee):
        decide(
            project.state,
            command,
            Context(caller=ada.principal, seq=project.state.seq, now=project.now, at=project.now, recall=Recall()),
        )
