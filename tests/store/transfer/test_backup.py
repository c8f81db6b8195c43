"""A database as one file: whole and of one moment, or not at all."""

import fcntl
import os
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from store.errors import TransferRefused
from store.opening import open_store
from store.people import minting
from store.transfer import backup_log
from store.transfer.backup import back_up, put_back
from tests.postgres import Server, query

pytestmark = pytest.mark.usefixtures("bounded")

EVENT = """
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select {project}, n, now(), 'ann/ada', 1, 'claim', jsonb_build_object('note', E'a line\\nand \\\\. another'), 1
  from generate_series({first}, {last}) as n
"""


@pytest.fixture
def target(postgres: Server) -> str:
    """An empty database."""
    conninfo = postgres.create_database()
    query(conninfo, "drop schema public cascade")
    query(conninfo, "create schema public")
    return conninfo


async def made(conninfo: str) -> None:
    async with open_store(conninfo) as store:
        await store.write(minting.mint, "ann@example.com", "shop", "ada", is_admin=True)
    [(project,)] = query(conninfo, "select id from projects")
    query(conninfo, EVENT.format(project=project, first=1, last=500))


async def test_what_is_restored_is_what_was_backed_up(conninfo: str, target: str, tmp_path: Path) -> None:
    await made(conninfo)
    done = await back_up(conninfo, tmp_path / "backup")
    assert (done.events, done.projects) == (500, 1)
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    assert await put_back(target, tmp_path / "backup") == done
    every = "select * from events order by seq"
    assert query(target, every) == query(conninfo, every)
    assert query(target, "select sha256 from tokens") == query(conninfo, "select sha256 from tokens")


async def test_projects_without_events_are_counted(conninfo: str, target: str, tmp_path: Path) -> None:
    await made(conninfo)
    async with open_store(conninfo) as store:
        await store.write(minting.mint, "ann@example.com", "bakery", "ben")
    done = await back_up(conninfo, tmp_path / "backup")
    assert (done.events, done.projects) == (500, 2)
    assert (await put_back(target, tmp_path / "backup")).projects == 2


async def test_a_broken_backup_is_found_out_and_restores_nothing(conninfo: str, target: str, tmp_path: Path) -> None:
    await made(conninfo)
    backup = tmp_path / "backup"
    await back_up(conninfo, backup)
    backup.write_bytes(backup.read_bytes()[:-2000])
    with pytest.raises(TransferRefused):
        await put_back(target, backup)
    assert query(target, "select count(*) from pg_tables where schemaname = 'public'") == [(0,)]


async def test_a_backup_of_a_newer_version_or_of_another_program_restores_nothing(
    conninfo: str, target: str, tmp_path: Path
) -> None:
    backup = tmp_path / "backup"
    query(conninfo, "insert into schema_migrations (number, name) values (9999, '9999_later')")
    await back_up(conninfo, backup)
    with pytest.raises(TransferRefused, match="newer version"):
        await put_back(target, backup)
    query(conninfo, "alter table schema_migrations rename to steps")
    with pytest.raises(TransferRefused, match="not of an llm-bus database"):
        await back_up(conninfo, tmp_path / "other")
    assert query(target, "select count(*) from pg_tables where schemaname = 'public'") == [(0,)]
    assert os.listdir(tmp_path) == ["backup"]


async def test_a_backup_that_fails_leaves_the_one_before(conninfo: str, tmp_path: Path) -> None:
    await made(conninfo)
    backup = tmp_path / "backup"
    await back_up(conninfo, backup)
    before = backup.read_bytes()
    query(conninfo, "alter table events rename to lost")
    with pytest.raises(Exception, match="events"):
        await back_up(conninfo, backup)
    assert backup.read_bytes() == before
    assert os.listdir(tmp_path) == ["backup"]


async def test_a_backup_is_good_where_it_cannot_be_noted(conninfo: str, tmp_path: Path) -> None:
    """In the database of an older version, and by a role that may only read."""
    await made(conninfo)
    query(conninfo, "drop table backups")
    assert (await back_up(conninfo, tmp_path / "backup")).events == 500
    query(conninfo, "create table backups ()")
    reader = make_conninfo(conninfo, options="-c default_transaction_read_only=on")
    assert (await back_up(reader, tmp_path / "backup")).events == 500


async def test_the_last_backups_are_noted_and_the_last_good_one(conninfo: str, tmp_path: Path) -> None:
    await back_up(conninfo, tmp_path / "good")
    for number in range(3):
        await backup_log.note(conninfo, tmp_path / f"bad-{number}", "no room")
    query(conninfo, "insert into backups (file, failure) select 'old', 'no room' from generate_series(1, 200)")
    await backup_log.note(conninfo, tmp_path / "last", "no room")
    async with open_store(conninfo) as store:
        failed, good = await store.read(backup_log.last)
    assert (failed.file, failed.failure) == (str(tmp_path / "last"), "no room")
    assert (good.file, good.failure) == (str(tmp_path / "good"), None)
    assert query(conninfo, "select count(*) from backups") == [(backup_log.KEPT_MAX + 1,)]


async def test_a_database_with_something_in_it_is_not_restored_into(conninfo: str, tmp_path: Path) -> None:
    await back_up(conninfo, tmp_path / "backup")
    with pytest.raises(TransferRefused, match="not empty"):
        await put_back(conninfo, tmp_path / "backup")


async def test_a_backup_replaces_only_a_file(conninfo: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("pipe", "link"):
        with pytest.raises(TransferRefused, match="not a regular file"):
            await back_up(conninfo, tmp_path / name)
    with pytest.raises(TransferRefused, match="no directory"):
        await back_up(conninfo, tmp_path / "missing" / "backup")
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]


async def test_two_backups_do_not_write_one_file(conninfo: str, tmp_path: Path) -> None:
    partial = tmp_path / "backup.partial"
    with partial.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"half")
        other.flush()
        with pytest.raises(TransferRefused, match="another backup"):
            await back_up(conninfo, tmp_path / "backup")
        assert partial.read_bytes() == b"half"
    await back_up(conninfo, tmp_path / "backup")  # what a killed one left behind is no obstacle
    assert os.listdir(tmp_path) == ["backup"]


async def test_a_link_in_the_place_of_the_unfinished_file_is_not_followed(conninfo: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("precious")
    (tmp_path / "backup.partial").symlink_to(mine)
    with pytest.raises(OSError, match=r"backup\.partial"):
        await back_up(conninfo, tmp_path / "backup")
    assert mine.read_text() == "precious"
