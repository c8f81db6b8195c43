"""Tests that failed beside others: a few get one more try alone, and nothing else does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.alone import ALONE_MAX

ROOT = Path(__file__).parent.parent
RUN_SECONDS_MAX = 300

BESIDE = "import os, pytest, sys\nbeside = 'PYTEST_XDIST_WORKER' in os.environ\n"
"""`beside` is true in the first run."""


def run(directory: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run a file of these tests, where a test failed that an older run had."""
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "test_it.py").write_text(BESIDE + "\n\n".join(tests))
    cache = directory / ".pytest_cache" / "v" / "cache" / "lastfailed"
    cache.parent.mkdir(parents=True)
    cache.write_text('{"test_it.py::test_old": true}')
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "tests.alone", "-n", "1", "--randomly-seed=7", "test_it.py"],
        capture_output=True,
        check=False,
        cwd=directory,
        env={**environment, "PYTHONPATH": str(ROOT)},
        text=True,
        timeout=RUN_SECONDS_MAX,
    )


def failing(count: int, condition: str = "beside") -> list[str]:
    return [f"def test_{number}():\n    assert not {condition}" for number in range(count)]


GOOD = "def test_good():\n    pass"


def test_a_test_that_passes_only_alone_is_named_and_the_run_passes(tmp_path: Path) -> None:
    odd = "@pytest.mark.parametrize('name', ['a/b::c d'])\ndef test_odd(name):\n    assert not beside"
    done = run(tmp_path, GOOD, odd, *failing(ALONE_MAX - 1))
    assert done.returncode == 0, done.stdout
    named = {line for line in done.stdout.splitlines() if line.startswith("passed only alone: ")}
    names = ["test_odd[a/b::c d]", *(f"test_{number}" for number in range(ALONE_MAX - 1))]
    assert named == {f"passed only alone: test_it.py::{name}" for name in names}
    assert done.stdout.count("--randomly-seed=7") == 2


@pytest.mark.parametrize(
    "tests",
    [
        pytest.param(failing(ALONE_MAX + 1), id="more tests than a few"),
        pytest.param([*failing(1), "1 / (not beside)"], id="a file that cannot be read"),
        pytest.param(["def test_it():\n    os._exit(1) if beside else None"], id="a worker that crashed"),
        pytest.param(
            [*failing(1), "@pytest.fixture\ndef it():\n    yield\n    assert not beside\n\ndef test_it(it): pass"],
            id="the end of a fixture",
        ),
    ],
)
def test_what_is_not_run_again_fails_the_run(tmp_path: Path, tests: list[str]) -> None:
    done = run(tmp_path, GOOD, *tests)
    assert done.returncode not in {0, pytest.ExitCode.NO_TESTS_COLLECTED}
    assert "alone" not in done.stdout


def test_a_second_failure_fails_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, GOOD, *failing(1), *(text.replace("test_", "test_twice_") for text in failing(1, "True")))
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "passed only alone" not in done.stdout
