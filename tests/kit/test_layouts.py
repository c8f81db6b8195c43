"""Repositories as people lay them out: the guard runs in each, and uninstalling leaves what was there."""

from pathlib import Path

import pytest

from kit.install import Wishes, install, uninstall
from tests.kit.scratch import Identity, WorkTree

NOBODY = Identity("http://127.0.0.1:1/mcp", None)
FIRST, SECOND = "docs/decisions/0001-a.md", "docs/decisions/0001-b.md"

PLAIN = "git init --quiet --initial-branch=main"
HUSKY_4 = """printf '#!/bin/sh\\n# husky\\n\\n. "$(dirname "$0")/husky.sh"\\n' > .git/hooks/pre-commit
printf 'exit 0\\n' > .git/hooks/husky.sh; chmod +x .git/hooks/*"""
STRICT_HOOK = (
    "printf '#!/bin/bash\\nset -euo pipefail\\nexec true' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit"
)
BARE = "git clone --quiet --bare . ../bare.git; git -C ../bare.git worktree add --quiet ../elsewhere main"
OWN_HOOKS = "git config core.hooksPath $PWD/.githooks"
SUBMODULE = """git clone --quiet . ../other
git -c protocol.file.allow=always submodule --quiet add ../other sub; git commit --quiet --message sub"""
ODD_CONFIG = """git config color.ui always; git config diff.noprefix true; git config diff.relative true
git config diff.external /bin/false; git config diff.renames copies; git config log.showSignature true
git config core.quotePath true; git config format.pretty oneline"""

LAYOUTS = {
    "plain": ("work", PLAIN, "", ".", ""),
    "odd name": ("a 'b\" $c\n\u65e5;d", PLAIN, "", ".", ""),
    "other locale": ("\u65e5", PLAIN, "", ".", "LC_ALL=C LANG=C"),
    "separate git folder": ("work", f"{PLAIN} --separate-git-dir ../apart.git", "", ".", ""),
    "longer hashes": ("work", f"{PLAIN} --object-format=sha256", "", ".", ""),
    "work tree": ("work", PLAIN, "git worktree add --quiet ../elsewhere", "../elsewhere", ""),
    "work tree of a bare repository": ("work", PLAIN, BARE, "../elsewhere", ""),
    "submodule": ("work", PLAIN, SUBMODULE, "sub", ""),
    "own folder of hooks": ("work", PLAIN, OWN_HOOKS, ".", ""),
    "hooks by a link": ("work", PLAIN, "rm -r .git/hooks; mkdir hooks; ln -s ../hooks .git/hooks", ".", ""),
    "husky 4": ("work", PLAIN, HUSKY_4, ".", ""),
    "strict hook": ("work", PLAIN, STRICT_HOOK, ".", ""),
    "detached": ("work", PLAIN, "git checkout --quiet --detach", ".", ""),
    "sparse": ("work", PLAIN, "git sparse-checkout set --cone elsewhere", ".", ""),
    "odd config": ("work", PLAIN, ODD_CONFIG, ".", ""),
    "variables of Python": ("work", PLAIN, "", ".", "PYTHONHOME=/gone PYTHONPATH=. PYTHONHASHSEED=bad PYTHONINSPECT=1"),
    "variables of git": ("work", PLAIN, "", ".", 'GIT_DIR="$PWD/.git" GIT_WORK_TREE="$PWD"'),
}


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_the_guard_runs_and_goes_without_a_trace(tmp_path: Path, layout: str) -> None:
    name, init, set_up, place, variables = LAYOUTS[layout]
    main = WorkTree(tmp_path / name, NOBODY)
    main.write(FIRST)
    commit = "git add --all; git commit --quiet --message one"
    for step in (f"{init} .; {commit}", set_up):
        ran = await main.run("sh", "-ec", step)
        assert ran.code == 0, ran
    tree = WorkTree((main.path / place).resolve(), NOBODY)
    before = _files(main)
    # In this process: a command would compile the kit anew each time, which is most of what it costs.
    assert install(tree.path, Wishes()).problems == []
    assert install(tree.path, Wishes()).changes == []
    tree.write(SECOND)
    ran = await tree.run("sh", "-ec", f"git add --sparse {SECOND}; {variables} git commit --quiet --message two")
    assert ran.code == 1, ran
    assert "adr 1 is also the number of docs/decisions/0001-a.md" in ran.err
    await tree.git("rm", "--quiet", "--force", "--sparse", SECOND)
    if not (tree.path / FIRST).exists():
        before.pop("docs/decisions", None)
    assert uninstall(tree.path).problems == []
    assert _files(main) == before


def _files(tree: WorkTree) -> dict[str, tuple[int, bytes]]:
    """All files but those that git itself writes to."""
    own = ("index", "COMMIT_EDITMSG", "objects", "logs")
    return {name: file for name, file in tree.tree().items() if not set(own) & set(name.split("/"))}
