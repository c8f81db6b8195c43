"""Every shell block that a reader is told to run is run: in order, in an empty directory, against a fresh server.

README and the tutorial are read in a clone, so their directory is one, with what `make` would install already there.
Port 8787 may be taken on this machine: the servers get another one by `PORT`, and addresses in blocks are led there.
Each page has a home and a data directory of its own.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.shell_blocks import Block, blocks_of, outputs_of, script_of
from tests.ports import free_port
from tests.postgres import own_directory

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
READ_IN_A_CLONE = [README, *sorted((ROOT / "docs" / "tutorial").glob("*.md"))]
PAGES = [*READ_IN_A_CLONE, *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
PAGE_SECONDS_MAX = 900


def run(blocks: list[Block], directory: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run blocks in `cwd`; whatever they leave otherwise is below `directory`."""
    port = str(free_port())
    home, programs = directory / "home", Path(sys.executable).parent
    home.mkdir()
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "LLM_BUS_DATA_DIR": str(directory / "data"),
        "PORT": port,
        "SERVED": str(directory / "served"),
    }
    script = script_of(blocks).replace("127.0.0.1:8787", f"127.0.0.1:{port}")
    return subprocess.run(
        ["bash", "-c", script],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
        timeout=PAGE_SECONDS_MAX,
    )


def unlike_the_page(blocks: list[Block], printed: str) -> dict[int, str]:
    """What blocks printed, by line, where the page says something else; ports may differ."""
    outputs = outputs_of(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8787", printed))
    return {
        block.line: outputs[block.line]
        for block in blocks
        if block.reason is None and not block.is_answered_by(outputs[block.line])
    }


def clone(directory: Path) -> Path:
    """What a clone has after `make` has installed everything."""
    (directory / "web" / "cli").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "web/cli/port.py"):
        shutil.copy(ROOT / name, directory / name)
    (directory / ".venv").mkdir()
    (directory / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (directory / ".venv" / ".installed").touch()
    return directory


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_shell_blocks_do_what_the_page_says(page: Path) -> None:
    blocks = blocks_of(page.read_text("utf-8"))
    if all(block.reason is not None for block in blocks):
        return
    with own_directory() as directory:
        cwd = directory / "llm-bus"
        if page in READ_IN_A_CLONE:
            clone(cwd)
        else:
            cwd.mkdir()
        done = run(blocks, directory, cwd)
        assert done.returncode == 0, done.stdout
        assert unlike_the_page(blocks, done.stdout) == {}
        assert not (directory / "data" / "postgres" / "postmaster.pid").exists(), "a database is left running"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_shell_block_is_run_or_says_why_not(page: Path) -> None:
    blocks = blocks_of(page.read_text("utf-8"))
    assert {block.language for block in blocks} <= {"sh"}
    assert [block.line for block in blocks if block.reason == ""] == []


SAMPLE = """\
Text.

```sh
there=$(pwd)
```

<!-- not run: needs a name server -->
```sh
exit 1
```

1. In a list:

   ```sh
   test "$there" = "$(pwd)"
   ```

   <!-- not run: needs two -->
   ```sh
   exit 1
   ```

```text
no shell
```
"""


def test_blocks_are_found_with_their_reasons() -> None:
    assert [(block.line, block.text, block.reason) for block in blocks_of(SAMPLE)] == [
        (3, "there=$(pwd)\n", None),
        (8, "exit 1\n", "needs a name server"),
        (14, 'test "$there" = "$(pwd)"\n', None),
        (19, "exit 1\n", "needs two"),
    ]


def test_blocks_are_run_in_order_in_one_shell(tmp_path: Path) -> None:
    done = run(blocks_of(SAMPLE), tmp_path, tmp_path)
    assert (done.returncode, done.stdout) == (0, "— line 3\n— line 14\n")


def test_what_a_page_says_is_printed_is_compared_with_what_is(tmp_path: Path) -> None:
    blocks = blocks_of(
        "```sh\necho a: 1; echo b\n```\n\n```text\na: …\nb\n```\n\n```sh\necho c\n```\n\n```text\nd\n```\n"
    )
    done = run(blocks, tmp_path, tmp_path)
    assert unlike_the_page(blocks, done.stdout) == {10: "c\n"}


def test_a_page_need_not_show_what_is_printed_only_on_a_slow_machine() -> None:
    block = Block(line=1, language="sh", text="llm-bus prune shop out\n", prints="Nothing is old.\n")
    assert block.is_answered_by("Opening the database in /data …\nNothing is old.\n")
    assert not block.is_answered_by("Opening the database in /data …\nSomething is old.\n")


def test_dots_on_a_line_of_their_own_stand_for_any_lines_or_none() -> None:
    block = Block(line=1, language="sh", text="make up\n", prints="…\nCreated.\n…\nlistening on …\n")
    assert block.is_answered_by("Created.\nlistening on 8787\n")
    assert block.is_answered_by("One.\nTwo.\nCreated.\nThree.\nlistening on 8787\n")
    assert not block.is_answered_by("One.\nlistening on 8787\n")


def test_a_block_that_fails_ends_the_page(tmp_path: Path) -> None:
    done = run(blocks_of("```sh\ncat nothing\n```\n\n```sh\necho here\n```\n"), tmp_path, tmp_path)
    assert done.returncode != 0
    assert "here" not in done.stdout


SERVER = """\
#!/bin/sh
trap 'echo ended > ended; exit' TERM
echo "$1 on $PORT"
test "$1" = up && echo "listening on http://127.0.0.1:$PORT"
test "$1" = up && while true; do sleep 0.1; done
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A directory with a server that starts at once, or not at all."""
    program = tmp_path / "llm-bus"
    program.write_text(SERVER)
    program.chmod(0o755)
    return tmp_path


def test_a_server_runs_beside_what_follows_and_ends_with_it(stand_in: Path) -> None:
    page = "```sh\n./llm-bus up  # a server\necho http://127.0.0.1:8787\ntest ! -e ended\n```\n"
    done = run(blocks_of(page), stand_in, stand_in)
    assert done.returncode == 0, done.stdout
    _, started, listening, address = done.stdout.splitlines()
    assert started.startswith("up on ")
    assert listening == f"listening on {address}"
    assert (stand_in / "ended").exists()


def test_a_server_that_does_not_start_fails_the_page(stand_in: Path) -> None:
    done = run(blocks_of("```sh\n./llm-bus serve\necho here\n```\n"), stand_in, stand_in)
    assert done.returncode == 1
    assert "it does not listen" in done.stdout
    assert "here" not in done.stdout
