"""A story told while it happens: one line per act, with its time, who did it, what, and what the bus answered."""

import time
from collections.abc import Sequence

from rich.text import Text

from web.cli.terminal import RESULTS, say

COLOURS = ("cyan", "magenta", "yellow", "green", "bright_blue", "bright_red")


class Timeline:
    """Prints acts in the order in which they end; every agent keeps its colour."""

    def __init__(self, agents: Sequence[str]) -> None:
        self._began = time.monotonic()
        self._colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(agents)}
        self._width = max(map(len, agents))

    def scene(self, title: str, why: str) -> None:
        """A new chapter, and why somebody would want it."""
        say()
        RESULTS.print(Text.assemble((title, "bold"), ("  " + why, "dim")))

    def act(self, agent: str, did: str, answer: str | None = None) -> None:
        """`agent` did something and the bus answered."""
        line = Text.assemble(
            (f"{time.monotonic() - self._began:6.2f} s  ", "dim"),
            (agent.ljust(self._width), f"bold {self._colours[agent]}"),
            f"  {did}",
        )
        if answer is not None:
            line.append("  → ", "dim")
            line.append(answer, "bold")
        RESULTS.print(line)
