"""Hook managers: our line is in their own configuration, and comes out again byte for byte."""

import json
import re
import subprocess
import venv
from pathlib import Path

import pytest

from kit.edits import PROGRAM
from kit.git import Repository
from kit.git_hook import missing_guard
from kit.install import Wishes, install, uninstall
from tests import npm
from tests.kit.scratch import Identity, WorkTree, repository

NOBODY = Identity("http://127.0.0.1:1/mcp", None)
CLIENTS = Path(__file__).parents[1] / "acceptance" / "clients"
PRE_COMMIT = "pre-commit==4.7.0"
INSTALL_SECONDS_MAX = 200
CONFIGS = {
    "pre-commit": (".pre-commit-config.yaml", "# ours\nrepos:\n  - repo: local\n    hooks: []\nfail_fast: true\n"),
    "pre-commit, flush": (".pre-commit-config.yaml", "repos:\n- repo: meta\n  hooks:\n  - id: identity\n"),
    "lefthook, none": ("lefthook.yml", "pre-push:\n  commands:\n    test:\n      run: make test\n"),
    "lefthook, commands": ("lefthook.yml", "pre-commit:\n  parallel: true\n  commands:\n    lint:\n      run: true\n"),
    "lefthook, jobs": (".lefthook.yaml", "pre-commit:\n    jobs:\n        - run: true\n"),
    "lefthook, other": ("lefthook.yml", "pre-commit:\n  parallel: true\npre-push:\n  jobs: []\n"),
    "lefthook, TOML": ("lefthook.toml", "[pre-commit]\nparallel = true\n\n[[pre-commit.jobs]]\nrun = 'x'\n"),
    "lefthook, empty TOML": (".lefthook.toml", ""),
    "lefthook, JSON": ("lefthook.json", '{\n\t"pre-commit": {\n\t\t"parallel": true\n\t}\n}\n'),
    "simple, one": ("package.json", '{\n\t"name": "x",\n\t"simple-git-hooks": {\n\t\t"pre-commit": "npx lint"\n\t}\n}'),
    "simple, none": ("package.json", '{"simple-git-hooks": {"pre-push": "npx test"}, "x": 1}\n'),
    "simple, empty": ("package.json", '{"simple-git-hooks": {}}\n'),
    "simple, braces": ("package.json", '{"simple-git-hooks": {"commit-msg": "echo ${1}", "pre-commit": "npx lint"}}\n'),
    "simple, file": (".simple-git-hooks.json", '{\n  "pre-commit": "npx lint"\n}\n'),
}


@pytest.fixture
async def tree(tmp_path: Path) -> WorkTree:
    return await repository(tmp_path / "repository", NOBODY)


@pytest.mark.parametrize("receipt", [True, False], ids=["with a receipt", "without"])
@pytest.mark.parametrize("kind", CONFIGS)
async def test_our_line_goes_into_a_managers_config_and_out_again(tree: WorkTree, kind: str, *, receipt: bool) -> None:
    name, text = CONFIGS[kind]
    for content in (text, text.replace("\n", "\r\n")):
        tree.write(name).write_bytes(content.encode())
        assert install(tree.path, Wishes()).problems == []
        assert (tree.path / name).read_text().count(PROGRAM) == 1
        assert install(tree.path, Wishes()).changes == []
        if name.endswith(".json"):
            json.loads((tree.path / name).read_text())
        if not receipt:
            (tree.path / ".git/llm-bus/installed.json").unlink()
        uninstall(tree.path)
        assert (tree.path / name).read_bytes() == content.encode()


PLACES = {
    "a comment behind": "pre-commit:  # c\n  commands: # linters\n    HERE\n    lint:\n      run: x\n",
    "a blank line": "pre-commit:\n  commands:\n    HERE\n\n    lint:\n      run: x\n",
    "a comment elsewhere": "pre-commit:\n  commands:\n    HERE\n# c\n      # d\n    lint:\n      run: x\n",
    "a comment before": "pre-commit:\n# c\n  parallel: true\n# d\n  commands:\n    HERE\n    lint:\n      run: x\n",
    "comments only": "pre-commit:\n  HERE\n      # c\n  parallel: true\n",
    "quotes": "'pre-commit' :\n  \"commands\":\n    HERE\n    lint:\n      run: x\n",
    "a list at the left": "pre-commit:\n  jobs:\n  HERE\n\n  - run: x\n",
    "a script of that name": "pre-commit:\n  HERE\n  scripts:\n    commands:\n      runner: sh\n",
    "a byte order mark": "\ufeffpre-commit:\n  commands:\n    HERE\n    lint:\n      run: x\n",
    "items below their dash": "repos:\n  HERE\n  -\n    repo: local\n    hooks: []\n",
    "a document's beginning": "%YAML 1.2\n--- # c\npre-commit:\n  commands:\n    HERE\n    lint:\n      run: x\n",
    "an old item": "repos:\nHERE\n    # - repo: old\n- repo: local\n  hooks: []\n",
}
"""A configuration with HERE where our lines go, at their indentation."""


