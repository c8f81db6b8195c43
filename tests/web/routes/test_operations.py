"""What probes and operators see."""

from importlib.metadata import version
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import wait_all_tasks_blocked

from store import Store
from tests.web.bus import NOWHERE, Bus, running_bus


async def test_it_says_that_it_is_up(bus: Bus) -> None:
    response = await bus.http.get("/healthz")
    assert response.json() == {"ok": True, "service": "llm-bus", "version": version("llm-bus")}
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_it_is_ready_when_the_database_answers(bus: Bus) -> None:
    response = await bus.http.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"ok": True})


async def test_without_a_database_it_is_up_but_not_ready_and_says_so_to_clients(store: Store) -> None:
    async with running_bus(store, NOWHERE, patience_seconds=0.2) as bus:
        assert (await bus.http.get("/healthz")).status_code == 200
        ready = await bus.http.get("/readyz")
        assert (ready.status_code, ready.json()["ok"]) == (503, False)
        response = await bus.ask("llmbus_anything", "ping")
        assert (response.status_code, response.json()["error"]) == (503, "unavailable")


@pytest.mark.parametrize("suffix", ["", "/mcp"])
async def test_the_endpoint_is_described_for_clients_that_look_for_who_guards_it(bus: Bus, suffix: str) -> None:
    response = await bus.http.get(f"/.well-known/oauth-protected-resource{suffix}")
    assert response.json() == {
        "resource": f"{bus.url}/mcp",
        "authorization_servers": [],
        "bearer_methods_supported": ["header"],
    }


@pytest.mark.parametrize("path", ["/nothing", "/mcp/more", "//mcp"])
async def test_what_is_not_there_is_said_not_to_be(bus: Bus, path: str) -> None:
    response = await bus.http.get(httpx2.URL(bus.url + path))
    told = "there is nothing at this address; MCP clients POST to /mcp."
    assert (response.status_code, response.json()) == (404, {"ok": False, "error": "not_found", "message": told})


def samples(response: httpx2.Response) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families: Any = text_string_to_metric_families(response.text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


async def test_requests_are_counted_by_tool_and_outcome(bus: Bus, token: str) -> None:
    await bus.call(token, "claim", sequence="adr")
    await bus.refusal(token, "claim", sequence="A B")
    await bus.ask(token, "tools/call", {"name": "unheard_of"})
    await bus.ask("stranger", "ping")
    await wait_all_tasks_blocked()
    counted = samples(await bus.http.get("/metrics"))

    def count(**labels: str) -> float:
        return counted["llm_bus_requests_total", frozenset(labels.items())]

    assert count(tool="claim", outcome="ok") == 1
    assert count(tool="claim", outcome="invalid") == 1
    assert count(tool="mcp", outcome="refused") == 1
    assert count(tool="http", outcome="invalid_token") == 1
    assert counted["llm_bus_actors_events_total", frozenset()] == 1
    assert counted["llm_bus_actors_actors", frozenset()] == 1
    assert counted["llm_bus_pool_size_max", frozenset()] > 0
    assert not any("unheard_of" in str(name) for name in counted)


async def test_the_metrics_tell_of_open_handoffs(bus: Bus, token: str) -> None:
    await bus.call(token, "post", to_lane="docs", body="The tutorial is yours.")
    response = await bus.http.get("/metrics")
    assert response.status_code == 200
    assert "handoffs_open 1.0" in response.text
