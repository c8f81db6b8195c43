"""From the older PostgreSQL that the wheel brings to the newer one, with the old database kept."""

from pathlib import Path

import pytest

from store import embedded_postgres, migrate, open_store
from store.embedded import upgrade as upgrading
from store.embedded.programs import MAJOR, installed_programs
from store.embedded.upgrade import upgrade
from store.errors import EmbeddedUnavailable, TransferRefused
from store.people import minting
from tests.postgres import FAST_AND_CARELESS, query

pytestmark = pytest.mark.usefixtures("bounded")

OLD = min(installed_programs())
TOKENS = "select sha256 from tokens order by id"


@pytest.fixture
async def tokens(data_dir: Path) -> list[tuple[object, ...]]:
    """What is in a database of the old major version."""
    old = installed_programs()[OLD]
    async with embedded_postgres(data_dir, binaries=old, settings=FAST_AND_CARELESS) as conninfo:
        await migrate(conninfo)
        async with open_store(conninfo) as store:
            for name in ("ada", "ben"):
                await store.write(minting.mint, "ann@example.com", "shop", name)
        return query(conninfo, TOKENS)


async def test_an_older_database_is_refused_upgraded_and_kept(data_dir: Path, tokens: list[tuple[object, ...]]) -> None:
    with pytest.raises(EmbeddedUnavailable, match="upgrade-database"):
        async with embedded_postgres(data_dir):
            raise AssertionError("started on another version's files")
    done = await upgrade(data_dir)
    assert done is not None
    assert (done.before, done.after, done.kept) == (OLD, MAJOR, data_dir / f"postgres-{OLD}")
    async with embedded_postgres(data_dir, settings=FAST_AND_CARELESS) as conninfo:
        assert query(conninfo, TOKENS) == tokens
    assert (done.kept / "PG_VERSION").read_text().strip() == str(OLD)
    assert await upgrade(data_dir) is None


async def test_an_upgrade_that_crashed_between_its_renames_is_finished(
    data_dir: Path, tokens: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrading, "_finish", lambda _: None)
    await upgrade(data_dir)
    monkeypatch.undo()
    (data_dir / "postgres").rename(data_dir / f"postgres-{OLD}")
    with pytest.raises(EmbeddedUnavailable, match="interrupted"):
        async with embedded_postgres(data_dir):
            raise AssertionError("an empty database in place of the old one")
    assert await upgrade(data_dir) is not None
    async with embedded_postgres(data_dir, settings=FAST_AND_CARELESS) as conninfo:
        assert query(conninfo, TOKENS) == tokens


async def test_an_upgrade_that_fails_leaves_the_old_database_and_no_other_files(
    data_dir: Path, tokens: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise TransferRefused("no space left")

    monkeypatch.setattr(upgrading, "put_back", full)
    with pytest.raises(TransferRefused):
        await upgrade(data_dir)
    assert not (data_dir / "upgrade.dump").exists()
    assert not (data_dir / "upgrading" / "postgres").exists()
    async with embedded_postgres(data_dir, binaries=installed_programs()[OLD]) as conninfo:
        assert query(conninfo, TOKENS) == tokens


async def test_a_database_in_use_is_not_upgraded(data_dir: Path, tokens: list[tuple[object, ...]]) -> None:
    old = installed_programs()[OLD]
    async with embedded_postgres(data_dir, binaries=old, settings=FAST_AND_CARELESS):
        with pytest.raises(EmbeddedUnavailable, match="in use"):
            await upgrade(data_dir)
