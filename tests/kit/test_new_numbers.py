"""What counts as a new number: files that come in from elsewhere, that move, that count on their own, and twins."""

import shutil

import pytest

from kit.install import Wishes, install
from kit.numbers import Numbering
from kit.sequences import derived, new_name
from tests.kit.scratch import HOOK, WorkTree
from tests.web.bus import Bus

BOBS = "docs/decisions/0001-bobs.md"
MINE = "docs/decisions/0001-mine.md"
FOUR = ["d/0001-a.md", "d/0002-b.md", "d/0003-c.md", "d/0004-d.md"]


async def claim(bus: Bus, who: WorkTree, count: int = 1, sequence: str = "adr") -> None:
    assert who.who.token is not None
    for _ in range(count):
        await bus.call(who.who.token, "claim", sequence=sequence)


async def with_bobs_branch(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    """A repository of alice's, in which bob's decision is on a branch."""
    await claim(bus, bob)
    await alice.stage("shared.txt")
    await alice.git("commit", "--quiet", "--message", "base")
    await alice.git("checkout", "--quiet", "-b", "bobs")
    await alice.stage(BOBS)
    await alice.git("commit", "--quiet", "--message", "bob's decision")
    await alice.git("checkout", "--quiet", "main")


WAYS_IN = {
    "squash": "git merge --squash bobs",
    "cherry-pick without a commit": "git cherry-pick --no-commit bobs",
    "checkout of a path": f"git checkout bobs -- {BOBS}",
    "restore of a path": f"git restore --source bobs --staged --worktree {BOBS}",
    "an applied patch": "git diff main bobs | git apply --index",
    "reset": "git merge --quiet bobs && git branch -D bobs && git reset --soft HEAD~1",
    "a revert of the deletion": f"git merge --quiet bobs && git branch -D bobs && git rm -q {BOBS} && "
    "git commit -qm gone && git revert --no-commit HEAD",
    "a file from an old commit": f"git merge --quiet bobs && git branch -D bobs && git rm -q {BOBS} && "
    f"git commit -qm gone && git checkout HEAD~1 -- {BOBS}",
    "a file of a deleted branch": f"git tag then bobs && git branch -D bobs && git checkout then -- {BOBS}",
}


@pytest.mark.parametrize("way", WAYS_IN)
async def test_what_any_commit_has_is_not_new(bus: Bus, alice: WorkTree, bob: WorkTree, way: str) -> None:
    await with_bobs_branch(bus, alice, bob)
    ran = await alice.run("sh", "-ec", WAYS_IN[way])
    assert ran.code == 0, ran
    assert BOBS in (await alice.git("diff", "--cached", "--name-only")).out
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (0, "")
    await alice.stage(MINE)
    assert (await alice.hook("--staged")).code == 1


async def test_a_client_that_takes_paths_literally_is_served(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await with_bobs_branch(bus, alice, bob)
    await alice.run(
        "sh", "-ec", f"git checkout -q bobs && git rm -q {BOBS} && git commit -qm gone && git checkout -q main"
    )
    await alice.git("reflog", "expire", "--expire=now", "--all")
    await alice.stage(BOBS)
    for name in ("GIT_LITERAL_PATHSPECS", "GIT_ICASE_PATHSPECS"):  # the first is what Magit commits with
        ran = await alice.hook("--staged", **{name: "1"})
        assert (ran.code, ran.err) == (0, "")


async def test_a_file_that_keeps_its_number_may_be_renamed_and_moved(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await with_bobs_branch(bus, alice, bob)
    await alice.git("merge", "--quiet", "bobs")
    await alice.git("mv", BOBS, "docs/decisions/0001-better.md")
    assert (await alice.hook("--staged")).err == ""
    await alice.git("commit", "--quiet", "--message", "renamed")
    alice.configure(sequences={"docs/adr/*.md": "adr", "docs/decisions/*.md": "adr"})
    await alice.git("mv", "docs/decisions", "docs/adr")
    assert (await alice.hook("--staged")).err == ""
    ran = await alice.told_of("docs/adr/0001-better.md")
    assert (ran.code, ran.err) == (0, "")


async def test_two_files_of_one_commit_cannot_share_a_number(alice: WorkTree) -> None:
    await alice.stage("docs/decisions/0001-a.md", "docs/decisions/0001-b.md")
    ran = await alice.hook("--staged")
    assert ran.code == 1
    assert "adr 1 is also the number of docs/decisions/0001-a.md: docs/decisions/0001-b.md" in ran.err
    assert "git mv -- docs/decisions/0001-b.md docs/decisions/0002-b.md" in ran.err


async def test_a_number_of_ones_own_is_not_used_twice_and_no_bus_is_needed_to_see_it(alice: WorkTree) -> None:
    alice.configure(endpoint="http://127.0.0.1:1/mcp")
    await alice.stage("docs/decisions/0001-a.md")
    await alice.git("commit", "--quiet", "--message", "one")
    await alice.stage("docs/decisions/0001-b.md")
    ran = await alice.hook("--staged")
    assert ran.code == 1
    assert "is also the number of docs/decisions/0001-a.md" in ran.err
    assert "the next free number is 2" in ran.err


async def test_two_subagents_in_two_worktrees_do_not_share_a_number(bus: Bus, alice: WorkTree) -> None:
    await claim(bus, alice)
    await alice.stage("shared.txt")
    await alice.git("commit", "--quiet", "--message", "base")
    await alice.git("worktree", "add", "--quiet", "../second")
    second = WorkTree(alice.path.parent / "second", alice.who)
    await alice.stage("docs/decisions/0001-a.md")
    assert (await alice.hook("--staged")).code == 0
    await alice.git("commit", "--quiet", "--message", "first")
    await second.stage("docs/decisions/0001-b.md")
    ran = await second.hook("--staged")
    assert ran.code == 1
    assert "adr 1 is also the number of docs/decisions/0001-a.md on main" in ran.err
    assert "docs/decisions/0002-b.md" in ran.err


@pytest.mark.parametrize("is_left", [False, True], ids=["at work", "removed"])
async def test_a_work_tree_without_a_branch_counts_while_it_is_there(
    bus: Bus, alice: WorkTree, *, is_left: bool
) -> None:
    await claim(bus, alice)
    await alice.stage("shared.txt")
    await alice.git("commit", "--quiet", "--message", "base")
    for name in ("second", "third"):
        await alice.git("worktree", "add", "--quiet", "--detach", f"../{name}")
    second, third = (WorkTree(alice.path.parent / name, alice.who) for name in ("second", "third"))
    await second.stage("docs/decisions/0001-a.md")
    await second.git("commit", "--quiet", "--message", "first")
    if is_left:
        shutil.rmtree(second.path)
    await third.stage("docs/decisions/0001-b.md")
    ran = await third.hook("--staged")
    told = f"adr 1 is also the number of docs/decisions/0001-a.md on the work tree {second.path}"
    assert (ran.code, told in ran.err) == ((0, False) if is_left else (1, True))


async def test_a_branch_that_only_lags_behind_a_rename_is_no_twin(bus: Bus, alice: WorkTree) -> None:
    await claim(bus, alice)
    await alice.stage("docs/decisions/0001-a.md")
    await alice.git("commit", "--quiet", "--message", "one")
    await alice.git("branch", "stale")
    await alice.git("rm", "--quiet", "docs/decisions/0001-a.md")
    await alice.git("commit", "--quiet", "--message", "withdrawn")
    await alice.stage("docs/decisions/0001-b.md")
    assert (await alice.hook("--staged")).code == 0


ANEW = {
    "a commit that was pushed": "git push -q origin main && git reset -q --soft HEAD~1",
    "a commit that is divided in a rebase": "GIT_SEQUENCE_EDITOR='sed -i 1s/pick/edit/' git rebase -q -i HEAD~1 && "
    "git reset -q --soft HEAD~1",
}


@pytest.mark.parametrize("way", ANEW)
async def test_a_commit_that_is_made_anew_may_rename_its_file(alice: WorkTree, way: str) -> None:
    await alice.git("init", "--quiet", "--bare", "../origin.git")
    await alice.git("remote", "add", "origin", "../origin.git")
    await alice.stage("shared.txt")
    await alice.git("commit", "--quiet", "--message", "base")
    await alice.stage(MINE)
    assert "adr 1 is now claimed for you" in (await alice.hook("--staged")).err
    await alice.git("commit", "--quiet", "--message", "mine")
    ran = await alice.run("sh", "-ec", ANEW[way])
    assert ran.code == 0, ran
    await alice.git("mv", MINE, "docs/decisions/0001-better.md")
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (0, "")


async def test_a_number_claimed_for_one_file_is_told_when_another_takes_it(alice: WorkTree) -> None:
    await alice.told_of(alice.write("docs/decisions/0001-a.md"))
    ran = await alice.told_of(alice.write("docs/decisions/0001-b.md"))
    assert "adr 1 was claimed for docs/decisions/0001-a.md: let only one file have it" in ran.out


async def test_folders_that_count_on_their_own_get_sequences_of_their_own(
    bus: Bus, alice: WorkTree, bob: WorkTree
) -> None:
    first, second = "services/a/migrations/0001_x.sql", "services/b/migrations/0001_y.sql"
    await claim(bus, bob, sequence="migration")
    await alice.stage(first)
    await alice.git("commit", "--quiet", "--no-verify", "--message", "as pulled")
    await alice.stage(second)
    ran = await alice.hook("--staged")
    assert ran.code == 0
    assert '"services/b/migrations/*.sql": "migration-b"' in ran.err
    (alice.path / "llm-bus.config.json").unlink()
    install(alice.path, Wishes(server=alice.who.endpoint.removesuffix("/mcp")))
    ran = await alice.git("commit", "--message", "two")
    assert "migration-b 1 is now claimed for you" in ran.err


def test_folders_that_only_letters_outside_of_ascii_tell_apart_get_names_that_the_bus_takes() -> None:
    folders = ("\u7532", "\u4e59", "\u4e19")
    found = derived(f"{folder}/migrations/000{number}_x.sql" for folder in folders for number in (1, 2))
    names = [found.get(f"{folder}/migrations/*.sql", "migration") for folder in folders]
    assert sorted(names) == ["migration", "migration-2", "migration-3"]
    assert new_name(["adr", "\u7532"], ["adr"]) == "adr-2"
    assert len(new_name(["adr", "x" * 99], [])) <= 64


async def test_a_sequence_that_was_never_seeded_is_not_claimed_from(bus: Bus, alice: WorkTree) -> None:
    await alice.stage(*(f"docs/decisions/{number:04}-old.md" for number in range(1, 42)))
    await alice.git("commit", "--quiet", "--message", "before the bus")
    await alice.stage("docs/decisions/0042-new.md")
    ran = await alice.hook("--staged")
    assert ran.code == 0
    assert "adr was never seeded, and numbers up to 41 are in use here: call seed_sequence with current 41" in ran.err
    assert alice.who.token is not None
    assert await bus.call(alice.who.token, "list_sequences") == {"sequences": []}


@pytest.mark.parametrize(
    ("path", "neighbours", "number"),
    [
        ("d/oauth2-0007.md", [], 7),
        ("d/http-2-0007.md", ["d/login-0005.md", "d/tokens-0006.md"], 7),
        ("d/0007-2-factors.md", ["d/0006-x.md"], 7),
        ("d/ADR-0007-oauth2.md", ["d/ADR-0006-x.md"], 7),
        ("d/2026-0007-x.md", ["d/2026-0006-y.md"], 7),
        ("d/ADR-2026-7.md", [], 7),
        ("d/0007-2038-problem.md", [], 7),
        ("d/V7__init.sql", [], 7),
        ("d/0007_users/up.sql", [], 7),
        ("d/0007_users/step2.sql", [], 2),
        ("d/20261127101500_x.sql", [], None),
        ("d/1764237300_x.sql", [], None),
        ("d/20261127_x.sql", [], None),
        ("d/2026-11-27-title.md", [], None),
        ("d/2026_11_27_101500_create_users.php", [], None),
        ("d/2026-11-roadmap.md", [], None),
        ("d/202611_roadmap.sql", [], None),
        ("d/2019_12factors.md", ["d/2018_x.md"], 2019),
        ("d/V1.2__init.sql", [], None),
        ("d2/1.10.0-to-1.11.0.sql", [], None),
        ("d/2.0-0007.md", [], 7),
        ("d/26-11-27-x.md", [], None),
        ("d/2026W48-x.md", [], None),
        ("d/2026/11/27/x.sql", [], None),
        ("d/2026/11/27-x.sql", [], None),
        ("d/20261127T101500Z-x.sql", [], None),
        ("d/9f86d081884c_x.py", [], None),
        ("d/a1b2c3d4e5f6_x.py", [], None),
        ("d/0007-2026-11-27-review.md", [], 7),
        ("d/2026-11/0007-x.md", [], 7),
        ("d/0007b-x.md", [], 7),
        ("d/10/11/12.sql", [], 12),
        ("d/0007.up.sql", [], 7),
        ("d/261127_x.sql", [], None),
        ("d/000101_x.sql", [], 101),
        ("d/m261127_101500_x.php", [], None),
        ("d/27-11-2026-x.md", [], None),
        ("d/11.27.2026-x.md", [], None),
        ("d/27-nov-2026-x.md", [], None),
        ("d/November-2026.md", [], None),
        ("d/2026-Q4.md", [], None),
        ("d/q4-2026-plan.md", [], None),
        ("d/2026-W48-review.md", [], None),
        ("d/V1_2__x.sql", [], None),
        ("d/use-s3.md", FOUR, None),
        ("d/oauth2.md", FOUR, None),
        ("d/README-2.md", FOUR, None),
        ("d/5-whys.md", FOUR, 5),
        ("d/ADR-0005.md", FOUR, 5),
        ("e/oauth2.md", FOUR, 2),
        ("d/V10__x.sql", ["d/V8__x.sql", "d/V9__x.sql"], 10),
        ("d/U9__x.sql", ["d/V8__x.sql", "d/V9__x.sql"], 9),
        ("d/0000-template.md", [], None),
        ("d/README.md", [], None),
    ],
)
def test_the_number_is_where_the_neighbours_have_theirs(path: str, neighbours: list[str], number: int | None) -> None:
    found = Numbering({"{d,e}/**": "adr"}, [*neighbours, path]).find(path)
    assert (found and found.number) == number


@pytest.mark.parametrize(
    "pair",
    [
        ("0001_users.up.sql", "0001_users.down.sql"),
        ("0001_users_up.sql", "0001_users_down.sql"),
        ("0001-users.sql", "0001-users-rollback.sql"),
        ("0001_up.sql", "0001_down.sql"),
        ("001.do.sql", "001.undo.sql"),
        ("0001_users.sql", "rollback_0001_users.sql"),
        ("V1__users.sql", "U1__users.sql"),
        ("B1__users.sql", "V1__users.sql"),
    ],
)
def test_the_files_of_one_migration_share_its_number(pair: tuple[str, str]) -> None:
    up, down = Numbering({"d/*": "migration"}).of([f"d/{name}" for name in pair])
    assert (up.number, up.stem) == (down.number, down.stem)


@pytest.mark.parametrize(
    "pair",
    [
        ("0001_users.sql", "0001_roles.sql"),
        ("0001_users_up.sql", "0001_roles_down.sql"),
        ("V1__users.sql", "U1__roles.sql"),
        ("0001_startup.sql", "0001_start.sql"),
    ],
)
def test_two_migrations_do_not(pair: tuple[str, str]) -> None:
    one, other = Numbering({"d/*": "migration"}).of([f"d/{name}" for name in pair])
    assert one.stem != other.stem


async def test_folders_are_numbered_too(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    alice.configure(sequences={"db/migrations/*/*.sql": "migration"})
    await claim(bus, bob, sequence="migration")
    await alice.stage("db/migrations/0001_users/up.sql", "db/migrations/0001_users/down.sql")
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err.count("belongs to ada/bob")) == (1, 1)
    assert "git mv -- db/migrations/0001_users db/migrations/0002_users" in ran.err
    *_, command = ran.err.strip().splitlines()
    await alice.run("sh", "-ec", command)
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (
        0,
        "llm-bus: migration 2 is now claimed for you: db/migrations/0002_users/up.sql\n",
    )
    await alice.git("commit", "--quiet", "--message", "users")
    await claim(bus, bob, sequence="migration")
    await alice.git("mv", "db/migrations/0002_users", "db/migrations/0003_users")
    assert "migration 3 belongs to ada/bob" in (await alice.hook("--staged")).err


async def test_a_line_break_in_a_path_is_checked(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await claim(bus, bob)
    await alice.stage("docs/decisions/0001-a\nb.md")
    ran = await alice.hook("--staged")
    assert ran.code == 1
    assert "adr 1 belongs to ada/bob, not to you: docs/decisions/0001-a b.md" in ran.err


async def test_a_backslash_in_a_name_is_a_letter(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await claim(bus, bob)
    await alice.stage("docs/decisions/0001-a\\b.md")
    ran = await alice.hook("--staged")
    assert (ran.code, "adr 1 belongs to ada/bob" in ran.err) == (1, True)


async def test_a_line_break_in_the_way_to_the_repository_is_no_obstacle(alice: WorkTree) -> None:
    folder = alice.path.parent / "a\nb"
    await alice.git("init", "--quiet", str(folder))
    tree = WorkTree(folder, alice.who)
    tree.configure()
    await tree.stage("docs/decisions/0001-x.md")
    assert "adr 1 is now claimed for you" in (await tree.hook("--staged")).err


async def test_four_hundred_files_are_one_line(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await alice.stage(*(f"docs/decisions/{number:04}-old.md" for number in range(1, 401)))
    ran = await alice.hook("--staged")
    assert (ran.code, alice.log()) == (0, "")
    [line] = ran.err.splitlines()
    assert "400 new files have unclaimed numbers of adr, from 1 to 400" in line
    await claim(bus, bob)
    ran = await alice.hook("--staged")
    assert ran.code == 1
    assert "adr 1 belongs to ada/bob" in ran.err


async def test_a_merge_without_conflicts_is_looked_at(alice: WorkTree) -> None:
    install(alice.path, Wishes(server=alice.who.endpoint.removesuffix("/mcp")))
    await alice.stage("shared.txt")
    await alice.git("commit", "--quiet", "--message", "base")
    await alice.git("checkout", "--quiet", "-b", "other")
    await alice.stage("docs/decisions/0001-theirs.md")
    await alice.git("commit", "--quiet", "--no-verify", "--message", "theirs")
    await alice.git("checkout", "--quiet", "main")
    await alice.stage(MINE)
    await alice.git("commit", "--quiet", "--no-verify", "--message", "mine")
    ran = await alice.git("merge", "--no-edit", "other")
    assert f"adr 1 comes in as docs/decisions/0001-theirs.md, and is also the number of {MINE}" in ran.err


async def test_a_mailed_patch_is_looked_at(alice: WorkTree) -> None:
    install(alice.path, Wishes(server=alice.who.endpoint.removesuffix("/mcp")))
    await alice.stage("shared.txt")
    await alice.git("commit", "--quiet", "--message", "base")
    await alice.stage("docs/decisions/0001-theirs.md")
    await alice.git("commit", "--quiet", "--no-verify", "--message", "theirs")
    patch = (await alice.git("format-patch", "-1", "--stdout")).out
    await alice.git("reset", "--quiet", "--hard", "HEAD~1")
    await alice.stage(MINE)
    await alice.git("commit", "--quiet", "--no-verify", "--message", "mine")
    ran = await alice.run("git", "am", stdin=patch.encode())
    assert ran.code == 0
    assert "adr 1 comes in as docs/decisions/0001-theirs.md" in ran.err


async def test_what_could_not_be_checked_is_checked_when_the_bus_is_back(
    bus: Bus, alice: WorkTree, bob: WorkTree
) -> None:
    hook = alice.write(".git/hooks/pre-commit", f'#!/bin/sh\n"{alice.who.python}" "{HOOK}" --staged\n')
    hook.chmod(0o755)
    alice.configure(endpoint="http://127.0.0.1:1/mcp")
    await alice.stage(MINE, "docs/decisions/0002-mine.md")
    await alice.git("commit", "--quiet", "--message", "while it was down")
    assert MINE in alice.log()
    await claim(bus, bob)
    alice.configure()
    await alice.stage("other.txt")
    ran = await alice.git("commit", "--message", "it is back")
    assert f"adr 1 belongs to ada/bob; {MINE} took it while the bus could not be asked: rename it" in ran.err
    assert "adr 2 is now claimed for you: docs/decisions/0002-mine.md" in ran.err
    assert alice.log() == ""


async def test_a_client_that_was_started_in_a_folder_is_served(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await claim(bus, bob)
    inside = WorkTree(alice.write(MINE).parent, alice.who)
    assert "you are ada/alice" in (await inside.tell("SessionStart")).out
    assert (await inside.told_of("0001-mine.md")).code == 2


async def test_a_token_of_another_project_checks_nothing_and_says_so(bus: Bus, alice: WorkTree) -> None:
    alice.configure(project="shop")
    await alice.stage(MINE)
    ran = await alice.hook("--staged")
    assert ran.code == 0
    assert "this token is for project demo, and the repository belongs to project shop" in ran.err
    assert "install the kit again with --project if it was renamed" in ran.err
    assert MINE in alice.log()
    assert alice.who.token is not None
    assert await bus.call(alice.who.token, "list_sequences") == {"sequences": []}
    alice.pin("project", "demo")
    assert "names another project than was installed" in (await alice.hook("--staged")).err


async def test_a_voided_number_is_nobodys(bus: Bus, alice: WorkTree) -> None:
    await claim(bus, alice, 2)
    assert alice.who.token is not None
    await bus.call(alice.who.token, "void_claim", sequence="adr", number=1, reason="a slip")
    await alice.stage(MINE, "docs/decisions/0002-good.md")
    ran = await alice.hook("--staged")
    assert ran.code == 1
    assert "adr 1 was voided, so no file may have it: docs/decisions/0001-mine.md" in ran.err
    assert "the next free number is 3" in ran.err
    assert "adr 2" not in ran.err
    await alice.git("commit", "--quiet", "--message", "all the same")
    assert (await alice.hook("--staged")).err == ""
    ran = await alice.hook("audit")
    assert (ran.code, "voided: adr 1" in ran.out, len(ran.out.splitlines())) == (1, True, 1)


async def test_an_archived_sequence_gives_no_numbers(bus: Bus, alice: WorkTree) -> None:
    await claim(bus, alice)
    lead = await bus.mint("lead", is_admin=True)
    await bus.call(lead, "seed_sequence", sequence="adr", archived=True)
    await alice.stage(MINE, "docs/decisions/0002-late.md")
    ran = await alice.hook("--staged")
    assert ran.code == 0
    assert "adr is archived and gives no more numbers: use another sequence for docs/decisions/0002-late.md" in ran.err
    assert "never seeded" not in ran.err
    await alice.git("commit", "--quiet", "--message", "late")
    ran = await alice.hook("audit")
    assert (ran.code, "archived: adr 2" in ran.out, "adr 1 " in ran.out) == (1, True, False)
