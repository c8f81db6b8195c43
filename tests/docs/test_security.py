"""SECURITY.md promises nothing that no test holds."""

import ast
import re
from pathlib import Path

import pytest

from web.mcp.tools import TOOLS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text("utf-8")
NODES = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
CALLERS_OWN = {"project", "project_id", "handle", "token", "actor_id", "participant_id", "from_actor"}


def test_every_promise_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| **")]
    assert len(rows) > 10
    assert [row for row in rows if not re.search(r"`tests/[\w/]+\.py::\w+`", row)] == []


@pytest.mark.parametrize(("path", "name"), NODES, ids=[name for _, name in NODES])
def test_the_named_test_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_no_tool_takes_a_project_or_the_callers_identity_as_input() -> None:
    taken = {(tool.name, field) for tool in TOOLS for field in tool.arguments.__struct_fields__}
    assert {(tool, field) for tool, field in taken if field in CALLERS_OWN} == set()
    # `actor` is a filter where it is an argument at all, never who somebody says to be.
    assert {tool for tool, field in taken if field == "actor"} == {"query_events"}
