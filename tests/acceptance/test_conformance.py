"""The protocol's own conformance suite, from npm, against the running server: `make conformance`.

Here are the scenarios that any server with tools and resources must pass. The others need fixture tools of the suite's
own, and several of those pass vacuously on a tool that is not there.
"""

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from tests.acceptance.conftest import Bus, Project
from tests.acceptance.token_proxy import token_proxy

pytestmark = pytest.mark.conformance

SUITE = "@modelcontextprotocol/conformance@0.2.0-alpha.12"
NODE = "node@24"
SCENARIO_TIMEOUT_SECONDS = 180

SCENARIOS = {
    "2025-11-25": [
        "server-initialize",
        "ping",
        "tools-list",
        "resources-list",
        "server-sse-multiple-streams",
        "dns-rebinding-protection",
        "server-session-lifecycle",
    ],
    "2026-07-28": [
        "server-stateless",
        "tools-list",
        "resources-list",
        "server-sse-multiple-streams",
        "dns-rebinding-protection",
        "caching",
        "http-header-validation",
        "input-required-result-unsupported-methods",
        "sep-2164-resource-not-found",
    ],
}
ACCEPTED = {
    "server-sse-multiple-streams-session": "there are no sessions: identity is in the token, state in the project",
    "sep-2575-missing-capability-http-400": "needs the suite's fixture tool test_missing_capability",
    "sep-2575-server-rejects-undeclared-capability": "the same",
    "sep-2575-http-server-no-independent-requests-on-stream": "needs the fixture tool test_streaming_elicitation",
    "sep-2575-server-no-log-without-loglevel": "needs the fixture tool test_logging_tool",
}
"""The suite's checks that may fail or warn, and why."""


@pytest.mark.parametrize(
    ("revision", "scenario"), [(revision, name) for revision, names in SCENARIOS.items() for name in names]
)
async def test_the_conformance_suite_finds_nothing_to_complain_about(
    bus: Bus, project: Project, tmp_path: Path, revision: str, scenario: str
) -> None:
    if (npx := shutil.which("npx")) is None:
        pytest.skip("npx is not installed: the conformance suite cannot be run on this machine")
    port = urlsplit(bus.public_url).port
    assert port is not None
    with trio.fail_after(SCENARIO_TIMEOUT_SECONDS):
        async with token_proxy(port, project.tokens["lead"]) as proxy_port:
            suite = [npx, "--yes", f"--package={NODE}", f"--package={SUITE}", "conformance", "server"]
            asked = ["--scenario", scenario, "--spec-version", revision, "--force", "--output-dir", str(tmp_path)]
            command = [*suite, "--url", f"http://127.0.0.1:{proxy_port}/mcp", *asked]
            done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    output = (done.stdout + done.stderr).decode()
    checks = checks_in(tmp_path)
    assert checks, output
    complaints = [
        check for check in checks if check["status"] in {"FAILURE", "WARNING"} and check["id"] not in ACCEPTED
    ]
    assert not complaints


def checks_in(directory: Path) -> list[dict[str, Any]]:
    return [check for path in directory.rglob("checks.json") for check in json.loads(path.read_text())]
