"""The embedded PostgreSQL: started for whoever needs it, shared, stopped by the last, and back after any crash."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import psycopg
import pytest
import trio

from store import embedded_postgres, keep_running
from store.embedded.programs import installed_binaries
from store.errors import EmbeddedUnavailable
from tests.postgres import FAST_AND_CARELESS, Server, kill_postgres, query

pytestmark = pytest.mark.usefixtures("bounded")

ANOTHER_PROCESS = """
import sys, trio
from pathlib import Path
from store import embedded_postgres, keep_running

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


async def test_what_was_written_is_there_the_next_time(data_dir: Path, binaries: Path) -> None:
    async with embedded_postgres(data_dir, binaries=binaries) as conninfo:
        query(conninfo, "create table kept as select 42 as number")
        assert query(conninfo, "show fsync") == [("on",)]
        assert query(conninfo, "show listen_addresses") == [("",)]
    assert not is_running(data_dir)
    async with embedded_postgres(data_dir, binaries=binaries) as conninfo:
        assert query(conninfo, "select number from kept") == [(42,)]


async def test_a_directory_may_have_spaces_and_a_long_name(data_dir: Path, binaries: Path) -> None:
    awkward = data_dir / "it's a data directory" / ("so long that no socket fits " * 4)
    async with embedded_postgres(awkward, binaries=binaries, settings=FAST_AND_CARELESS) as conninfo:
        assert query(conninfo, "select 1") == [(1,)]


async def test_a_server_is_shared_and_stopped_by_the_last_to_leave(data_dir: Path, binaries: Path) -> None:
    async with embedded_postgres(data_dir, binaries=binaries, settings=FAST_AND_CARELESS) as ours:
        other = await trio.to_thread.run_sync(start_another_process, data_dir, binaries)
    assert query(ours, "select 1") == [(1,)]
    await trio.to_thread.run_sync(other.communicate)
    assert other.returncode == 0
    assert not is_running(data_dir)


async def test_a_server_whose_starter_was_killed_is_used_again_and_stopped(data_dir: Path, binaries: Path) -> None:
    other = await trio.to_thread.run_sync(start_another_process, data_dir, binaries)
    other.kill()
    await trio.to_thread.run_sync(other.communicate)
    assert is_running(data_dir)
    async with embedded_postgres(data_dir, binaries=binaries) as conninfo:
        assert query(conninfo, "select 1") == [(1,)]
    assert not is_running(data_dir)


async def test_a_killed_server_is_started_again_over_the_pid_file_it_left(data_dir: Path, binaries: Path) -> None:
    async with embedded_postgres(data_dir, binaries=binaries) as conninfo:
        query(conninfo, "create table kept as select 42 as number")
        kill_postgres(data_dir)
        assert is_running(data_dir)
        async with embedded_postgres(data_dir, binaries=binaries):
            assert query(conninfo, "select number from kept") == [(42,)]


async def test_many_who_come_at_once_find_one_server(data_dir: Path, binaries: Path) -> None:
    answers: list[object] = []
    met = trio.Event()

    async def use() -> None:
        async with embedded_postgres(data_dir, binaries=binaries, settings=FAST_AND_CARELESS) as conninfo:
            answers.extend(query(conninfo, "select pg_postmaster_start_time()"))
            if len(answers) == 4:
                met.set()
            await met.wait()

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(use)
    assert len(set(answers)) == 1
    assert not is_running(data_dir)


async def test_a_directory_may_have_any_name(data_dir: Path, binaries: Path) -> None:
    odd = data_dir / "a, \"b\" $HOME 'c' `d` \\e"
    for _ in range(2):
        async with embedded_postgres(odd, binaries=binaries, settings=FAST_AND_CARELESS) as conninfo:
            assert query(conninfo, "select 1") == [(1,)]
        assert not is_running(odd)


async def test_cancelling_the_start_leaves_something_the_next_one_can_use(data_dir: Path, binaries: Path) -> None:
    with trio.move_on_after(0.3):
        async with embedded_postgres(data_dir, binaries=binaries, settings=FAST_AND_CARELESS):
            await trio.sleep_forever()
    async with embedded_postgres(data_dir, binaries=binaries, settings=FAST_AND_CARELESS) as conninfo:
        assert query(conninfo, "select 1") == [(1,)]


async def test_without_the_wheel_the_sentence_says_what_to_do_instead(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EmbeddedUnavailable, match="DATABASE_URL"):
        async with embedded_postgres(data_dir):
            raise AssertionError("started from nothing")


async def test_a_server_that_does_not_start_says_why(
    data_dir: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.embedded.cluster.START_ATTEMPTS_MAX", 1)
    with pytest.raises(EmbeddedUnavailable, match="does not start"):
        async with embedded_postgres(data_dir, binaries=binaries, settings={"no_such_setting": "1"}):
            raise AssertionError("started with nonsense")


async def test_a_place_that_cannot_be_written_to_is_refused(data_dir: Path, binaries: Path) -> None:
    (data_dir / "file").write_text("in the way")
    with pytest.raises(EmbeddedUnavailable, match="cannot use"):
        async with embedded_postgres(data_dir / "file", binaries=binaries):
            raise AssertionError("started in a file")


async def test_a_server_that_died_is_started_again_until_nobody_needs_it(
    data_dir: Path, binaries: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with embedded_postgres(data_dir, binaries=binaries) as conninfo, trio.open_nursery() as nursery:
        query(conninfo, "create table kept as select 42 as number")
        nursery.start_soon(partial(keep_running, data_dir, binaries=binaries))
        for _ in range(3):
            kill_postgres(data_dir)
            await back(conninfo)
            assert query(conninfo, "select number from kept") == [(42,)]
        nursery.cancel_scope.cancel()
    assert not is_running(data_dir)
    assert "runs again" in caplog.text


async def test_a_server_that_does_not_start_is_tried_again(
    data_dir: Path, binaries: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.embedded.cluster.START_ATTEMPTS_MAX", 1)
    monkeypatch.setattr("store.embedded.running.PAUSE_SECONDS_MIN", 0.01)
    version = data_dir / "postgres" / "PG_VERSION"
    async with embedded_postgres(data_dir, binaries=binaries) as conninfo, trio.open_nursery() as nursery:
        nursery.start_soon(partial(keep_running, data_dir, binaries=binaries))
        said = version.read_text()
        version.write_text("1")
        kill_postgres(data_dir)
        await trio.sleep(0.5)
        version.write_text(said)
        await back(conninfo)
        nursery.cancel_scope.cancel()


async def back(conninfo: str) -> None:
    """Wait until a server answers that is not the killed one's last breath."""
    while True:
        try:
            await trio.to_thread.run_sync(query, conninfo, "select 1")
        except psycopg.OperationalError:
            await trio.sleep(0.05)
        else:
            return
