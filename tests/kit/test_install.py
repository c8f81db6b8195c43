"""Installing, installing again, and taking it out: what was there is there again, byte for byte."""

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kit.edits import PROGRAM
from kit.git import NotInGit
from kit.install import Refused, Wishes, install, told, uninstall
from kit.receipt import Receipt
from kit.state import lock
from tests.kit.scratch import Identity, WorkTree, repository

NOBODY = Identity("http://127.0.0.1:1/mcp", None)
SHELL_HOOK = '#!/bin/sh\nset -e\necho "$(basename "$0") ran" >> hook-ran\n[ ! -f forbidden ] || exit 3\n'
PYTHON_HOOK = """\
#!/usr/bin/env python3
import os, sys
open("hook-ran", "a").write("python ran")
sys.exit(3 * os.path.exists("forbidden"))
"""
SETTINGS = """\
{
    "model": "opus",
    "hooks": {"PostToolUse": [{"matcher": "Write", "hooks": [{"type": "command", "command": "fmt"}]}]}
}"""
TEXTS = ["", "# Ours\n", "# Ours, without an end of line", "# Ours\r\n\r\nmore\r\n", "\ufeff# Ours\n\n\n"]


@pytest.fixture
async def tree(tmp_path: Path) -> WorkTree:
    return await repository(tmp_path / "repository", NOBODY)


def put_hook(path: Path, text: str, mode: int = 0o755) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def assert_leaves_no_trace(tree: WorkTree, *others: WorkTree) -> None:
    """Install twice and uninstall; the second time changes nothing, and nothing is left."""
    before = [place.tree() for place in (tree, *others)]
    assert install(tree.path, Wishes(with_wiki=True)).problems == []
    between = tree.tree()
    assert told(install(tree.path, Wishes(with_wiki=True))) == ["nothing to change"]
    assert tree.tree() == between
    assert uninstall(tree.path).problems == []
    assert [place.tree() for place in (tree, *others)] == before


async def test_installers_at_the_same_time_leave_no_trace(tree: WorkTree) -> None:
    tree.write("AGENTS.md", "# Ours\n")
    tree.write(".claude/settings.json", SETTINGS)
    before = tree.tree()
    with ThreadPoolExecutor() as together:
        outcomes = list(together.map(lambda _: install(tree.path, Wishes()), range(4)))
    assert sum(told(outcome) != ["nothing to change"] for outcome in outcomes) == 1
    uninstall(tree.path)
    assert tree.tree() == before


