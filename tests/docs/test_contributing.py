"""The worked examples of CONTRIBUTING are true: every line that they add is in the file that they name."""

import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parents[2]


def added_lines() -> Iterator[tuple[str, str]]:
    """The file and the text of each added line."""
    for diff in re.findall(r"```diff\n(.*?)```", (HERE / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL):
        path = ""
        for line in diff.splitlines():
            if line.startswith("+++ "):
                path = line.removeprefix("+++ ")
            elif line.startswith("+"):
                yield path, line[1:]


def test_every_added_line_is_in_its_file() -> None:
    added = list(added_lines())
    assert len(added) > 30
    absent = [(path, line) for path, line in added if line not in (HERE / path).read_text("utf-8").splitlines()]
    assert absent == []
