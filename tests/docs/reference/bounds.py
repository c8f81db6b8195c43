"""The page of bounds: every constant whose name ends in `_MAX`, with the sentences that stand below it in the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.docs.reference.markdown import code, page, table
from tests.docs.reference.words import WordsMissing

ROOT = Path(__file__).parents[3]

INTRODUCTION = """\
What the server holds in memory, accepts and answers is bounded. A call beyond a bound is refused with a sentence. What
a collection cannot hold any more leaves it as described here, and stays in the ledger. Times are in seconds, sizes in
bytes, where the name does not say otherwise."""

SECTIONS = {
    "engine": "What a project holds",
    "actors": "What a project's actor does at once",
    "store": "Between the server and PostgreSQL",
    "web": "What the server accepts",
}


def bounds_page() -> str:
    """The page."""
    return page("Bounds", INTRODUCTION, *(_section(package, title) for package, title in SECTIONS.items()))


def _section(package: str, title: str) -> str:
    rows = [
        (code(name), value, meaning)
        for path in sorted((ROOT / package).rglob("*.py"))
        if "bench" not in path.parts
        for name, value, meaning in _bounds(ast.parse(path.read_text()))
    ]
    if not rows:
        raise WordsMissing(f"no bounds in {package}")
    return f"## {title}\n\n{table(['bound', 'value', 'meaning'], rows)}"


def _bounds(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """Name, value and meaning of the bounds of a module, and of the fields of its classes."""
    for body in (tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))):
        for statement, below in zip(body, [*body[1:], ast.Pass()], strict=True):
            match statement, below:
                case (
                    (
                        ast.Assign(targets=[ast.Name(id=name)], value=value)
                        | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                    ),
                    ast.Expr(value=ast.Constant(value=str(meaning))),
                ) if re.fullmatch(r"(?!_)\w*_(MAX|max)", name):
                    yield name, ast.unparse(value), " ".join(meaning.split())
                case _:
                    pass