@pytest.mark.parametrize("last", ["config", "pre-commit", "settings.json", "CLAUDE.md"])
async def test_a_killed_installer_is_forgotten_with_the_next(
    tree: WorkTree, last: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException): ...

    def write_and_die(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            written = file.write(content)
        if path.name in (last, f"{last}.llm-bus-new"):
            stopped.setattr(Receipt, "save", lambda _: None)
            raise Killed
        return written

    tree.write(".claude/settings.json", SETTINGS)
    before = tree.tree()
    with monkeypatch.context() as stopped:
        stopped.setattr(Path, "write_bytes", write_and_die)
        with pytest.raises(Killed):
            install(tree.path, Wishes())
    assert tree.tree() != before
    install(tree.path, Wishes())
    uninstall(tree.path)
    assert tree.tree() == before


async def test_an_installer_does_not_wait_for_ever_for_another(tree: WorkTree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.install.ALONE_SECONDS_MAX", 0.0)
    before = tree.tree()
    another = os.open(tree.path / ".git", os.O_RDONLY)
    try:
        lock(another, wait=True)
        for act in (install, uninstall):
            with pytest.raises(Refused, match="another installer is at work"):
                act(tree.path, Wishes())
    finally:
        os.close(another)
    assert tree.tree() == before


async def test_an_empty_repository(tree: WorkTree) -> None:
    assert_leaves_no_trace(tree)


async def test_a_repository_without_any_hooks_folder(tree: WorkTree) -> None:
    for sample in (tree.path / ".git/hooks").iterdir():
        sample.unlink()
    (tree.path / ".git/hooks").rmdir()
    assert_leaves_no_trace(tree)


@pytest.mark.parametrize("hook", [SHELL_HOOK, PYTHON_HOOK, SHELL_HOOK.replace("\n", "\r\n")])
async def test_a_repository_with_a_hook(tree: WorkTree, hook: str) -> None:
    put_hook(tree.path / ".git/hooks/pre-commit", hook)
    assert_leaves_no_trace(tree)


async def test_a_hook_that_is_switched_off_stays_off(tree: WorkTree) -> None:
    put_hook(tree.path / ".git/hooks/pre-commit", SHELL_HOOK, mode=0o644)
    assert_leaves_no_trace(tree)
    install(tree.path, Wishes())
    await tree.stage("file")
    await tree.git("commit", "--quiet", "--message", "one")
    assert not (tree.path / "hook-ran").exists()


async def test_a_worktree_shares_the_hook_of_the_main_one(tree: WorkTree) -> None:
    await tree.stage("file")
    await tree.git("commit", "--quiet", "--message", "one")
    await tree.git("worktree", "add", "--quiet", "../feature")
    feature = WorkTree(tree.path.parent / "feature", NOBODY)
    put_hook(tree.path / ".git/hooks/pre-commit", SHELL_HOOK)
    assert_leaves_no_trace(feature, tree)


async def test_the_path_of_hooks_is_respected(tree: WorkTree) -> None:
    place = ".githooks"
    await tree.git("config", "core.hooksPath", place)
    assert_leaves_no_trace(tree)
    put_hook(tree.path / place / "pre-commit", SHELL_HOOK)
    assert_leaves_no_trace(tree)
    install(tree.path, Wishes())
    assert PROGRAM in (tree.path / place / "pre-commit").read_text()
    assert not (tree.path / ".git/hooks/pre-commit").exists()


@pytest.mark.parametrize("hook", [None, "touch hook-ran\n", "#!/bin/sh\ntouch hook-ran"])
async def test_for_husky_the_hook_goes_where_husky_looks(tree: WorkTree, hook: str | None) -> None:
    runner = tree.write(".husky/_/pre-commit", '#!/usr/bin/env sh\n. "$(dirname "$0")/h"\n')
    runner.chmod(0o755)
    tree.write(".husky/_/h", 's=$(dirname "$(dirname "$0")")/pre-commit\n[ ! -f "$s" ] || sh -e "$s" "$@"\n')
    await tree.git("config", "core.hooksPath", ".husky/_")
    if hook is not None:
        put_hook(tree.path / ".husky/pre-commit", hook, mode=0o644)
    assert_leaves_no_trace(tree)
    generated = runner.read_text()
    install(tree.path, Wishes())
    assert runner.read_text() == generated
    await tree.stage("file")
    ran = await tree.git("commit", "--message", "one")
    assert "llm-bus: not checked, going on" in ran.err
    assert (tree.path / "hook-ran").exists() == (hook is not None)


async def test_a_hook_that_is_a_link_stays_one(tree: WorkTree) -> None:
    link = tree.path / ".git/hooks/pre-commit"
    link.symlink_to("../../scripts/pre-commit")
    assert_leaves_no_trace(tree)
    put_hook(tree.path / "scripts/pre-commit", SHELL_HOOK)
    assert_leaves_no_trace(tree)
    install(tree.path, Wishes())
    assert link.is_symlink()


@pytest.mark.parametrize("inside", [".", "hooks"])
async def test_what_belongs_to_git_is_not_installed_into(tree: WorkTree, inside: str) -> None:
    await tree.git("init", "--quiet", "--bare", "../bare")
    bare = WorkTree(tree.path.parent / "bare", NOBODY)
    for owned in (bare, WorkTree(tree.path / ".git", NOBODY)):
        before = owned.tree()
        with pytest.raises(NotInGit, match="belongs to git, or to a bare repository: go to a work tree"):
            install(owned.path / inside, Wishes())
        assert owned.tree() == before


async def test_a_module_of_the_repository_stands_in_for_none_of_pythons(tree: WorkTree) -> None:
    install(tree.path, Wishes())
    tree.write("lib/json.py", "raise SystemExit(65)\n")
    await tree.stage("file")
    ran = await tree.git("commit", "--message", "one", PYTHONPATH=str(tree.path / "lib"))
    assert "there is no token" in ran.err


@pytest.mark.parametrize("text", TEXTS)
async def test_files_with_words_of_others(tree: WorkTree, text: str) -> None:
    for name in ("AGENTS.md", "CLAUDE.md"):
        (tree.path / name).write_bytes(text.encode())
    tree.write(".claude/settings.json", SETTINGS)
    tree.write("docs/wiki/index.md", "# Ours\n")
    tree.write("llm-bus.config.json", "{}")
    assert_leaves_no_trace(tree)
    install(tree.path, Wishes(with_wiki=True))
    assert (tree.path / "AGENTS.md").read_bytes().startswith(text.encode())
    assert (tree.path / "docs/wiki/index.md").read_text() == "# Ours\n"
    assert (tree.path / "llm-bus.config.json").read_text() == "{}"


async def test_what_somebody_wrote_since_stays(tree: WorkTree) -> None:
    tree.write("AGENTS.md", "# Ours\n")
    tree.write(".claude/settings.json", SETTINGS)
    install(tree.path, Wishes())
    agents, settings = tree.path / "AGENTS.md", tree.path / ".claude/settings.json"
    agents.write_text(agents.read_text() + "\n# Later\n")
    changed = json.loads(settings.read_text())
    changed["hooks"]["PostToolUse"].append({"hooks": [{"type": "command", "command": "lint"}]})
    settings.write_text(json.dumps(changed))
    uninstall(tree.path)
    assert agents.read_text() == "# Ours\n\n\n# Later\n"
    expected = json.loads(SETTINGS)
    expected["hooks"]["PostToolUse"].append({"hooks": [{"type": "command", "command": "lint"}]})
    assert json.loads(settings.read_text()) == expected


async def test_what_follows_a_beginning_without_an_end_is_not_ours(tree: WorkTree) -> None:
    install(tree.path, Wishes())
    agents = tree.path / "AGENTS.md"
    broken = agents.read_text().replace("<!-- llm-bus:end -->\n", "") + "\n# Mine\n"
    agents.write_text(broken)
    install(tree.path, Wishes())
    agents.write_text(agents.read_text() + "\n# Later\n")
    uninstall(tree.path)
    assert agents.read_text() == broken + "\n\n# Later\n"


@pytest.mark.parametrize("text", ["", "{", "[]"])
async def test_a_broken_receipt_is_as_none(tree: WorkTree, text: str) -> None:
    tree.write("AGENTS.md", "# Ours\n")
    install(tree.path, Wishes())
    tree.write(".git/llm-bus/installed.json", text)
    uninstall(tree.path)
    assert (tree.path / "AGENTS.md").read_text() == "# Ours\n"


async def test_a_repository_that_was_moved_gets_back_what_was_there(tree: WorkTree) -> None:
    tree.write(".claude/settings.json", SETTINGS)
    before = tree.tree()
    install(tree.path, Wishes(with_wiki=True))
    moved = WorkTree(tree.path.rename(tree.path.with_name("moved")), NOBODY)
    assert uninstall(moved.path).problems == []
    assert moved.tree() == before


async def test_another_clone_can_uninstall_what_was_committed(tree: WorkTree) -> None:
    tree.write("AGENTS.md", "# Ours\n")
    install(tree.path, Wishes())
    (tree.path / ".git/llm-bus/installed.json").unlink()
    uninstall(tree.path)
    assert (tree.path / "AGENTS.md").read_text() == "# Ours\n"
    assert not (tree.path / ".claude/settings.json").exists()
    assert not (tree.path / ".git/hooks/pre-commit").exists()


async def test_a_newer_kit_replaces_only_what_is_between_the_markers(tree: WorkTree) -> None:
    install(tree.path, Wishes())
    agents = tree.path / "AGENTS.md"
    agents.write_text("# Above\n\n" + agents.read_text().replace("## LLM Bus in", "## An old text of") + "\n# Below\n")
    assert told(install(tree.path, Wishes(lead=True))) == ["changed AGENTS.md", "changed CLAUDE.md"]
    text = agents.read_text()
    assert text.startswith("# Above\n\n<!-- llm-bus:begin -->\n## LLM Bus in")
    assert text.endswith("<!-- llm-bus:end -->\n\n# Below\n")
    assert "### You lead" in text


async def test_claude_reads_the_block_once(tree: WorkTree) -> None:
    tree.write("CLAUDE.md", "See @AGENTS.md for the rules.\n")
    install(tree.path, Wishes())
    assert "llm-bus" not in (tree.path / "CLAUDE.md").read_text()
    uninstall(tree.path)
    (tree.path / "CLAUDE.md").unlink()
    (tree.path / "CLAUDE.md").symlink_to("AGENTS.md")
    assert_leaves_no_trace(tree)


async def test_uninstalling_asks_nothing_of_files_that_were_never_written(tree: WorkTree) -> None:
    tree.write("docs", "a file where a wiki would be")
    before = tree.tree()
    install(tree.path, Wishes())
    uninstall(tree.path)
    assert tree.tree() == before


async def test_settings_that_are_no_json_are_left_alone(tree: WorkTree) -> None:
    tree.write(".claude/settings.json", "{ // comment\n}")
    outcome = install(tree.path, Wishes())
    [problem] = outcome.problems
    assert problem.startswith("left .claude/settings.json alone: it is not JSON")
    assert problem.endswith("take comments and trailing commas out, then install again")
    assert (tree.path / ".claude/settings.json").read_text() == "{ // comment\n}"
    assert "created AGENTS.md" in outcome.changes


UNPRINTABLE = {
    "1e400": "number",
    '[{"a": 1, "b": 2, "a": 3}]': 'it has "a" twice',
    '"\\ud800"': "half",
    "[" * 5000 + "]" * 5000: "nested",
}


@pytest.mark.parametrize("value", UNPRINTABLE)
async def test_settings_that_could_not_be_written_back_are_left_alone(tree: WorkTree, value: str) -> None:
    text = f'{{"model": {value}}}'
    tree.write(".claude/settings.json", text)
    [problem] = install(tree.path, Wishes()).problems
    assert problem.startswith("left .claude/settings.json alone: it ")
    assert UNPRINTABLE[value] in problem
    assert (tree.path / ".claude/settings.json").read_text() == text


async def test_settings_of_blanks_are_as_none(tree: WorkTree) -> None:
    tree.write(".claude/settings.json", " \n\n")
    assert_leaves_no_trace(tree)


async def test_no_file_is_made_whose_name_differs_from_anothers_in_case_only(tree: WorkTree) -> None:
    tree.write("Agents.md")
    [problem] = install(tree.path, Wishes()).problems
    assert problem.startswith("left AGENTS.md alone: on macOS and Windows it is the same file as Agents.md")
    assert not (tree.path / "AGENTS.md").exists()


async def test_what_is_in_a_files_way_is_named(tree: WorkTree) -> None:
    tree.write(".claude")
    with pytest.raises(Refused, match=r"settings.json cannot be written: .claude is no folder"):
        install(tree.path, Wishes())


async def test_rules_in_utf_16_are_left_alone(tree: WorkTree) -> None:
    rules = tree.path / "CLAUDE.md"
    rules.write_text("rules", encoding="utf-16")  # as PowerShell 5 writes it
    [problem] = install(tree.path, Wishes()).problems
    assert problem == "left CLAUDE.md alone: it is UTF-16: save it as UTF-8, then install again"
    assert rules.read_text("utf-16") == "rules"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
async def test_settings_in_another_encoding_are_left_alone(tree: WorkTree, encoding: str) -> None:
    settings = tree.path / ".claude/settings.json"
    settings.parent.mkdir()
    settings.write_text("{}", encoding=encoding)
    before = settings.read_bytes()
    [problem] = install(tree.path, Wishes()).problems
    assert problem.endswith("it begins with a byte order mark: save it as UTF-8 without one, then install again")
    assert settings.read_bytes() == before


async def test_settings_keep_what_others_run(tree: WorkTree) -> None:
    tree.write(".claude/settings.json", SETTINGS)
    install(tree.path, Wishes())
    settings = json.loads((tree.path / ".claude/settings.json").read_text())
    assert settings["hooks"]["PostToolUse"] == json.loads(SETTINGS)["hooks"]["PostToolUse"]
    assert PROGRAM in settings["hooks"]["Stop"][0]["hooks"][0]["command"]
    assert settings["model"] == "opus"


async def test_a_command_of_the_settings_passes_where_the_kit_is_not(tree: WorkTree) -> None:
    install(tree.path, Wishes())
    settings = json.loads((tree.path / ".claude/settings.json").read_text())
    command = settings["hooks"]["SessionStart"][0]["hooks"][0]["command"]
    elsewhere = {"CLAUDE_PROJECT_DIR": str(tree.path / "docs of old")}
    ran = await tree.run("sh", "-c", command, environment=elsewhere)
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    sent = json.dumps({"hook_event_name": "SessionStart", "cwd": str(tree.path)}).encode()
    ran = await tree.run("sh", "-c", command, stdin=sent, environment={"CLAUDE_PROJECT_DIR": str(tree.path)})
    assert (ran.code, "LLM Bus could not be asked" in ran.out) == (0, True)


@pytest.mark.parametrize("hook", [SHELL_HOOK, PYTHON_HOOK])
async def test_both_hooks_run_and_each_can_refuse(tree: WorkTree, hook: str) -> None:
    put_hook(tree.path / ".git/hooks/pre-commit", hook)
    install(tree.path, Wishes())
    await tree.stage("file")
    ran = await tree.git("commit", "--message", "one")
    assert "llm-bus: not checked, going on" in ran.err
    assert (tree.path / "hook-ran").read_text() in {"pre-commit ran\n", "python ran"}
    await tree.stage("forbidden")
    await tree.git("commit", "--message", "two", code=1)


async def test_two_programs_are_one_too_many(tree: WorkTree) -> None:
    put_hook(tree.path / ".git/hooks/pre-commit", PYTHON_HOOK)
    install(tree.path, Wishes())
    put_hook(tree.path / ".git/hooks/pre-commit", PYTHON_HOOK + "# another\n")
    [problem] = install(tree.path, Wishes()).problems
    assert problem.endswith("are both other programs: remove the one that is not needed")
    assert (tree.path / ".git/hooks/pre-commit.before-llm-bus").read_text() == PYTHON_HOOK
    assert (tree.path / ".git/hooks/pre-commit").read_text() == PYTHON_HOOK + "# another\n"


async def test_what_is_installed_can_be_committed_and_what_is_private_cannot(tree: WorkTree) -> None:
    install(tree.path, Wishes(server="https://bus.example.com"))
    await tree.git("add", "--all")
    ran = await tree.git("commit", "--quiet", "--message", "LLM Bus")
    assert "there is no token" in ran.err
    listed = (await tree.git("ls-files")).out.split()
    assert listed == [
        ".claude/settings.json",
        "AGENTS.md",
        "CLAUDE.md",
        "llm-bus.config.json",
    ]
    assert (await tree.git("status", "--porcelain", "--untracked-files=all")).out == ""
    assert stat.S_IMODE((tree.path / ".git/llm-bus/installed.json").stat().st_mode) == 0o600
    config = json.loads((tree.path / "llm-bus.config.json").read_text())
    assert config["endpoint"] == "https://bus.example.com/mcp"


async def test_outside_of_git_nothing_is_done(tmp_path: Path) -> None:
    with pytest.raises(NotInGit, match="not a git repository"):
        install(tmp_path, Wishes())
    assert WorkTree(tmp_path, NOBODY).tree() == {}


async def test_a_hook_that_starts_during_an_upgrade_reads_one_version(tree: WorkTree) -> None:
    install(tree.path, Wishes())
    program, hook, rules = (tree.path / name for name in (".git/llm-bus/kit.pyz", ".git/hooks/pre-commit", "AGENTS.md"))
    former = [path.read_bytes().replace(b"LLM Bus", b"Old Bus") for path in (program, hook, rules)]
    for path, text in zip((program, hook, rules), former, strict=True):
        path.write_bytes(text.replace(b"llm_bus", b"old_bus"))
    put_hook(hook, f"{hook.read_text()}true\n", 0o700)
    os.link(rules, tree.path / "same.md")
    with program.open("rb") as running:
        assert install(tree.path, Wishes()).problems == []
        assert running.read() == former[0].replace(b"llm_bus", b"old_bus")
    assert stat.S_IMODE(hook.stat().st_mode) == 0o700
    assert (tree.path / "same.md").samefile(rules)
    tree.write("AGENTS.md.llm-bus-new")  # as an installer leaves it that was killed
    uninstall(tree.path)
    assert not [*tree.path.rglob("*.llm-bus-new")]
