"""Started by root, the server runs as another account, and no directory's mode changes for it."""

import os
import stat
from pathlib import Path

import pytest

from store import embedded_postgres
from store.embedded import account
from store.embedded.programs import installed_binaries
from store.errors import EmbeddedUnavailable
from tests.postgres import FAST_AND_CARELESS, query

pytestmark = [
    pytest.mark.usefixtures("bounded"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else"),
]


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A directory that only root may enter, as root's home is."""
    directory = tmp_path / "home"
    directory.mkdir(mode=0o700)
    return directory


def modes(directory: Path) -> dict[Path, int]:
    return {each: stat.S_IMODE(each.stat().st_mode) for each in (directory, *directory.parents)}


async def test_the_server_runs_as_somebody_else(tmp_path: Path) -> None:
    async with embedded_postgres(tmp_path, settings=FAST_AND_CARELESS):
        assert (tmp_path / "postgres" / "postmaster.pid").stat().st_uid != 0
        assert (tmp_path / "postgres").stat().st_mode & 0o077 == 0


async def test_data_below_a_closed_home_is_used_and_no_mode_changes(closed: Path) -> None:
    before = modes(closed)
    for _ in range(2):
        async with embedded_postgres(closed / "data", settings=FAST_AND_CARELESS) as conninfo:
            query(conninfo, "create table if not exists kept as select 42 as number")
            assert query(conninfo, "select number from kept") == [(42,)]
    assert modes(closed) == before


async def test_programs_below_a_closed_home_are_copied_once(
    closed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, data_dir: Path
) -> None:
    installed = installed_binaries()
    (closed / "venv").symlink_to(installed.parents[2])
    binaries = closed / "venv" / installed.relative_to(installed.parents[2])
    monkeypatch.setattr(account, "PROGRAMS", data_dir / "programs")
    before = modes(closed)
    copies = set[Path]()
    for _ in range(2):
        async with embedded_postgres(data_dir / "data", binaries=binaries, settings=FAST_AND_CARELESS) as conninfo:
            assert query(conninfo, "select 1") == [(1,)]
        copies.update((data_dir / "programs").iterdir())
    assert len(copies) == 1
    assert modes(closed) == before


async def test_without_a_name_for_the_working_directory_a_closed_home_is_refused(
    closed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "WORKING_DIRECTORY", closed / "no-such-file")
    with pytest.raises(EmbeddedUnavailable, match="may not enter"):
        async with embedded_postgres(closed / "data"):
            raise AssertionError("started where its account may not go")


async def test_a_cluster_of_an_account_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    os.chown(tmp_path / "postgres", 2**31 - 2, -1)
    with pytest.raises(EmbeddedUnavailable, match="belongs to the account 2147483646"):
        async with embedded_postgres(tmp_path):
            raise AssertionError("started as nobody knows whom")
