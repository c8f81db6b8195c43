"""Text that the kit prints: one line, visible characters only, and bounded."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

LINES_MAX = 8
"""Lines of each list; the rest is counted."""

LINE_LENGTH_MAX = 160
SUBJECT_LENGTH_MAX = 80


def flat(text: str) -> str:
    """One line of visible characters, so that no text can pretend to be a line of ours."""
    return clean(" ".join(text.split()))


def line(text: object, length_max: int = LINE_LENGTH_MAX) -> str:
    """One line of visible characters, cut to a length."""
    short = flat(str(text))
    return short if len(short) <= length_max else short[: length_max - 1] + "…"


def quoted(text: object) -> str:
    """Words of another author, marked as a quotation."""
    return '"' + line(text, SUBJECT_LENGTH_MAX).replace('"', "'") + '"'


def clean(text: str) -> str:
    """Replace characters that control a terminal, or that a model reads and a human does not see."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def shortened(lines: list[str], lines_max: int = LINES_MAX) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - lines_max
    return lines if more <= 0 else [*lines[:lines_max], f"… and {more} more"]


def duration(seconds: float) -> str:
    """A length of time in its largest unit."""
    whole = max(0, int(seconds))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def write(stream: Any, text: str) -> None:
    """Print a text. A reader who has left changes nothing about the verdict."""
    with suppress(OSError, ValueError, AttributeError):
        stream.buffer.write(f"{clean(text)}\n".encode())
        stream.flush()