@pytest.mark.parametrize("kind", PLACES)
async def test_our_line_is_indented_as_its_neighbours_wherever_comments_are(tree: WorkTree, kind: str) -> None:
    before, after = re.split("(?m)^ *HERE\n", PLACES[kind])
    indent = PLACES[kind].partition("HERE")[0].rpartition("\n")[2]
    name = ".pre-commit-config.yaml" if "repos:" in before else "lefthook.yml"
    tree.write(name, before + after)
    assert install(tree.path, Wishes()).problems == []
    text = (tree.path / name).read_text("utf-8")
    assert text.startswith(f"{before}{indent}# llm-bus:begin")
    assert text.endswith(f"{indent}# llm-bus:end\n{after}")


async def test_an_empty_config_keeps_our_section_when_installed_again(tree: WorkTree) -> None:
    tree.write("lefthook.yml", "")
    install(tree.path, Wishes())
    assert install(tree.path, Wishes()).changes == []
    assert PROGRAM in (tree.path / "lefthook.yml").read_text()
    uninstall(tree.path)
    assert (tree.path / "lefthook.yml").read_bytes() == b""


OTHER_STYLES = [
    (".pre-commit-config.yaml", "repos: []\n"),
    (".pre-commit-config.yaml", "repos:\n  [{repo: local, hooks: []}]\n"),
    (".pre-commit-config.yaml", "{repos: [],\nfail_fast: true}\n"),
    ("lefthook.yml", "pre-push:\n  parallel: true\n...\n"),
    ("lefthook.yml", "pre-push:\n  parallel: true\n---\npre-commit:\n  parallel: true\n"),
    ("lefthook.yml", "  pre-push:\n    parallel: true\n"),
    ("lefthook.yml", '{"pre-push": {"parallel": true}}\n'),
    ("lefthook.yml", "? pre-commit\n:\n  parallel: true\n"),
    ("lefthook.toml", "pre-commit = { parallel = true }\n"),
    ("lefthook.toml", "[pre-commit.commands.llm-bus]\nrun = 'x'\n"),
    ("lefthook.yml", "pre-commit: {parallel: true}\n"),
    ("lefthook.yml", "pre-commit:\n- run: x\n"),
    ("lefthook.yml", "pre-commit:\n  commands: {lint: {run: x}}\n"),
    ("lefthook.yml", "pre-commit:\n  jobs: &jobs\n  - run: x\n"),
    ("lefthook.yml", "pre-commit:\n  commands:\n    llm-bus:\n      run: x\n"),
    ("lefthook.yml", "pre-commit:\n  commands:"),
    ("package.json", '{"simple-git-hooks": {"pre-commit": ["npx", "lint"]}}\n'),
    ("package.json", '{"simple-git-hooks": {"pre-commit": ""}}\n'),
    ("package.json", '{"a": {"simple-git-hooks": {"pre-commit": "a"}}, "simple-git-hooks": {"pre-commit": "b"}}\n'),
    ("package.json", '{\n  // ours\n  "simple-git-hooks": {"pre-commit": "npx lint"}\n}\n'),
]


@pytest.mark.parametrize(("name", "text"), OTHER_STYLES)
async def test_a_config_of_another_style_is_left_alone_and_named(tree: WorkTree, name: str, text: str) -> None:
    tree.write(name, text)
    [problem] = install(tree.path, Wishes()).problems
    assert problem.startswith(f"left {name} alone")
    assert "have it run this line before a commit: llm_bus=" in problem
    assert (tree.path / name).read_text() == text


async def test_a_manager_whose_config_cannot_be_edited_is_named(tree: WorkTree) -> None:
    tree.write("prek.toml", "[[repos]]\nrepo = 'local'\n")
    tree.write(".git/hooks/pre-commit", f"#!/bin/sh\n{GENERATED['prek'][2]}\n").chmod(0o755)
    [problem] = install(tree.path, Wishes()).problems
    assert problem.startswith("commits are not checked: prek writes the hook, and .pre-commit-config.yaml is not there")
    assert missing_guard(Repository.around(tree.path)) is not None


GENERATED = {
    "pre-commit": (".pre-commit-config.yaml", "repos:\n", "# File generated by pre-commit: https://pre-commit.com"),
    "prek": (".pre-commit-config.yaml", "repos:\n", "# File generated by prek: https://github.com/j178/prek"),
    "lefthook": (".config/lefthook.yaml", "", 'call_lefthook run "pre-commit" "$@"'),
}


