"""Which of the staged changes the hook looks at, and what it says about surfaces that others lease."""

import os

import pytest

from kit.state import LOG_BYTES_MAX
from tests.kit.scratch import CONFIG, HOOK, WorkTree
from tests.web.bus import Bus

ADR_1, ADR_2 = "docs/decisions/0001-choice.md", "docs/decisions/0002-choice.md"


async def claim(bus: Bus, who: WorkTree, sequence: str = "adr") -> None:
    assert who.who.token is not None
    await bus.call(who.who.token, "claim", sequence=sequence)


async def lease(bus: Bus, who: WorkTree, surface: str, **more: str) -> None:
    assert who.who.token is not None
    await bus.call(who.who.token, "lease", surface=surface, **more)


async def test_a_renamed_file_is_checked_under_its_new_name_only(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await claim(bus, bob)
    await alice.stage(ADR_1)
    await alice.git("commit", "--quiet", "--message", "before the bus")
    await claim(bus, alice)
    await alice.git("mv", ADR_1, ADR_2)
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (0, "")


async def test_a_file_renamed_to_anothers_number_is_a_collision(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await claim(bus, bob)
    await alice.stage("draft.md")
    await alice.git("commit", "--quiet", "--message", "draft")
    alice.write("docs/decisions/readme.md")
    await alice.git("mv", "draft.md", ADR_1)
    assert (await alice.hook("--staged")).code == 1


async def test_changing_and_deleting_anothers_file_is_no_collision(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await claim(bus, bob)
    await claim(bus, bob)
    await alice.stage(ADR_1, ADR_2)
    await alice.git("commit", "--quiet", "--message", "as pulled from bob")
    alice.write(ADR_1, "changed\n")
    await alice.git("add", ADR_1)
    await alice.git("rm", "--quiet", ADR_2)
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (0, "")


async def test_what_a_merge_brings_in_is_not_ones_own(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await claim(bus, bob)
    await alice.stage("shared.txt")
    await alice.git("commit", "--quiet", "--message", "base")
    await alice.git("checkout", "--quiet", "-b", "bobs")
    await alice.stage(ADR_1)
    await alice.git("commit", "--quiet", "--message", "bob's decision")
    await alice.git("checkout", "--quiet", "main")
    await alice.stage("other.txt")
    await alice.git("commit", "--quiet", "--message", "meanwhile")
    await alice.git("merge", "--quiet", "--no-commit", "--no-ff", "bobs")
    alice.write(ADR_1, "as merged by hand\n")
    await alice.git("add", ADR_1)
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (0, "")
    await alice.stage("docs/decisions/0001-mine.md")
    assert (await alice.hook("--staged")).code == 1


@pytest.mark.parametrize("way", [("cherry-pick", "bobs"), ("rebase", "main", "bobs")])
async def test_what_a_conflict_leaves_of_anothers_commit_is_not_ones_own(
    bus: Bus, alice: WorkTree, bob: WorkTree, way: tuple[str, ...]
) -> None:
    await claim(bus, bob)
    await alice.stage("shared.txt")
    await alice.git("commit", "--quiet", "--message", "base")
    for branch, text in (("bobs", "his\n"), ("main", "hers\n")):
        await alice.git("checkout", "--quiet", "-B", branch, "main")
        alice.write("shared.txt", text)
        alice.write(ADR_1 if branch == "bobs" else "other.txt")
        await alice.git("add", "--all", "--", "shared.txt", "docs" if branch == "bobs" else "other.txt")
        await alice.git("commit", "--quiet", "--message", branch)
    await alice.git(*way, code=1)
    await alice.stage("shared.txt")
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (0, "")
    await alice.stage("docs/decisions/0001-mine.md")
    assert (await alice.hook("--staged")).code == 1


async def test_a_commit_of_some_paths_from_a_folder_is_checked(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await claim(bus, bob)
    await alice.git("config", "diff.relative", "true")
    hook = alice.write(".git/hooks/pre-commit", f'#!/bin/sh\n"{alice.who.python}" "{HOOK}" --staged\n')
    hook.chmod(0o755)
    await alice.stage(ADR_1, "src/a.py")
    inside = WorkTree(alice.path / "src", alice.who)
    await inside.git("commit", "--quiet", "--message", "one", "--", "a.py")
    assert "adr 1" in (await inside.git("commit", "--quiet", "--message", "two", "--", f"../{ADR_1}", code=1)).err
    assert (await inside.hook("--staged")).code == 1


async def test_a_name_in_conflict_is_nobodys_yet(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await claim(bus, bob)
    await alice.stage("shared.txt")
    await alice.git("commit", "--quiet", "--message", "base")
    for branch in ("bobs", "main"):
        await alice.git("checkout", "--quiet", "-B", branch, "main")
        alice.write(ADR_1, f"of {branch}\n")
        await alice.git("add", ADR_1)
        await alice.git("commit", "--quiet", "--message", branch)
    await alice.git("merge", "--quiet", "bobs", code=1)
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (0, "")


async def test_names_may_hold_any_letters_and_blanks(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await claim(bus, bob)
    await alice.stage("docs/decisions/0001-Größe ändern 決定.md")
    ran = await alice.hook("--staged", PYTHONUTF8="0", LC_ALL="C")
    assert ran.code == 1
    assert "git mv -- 'docs/decisions/0001-Größe ändern 決定.md' 'docs/decisions/0002-Größe" in ran.err


async def test_a_name_that_is_no_text_passes(alice: WorkTree) -> None:
    await alice.stage(os.fsdecode(b"docs/decisions/0001-\xff.md"))
    ran = await alice.hook("--staged")
    assert (ran.code, alice.log()) == (0, "")
    assert "adr 1 is now claimed for you" in ran.err


async def test_up_and_down_migrations_share_a_number(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await alice.stage("db/migrations/0001_users.up.sql", "db/migrations/0001_users.down.sql")
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err.count("is now claimed for you")) == (0, 1)
    await bob.stage("db/migrations/0001_roles.up.sql", "db/migrations/0001_roles.down.sql")
    ran = await bob.hook("--staged")
    assert ran.code == 1
    assert "db/migrations/0002_roles.up.sql" in ran.err
    assert "db/migrations/0002_roles.down.sql" in ran.err


async def test_two_collisions_are_told_two_numbers(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await claim(bus, bob)
    await claim(bus, bob)
    await alice.stage(ADR_1, ADR_2)
    ran = await alice.hook("--staged")
    assert ran.code == 1
    assert "docs/decisions/0003-choice.md" in ran.err
    assert "docs/decisions/0004-choice.md" in ran.err


@pytest.mark.parametrize("name", ["docs/decisions/index.md", "docs/decisions/0000-template.md", "docs/0001-x.md"])
async def test_files_without_a_number_of_a_sequence_take_none(bus: Bus, alice: WorkTree, name: str) -> None:
    await alice.stage(name)
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (0, "")
    assert alice.who.token is not None
    assert await bus.call(alice.who.token, "list_sequences") == {"sequences": []}


async def test_the_first_glob_that_matches_wins(bus: Bus, alice: WorkTree) -> None:
    alice.configure(sequences={"**/*.sql": "special", "db/migrations/*.sql": "migration"})
    await alice.stage("db/migrations/1_x.sql")
    assert "special 1 is now claimed" in (await alice.hook("--staged")).err


async def test_a_submodule_and_an_empty_commit_pass(alice: WorkTree, bob: WorkTree) -> None:
    assert (await alice.hook("--staged")).err == ""
    await bob.stage("file")
    await bob.git("commit", "--quiet", "--message", "one")
    await alice.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(bob.path), "0001-lib")
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (0, "")
    inside = WorkTree(alice.path / "0001-lib", alice.who)
    await inside.stage(ADR_1)
    ran = await inside.hook("--staged")
    assert (ran.code, f"there is no {CONFIG}" in ran.err) == (0, True)


async def test_one_file_is_checked_wherever_one_stands(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await claim(bus, bob)
    path = alice.write(ADR_1)
    for directory, argument in ((alice.path, ADR_1), (path.parent, path.name), (bob.path, str(path))):
        ran = await WorkTree(directory, alice.who).hook("--file", argument)
        assert ran.code == 1
        assert f"git mv -- {ADR_1} {ADR_2}" in ran.err
    *_, command = ran.err.strip().splitlines()
    await alice.run("sh", "-ec", command)
    assert (alice.path / ADR_2).exists()


async def test_the_log_keeps_itself_out_of_version_control(alice: WorkTree) -> None:
    alice.configure(endpoint="http://127.0.0.1:1/mcp")
    await alice.stage(ADR_1)
    await alice.hook("--staged")
    assert alice.log() != ""
    assert ".llm-bus" not in (await alice.git("status", "--porcelain", "--untracked-files=all")).out


async def test_a_long_log_is_begun_anew(alice: WorkTree) -> None:
    alice.configure(endpoint="http://127.0.0.1:1/mcp")
    await alice.stage(ADR_1)
    alice.write(".llm-bus/pending.log", "x" * (LOG_BYTES_MAX + 1))
    await alice.hook("--staged")
    assert len(alice.log().splitlines()) == 1
    assert len(alice.log()) < 1000
    assert alice.log("pending.log.1").startswith("xxx")


async def test_a_lease_of_another_is_named_with_holder_and_time_left(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await lease(bus, bob, "src/auth/**", note="login is being split")
    await alice.stage("src/auth/login.py", "src/other.py")
    ran = await alice.hook("--staged")
    assert ran.code == 0
    [line] = ran.err.splitlines()
    assert "src/auth/login.py is leased by ada/bob as src/auth/**, " in line
    assert "min left" in line
    assert "login is being split" in line


async def test_leases_block_when_the_config_says_so(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await lease(bus, bob, "src/auth/**")
    await alice.stage("src/auth/login.py")
    alice.configure(leases="block")
    assert (await alice.hook("--staged")).code == 1
    alice.configure(leases="off")
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (0, "")


async def test_shared_leases_and_ones_own_are_not_named(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await lease(bus, bob, "src/a.py", mode="shared")
    await lease(bus, alice, "src/b.py")
    alice.configure(leases="block")
    await alice.stage("src/a.py", "src/b.py")
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (0, "")


async def test_deleting_a_leased_file_is_named_too(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await alice.stage("src/a.py")
    await alice.git("commit", "--quiet", "--message", "one")
    await lease(bus, bob, "src/a.py")
    await alice.git("rm", "--quiet", "src/a.py")
    assert "src/a.py is leased by ada/bob, " in (await alice.hook("--staged")).err


async def test_a_large_commit_asks_for_all_leases_once(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await lease(bus, bob, "src/**/x*.py")
    await alice.stage(*(f"src/{number}/{letter}.py" for number in range(15) for letter in ("x", "y")))
    ran = await alice.hook("--staged")
    assert ran.err.count("is leased by ada/bob") == 8
    assert "… and 7 more" in ran.err
