"""How much room there is, and that a change is logged once."""

from pathlib import Path

import pytest

from store.embedded.disk import LOOK_SECONDS, Disk

FAR_TOO_MUCH = 2**70


class Clock:
    """Its time goes on when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now


def test_a_disk_with_less_than_its_reserve_is_nearly_full_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    disk = Disk(tmp_path, FAR_TOO_MUCH, clock.time)
    assert disk.is_nearly_full()
    clock.now = LOOK_SECONDS
    assert disk.is_nearly_full()
    (said,) = caplog.messages
    assert "writes are refused" in said


def test_a_disk_that_has_room_again_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    disk = Disk(tmp_path, FAR_TOO_MUCH, clock.time)
    assert disk.is_nearly_full()
    disk.reserve_bytes = 0
    clock.now = LOOK_SECONDS
    assert not disk.is_nearly_full()
    assert "has room again" in caplog.messages[-1]


def test_the_system_is_asked_a_few_times_a_second(tmp_path: Path) -> None:
    clock = Clock()
    disk = Disk(tmp_path, 0, clock.time)
    assert not disk.is_nearly_full()
    disk.reserve_bytes = FAR_TOO_MUCH
    clock.now = LOOK_SECONDS / 2
    assert not disk.is_nearly_full(), "what was found is believed for a while"
    clock.now = LOOK_SECONDS
    assert disk.is_nearly_full()


def test_a_directory_that_is_not_there_has_room(tmp_path: Path) -> None:
    assert not Disk(tmp_path / "none", FAR_TOO_MUCH).is_nearly_full()
