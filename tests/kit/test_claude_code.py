"""The real Claude Code runs the hooks that the installer wrote, and its model sees what they say: `make clients`."""

from pathlib import Path

import pytest

from kit.install import Wishes, install
from tests.acceptance.test_clients import programs  # noqa: F401 - the fixture that installs the clients
from tests.kit.bad_servers import bad_server
from tests.kit.scratch import WorkTree
from tests.kit.scripted_model import ScriptedModel
from tests.web.bus import Bus

pytestmark = pytest.mark.clients

ADR_1 = "docs/decisions/0001-choice.md"


async def write_with_claude(tree: WorkTree, programs: Path, path: str) -> str:  # noqa: F811 - the fixture's value
    """What the model has seen after a session in which it wrote one file."""
    install(tree.path, Wishes(server=tree.who.endpoint.removesuffix("/mcp")))
    model = ScriptedModel(str(tree.path / path))
    async with bad_server(model) as url:
        environment = {
            "ANTHROPIC_BASE_URL": url.removesuffix("/mcp"),
            "ANTHROPIC_API_KEY": "none",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        }
        options = ("--permission-mode", "acceptEdits", "--allowedTools", "Write")
        ran = await tree.run(programs / "claude", "-p", "Write it.", *options, environment=environment)
    assert ran.code == 0, ran
    return model.shown


async def test_the_model_is_told_what_it_owes_and_who_leases_the_file(
    bus: Bus,
    alice: WorkTree,
    bob: WorkTree,
    programs: Path,  # noqa: F811 - the fixture
) -> None:
    assert bob.who.token is not None
    await bus.call(bob.who.token, "lease", surface="src/**")
    await bus.call(bob.who.token, "post", to_actor="alice", subject="Rebase first", body="…")
    shown = await write_with_claude(alice, programs, "src/a.py")
    assert "from ada/bob, " in shown
    assert "Rebase first" in shown
    assert "src/a.py is leased by ada/bob as src/**" in shown


async def test_the_model_is_told_of_a_collision(
    bus: Bus,
    alice: WorkTree,
    bob: WorkTree,
    programs: Path,  # noqa: F811 - the fixture
) -> None:
    assert bob.who.token is not None
    await bus.call(bob.who.token, "claim", sequence="adr")
    shown = await write_with_claude(alice, programs, ADR_1)
    assert "adr 1 belongs to ada/bob, not to you" in shown
    assert "git mv -- docs/decisions/0001-choice.md docs/decisions/0002-choice.md" in shown
