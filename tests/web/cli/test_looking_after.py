"""The commands that show what goes on in a database, and those that call a bus as a participant."""

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.postgres import Server, query
from tests.web.command_line import COMMAND_TIMEOUT_SECONDS, LLM_BUS, Running, llm_bus, serving, without_progress
from web.cli.call import _Bus
from web.cli.terminal import plain, printable, printable_json, table
from web.errors import BusUnreachable, ToolRefused

ADA = ("--owner", "ann@example.com", "--project", "shop", "--participant", "ada")


@pytest.fixture(scope="module")
def database(postgres: Server) -> Iterator[str]:
    conninfo = postgres.create_database()
    yield conninfo
    postgres.drop_database(conninfo)


@pytest.fixture(scope="module")
def server(database: str) -> Iterator[Running]:
    with serving("serve", "--database-url", database) as running:
        yield running


@pytest.fixture(scope="module")
def token(server: Running, database: str) -> str:
    """That of a lead who has claimed a number and posted a handoff, in the only project."""
    minted = llm_bus("token", "mint", *ADA, "--admin", "--json", "--database-url", database)
    token: str = json.loads(minted.stdout)["token"]
    calls = (
        ("claim", {"sequence": "adr"}),
        ("post", {"to_lane": "api", "body": "please look"}),
        ("create_invite", {"uses": 2}),
    )
    for tool, arguments in calls:
        done = llm_bus("call", tool, json.dumps(arguments), "--url", server.url, LLM_BUS_TOKEN=token)
        assert done.returncode == 0, done
    return token


def asked(database: str, *arguments: str) -> dict[str, Any]:
    """What a command answers to a machine."""
    done = llm_bus(*arguments, "--json", "--database-url", database)
    assert done.returncode == 0, done
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_status_shows_server_projects_who_is_active_and_what_is_overdue(
    server: Running, database: str, token: str
) -> None:
    port = server.url.rpartition(":")[2]
    found = asked(database, "status", "--hours", "0", "--port", port)
    assert found["server"]["ready"] is True
    assert {row["project"]: row["events"] for row in found["projects"]}["ann/shop"] >= 2  # also what other tests did
    assert {row["project"]: row["open_handoffs"] for row in found["projects"]}["ann/shop"] == 1
    assert [(row["sender"], row["to"]) for row in found["overdue"]] == [("ann/ada", "lane api")]
    told = llm_bus("status", "--database-url", database, "--port", "1")
    assert "nobody answers" in told.stdout
    assert "ann/shop" in told.stdout
    assert "overdue" not in told.stdout


def test_status_shows_the_lanes_of_those_who_called_within_the_project_s_liveness_window(
    server: Running, database: str
) -> None:
    def minted(name: str) -> str:
        dock = ("--owner", "ann@example.com", "--project", "dock", "--participant", name, "--lane", "quay")
        token: str = json.loads(llm_bus("token", "mint", *dock, "--json", "--database-url", database).stdout)["token"]
        return token

    registered = llm_bus("call", "register", '{"lane": "crane"}', "--url", server.url, LLM_BUS_TOKEN=minted("mia"))
    assert registered.returncode == 0, registered
    minted("noa")
    query(database, "update projects set liveness_window_seconds = 7200 where slug = 'dock'")
    query(
        database,
        """insert into liveness (project_id, participation_id, actor, at)
           select p.project_id, p.id, 'ann/' || a.label, now() - interval '1 hour'
             from participations p join participants a on a.id = p.participant_id
             join projects j on j.id = p.project_id and j.slug = 'dock'
           on conflict do nothing""",
    )
    active = [row for row in asked(database, "status")["active"] if row["project"] == "ann/dock"]
    assert {row["participant"]: row["lane"] for row in active} == {"mia": "crane", "noa": "quay"}


def test_adherence_is_counted_by_participant_and_week(server: Running, database: str, token: str) -> None:
    (row,) = asked(database, "adherence", "shop")["adherence"]
    assert (row["participant"], row["sessions"], row["sessions_unregistered"]) == ("ann/ada", 1, 1)
    told = llm_bus("adherence", "shop", "--database-url", database)
    assert told.stdout.splitlines()[-1].split()[1:] == ["ann/ada", *["-"] * 7, "1/1", "-", "-"]


