"""The alert rules and the dashboard: valid to their own programs, and about metrics that a server gives."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from store import Store
from tests.docs.reference.words import METRICS
from tests.web.bus import running_bus

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
MONITOR = DEPLOY.parent / "how-to" / "monitor.md"
RULES = DEPLOY / "prometheus-rules.yml"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
NAMED = re.compile(r"\b(?:llm_bus|process|python)_[a-z_]+")

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here")


def named(text: str) -> set[str]:
    """The metrics that an expression is about; of a histogram, by the family's name."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in NAMED.findall(text)}


def promtool(kind: str, *files: Path, given: str | None = None, codes: tuple[int, ...] = (0,)) -> str:
    """What promtool says; 3 is its code for remarks on style."""
    command = ["promtool", "check", kind, *map(str, files)]
    done = subprocess.run(command, input=given, capture_output=True, check=False, text=True)
    assert done.returncode in codes, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_rules_and_dashboard_name_only_metrics_that_exist() -> None:
    expressions = "\n".join([*re.findall(r"expr: (.*)", RULES.read_text("utf-8")), *EXPRESSIONS])
    assert named(expressions) - METRICS.keys() == set()


def test_every_metric_to_wake_somebody_for_has_a_rule() -> None:
    advised = re.findall(r"^\| `(?:increase\(|rate\()?(llm_bus\w+)", MONITOR.read_text("utf-8"), re.MULTILINE)
    assert advised
    assert set(advised) <= named(RULES.read_text("utf-8"))


def test_every_panel_has_a_place_of_its_own_and_says_what_it_shows() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels)
    assert all(panel["title"] and panel["targets"] for panel in panels)


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    assert "14 rules found" in promtool("rules", RULES)


@needs_promtool
def test_promtool_accepts_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    plain = [each.replace("$__rate_interval", "5m").replace("$instance", ".*") for each in EXPRESSIONS]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(plain)]
    (tmp_path / "rules.json").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("rules", tmp_path / "rules.json")


@needs_promtool
async def test_promtool_accepts_what_a_server_gives(store: Store, conninfo: str) -> None:
    async with running_bus(store, conninfo) as bus:
        token = await bus.mint()
        await bus.call(token, "claim", sequence="adr")
        numbers = (await bus.http.get("/metrics")).text
    assert "error" not in promtool("metrics", given=numbers, codes=(0, 3)).lower()
    assert re.search(r"^llm_bus_actors_commit_seconds_count 1\.0$", numbers, re.MULTILINE)
    assert re.search(r"^llm_bus_projects_events 1\.0$", numbers, re.MULTILINE)
    assert re.search(r'^llm_bus_build_info\{version="', numbers, re.MULTILINE)
