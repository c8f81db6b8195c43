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
    assert modules - {"kit"} <= sys.stdlib_module_names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_oldest_python_can_import_it(path: Path, old_python: str) -> None:
    command = [
        old_python,
        "-B",
        "-I",
        "-c",
        f"import sys; sys.path.insert(0, {str(KIT.parent)!r}); import kit.{path.stem}",
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=300)


@pytest.mark.parametrize(("arguments", "code"), [(["--staged"], 0), ([], 0), (["install"], 1)])
def test_a_python_that_is_too_old_says_so_in_a_sentence(arguments: list[str], code: int) -> None:
    # What runs first is read by any Python; what it says is tried by pretending that this one is old.
    pretend = (
        "import sys, runpy; sys.version_info = (3, 8, 18); sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    ran = subprocess.run([sys.executable, "-c", pretend, HOOK, *arguments], capture_output=True, check=False, text=True)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.endswith(": Python 3.9 or later is needed, this is 3.8.18\n")
