"""How much room there is, and that a change is logged once."""

from pathlib import Path

import pytest

from store.embedded.disk import Disk

FAR_TOO_MUCH = 2**70


def test_a_disk_with_less_than_its_reserve_is_nearly_full_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(tmp_path, FAR_TOO_MUCH)
    assert disk.is_nearly_full()
    assert disk.is_nearly_full()
    (said,) = caplog.messages
    assert "writes are refused" in said


def test_a_disk_that_has_room_again_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk(tmp_path, FAR_TOO_MUCH)
    assert disk.is_nearly_full()
    disk.reserve_bytes = 0
    assert not disk.is_nearly_full()
    assert "has room again" in caplog.messages[-1]


def test_a_directory_that_is_not_there_has_room(tmp_path: Path) -> None:
    assert not Disk(tmp_path / "none", FAR_TOO_MUCH).is_nearly_full()
