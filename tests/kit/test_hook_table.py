"""What the hook answers to whatever it meets: only a confirmed collision blocks."""

from pathlib import Path

import pytest

from kit import guard, hook
from tests.kit.bad_servers import Relay, answering, bad_server, dribbling, hanging, hanging_up
from tests.kit.scratch import CONFIG, Identity, WorkTree, repository
from tests.postgres import query
from tests.web.bus import Bus

ADR_1, ADR_2, ADR_5 = (f"docs/decisions/{number:04}-choice.md" for number in (1, 2, 5))


@pytest.fixture
async def tree(bus: Bus, tmp_path: Path, python: str) -> WorkTree:
    """A repository of alice's, in which number 1 is about to be committed."""
    who = Identity(f"{bus.url}/mcp", await bus.mint("alice", is_admin=False), python)
    tree = await repository(tmp_path / "alice", who)
    tree.configure()
    await tree.stage(ADR_1)
    return tree


async def claim(bus: Bus, name: str) -> int:
    """Somebody claims the next ADR."""
    number: int = (await bus.call(await bus.mint(name), "claim", sequence="adr"))["number"]
    return number


async def claimed(bus: Bus) -> dict[int, str]:
    """Who holds which ADR."""
    events = (await bus.call(await bus.mint("observer"), "query_events", type="claim"))["events"]
    return {event["payload"]["number"]: event["actor"] for event in events}


async def test_ones_own_claim_passes_without_a_word(bus: Bus, tree: WorkTree) -> None:
    await claim(bus, "alice")
    ran = await tree.hook("--staged")
    assert (ran.code, ran.out, ran.err, tree.log()) == (0, "", "", "")


async def test_ones_own_claim_passes_when_ones_owner_has_another_handle_since(
    bus: Bus, conninfo: str, tree: WorkTree
) -> None:
    await claim(bus, "alice")
    query(conninfo, "update owners set handle = 'countess'")
    ran = await tree.hook("--staged")
    assert (ran.code, ran.err) == (0, "")


async def test_anothers_claim_blocks_and_says_how_to_go_on(bus: Bus, tree: WorkTree) -> None:
    await claim(bus, "bob")
    ran = await tree.hook("--staged")
    assert ran.code == 1
    assert f"adr 1 belongs to ada/bob, not to you: {ADR_1}" in ran.err
    assert "the next free number is 2" in ran.err
    assert f"git mv -- {ADR_1} {ADR_2}" in ran.err
    assert tree.log() == ""
    assert await claimed(bus) == {1: "ada/bob"}


async def test_the_next_number_is_claimed_once_however_often_the_hook_runs(bus: Bus, tree: WorkTree) -> None:
    first, second = await tree.hook("--staged"), await tree.hook("--staged")
    assert (first.code, second.code) == (0, 0)
    assert "adr 1 is now claimed for you" in first.err
    assert second.err == ""
    assert await claimed(bus) == {1: "ada/alice"}


async def test_a_number_that_is_not_next_passes_and_is_told_which_one_is(bus: Bus, tree: WorkTree) -> None:
    await claim(bus, "alice")
    await tree.stage(ADR_5)
    ran = await tree.hook("--staged")
    assert ran.code == 0
    assert f"nobody claimed adr 5: the next is 2, claim it and rename {ADR_5}" in ran.err
    assert await claimed(bus) == {1: "ada/alice"}


async def test_a_bus_that_is_down_passes(tree: WorkTree) -> None:
    tree.configure(endpoint="http://127.0.0.1:1/mcp")
    await assert_passes_with_a_warning(tree, "the bus does not answer")


BAD_SERVERS = {
    "hangs": (hanging, "a"),  # by the time limit of the socket or that of the run, whichever comes first
    "dribbles": (dribbling, "no answer within"),
    "hangs up": (hanging_up, "the bus does not answer"),
    "fails": (answering("500 Internal Server Error", "oops", "text/plain"), "the bus answers HTTP 500"),
    "redirects": (answering("302 Found", ""), "the bus answers HTTP 302"),
    "is another page": (answering("200 OK", "<html>Welcome</html>", "text/html"), "not that of LLM Bus"),
    "answers JSON of its own": (answering("200 OK", '{"result": [1, 2]}'), "not that of LLM Bus"),
    "answers numbers": (answering("200 OK", '{"result": {"structuredContent": {}, "content": []}}'), "has no actor"),
    "speaks no HTTP": (answering("banana", "split"), "the bus does not answer"),
}


WITHOUT_AN_END = {"hangs", "dribbles"}
"""Only these take the hook all of its time. The others answer, and a busy machine may take long to ask."""


@pytest.mark.parametrize("kind", BAD_SERVERS)
async def test_a_server_that_is_no_bus_passes(tree: WorkTree, kind: str) -> None:
    behaviour, warning = BAD_SERVERS[kind]
    async with bad_server(behaviour) as endpoint:
        tree.configure(endpoint=endpoint)
        limit = {"LLM_BUS_HOOK_SECONDS": "1.4"} if kind in WITHOUT_AN_END else {}
        await assert_passes_with_a_warning(tree, warning, **limit)