def test_owners_projects_tokens_and_invites_are_listed(database: str, token: str) -> None:
    assert [row["email"] for row in asked(database, "owner", "list")["owners"]] == ["ann@example.com"]
    assert "ann/shop" in [row["project"] for row in asked(database, "project", "list")["projects"]]
    assert [(row["name"], row["tokens"]) for row in asked(database, "token", "list", "shop")["participants"]] == [
        ("ada", 1)
    ]
    assert [row["uses_max"] for row in asked(database, "invite", "list", "ann/shop")["invites"]] == [2]
    for listing in (("owner", "list"), ("token", "list", "shop"), ("invite", "list", "shop")):
        assert llm_bus(*listing, "--database-url", database).stdout.count("\n") == 2


def test_a_revoked_token_and_a_revoked_invite_work_no_more(server: Running, database: str, token: str) -> None:
    # A project of its own: the other tests know who is in theirs.
    ben = ("--owner", "ann@example.com", "--project", "bakery", "--participant", "ben", "--admin")
    minted = json.loads(llm_bus("token", "mint", *ben, "--json", "--database-url", database).stdout)["token"]
    invited = llm_bus("call", "create_invite", "{}", "--url", server.url, LLM_BUS_TOKEN=minted)
    assert invited.returncode == 0, invited
    (invite,) = asked(database, "invite", "list", "bakery")["invites"]
    assert asked(database, "invite", "revoke", "bakery", str(invite["id"])) == {"revoked": True}
    assert asked(database, "invite", "list", "bakery") == {"invites": []}
    assert asked(database, "token", "revoke", "bakery", "ben") == {"revoked": 1}
    refused = llm_bus("call", "whoami", "--url", server.url, LLM_BUS_TOKEN=minted)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "does not know this token" in refused.stderr


def test_an_archived_project_lets_nobody_in_until_it_is_opened_again(
    server: Running, database: str, token: str
) -> None:
    assert llm_bus("project", "archive", "shop", "--database-url", database).returncode == 0
    [row] = [row for row in asked(database, "project", "list")["projects"] if row["project"] == "ann/shop"]
    assert row["archived_at"] is not None
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    asking = urllib.request.Request(f"{server.url}/mcp", data=body, headers=headers)
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(asking, timeout=90)
    assert json.load(refused.value)["error"] == "archived"
    called = llm_bus("call", "whoami", "--url", server.url, LLM_BUS_TOKEN=token)
    assert (called.returncode, called.stdout) == (1, "")
    assert f"{server.url}/mcp says: this project is archived" in called.stderr
    assert asked(database, "project", "unarchive", "ann/shop") == {"project": "ann/shop", "archived": False}
    with urllib.request.urlopen(asking, timeout=90) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (("token", "mint", "--owner", "anm@example.com", "--project", "x", "--participant", "a"), "ann@example.com"),
        (("token", "mint", "--owner", "ann@example.com", "--project", "shpo", "--participant", "a"), "shop"),
        (("token", "mint", "--owner", "ann@example.com", "--project", "shop", "--participant", "adaa"), "ada"),
        (("owner", "add", "anm@example.com"), "ann@example.com"),
        (("token", "list", "shpo"), "shop"),
        (("watch", "ann/shp"), "ann/shop"),
    ],
)
def test_a_slip_creates_nothing_and_is_answered_with_the_likely_name(
    database: str, token: str, arguments: tuple[str, ...], near: str
) -> None:
    done = llm_bus(*arguments, "--database-url", database)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"Did you mean {near}?" in done.stderr


def test_create_says_that_a_name_like_another_is_new(postgres: Server) -> None:
    database = postgres.create_database()  # the other tests know what is in theirs
    assert llm_bus("token", "mint", *ADA, "--database-url", database).returncode == 0
    new = ("token", "mint", "--owner", "ann@example.com", "--project", "shop2x", "--participant", "a", "--create")
    assert llm_bus(*new, "--database-url", database).returncode == 0
    assert llm_bus("owner", "add", "anm@example.com", "--create", "--database-url", database).returncode == 0
    assert llm_bus("owner", "add", "bob@example.com", "--database-url", database).returncode == 0
    postgres.drop_database(database)


