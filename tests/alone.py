"""Run tests beside each other, and the few that failed so once more alone: `python -m tests.alone [pytest's options]`.

What passes only alone is named at the end, and somebody should mend it; the run counts as passed. Nothing is run again
when more tests failed, and when something else than a test failed: a collection, a fixture's end, a worker, pytest
itself. docs/decisions/0033 has the reasons.
"""

import subprocess
import sys
from collections.abc import Sequence

import pytest

ALONE_MAX = 3
"""So many tests may fail beside others; more are no coincidence."""


class Failures:
    """A plugin that knows what failed in this run; `is_only_tests`: nothing but tests did."""

    def __init__(self) -> None:
        self.tests: list[str] = []
        self.is_only_tests = True
        self.seed: int | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Remember the seed of pytest-randomly, which a test may depend on."""
        self.seed = session.config.getoption("randomly_seed", None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down a test; what fails at a test's end may have begun in another."""
        if report.failed and report.nodeid not in self.tests:
            self.tests.append(report.nodeid)
        self.is_only_tests &= not (report.failed and report.when == "teardown")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Take down a file that cannot be read."""
        self.is_only_tests &= not report.failed

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, error: object) -> None:
        """Take down the end of a worker of pytest-xdist that crashed; it was reported as its test's failure."""
        self.is_only_tests &= error is None


def run(options: Sequence[str]) -> int:
    """The exit code of pytest for all of it."""
    failures = Failures()
    code = int(pytest.main(list(options), plugins=[failures]))
    few = 0 < len(failures.tests) <= ALONE_MAX
    if code != pytest.ExitCode.TESTS_FAILED or not failures.is_only_tests or not few:
        return code
    print(f"\n{len(failures.tests)} failed beside others, and now run alone:", flush=True)  # noqa: T201
    seed = [] if failures.seed is None else [f"--randomly-seed={failures.seed}"]
    code = subprocess.run([sys.executable, "-m", "pytest", *seed, *failures.tests], check=False).returncode
    if code == pytest.ExitCode.OK:
        print(*(f"passed only alone: {test}" for test in failures.tests), sep="\n", flush=True)  # noqa: T201
    return code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
