"""The page of error texts: every sentence with which the code refuses something, so that a search finds it.

Read from the source: what is given to a refusal or to an exception of ours. What is put in at run time is shown as `…`.
"""

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

from tests.docs.reference.markdown import page, table

ROOT = Path(__file__).parents[3]

INTRODUCTION = """\
The texts by which tools, server and commands say no. Each tells what to do; this page is here so that a search finds
where a text comes from. `…` stands for what differs. A tool's refusal begins with its code, and a command's with
`llm-bus:`."""

PLACES = {
    "engine": "Refusals of tools: the rules of coordination",
    "actors": "Refusals of tools: too much at once, or no database",
    "web/mcp": "Refusals of tools: arguments, rights and fair use",
    "web/http": "Answers of the server below the tools",
    "web/identity": "Names, people and invites",
    "store/people": "Names, people and invites, in the database",
    "store/ledger": "Projects and ledgers",
    "store/postgres": "The database",
    "store/embedded": "The embedded database",
    "store/transfer": "Export, import, backup and prune",
    "web/cli": "Commands",
    "web/config.py": "Settings",
}

_SAYING = {"Refusal", "invalid", "not_found", "conflict", "forbidden", "UsageError", "ClickException"}
_ENDINGS = (
    "Error",
    "Refused",
    "Unavailable",
    "Failed",
    "Name",
    "Busy",
    "Crashed",
    "Reached",
    "Forbidden",
    "Taken",
    "Unfit",
    "Unsteady",
)
CHARACTERS_MIN = 20
"""Shorter ones are words for a program, not for somebody who reads."""


def errors_page() -> str:
    """The page."""
    parts = []
    for place, title in PLACES.items():
        if rows := [(text,) for text in sorted(_texts(ROOT / place))]:
            parts.append(f"## {title}\n\n" + table(["text"], rows))
    return page("Errors", INTRODUCTION, *parts)


def _texts(place: Path) -> set[str]:
    files = [place] if place.suffix else sorted(place.rglob("*.py"))
    return {text for file in files for text in _said_in(ast.parse(file.read_text("utf-8")))}


def _said_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _refuses(node.func):
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                text = _text(argument)
                if len(text) >= CHARACTERS_MIN and " " in text:
                    yield _as_cell(text)


def _refuses(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    owner = getattr(function.value, "id", "") if isinstance(function, ast.Attribute) else ""
    if hasattr(builtins, name):  # misuse, which nobody outside of the program sees
        return False
    return name in _SAYING or name.endswith(_ENDINGS) or (owner, name) == ("Problem", "of")


def _text(node: ast.expr) -> str:
    """The text of a literal, with what is filled in as `…`; empty for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "…" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return (_text(node.left) or "…") + (_text(node.right) or "…")
    return ""


def _as_cell(text: str) -> str:
    """As Markdown shows it as it is."""
    return " ".join("".join(f"\\{letter}" if letter in "\\`*_[]<>{}#" else letter for letter in text).split())
