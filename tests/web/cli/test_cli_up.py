"""`up` and `serve` as processes, on an embedded PostgreSQL in a directory where nothing was before."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from store.embedded.cluster import has_cluster
from tests.postgres import Server, query
from tests.web.command_line import Running, llm_bus, serving
from web.cli import port, servers
from web.cli.database import open_database
from web.cli.first_run import project_of
from web.config import read_settings


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "new" / "data"


@pytest.fixture(scope="module")
def first_run(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`up` with nothing prepared, in a directory named as a project might be."""
    directory = tmp_path_factory.mktemp("Corner Shop")
    with serving("up", "--data-dir", data_dir, cwd=directory) as server:
        yield server
        server.stop()  # a killed server would leave its PostgreSQL behind


def call(url: str, token: str, tool: str, **arguments: object) -> dict[str, object]:
    """Call a tool as a client that knows no SDK."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    request = urllib.request.Request(
        f"{url}/mcp",
        data=json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            "MCP-Protocol-Version": "2025-06-18",
        },
    )
    with urllib.request.urlopen(request, timeout=90) as response:
        result: dict[str, object] = json.load(response)["result"]["structuredContent"]
        return result


def test_the_first_run_prints_a_token_that_works(first_run: Running) -> None:
    (command,) = re.findall(r"claude mcp add .*", first_run.printed)
    assert f"{first_run.url}/mcp" in command
    token = re.search(r"llmbus_[\w-]+", command)
    assert token is not None
    me = call(first_run.url, token[0], "whoami")
    assert me["actor"] == "owner/agent-1"
    assert me["is_admin"] is True
    assert re.fullmatch(r"corner-shop-?\d*", str(me["project"]))


def test_what_other_terminals_need_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "PUBLIC_URL", "LLM_BUS_DATA_DIR", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", [".venv/bin/llm-bus", "up"])

    def hints(**flags: str) -> list[str]:
        return list(servers._hints_for_other_terminals(read_settings(**flags)))

    assert hints(port="9000") == [
        "llm-bus is not on your PATH: type .venv/bin/llm-bus in its place.",
        "In another terminal, type this first: export PORT=9000",
    ]
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert hints() == hints(host="0.0.0.0") == hints(host="::") == []
    for host in ("192.0.2.7", "::1"):
        assert hints(host=host) == [f"In another terminal, type this first: export HOST={host}"]
    assert hints(host="bus.lan", port="9000", public_url="https://bus.example.com") == [
        "In another terminal, type this first: export HOST=bus.lan PORT=9000 PUBLIC_URL=https://bus.example.com"
    ]
    assert hints(port="9000", data_dir="/srv/a bus") == [
        "In another terminal, type this first: export PORT=9000 LLM_BUS_DATA_DIR='/srv/a bus'"
    ]
    assert hints(database_url="postgresql://bus:secret@db/bus") == [
        "In another terminal, set DATABASE_URL to this server's database first."
    ]


def open_link(printed: str) -> str:
    """Where the printed link leads whoever opens it and continues."""
    (link,) = re.findall(r"http://\S+/admin/link\?token=\S+", printed)
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(link, timeout=90) as page:
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.read().decode())
    form = urllib.parse.urlencode(fields).encode()
    with opener.open(link.partition("?")[0], data=form, timeout=90) as response:
        address: str = response.url
        return address


def test_every_start_prints_a_link_that_signs_the_first_owner_in(first_run: Running, data_dir: Path) -> None:
    """For the first time to the page that confirms the handle."""
    assert open_link(first_run.printed) == f"{first_run.url}/admin/account?next=/admin/"
    with serving("up", "--data-dir", data_dir) as second:
        assert open_link(second.printed).startswith(f"{second.url}/admin/account")
        assert second.stop() == 0


def test_where_owners_sign_in_otherwise_no_link_is_printed(postgres: Server) -> None:
    database = postgres.create_database()
    with serving("up", "--admin-auth", "header", "--database-url", database) as server:
        assert f"{server.url}/admin/\n" in server.printed
        assert "token=" not in server.printed
        assert server.stop() == 0
    postgres.drop_database(database)


def test_the_link_is_for_the_operator_who_is_there_longest(postgres: Server) -> None:
    database = postgres.create_database()
    for email, flags in (
        ("ann@example.com", []),
        ("bob@example.com", ["--operator"]),
        ("cy@example.com", ["--operator"]),
    ):
        assert llm_bus("owner", "add", email, *flags, "--database-url", database).returncode == 0
    with serving("up", "--database-url", database) as server:
        assert "/admin/link?token=" in server.printed
        assert server.stop() == 0
    linked = "select o.email from sign_in_links l join owners o on o.id = l.owner_id"
    assert query(database, linked) == [("bob@example.com",)]
    postgres.drop_database(database)


def test_commands_join_the_running_database_and_leave_it_running(first_run: Running, data_dir: Path) -> None:
    mint = ("token", "mint", "--owner", "owner@localhost", "--project", "side", "--participant", "agent-2", "--json")
    for _ in range(2):
        minted = llm_bus(*mint, "--data-dir", data_dir)
        token = json.loads(minted.stdout)["token"]
        assert call(first_run.url, token, "claim", sequence="adr")["sequence"] == "adr"
    assert llm_bus("migrate", "--data-dir", data_dir).returncode == 0
    assert call(first_run.url, token, "whoami")["project"] == "side"


async def test_what_is_said_while_joining_is_true_of_a_database_that_runs(
    first_run: Running, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def working(doing: str) -> nullcontext[None]:
        said.append(doing)
        return nullcontext()

    monkeypatch.setattr("web.cli.database.working", working)
    async with open_database(read_settings(data_dir=data_dir)):
        assert said == [f"Opening the database in {data_dir}"]


def test_a_second_up_on_the_same_data_serves_too_and_mints_nothing(first_run: Running, data_dir: Path) -> None:
    with serving("up", "--data-dir", data_dir) as second:
        assert "llmbus_" not in second.printed
        assert second.url != first_run.url
        assert second.stop() == 0


def test_where_a_server_answers_already_up_prints_a_link_into_it(first_run: Running, data_dir: Path) -> None:
    taken = first_run.url.rpartition(":")[2]
    again = llm_bus("up", "--data-dir", data_dir, "--port", taken)
    assert again.returncode == 0
    assert f"already running at {first_run.url}" in again.stderr
    assert open_link(again.stdout).startswith(f"{first_run.url}/admin/account")


def test_where_a_server_runs_already_up_says_which_options_have_no_effect(first_run: Running, data_dir: Path) -> None:
    taken = first_run.url.rpartition(":")[2]
    here = ("up", "--data-dir", data_dir, "--port", taken)
    again = llm_bus(*here, "--project", "other", "--log-format", "json", "--email", "new@example.com")
    assert again.returncode == 0
    assert "was started before: --log-format, --project." in again.stderr
    assert "There is no owner new@example.com" in again.stderr
    assert "llm-bus owner add new@example.com" in again.stderr
    assert "Without effect" not in llm_bus(*here).stderr


def test_a_server_with_other_data_is_not_taken_for_ours(first_run: Running, tmp_path: Path, postgres: Server) -> None:
    taken = first_run.url.rpartition(":")[2]
    database, empty = postgres.create_database(), postgres.create_database()
    assert llm_bus("owner", "add", "a@example.com", "--operator", "--database-url", database).returncode == 0
    for data in (("--data-dir", tmp_path), ("--database-url", database), ("--database-url", empty)):
        other = llm_bus("up", *data, "--port", taken)
        assert (other.returncode, other.stdout) == (1, "")
        assert "with other data" in other.stderr
    assert not has_cluster(tmp_path)
    postgres.drop_database(database)
    postgres.drop_database(empty)


def test_make_up_looks_at_the_port_before_it_installs_anything(first_run: Running) -> None:
    script = [sys.executable, str(Path(port.__file__))]
    ours = subprocess.run(script, check=False, env={"PORT": first_run.url.rpartition(":")[2]})
    assert ours.returncode == 0
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        theirs = subprocess.run(
            script, capture_output=True, check=False, env={"PORT": str(somebody.getsockname()[1])}, text=True
        )
    assert theirs.returncode == 1
    assert "is taken" in theirs.stderr


def test_an_address_of_another_machine_is_not_said_to_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: socket.socket())  # somebody answers there
    assert port.what_listens("192.0.2.1", 8787) == "nothing"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_the_server_stops_its_database_and_exits_0(tmp_path: Path, number: int) -> None:
    with serving("up", "--data-dir", tmp_path) as server:
        assert (tmp_path / "postgres" / "postmaster.pid").exists()
        assert server.stop(number) == 0
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()
    assert has_cluster(tmp_path)


def test_serve_prepares_nothing_but_the_schema(postgres: Server) -> None:
    database = postgres.create_database()
    with serving("serve", "--database-url", database) as server:
        assert server.printed == f"listening on {server.url}\n"
        assert query(database, "select count(*) from owners") == [(0,)]
        again = llm_bus("up", "--database-url", database, "--port", server.url.rpartition(":")[2])
        assert (again.returncode, "'llm-bus admin-link EMAIL'" in again.stderr) == (0, True)
        assert server.stop() == 0
    postgres.drop_database(database)


def test_up_with_a_database_that_is_in_use_creates_nobody(postgres: Server) -> None:
    database = postgres.create_database()
    assert llm_bus("owner", "add", "ann@example.com", "--database-url", database).returncode == 0
    with serving("up", "--database-url", database) as server:
        assert "llmbus_" not in server.printed
        assert query(database, "select email from owners") == [("ann@example.com",)]
        assert server.stop() == 0
    postgres.drop_database(database)


def test_up_after_a_demo_is_still_the_first_run(postgres: Server) -> None:
    database = postgres.create_database()
    assert llm_bus("demo", "--pace", "0", "--port", "1", "--database-url", database).returncode == 0
    with serving("up", "--database-url", database, "--email", "ann@example.com", "--project", "shop") as server:
        assert "llmbus_" in server.printed
        assert server.stop() == 0
    owners = query(database, "select handle, is_operator from owners order by handle")
    assert owners == [("ann", True), ("demo", False)]
    postgres.drop_database(database)


@pytest.mark.parametrize(
    ("name", "slug"),
    [("shop", "shop"), ("Corner Shop (2)", "corner-shop-2"), ("日本", "main"), ("", "main"), ("x" * 80, "x" * 64)],
)
def test_a_directory_suggests_a_project(name: str, slug: str) -> None:
    assert project_of(Path("/srv") / name if name else Path("/")) == slug


def test_a_later_run_names_no_owner_and_no_project_that_may_be_others(capsys: pytest.CaptureFixture[str]) -> None:
    servers._greet_again()
    said = capsys.readouterr().err
    assert all(command in said for command in ("token mint --help", "owner list", "project list"))
    assert "--owner" not in said
