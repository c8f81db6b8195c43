"""What the command line says to people and to machines, and how it fails."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from tests.postgres import Server, query
from tests.web.command_line import LLM_BUS, Finished, llm_bus, without_progress
from web.cli import entry as cli
from web.cli.first_run import project_here

Command = Callable[..., Finished]

MINT = ("token", "mint", "--owner", "Ann.Lee@example.com", "--project", "shop", "--participant", "agent-1")


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    conninfo = postgres.create_database()
    yield conninfo
    postgres.drop_database(conninfo)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line without a process around it: for what ends before anything is served."""
    for name in ("DATABASE_URL", "LLM_BUS_DATA_DIR", "LLM_BUS_TOKEN", "PUBLIC_URL", "HOST", "PORT", "ADMIN_AUTH"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | Path) -> Finished:
        code = cli.run([*map(str, arguments)])
        said = capsys.readouterr()
        return Finished(arguments, code, said.out, without_progress(said.err))

    return run


def fails(done: Finished, code: int, *words: str) -> None:
    """One sentence on standard error, nothing else anywhere."""
    assert done.returncode == code, done
    assert done.stdout == ""
    assert done.stderr.startswith("llm-bus: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr.rstrip()[-1] in ".?!"
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("name", ["up", "serve", "migrate", "owner add", "token mint", "admin-link", "doctor", "demo"])
def test_every_command_helps_and_takes_both_data_options(command: Command, name: str) -> None:
    done = command(*name.split(), "--help")
    assert done.returncode == 0
    assert "--database-url" in done.stdout
    assert "--data-dir" in done.stdout
    assert "\x1b" not in done.stdout


def commands_below(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Every command that is no group of others, by the words that call it."""
    for name in group.list_commands(click.Context(group)):
        below = group.get_command(click.Context(group), name)
        if isinstance(below, click.Group):
            yield from commands_below(below, *path, name)
        else:
            yield *path, name


COMMANDS = list(commands_below(cli.cli))
NO_JSON = {("up",), ("serve",), ("stdio",), ("demo",), ("completion",)}
"""They print an address, speak a protocol, tell a story, or print a script."""


def test_every_commands_help_has_an_example_and_a_form_for_machines(command: Command) -> None:
    helps = {path: command(*path, "--help").stdout.partition("\n")[2] for path in COMMANDS}
    assert [path for path, text in helps.items() if f"llm-bus {' '.join(path)}" not in text] == []
    assert {path for path, text in helps.items() if "--json" not in text} == NO_JSON


def test_help_lists_the_commands_with_examples(command: Command) -> None:
    done = command("--help")
    assert done.returncode == 0
    assert all(
        name in done.stdout for name in ("up", "serve", "migrate", "owner", "token", "admin-link", "doctor", "demo")
    )
    assert "llm-bus up" in done.stdout
    _, _, below_usage = done.stdout.partition("\n")
    assert "..." not in below_usage, "a line is cut off"


def test_the_list_of_commands_has_the_first_sentence_of_each_ones_help() -> None:
    context = click.Context(cli.cli)
    own = {name: cli.cli.get_command(context, name) for name in cli.cli.list_commands(context)}
    listed = {each.value: each.help for each in cli.cli.shell_complete(context, "")}
    assert listed == {name: command and command.get_short_help_str(limit=200) for name, command in own.items()}


@pytest.mark.parametrize("arguments", [("--help",), ("call", "--help"), ("connect", "--help")], ids=" ".join)
def test_what_a_command_does_not_need_is_not_loaded(arguments: tuple[str, ...]) -> None:
    script = "import sys; from web.cli import entry; entry.run(sys.argv[1:]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, check=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "web.cli.entry" in loaded
    assert not loaded & {"mcp", "quart", "web.server", "psycopg", "trio"}


def test_a_command_that_is_not_there_is_named_with_one_that_is(command: Command) -> None:
    fails(command("statsu"), 2, "Did you mean 'status'?")
    fails(command("token", "mnt"), 2, "Did you mean 'mint'?")


@pytest.mark.parametrize("name", ["whoami", "task-start"])
def test_a_tool_that_is_given_as_a_command_is_told_how_to_call(command: Command, name: str) -> None:
    fails(command(name), 2, f"llm-bus call {name.replace('-', '_')}.")


def test_what_a_terminal_cannot_show_is_spelled_out(database: str) -> None:
    done = llm_bus("doctor", "--database-url", database, "--port", "1", PYTHONIOENCODING="ascii")
    assert "\\u2192 Start it: llm-bus up" in done.stdout


def test_version_names_the_program() -> None:
    done = llm_bus("--version")
    assert done.stdout.startswith("llm-bus ")


def test_called_bare_shows_the_help_and_counts_as_usage(command: Command) -> None:
    done = command()
    assert done.returncode == 2
    assert "Run a server:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], ["nope", "--help"]),
        (["up", "--wat"], ["--wat", "llm-bus up --help"]),
        (["owner", "add"], ["EMAIL"]),
        ([*MINT, "--kind", "robot"], ["robot", "agent", "human"]),
        (["serve", "--port", "http"], ["PORT", "http"]),
        (["serve", "--port", "70000"], ["PORT", "70000"]),
        (["serve", "--public-url", "bus.example.com"], ["PUBLIC_URL"]),
        (["kit", "install", "nowhere"], ["'DIR'", "'nowhere'"]),
        (["invite", "revoke", "shop", "x"], ["'x' must be a whole number from 1 to"]),
        (["demo", "--url", "http://127.0.0.1:1"], ["LLM_BUS_TOKEN"]),
        (["demo", "--remove", "--url", "http://127.0.0.1:1"], ["--remove"]),
        (["migrate", "--data-dir", __file__], ["is a file"]),
        (["watch", "shop", "--last", "-1"], ["'-1' must be a whole number from 0 to 1000."]),
        (["prune", "shop", "ledgers", "--days", "0"], ["'0' must be a number from 1 to 36500."]),
        (["prune", "shop", "ledgers", "--days", "nan"], ["'nan' must be a number from 1"]),
        (["completion", "powershell"], ["'SHELL'", "bash"]),
        (["import-legacy", "--from", "old"], ["neither a postgresql:// URL"]),
        (["status", "extra"], ["(extra). Try 'llm-bus status --help'."]),
        (["serve", "--database-url", "mysql://db/bus"], ["DATABASE_URL is neither"]),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_2(command: Command, arguments: list[str], words: list[str]) -> None:
    fails(command(*arguments), 2, *words)


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor", "--url"],
        ["demo", "--url"],
        ["call", "whoami", "--url"],
        ["stdio", "--url"],
        ["connect", "--client", "codex", "--url"],
        ["kit", "install", "--server"],
        ["join"],
    ],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.parametrize(
    "address",
    ["", "bus.example.com", "http://", "http://a b", "http://[::1", "http://x:99999", "https://a:b@x", "http://x?y"],
)
def test_what_is_no_address_is_refused_alike_by_every_command(
    command: Command, arguments: list[str], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_BUS_TOKEN", "token")
    code = ["CODE"] if arguments == ["join"] else []
    reason = "credentials" if "@" in address else "it must look like https://bus.example.com."
    fails(command(*arguments, address, *code), 2, "URL" if code else arguments[-1], reason)


@pytest.mark.parametrize(
    "arguments", [("doctor", "--database-url", "\udcff"), ("call", "whoami", "\udcff"), ("call", "\udcff")]
)
def test_bytes_that_are_not_utf_8_are_wrong_usage(
    command: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("LLM_BUS_TOKEN", "llmbus_made-up")
    fails(command(*arguments), 2, "an argument or a variable of the environment is not UTF-8")


def test_a_mistake_of_ours_in_text_shows_itself(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_BUS_TOKEN", "llmbus_made-up")
    with pytest.raises(UnicodeEncodeError):
        command("call", "whoami", "\ud800")  # no byte is read so


def test_an_owner_whose_email_is_not_utf_8_is_wrong_usage(command: Command, database: str) -> None:
    mint = [word if "@" not in word else "\udcff" for word in MINT]
    fails(command(*mint, "--database-url", database), 2, "is not UTF-8")


def test_an_audit_that_cannot_tell_ends_otherwise_than_one_that_finds_something(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fails(command("kit", "audit"), 2, "not a git repository")


@pytest.mark.parametrize("group", ["kit", "owner", "project", "token", "invite"])
def test_the_list_of_a_groups_commands_has_whole_sentences(command: Command, group: str) -> None:
    assert "..." not in command(group, "--help").stdout.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["owner", "add", "nobody"], ["nobody", "email"]),
        ([*MINT[:4], "--project", "Big Shop", "--participant", "a"], ["Big Shop"]),
        ([*MINT[:6], "--participant", "a/b"], ["name"]),
    ],
)
def test_a_name_that_cannot_be_one_is_wrong_usage(
    command: Command, database: str, arguments: list[str], words: list[str]
) -> None:
    fails(command(*arguments, "--database-url", database), 2, *words)


@pytest.mark.parametrize("command", [["migrate"], ["serve"], ["owner", "add", "a@example.com"], MINT])
def test_an_unreachable_database_is_one_sentence_without_the_password(command: list[str]) -> None:
    done = llm_bus(*command, DATABASE_URL="postgresql://bus:hunter2@127.0.0.1:1/bus")
    fails(done, 1, "127.0.0.1")
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    "url", ["postgresql://bus:hunter2@db/bus", "host=db password=hunter2", "postgresql://db/bus?password=hunter2"]
)
@pytest.mark.parametrize(
    ("option", "variable"), [("--database-url", "DATABASE_URL"), ("--from", "LEGACY_DATABASE_URL")]
)
def test_a_password_is_no_argument(command: Command, option: str, variable: str, url: str) -> None:
    done = command("import-legacy", option, url)
    fails(done, 2, "password", variable)
    assert "hunter2" not in done.stderr


def test_a_secret_can_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://bus:hunter2@127.0.0.1:1/bus\n")
    fails(llm_bus("migrate", DATABASE_URL_FILE=str(tmp_path / "url")), 1, "127.0.0.1")
    fails(llm_bus("migrate", DATABASE_URL_FILE=str(tmp_path / "none")), 2, "DATABASE_URL_FILE", "No such file")


def test_the_old_database_is_asked_for_only_where_somebody_can_answer() -> None:
    fails(llm_bus("import-legacy"), 2, "LEGACY_DATABASE_URL")


def test_a_data_directory_that_cannot_be_made_is_one_sentence(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fails(command("migrate", "--data-dir", tmp_path / "file" / "below"), 1, str(tmp_path))


def test_a_newer_database_is_refused_and_left_alone(command: Command, database: str) -> None:
    query(database, "insert into schema_migrations (number, name) values (9999, '9999_future')")
    fails(command("migrate", "--database-url", database), 1, "9999_future", "newer")
    fails(llm_bus("serve", "--port", "0", "--database-url", database), 1, "newer")


def test_a_port_that_is_taken_is_one_sentence_and_mints_nothing(database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fails(llm_bus("up", "--port", str(port), "--database-url", database), 1, str(port), "taken")
    assert query(database, "select count(*) from tokens") == [(0,)]


def test_the_environment_configures_and_flags_go_before_it(database: str) -> None:
    unreachable = "postgresql://127.0.0.1:1/bus"
    assert llm_bus("migrate", DATABASE_URL=database).returncode == 0
    assert llm_bus("migrate", "--database-url", database, DATABASE_URL=unreachable).returncode == 0
    fails(llm_bus("migrate", DATABASE_URL=unreachable), 1)


def test_migrate_says_that_there_is_nothing_to_do(command: Command, database: str) -> None:
    done = command("migrate", "--database-url", database)
    assert (done.returncode, done.stdout) == (0, "The schema is this version's; nothing to do.\n")


def test_an_owner_is_added_once_and_can_be_made_an_operator(command: Command, database: str) -> None:
    added = command("owner", "add", "Ann.Lee@example.com", "--database-url", database)
    promoted = command("owner", "add", "ann.lee@EXAMPLE.com", "--operator", "--database-url", database)
    assert added.stdout == "Added owner Ann.Lee@example.com, handle ann-lee.\n"
    assert promoted.stdout == "Found operator Ann.Lee@example.com, handle ann-lee.\n"


def test_mint_answers_machines_with_one_object(database: str) -> None:
    done = llm_bus(*MINT, "--json", "--database-url", database, PUBLIC_URL="https://bus.example.com/")
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert answer["owner"] == "Ann.Lee@example.com"
    assert answer["handle"] == "ann-lee"
    assert (answer["project"], answer["participant"]) == ("shop", "agent-1")
    assert answer["token"].startswith("llmbus_")
    assert answer["mcp_url"] == "https://bus.example.com/mcp"
    assert answer["connect_command"] == (
        "claude mcp add --transport http llm-bus https://bus.example.com/mcp "
        f'--header "Authorization: Bearer {answer["token"]}"'
    )


def test_mint_tells_what_it_creates_besides_the_token(command: Command, database: str) -> None:
    def created(project: str) -> list[str]:
        told = command(*MINT[:5], project, *MINT[6:], "--database-url", database).stderr
        return [row for row in told.splitlines() if row.startswith("Created")]

    assert created("shop") == ["Created owner Ann.Lee@example.com and project shop."]
    assert created("shop") == []
    assert created("cellar") == ["Created project cellar."]


def test_mint_prints_the_connect_command_once(database: str) -> None:
    done = llm_bus(*MINT, "--database-url", database)
    assert done.stdout.count("claude mcp add --transport http llm-bus http://127.0.0.1:8787/mcp") == 1


def test_a_token_that_does_not_work_yet_is_printed_with_what_is_in_its_way(command: Command, database: str) -> None:
    command(*MINT, "--database-url", database)
    query(database, "update projects set archived_at = now()")
    query(database, "update owners set suspended_at = now()")
    told = command(*MINT, "--database-url", database).stderr
    assert "is archived: the token works once 'llm-bus project unarchive" in told
    assert "is suspended: the token works once" in told


def test_where_the_current_directory_was_removed_the_first_project_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    assert project_here() == "gone"
    gone.rmdir()
    assert project_here() == "main"


def test_minting_again_gives_a_further_token_and_keeps_the_rights(command: Command, database: str) -> None:
    first = json.loads(command(*MINT, "--admin", "--json", "--database-url", database).stdout)
    second = json.loads(command(*MINT, "--json", "--database-url", database).stdout)
    assert first["token"] != second["token"]
    assert second["is_admin"]


def test_an_admin_link_is_printed_for_people_and_for_machines(command: Command, database: str) -> None:
    command("owner", "add", "Ann.Lee@example.com", "--database-url", database)
    for_people = command("admin-link", "ann.lee@EXAMPLE.com", "--database-url", database, "--port", "9000")
    assert for_people.returncode == 0
    assert (
        len(re.findall(r"^http://127\.0\.0\.1:9000/admin/link\?token=[\w-]{43}$", for_people.stdout, re.MULTILINE)) == 1
    )
    assert "Ann.Lee@example.com" in for_people.stdout
    base = "https://bus.example.com"
    done = command("admin-link", "ann.lee@example.com", "--json", "--public-url", base, "--database-url", database)
    answer = json.loads(done.stdout)
    assert (answer["owner"], answer["handle"]) == ("Ann.Lee@example.com", "ann-lee")
    assert answer["link"].startswith(f"{base}/admin/link?token=")
    assert query(database, "select count(*) from sign_in_links") == [(2,)]


def test_an_admin_link_that_could_not_work_is_one_sentence(
    command: Command, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = ("admin-link", "ann@example.com", "--database-url", database)
    fails(command(*link), 2, "no owner ann@example.com", "llm-bus owner list")
    command("owner", "add", "ann@example.com", "--database-url", database)
    for typo in ("ann@exmaple.com", "ann"):
        fails(command("admin-link", typo, *link[2:]), 2, f"no owner {typo}. Did you mean ann@example.com?")
    query(database, "update owners set suspended_at = now()")
    fails(command(*link), 1, "suspended")
    monkeypatch.setenv("ADMIN_AUTH", "header")
    fails(command(*link), 1, "ADMIN_AUTH", "header")
    assert query(database, "select count(*) from sign_in_links") == [(0,)]


def test_how_owners_sign_in_can_be_told_by_flags_but_no_secret(command: Command) -> None:
    for name in ("up", "serve"):
        text = command(name, "--help").stdout
        assert all(word in text for word in ("--admin-auth", "--trusted-proxies", "--signup", "--oidc-discovery-url"))
        assert "secret" not in re.findall(r"^  (--\S+)", text, re.MULTILINE)
    fails(command("serve", "--admin-auth", "oauth"), 2, "ADMIN_AUTH", "provider")
    fails(command("serve", "--signup", "maybe"), 2, "SIGNUP")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device is full here")
def test_output_for_which_there_is_no_room_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([LLM_BUS, "--help"], stdout=full, stderr=subprocess.PIPE, check=False, text=True)
    assert (done.returncode, done.stderr) == (1, "llm-bus: No space left on device.\n")


def test_colours_only_on_a_terminal(database: str) -> None:
    done = llm_bus("doctor", "--database-url", database, "--port", "1")
    assert "\x1b" not in done.stdout + done.stderr


def test_a_bug_is_not_dressed_up_as_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ExceptionGroup("tasks", [OSError("disk"), ZeroDivisionError("bug")])

    monkeypatch.setattr(cli.cli, "main", broken)
    with pytest.raises(ExceptionGroup):
        cli.run([])
