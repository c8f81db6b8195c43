"""Markdown in few words: tables, code blocks, and what a page begins with."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

COMMAND = "make reference"


def page(title: str, introduction: str, *parts: str) -> str:
    """A whole page."""
    note = f"<!-- Written by `{COMMAND}`; edits here are lost. -->"
    return "\n\n".join([f"# {title}", note, introduction, *filter(None, parts)]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; empty when there are no rows."""
    lines = [_row(row) for row in rows]
    return "\n".join([_row(heads), "|" + "---|" * len(heads), *lines]) if lines else ""


def code(text: object) -> str:
    """A word of code; as many backticks around it as it needs."""
    return f"`{text}`"


def prose(text: str) -> str:
    """A sentence of the program's: what stands in angle brackets is shown, and is no tag."""
    return text.replace("<", "\\<")


def block(text: str, language: str = "text") -> str:
    """A block of code."""
    return f"```{language}\n{text}\n```"


def json_block(value: Any) -> str:
    """A block of JSON, wide enough to be read and narrow enough for a page."""
    return block(_json(value), "json")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _json(value: Any, indent: str = "") -> str:
    """JSON that breaks lines only where one would be too long."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= 100 or not isinstance(value, dict | list) or not value:
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        items = [f"{deeper}{json.dumps(name)}: {_json(part, deeper)}" for name, part in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + _json(part, deeper) for part in value) + f"\n{indent}]"
