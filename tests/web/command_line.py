"""The installed command, run as its users run it: in a process of its own, with nothing inherited but the path."""

import os
import re
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

LLM_BUS = str(Path(sys.executable).with_name("llm-bus"))
COMMAND_TIMEOUT_SECONDS = 300
START_TIMEOUT_SECONDS = 300
LISTENING = "listening on "
_PROGRESS = re.compile(r"^.* …\n", re.MULTILINE)

Finished = subprocess.CompletedProcess[str]


class Running(Struct, frozen=True):
    """A server that answers; `printed` is its standard output up to and with the line that says so."""

    process: subprocess.Popen[str]
    url: str
    printed: str

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(COMMAND_TIMEOUT_SECONDS)


def llm_bus(*arguments: str | Path, **environment: str) -> Finished:
    """Run it to its end; standard error is without what is printed only on a slow machine."""
    command = [LLM_BUS, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, check=False, env=_clean(environment), text=True, timeout=COMMAND_TIMEOUT_SECONDS
    )
    done.stderr = without_progress(done.stderr)
    return done


def without_progress(printed: str) -> str:
    """The same without the lines that say what is under way: they are printed only when it takes a while."""
    return _PROGRESS.sub("", printed)


@contextmanager
def serving(*arguments: str | Path, cwd: Path | None = None, port: int = 0, **environment: str) -> Iterator[Running]:
    """A server on this port or a free one, from its first answer on; killed at the end unless it was stopped."""
    command = [LLM_BUS, *map(str, arguments), "--port", str(port)]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, env=_clean(environment), text=True, cwd=cwd
        ) as process,
    ):
        try:
            printed = _read_until_listening(process)
            yield Running(process, printed.rpartition(LISTENING)[2].strip(), printed)
        finally:
            process.kill()
            log.seek(0)
            sys.stderr.write(log.read())  # pytest shows it beside a failure


def _read_until_listening(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    printed = ""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while LISTENING not in printed:
            assert selector.select(START_TIMEOUT_SECONDS), f"no answer in time; it printed: {printed}"
            line = process.stdout.readline()
            assert line, f"it ended; it printed: {printed}"
            printed += line
    return printed


def _clean(environment: dict[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **environment}