def test_commands_that_look_after_the_database_answer_json_too(database: str, tmp_path: Path, token: str) -> None:
    def told(*arguments: str | Path) -> Any:
        return json.loads(llm_bus(*arguments, "--json", "--database-url", database).stdout)

    assert told("migrate") == {"applied": []}
    assert told("repair") == {"gaps": [], "closed": {}}
    assert told("export", "ann/shop", tmp_path)["slug"] == "shop"


def test_a_call_answers_json_and_refuses_with_a_sentence(server: Running, token: str) -> None:
    def called(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        environment = {"LLM_BUS_TOKEN": token, "LLM_BUS_URL": server.url, "PATH": "/usr/bin:/bin"}
        command = [LLM_BUS, "call", *arguments]
        return subprocess.run(command, capture_output=True, check=False, text=True, input=given, env=environment)

    assert "whats_new" in called().stdout.split()
    assert json.loads(called("whoami", "--json").stdout)["actor"] == "ann/ada"
    assert "whoami" in json.loads(called("--json").stdout)["tools"]
    assert json.loads(called("claim", "-", given='{"sequence": "rfc"}').stdout)["number"] == 1
    assert called("claim").returncode == 1
    assert called("claim", "sequence").returncode == 2
    assert "LLM_BUS_TOKEN" in llm_bus("call", "whoami").stderr


def test_watching_shows_what_happened_and_what_happens(server: Running, database: str, token: str) -> None:
    command = [LLM_BUS, "watch", "shop", "--json", "--last", "1", "--database-url", database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        before = json.loads(watching.stdout.readline())
        llm_bus("call", "claim", '{"sequence": "seen"}', "--url", server.url, LLM_BUS_TOKEN=token)
        after = json.loads(watching.stdout.readline())
        watching.stdout.close()  # as `head` does; nothing more happens that could be written
        assert watching.wait(COMMAND_TIMEOUT_SECONDS) == 1
    assert after["seq"] == before["seq"] + 1
    assert after["data"]["sequence"] == "seen"


def test_watching_ends_with_the_project(server: Running, database: str, token: str) -> None:
    minted = ("token", "mint", "--owner", "ann@example.com", "--project", "brief", "--participant", "ada", "--json")
    brief = json.loads(llm_bus(*minted, "--database-url", database).stdout)["token"]
    llm_bus("call", "claim", '{"sequence": "adr"}', "--url", server.url, LLM_BUS_TOKEN=brief)
    command = [LLM_BUS, "watch", "brief", "--json", "--database-url", database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        watching.stdout.readline()
        query(database, "delete from projects where slug = 'brief'")
        assert without_progress(watching.communicate()[1]) == "llm-bus: ann/brief was deleted.\n"
    assert watching.returncode == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, text="[" * 100_000),
        httpx2.Response(200, json={"result": {"isError": True, "content": [5, {"text": 7}]}}),
        httpx2.Response(200, json={"result": {"tools": [5, {}]}}),
        httpx2.Response(308, headers={"Location": "https://bus.example.com/mcp"}),
    ],
)
def test_an_answer_that_makes_no_sense_is_a_sentence(answer: httpx2.Response) -> None:
    with httpx2.Client(transport=httpx2.MockTransport(lambda _: answer)) as http:
        bus = _Bus(http, "http://bus.example.com/mcp")
        with pytest.raises((BusUnreachable, ToolRefused)) as told:
            bus.call("whoami", {})
    if answer.is_redirect:
        assert "redirects to https://bus.example.com/mcp" in str(told.value)


def test_a_script_gets_the_token_alone(database: str) -> None:
    of_its_own = ("--owner", "ann@example.com", "--project", "scripts", "--participant", "cron")
    minted = llm_bus("token", "mint", *of_its_own, "--quiet", "--database-url", database)
    assert re.fullmatch(r"llmbus_\w{8}_[\w-]+\n", minted.stdout)
    assert minted.stderr == ""


