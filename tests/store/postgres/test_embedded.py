"""The embedded PostgreSQL: started for whoever needs it, shared, stopped by the last, and back after any crash."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from store import embedded_postgres
from store.errors import EmbeddedUnavailable
from store.postgres.embedded import installed_binaries
from tests.postgres import FAST_AND_CARELESS, Server, kill_postgres, query

pytestmark = pytest.mark.usefixtures("bounded")

ANOTHER_PROCESS = """
import sys, trio
from pathlib import Path
from store import embedded_postgres

async def use() -> None:
    async with embedded_postgres(Path(sys.argv[1]), binaries=Path(sys.argv[2])) as conninfo:
        print(conninfo, flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)

trio.run(use)
"""


@pytest.fixture
def binaries(postgres: Server) -> Path:
    return postgres.binaries or installed_binaries()


def is_running(data_dir: Path) -> bool:
    return (data_dir / "postgres" / "postmaster.pid").exists()


def start_another_process(data_dir: Path, binaries: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", ANOTHER_PROCESS, str(data_dir), str(binaries)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


async def test_what_was_written_is_there_the_next_time(tmp_path: Path, binaries: Path) -> None:
    async with embedded_postgres(tmp_path, binaries=binaries) as conninfo:
        query(conninfo, "create table kept as select 42 as number")
        assert query(conninfo, "show fsync") == [("on",)]
        assert query(conninfo, "show listen_addresses") == [("",)]
    assert not is_running(tmp_path)
    async with embedded_postgres(tmp_path, binaries=binaries) as conninfo:
        assert query(conninfo, "select number from kept") == [(42,)]


async def test_a_directory_may_have_spaces_and_a_long_name(tmp_path: Path, binaries: Path) -> None:
    data_dir = tmp_path / "it's a data directory" / ("so long that no socket fits " * 4)
    async with embedded_postgres(data_dir, binaries=binaries, settings=FAST_AND_CARELESS) as conninfo:
        assert query(conninfo, "select 1") == [(1,)]


async def test_a_server_is_shared_and_stopped_by_the_last_to_leave(tmp_path: Path, binaries: Path) -> None:
    async with embedded_postgres(tmp_path, binaries=binaries, settings=FAST_AND_CARELESS) as ours:
        other = await trio.to_thread.run_sync(start_another_process, tmp_path, binaries)
    assert query(ours, "select 1") == [(1,)]
    await trio.to_thread.run_sync(other.communicate)
    assert other.returncode == 0
    assert not is_running(tmp_path)


async def test_a_server_whose_starter_was_killed_is_used_again_and_stopped(tmp_path: Path, binaries: Path) -> None:
    other = await trio.to_thread.run_sync(start_another_process, tmp_path, binaries)
    other.kill()
    await trio.to_thread.run_sync(other.communicate)
    assert is_running(tmp_path)
    async with embedded_postgres(tmp_path, binaries=binaries) as conninfo:
        assert query(conninfo, "select 1") == [(1,)]
    assert not is_running(tmp_path)


async def test_a_killed_server_is_started_again_over_the_pid_file_it_left(tmp_path: Path, binaries: Path) -> None:
    async with embedded_postgres(tmp_path, binaries=binaries) as conninfo:
        query(conninfo, "create table kept as select 42 as number")
        kill_postgres(tmp_path)
        assert is_running(tmp_path)
        async with embedded_postgres(tmp_path, binaries=binaries):
            assert query(conninfo, "select number from kept") == [(42,)]


async def test_many_who_come_at_once_find_one_server(tmp_path: Path, binaries: Path) -> None:
    answers: list[object] = []
    met = trio.Event()

    async def use() -> None:
        async with embedded_postgres(tmp_path, binaries=binaries, settings=FAST_AND_CARELESS) as conninfo:
            answers.extend(query(conninfo, "select pg_postmaster_start_time()"))
            if len(answers) == 4:
                met.set()
            await met.wait()

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(use)
    assert len(set(answers)) == 1
    assert not is_running(tmp_path)


async def test_cancelling_the_start_leaves_something_the_next_one_can_use(tmp_path: Path, binaries: Path) -> None:
    with trio.move_on_after(0.3):
        async with embedded_postgres(tmp_path, binaries=binaries, settings=FAST_AND_CARELESS):
            await trio.sleep_forever()
    async with embedded_postgres(tmp_path, binaries=binaries, settings=FAST_AND_CARELESS) as conninfo:
        assert query(conninfo, "select 1") == [(1,)]


async def test_without_the_wheel_the_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddedUnavailable, match="pip install"):
        async with embedded_postgres(tmp_path):
            raise AssertionError("started from nothing")


async def test_a_server_that_does_not_start_says_why(
    tmp_path: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.postgres.embedded.START_ATTEMPTS_MAX", 1)
    with pytest.raises(EmbeddedUnavailable, match="does not start"):
        async with embedded_postgres(tmp_path, binaries=binaries, settings={"no_such_setting": "1"}):
            raise AssertionError("started with nonsense")


async def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path, binaries: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EmbeddedUnavailable, match="cannot use"):
        async with embedded_postgres(tmp_path / "file", binaries=binaries):
            raise AssertionError("started in a file")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_started_as_root_the_server_runs_as_somebody_else(tmp_path: Path, binaries: Path) -> None:
    async with embedded_postgres(tmp_path, binaries=binaries, settings=FAST_AND_CARELESS):
        assert (tmp_path / "postgres" / "postmaster.pid").stat().st_uid != 0
        assert (tmp_path / "postgres").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_started_as_root_it_says_once_which_directories_it_opens(
    tmp_path: Path, binaries: Path, caplog: pytest.LogCaptureFixture
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for _ in range(2):
        async with embedded_postgres(closed / "data", binaries=binaries, settings=FAST_AND_CARELESS):
            assert closed.stat().st_mode & 0o777 == 0o701
    (said,) = caplog.messages
    assert str(closed) in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_a_cluster_of_an_account_that_is_not_there_is_refused(tmp_path: Path, binaries: Path) -> None:
    (tmp_path / "postgres").mkdir()
    os.chown(tmp_path / "postgres", 2**31 - 2, -1)
    with pytest.raises(EmbeddedUnavailable, match="belongs to the account 2147483646"):
        async with embedded_postgres(tmp_path, binaries=binaries):
            raise AssertionError("started as nobody knows whom")