async def test_a_wrong_token_passes_and_is_not_told(tree: WorkTree) -> None:
    await assert_passes_with_a_warning(tree, "refuses the token: HTTP 401", LLM_BUS_TOKEN="llmbus_wrong-one")
    assert "wrong-one" not in tree.log()


async def test_the_token_of_an_archived_project_passes_and_says_why(bus: Bus, tree: WorkTree) -> None:
    async with bus.store.transaction() as connection:
        await connection.execute("update projects set archived_at = now()")
    await assert_passes_with_a_warning(tree, "HTTP 403, because the project is archived; its owner can unarchive it")


async def test_a_token_that_no_header_can_hold_passes_and_is_not_told(tree: WorkTree) -> None:
    secret = "llmbus_secret\nX: y"
    await assert_passes_with_a_warning(tree, "what LLM_BUS_TOKEN holds is not a token of LLM Bus", LLM_BUS_TOKEN=secret)
    assert "secret" not in tree.log()


async def test_no_token_passes(tree: WorkTree) -> None:
    await assert_passes_with_a_warning(tree, "LLM_BUS_TOKEN is not set", LLM_BUS_TOKEN="")


async def test_no_config_passes(tree: WorkTree) -> None:
    tree.path.joinpath(CONFIG).unlink()
    await assert_passes_with_a_warning(tree, f"there is no {CONFIG}")


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("{not json", "cannot be read"),
        ("[]", "is not an object"),
        ('{"sequences": ["adr"], "leases": "maybe", "autoLease": 1}', "not right in: sequences, leases, autoLease"),
    ],
)
async def test_a_broken_config_passes(tree: WorkTree, text: str, warning: str) -> None:
    tree.write(CONFIG, text)
    await assert_passes_with_a_warning(tree, warning)


@pytest.mark.parametrize(
    ("glob", "remedy"),
    [
        ("docs/decisions/", "write 'docs/decisions/*' for those of a folder"),
        ("../shared/*.sql", "write it from the root of the repository, without '..'"),
        ("{a,b,c}/{d,e,f}/*.sql", "its braces stand for more than 8 paths: write several globs"),
    ],
)
async def test_a_glob_that_names_no_numbered_file_is_told_of(tree: WorkTree, glob: str, remedy: str) -> None:
    tree.configure(sequences={glob: "adr"})
    await tree.stage("docs/decisions/0001-x.md")
    ran = await tree.hook("--staged")
    assert ran.code == 0
    assert f"{glob!r} in llm-bus.config.json names no numbered files: {remedy}" in ran.err


async def test_an_override_passes_even_a_collision_and_is_noted(bus: Bus, tree: WorkTree) -> None:
    await claim(bus, "bob")
    ran = await tree.hook("--staged", LLM_BUS_OVERRIDE="1")
    assert (ran.code, ran.err, tree.log()) == (0, "", "")
    assert ADR_1 in tree.log("overrides.log")


async def test_outside_of_a_repository_it_passes(tree: WorkTree, tmp_path: Path) -> None:
    elsewhere = WorkTree(tmp_path / "elsewhere", tree.who)
    elsewhere.path.mkdir()
    await assert_passes_with_a_warning(elsewhere, "not in a git repository")


async def test_a_crash_of_its_own_passes(tree: WorkTree, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(guard, "check_staged", broken)
    monkeypatch.chdir(tree.path)
    assert hook.main(["--staged"]) == 0
    assert "the hook itself failed: ZeroDivisionError: planted" in tree.log()


async def test_a_name_server_that_hangs_passes(tree: WorkTree, tmp_path: Path) -> None:
    # The resolver cannot be given a deadline, so the hook must not wait for the thread that is in it.
    patch = "import socket, time\nsocket.getaddrinfo = lambda *a, **k: time.sleep(600)\n"
    (tmp_path / "sitecustomize.py").write_text(patch)
    await assert_passes_with_a_warning(tree, "no answer within", PYTHONPATH=str(tmp_path), LLM_BUS_HOOK_SECONDS="1.4")


def test_a_run_leaves_time_to_start_and_to_end() -> None:
    assert hook.RUN_SECONDS_MAX < 1.5


async def test_a_collision_counts_even_when_the_bus_goes_away_afterwards(bus: Bus, tree: WorkTree) -> None:
    await claim(bus, "bob")
    async with bad_server(Relay(bus.url, requests_max=2)) as endpoint:
        tree.configure(endpoint=endpoint)
        ran = await tree.hook("--staged")
    assert ran.code == 1
    assert "adr 1 belongs to ada/bob" in ran.err
    assert "claim the next number and rename the file" in ran.err
    assert "the bus does not answer" in tree.log()


async def assert_passes_with_a_warning(tree: WorkTree, warning: str, **environment: str) -> None:
    ran = await tree.hook("--staged", **environment)
    assert (ran.code, ran.out) == (0, "")
    assert "not checked, going on" in ran.err
    assert warning in ran.err
    [line] = tree.log().splitlines()
    assert warning in line
    assert "Traceback" not in ran.err