def test_what_others_wrote_does_not_steer_the_terminal() -> None:
    assert printable("a\x1b[2J\x9b1m\u202eb\r\nc é 漢") == "a\\x1b[2J\\x9b1m\\u202eb\\r c é 漢"
    assert plain("a\x9b2J") == "a\\x9b2J"
    document = '{"body": "a\x9b2J\u202e\U000e0001é"}\n'
    assert printable_json(document) == '{"body": "a\\u009b2J\\u202e\\udb40\\udc01é"}\n'


def test_columns_line_up_where_characters_are_wide(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "lane"), [("漢字", "a"), ("ada", "b")], nothing="")
    assert capsys.readouterr().out == "name  lane\n漢字  a\nada   b\n"


@pytest.mark.parametrize("token", ["llmbus_é", "llmbus_a\nb"], ids=["letters", "lines"])
def test_what_cannot_be_a_token_is_refused_and_not_shown(token: str) -> None:
    done = llm_bus("call", "whoami", "--url", "http://127.0.0.1:9", LLM_BUS_TOKEN=token)
    expected = "llm-bus: what LLM_BUS_TOKEN holds is not a token: it has characters that no token has.\n"
    assert (done.returncode, done.stderr) == (2, expected)


def test_an_address_that_speaks_no_tls_is_told(server: Running, token: str) -> None:
    address = server.url.replace("http:", "https:")
    called = llm_bus("call", "whoami", "--url", address, LLM_BUS_TOKEN=token)
    assert called.returncode == 1
    assert f"no TLS at {address}/mcp" in called.stderr
    assert "WRONG_VERSION_NUMBER" in llm_bus("doctor", "--url", address).stdout


@pytest.mark.parametrize(
    "arguments",
    [
        *[("status",), ("owner", "list"), ("watch", "shop"), ("backup", "file"), ("token", "list", "shop")],
        *[("repair",), ("export", "shop", "there"), ("admin-link", "ann@example.com"), ("demo", "--remove")],
    ],
    ids=" ".join,
)
def test_looking_makes_no_database(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = llm_bus(*arguments, "--data-dir", tmp_path / "data")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'llm-bus up' makes one" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_commands(shell: str, tmp_path: Path) -> None:
    assert "_LLM_BUS_COMPLETE" in llm_bus("completion", shell).stdout
    completed = llm_bus(_LLM_BUS_COMPLETE="bash_complete", COMP_WORDS="llm-bus sta", COMP_CWORD="1")
    assert completed.stdout.split(",")[-1].strip() == "status"


def test_a_tool_that_is_not_there_is_named_with_one_that_is(server: Running, token: str) -> None:
    slip = llm_bus("call", "clam", "--url", server.url, LLM_BUS_TOKEN=token)
    assert (slip.returncode, slip.stderr) == (1, "llm-bus: there is no tool 'clam'. Did you mean claim?\n")
    strange = llm_bus("call", "xyzzyq", "--url", server.url, LLM_BUS_TOKEN=token)
    assert "'llm-bus call' lists them." in strange.stderr


def test_a_call_that_nobody_answers_says_where_and_what_to_do(tmp_path: Path) -> None:
    done = llm_bus("call", "whoami", "--url", "http://127.0.0.1:9", LLM_BUS_TOKEN="llmbus_x")
    assert done.returncode == 1
    assert "nobody answers at http://127.0.0.1:9/mcp. Start a server" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("status", "--hours", "nan"),
        ("status", "--hours", "1e12"),
        ("prune", "shop", "somewhere", "--days", "nan"),
        ("prune", "shop", "somewhere", "--days", "1e9"),
        ("adherence", "shop", "--hours", "1e12"),
        ("watch", "shop", "--last", "many"),
    ],
    ids=" ".join,
)
def test_a_number_that_makes_no_sense_is_called_wrongly(arguments: tuple[str, ...]) -> None:
    done = llm_bus(*arguments, DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert done.returncode == 2, done
    assert f"Invalid value for '{arguments[-2]}'" in done.stderr


def test_every_command_names_a_project_that_is_meant(database: str, token: str, tmp_path: Path) -> None:
    for command in (("export", "shopp", tmp_path), ("prune", "shopp", tmp_path), ("token", "list", "shopp")):
        done = llm_bus(*command, "--database-url", database)
        assert (done.returncode, "Did you mean shop?" in done.stderr) == (2, True), done
