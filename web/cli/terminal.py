"""How the command line speaks: results on standard output, everything on the way there on standard error.

So a result can be piped while its reader still sees progress. Colours and spinners only on a terminal (rich looks, and
respects NO_COLOR); elsewhere the same words in plain lines. Nothing here decides what to say.
"""

import json
import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import click
import msgspec
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

QUIET_SECONDS = 0.5
"""What is done sooner is not worth a line."""

RESULTS = Console(highlight=False, soft_wrap=True)
NOTES = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def working(doing: str) -> Iterator[None]:
    """Say what takes a while: a spinner that becomes a tick on a terminal, one plain line elsewhere."""
    if not NOTES.is_terminal:
        announcing = threading.Timer(QUIET_SECONDS, note, (f"{doing} …",))
        announcing.start()
        try:
            yield
        finally:
            announcing.cancel()
        return
    began = time.monotonic()
    with NOTES.status(f"{doing} …"):
        yield
    if (seconds := time.monotonic() - began) > QUIET_SECONDS:
        NOTES.print(Text.assemble(("✓ ", "green"), doing, (f"  {seconds:.1f} s", "dim")))


def leave_with_the_reader() -> None:
    """Raise `BrokenPipeError` if what reads standard output has gone, as `head` has: a write would notice it later."""
    poll = select.poll()
    poll.register(RESULTS.file.fileno(), 0)  # errors are reported always
    if poll.poll(0):
        raise BrokenPipeError


def printable(text: str) -> str:
    """Text of others on one line. Control characters are escaped: a terminal would obey an escape sequence."""
    return "".join(
        character if character.isprintable() else " " if character == "\n" else ascii(character)[1:-1]
        for character in text
    )


def printable_json(text: str) -> str:
    """A JSON document with control characters escaped; its meaning stays."""
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1] for character in text
    )


def note(text: str) -> None:
    """One line on the way."""
    NOTES.print(Text(text))


def say(text: str = "") -> None:
    """One line of the result, flushed at once: the program that started this one may wait for it."""
    click.echo(text)


def card(title: str, lines: Sequence[str]) -> None:
    """A part of the result set apart; open at its sides, so that long lines can be copied from it."""
    if not RESULTS.is_terminal:
        for line in (title, *lines):
            say(line)
        return
    RESULTS.print()
    RESULTS.rule(Text(title, style="bold"), align="left", style="cyan")
    for line in lines:
        RESULTS.print(Text(line))
    RESULTS.rule(style="cyan")


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], *, nothing: str) -> None:
    """Rows under headings, in columns that line up; `nothing` is said instead when there are none."""
    if not rows:
        note(nothing)
        return
    cells = [[plain(value) for value in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
    for line, style in [(headings, "dim"), *((row, "") for row in cells)]:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(line, widths, strict=True))
        text = "  ".join(padded).rstrip()
        RESULTS.print(Text(text, style=style))


def plain(value: object) -> str:
    """A value as a cell of a table shows it."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
        case int():
            return f"{value:,}"
        case _:
            return printable(str(value))


def counted(number: int, thing: str) -> str:
    """A number of things: `1 event`, `2,000 events`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def size(size_bytes: int) -> str:
    """A size for people: `48 KiB`, `3.2 MiB`."""
    return f"{size_bytes / 2**20:.1f} MiB" if size_bytes >= 2**20 else f"{-(-size_bytes // 2**10)} KiB"


def say_json(value: object) -> None:
    """A result for machines, on one line."""
    say(msgspec.json.encode(value).decode())


def box_up(title: str, lines: Sequence[str]) -> None:
    """A closing word: a box on a terminal, plain lines elsewhere."""
    if not RESULTS.is_terminal:
        for line in ("", title, *lines):
            say(line)
        return
    panel = Panel.fit(Text("\n".join(lines)), title=title, title_align="left", box=box.ROUNDED, border_style="cyan")
    RESULTS.print()
    RESULTS.print(panel, soft_wrap=False)
