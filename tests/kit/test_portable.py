"""The kit runs on other people's machines: an old Python, nothing installed, files that stand alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.scratch import HOOK, KIT

OLDEST = (3, 9)
FILES = sorted(KIT.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_is_written_in_the_oldest_python(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"), feature_version=OLDEST)
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {
        name.partition(".")[0]
        for node in imported
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    own = set() if path == HOOK else {"kit"}
    assert modules - own <= sys.stdlib_module_names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_oldest_python_can_import_it(path: Path, old_python: str) -> None:
    command = [
        old_python,
        "-B",
        "-I",
        "-c",
        f"import sys; sys.path.insert(0, {str(KIT.parent)!r}); import kit.{path.stem}",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