@pytest.mark.parametrize("manager", GENERATED)
async def test_a_hook_that_reads_its_managers_config_is_left_as_it_is(tree: WorkTree, manager: str) -> None:
    name, text, mark = GENERATED[manager]
    tree.write(name, text)
    hook = tree.write(".git/hooks/pre-commit", f"#!/bin/sh\n{mark}\n")
    hook.chmod(0o755)
    assert install(tree.path, Wishes()).problems == []
    assert hook.read_text() == f"#!/bin/sh\n{mark}\n"
    assert missing_guard(Repository.around(tree.path)) is None


@pytest.mark.parametrize("ours", ["", "#!/bin/sh\ntrue\n"])
async def test_a_hook_that_a_manager_has_put_aside_is_taken_out_too(tree: WorkTree, ours: str) -> None:
    hook = tree.path / ".git/hooks/pre-commit"
    if ours:
        hook.write_text(ours)
        hook.chmod(0o755)
    install(tree.path, Wishes())
    hook.rename(hook.with_name("pre-commit.legacy"))
    hook.write_text("#!/bin/sh\n# File generated by pre-commit\n")
    assert uninstall(tree.path).problems == []
    legacy = hook.with_name("pre-commit.legacy")
    assert (legacy.read_text() if legacy.exists() else "") == ours
    assert hook.read_text() == "#!/bin/sh\n# File generated by pre-commit\n"


async def test_a_guard_that_another_program_took_away_is_missed_and_put_back(tree: WorkTree) -> None:
    install(tree.path, Wishes())
    here = Repository.around(tree.path)
    assert missing_guard(here) is None
    (tree.path / ".git/hooks/pre-commit").write_text("#!/bin/sh\n# File generated by pre-commit\n")
    told = missing_guard(here)
    assert told is not None
    ran = await tree.run("sh", "-ec", told.partition("puts it back: ")[2])
    assert (ran.code, "commits are not checked: pre-commit writes the hook" in ran.out) == (1, True)
    assert missing_guard(here) is not None, "the manager's hook stays its own; it has no configuration here"
    (tree.path / ".git/hooks/pre-commit").unlink()
    await tree.run("sh", "-ec", told.partition("puts it back: ")[2])
    assert missing_guard(here) is None


REAL = {
    "husky": ("husky", None, '{"name": "x"}'),
    "lefthook": (
        "lefthook install",
        "lefthook.yml",
        "pre-commit:\n  commands:\n    ours:\n      run: touch hook-ran\n",
    ),
    "pre-commit": (
        "pre-commit install",
        ".pre-commit-config.yaml",
        "repos:\n- repo: local\n  hooks:\n  - id: ours\n    name: ours\n    entry: touch hook-ran\n"
        "    language: system\n    always_run: true\n    pass_filenames: false\n",
    ),
    "simple-git-hooks": (
        "simple-git-hooks",
        "package.json",
        '{"name": "x", "simple-git-hooks": {"pre-commit": "touch hook-ran"}}',
    ),
}


@pytest.fixture(scope="session")
def pre_commit() -> Path:
    """Where the pre-commit framework is, in an environment of its own."""
    place = CLIENTS.parents[2] / "build" / "pre-commit"
    if not (place / "bin" / "pre-commit").exists():
        venv.create(place, with_pip=True)
        wanted = [str(place / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", PRE_COMMIT]
        subprocess.run(wanted, check=True, timeout=INSTALL_SECONDS_MAX)
    return place / "bin"


@pytest.mark.clients
@pytest.mark.parametrize("first", [True, False], ids=["manager first", "kit first"])
@pytest.mark.parametrize("manager", REAL)
async def test_real_managers_run_the_guard(tree: WorkTree, pre_commit: Path, manager: str, *, first: bool) -> None:
    modules = npm.installed(CLIENTS)
    if modules is None:
        pytest.skip("node and npm are not installed")
    command, name, text = REAL[manager]
    tree.write(name or "package.json", text)
    environment = {"PATH": f"{modules / '.bin'}:{pre_commit}:/usr/bin:/bin:/usr/local/bin"}

    async def set_up() -> None:
        ran = await tree.run("sh", "-ec", command, environment=environment)
        assert ran.code == 0, ran

    if first:
        await set_up()
        install(tree.path, Wishes())
    else:
        install(tree.path, Wishes())
        await set_up()
    if missing_guard(Repository.around(tree.path)):
        install(tree.path, Wishes())
    if manager == "simple-git-hooks":
        await set_up()
    await tree.stage("file")
    ran = await tree.run("git", "commit", "--message", "one", environment=environment)
    assert ran.code == 0, ran
    assert "there is no token" in ran.err + ran.out
    if name is not None:
        assert (tree.path / "hook-ran").exists()
