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
ONE_FOR_ALL = """printf '#!/bin/sh\\ntrue\\n' > .git/hooks/all; chmod +x .git/hooks/all
for name in pre-commit post-commit pre-merge-commit pre-applypatch pre-push; do LINK all .git/hooks/$name; done"""
OTHERS_HOOKS = """mkdir .githooks; touch .githooks/x; git add --all; git commit --quiet --message hooks
git config core.hooksPath $PWD/.githooks; git worktree add --quiet ../elsewhere"""
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
    "one script for all hooks": ("work", PLAIN, ONE_FOR_ALL.replace("LINK", "ln -s"), ".", ""),
    "one file of many names": ("work", PLAIN, ONE_FOR_ALL.replace("LINK all", "ln .git/hooks/all"), ".", ""),
    "hooks of the main work tree": ("work", PLAIN, OTHERS_HOOKS, "../elsewhere", ""),
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


async def test_an_empty_path_of_hooks_is_not_the_root_of_the_work_tree(tmp_path: Path) -> None:
    tree = WorkTree(tmp_path / "work", NOBODY)
    tree.path.mkdir()
    await tree.git("init", "--quiet")
    await tree.git("config", "core.hooksPath", "")
    before = tree.tree()
    [problem] = install(tree.path, Wishes()).problems
    assert "commits are not checked" in problem
    assert not (tree.path / "pre-commit").exists()
    uninstall(tree.path)
    assert tree.tree() == before


async def test_a_script_for_all_hooks_checks_at_each_what_is_to_be_checked_there(tmp_path: Path) -> None:
    tree = WorkTree(tmp_path / "work", NOBODY)
    tree.write(FIRST)
    link = ONE_FOR_ALL.replace("LINK", "ln -s")
    await tree.run("sh", "-ec", f"{PLAIN} .; git add --all; git commit --quiet --message one; {link}")
    install(tree.path, Wishes())
    tree.write(SECOND)
    await tree.git("add", "--all")
    codes = {name: (await tree.run(tree.path / ".git/hooks" / name)).code for name in ("pre-commit", "pre-push")}
    assert codes == {"pre-commit": 1, "pre-push": 0}
