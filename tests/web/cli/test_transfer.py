"""`llm-bus export` and `import`, as their users call them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from psycopg.conninfo import make_conninfo

from store import open_store
from store.people import minting
from tests.postgres import Server, query
from tests.store.histories import AWKWARD
from tests.web.bus import running_bus
from tests.web.cli.test_cli import Command, command, database, fails
from tests.web.command_line import llm_bus

__all__ = ["command", "database"]


@pytest.fixture
def another(postgres: Server) -> Iterator[str]:
    """A database without a table, to import into."""
    postgres.run("create database another")
    yield make_conninfo(postgres.conninfo, dbname="another")
    postgres.run("drop database another with (force)")


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


async def work(conninfo: str) -> None:
    """Something of everything, through the tools."""
    async with open_store(conninfo) as store, running_bus(store, conninfo) as bus:
        lead, mate = await bus.mint("lead"), await bus.mint("mate", is_admin=False)
        await bus.call(mate, "register", lane="qa", status="here")
        for text in AWKWARD:
            await bus.call(lead, "claim", sequence="adr", note=text, key=f"key {AWKWARD.index(text)}")
            await bus.call(lead, "post", to_lane="qa", subject=text.replace("\n", " "), body=text)
            await bus.call(lead, "task_create", title=text, owner="mate")
        await bus.call(mate, "ack", post_id=3)
        await bus.call(mate, "lease", surface="src/**", ttl_seconds=86_400)
        await bus.call(mate, "task_start", task_id=1)


async def test_a_project_leaves_and_comes_back_and_its_work_goes_on(
    database: str, another: str, tmp_path: Path
) -> None:
    await work(database)
    done = llm_bus("export", "demo", tmp_path / "one", "--database-url", database)
    assert done.returncode == 0, done
    assert done.stdout == f"Exported ada/demo to {tmp_path / 'one'}: 25 events, 25 new.\n"
    again = llm_bus("export", "ada/demo", tmp_path / "one", "--database-url", database)
    assert "25 events, 0 new" in again.stdout
    back = llm_bus("import", tmp_path / "one", "--owner", "ada@new.example", "--database-url", another)
    assert back.stdout == "Imported ada/demo for ada@new.example: 25 events, 2 participants.\n"
    assert "token mint --owner ada@new.example --project demo" in back.stderr
    assert llm_bus("export", "demo", tmp_path / "two", DATABASE_URL=another).returncode == 0
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    async with open_store(another) as store, running_bus(store, another) as bus:
        token = (await store.write(minting.mint, "ada@new.example", "demo", "mate")).provisioned.token
        assert (await bus.call(token, "claim", sequence="adr"))["number"] == len(AWKWARD) + 1
        unread = await bus.call(token, "read_posts", to_me=True, unacked_only=True)
        assert len(unread["posts"]) == len(AWKWARD) - 1
        assert (await bus.call(token, "release", surface="src/**"))["released"] == 1
        assert (await bus.call(token, "task_ship", task_id=1))["status"] == "done"
        assert await bus.ledger_length(token) == 28


async def test_old_events_move_into_files_while_a_server_works(database: str, tmp_path: Path) -> None:
    await work(database)
    query(database, "update events set at = at - interval '100 days'")
    query(database, "delete from snapshots")  # they would be of a ledger with other times
    async with open_store(database) as store, running_bus(store, database) as bus:
        token = await bus.mint("mate")
        assert (await bus.call(token, "claim", sequence="adr"))["number"] == len(AWKWARD) + 1
        moved = await trio.to_thread.run_sync(
            lambda: llm_bus("prune", "demo", tmp_path, "--json", "--database-url", database)
        )
        told = json.loads(moved.stdout)
        assert (told["upto"], told["moved"] + told["kept"]) == (25, 25)
        assert told["moved"] > len(AWKWARD)
        assert (await bus.call(token, "claim", sequence="adr"))["number"] == len(AWKWARD) + 2
    query(database, "delete from snapshots")
    async with open_store(database) as store, running_bus(store, database) as bus:
        assert (await bus.call(token, "claim", sequence="adr"))["number"] == len(AWKWARD) + 3
        assert len((await bus.call(token, "list_tasks"))["tasks"]) == len(AWKWARD)
        unread = await bus.call(token, "read_posts", to_me=True, unacked_only=True)
        assert len(unread["posts"]) == len(AWKWARD) - 1
    again = llm_bus("prune", "demo", tmp_path, "--database-url", database)
    assert again.stdout == "Nothing of ada/demo is older than 90 days and not in files already.\n"
    back = llm_bus("unprune", "demo", tmp_path, "--database-url", database)
    assert back.stdout == f"Brought {told['moved']} events back into demo.\n"


@pytest.mark.parametrize("name", ["export", "import", "import-legacy", "prune", "unprune"])
def test_help_shows_an_example_and_both_data_options(command: Command, name: str) -> None:
    done = command(name, "--help")
    assert done.returncode == 0
    assert f"llm-bus {name} " in done.stdout
    assert "--database-url" in done.stdout
    assert "--data-dir" in done.stdout


def test_what_cannot_be_exported_or_imported_is_one_sentence(command: Command, database: str, tmp_path: Path) -> None:
    fails(command("export", "nope", tmp_path, "--database-url", database), 2, "no project 'nope'")
    fails(command("import", tmp_path / "none", "--database-url", database), 2, "does not exist")
    fails(command("import", tmp_path, "--database-url", database), 1, "project.json")
    fails(command("import-legacy", "--database-url", database), 2, "--from")
    fails(command("import-legacy", "--from", database, "--database-url", database), 1, "TypeScript")
    unreachable = "postgresql://bus@127.0.0.1:1/bus"
    failed = command("import-legacy", "--from", unreachable, "--database-url", database)
    fails(failed, 1, "127.0.0.1")


def test_what_cannot_be_put_back_leaves_no_database_behind(tmp_path: Path) -> None:
    """Otherwise the next 'llm-bus up' would find an empty one, and begin anew in it."""
    (tmp_path / "broken.dump").write_bytes(b"PGDMP and no more")
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "project.json").write_text("{}")
    data = ("--data-dir", tmp_path / "data")
    done = llm_bus("restore", tmp_path / "broken.dump", *data)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no complete backup, so nothing of it is used; take another one." in done.stderr
    done = llm_bus("import", tmp_path / "export", *data)
    assert (done.returncode, done.stdout) == (1, "")
    assert "project.json" in done.stderr
    assert not list((tmp_path / "data").glob("postgres*"))


def test_an_import_into_a_database_in_use_is_refused(command: Command, database: str, tmp_path: Path) -> None:
    mint = ("token", "mint", "--owner", "a@example.com", "--project", "shop", "--participant", "a")
    assert command(*mint, "--database-url", database).returncode == 0
    assert command("export", "shop", tmp_path, "--database-url", database).returncode == 0
    fails(command("import", tmp_path, "--database-url", database), 1, "not empty")
    fails(command("import", tmp_path, "--owner", "nobody", "--database-url", database), 2, "nobody")
