"""Tells a story in plain HTTP requests, the way the specification of each revision prescribes, without any SDK."""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx2

from tests.acceptance.habits import Habit
from tests.acceptance.telling import Call, Object, Outcome, Telling

STATELESS = "2026-07-28"
CLIENT = {"name": "story", "version": "1"}


class RawClient:
    """One participant that speaks one protocol revision."""

    def __init__(self, http: httpx2.AsyncClient, url: str, token: str, revision: str) -> None:
        self._http = http
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
        self._revision = revision
        self._sent = 0

    async def open(self) -> str:
        """Agree on the revision; returns it."""
        if self._revision == STATELESS:
            discovered = await self.request("server/discover", {})
            assert STATELESS in discovered["supportedVersions"]
            return STATELESS
        hello = {"protocolVersion": self._revision, "capabilities": {}, "clientInfo": CLIENT}
        initialized = await self._post({"id": 0, "method": "initialize", "params": hello}, {})
        agreed: str = initialized.json()["result"]["protocolVersion"]
        accepted = await self._post({"method": "notifications/initialized"}, self._revision_header)
        assert accepted.status_code == 202
        return agreed

    async def request(self, method: str, params: Object) -> Object:
        """The result of a request; a protocol error fails the test."""
        headers = self._revision_header
        if self._revision == STATELESS:
            about = {"protocolVersion": STATELESS, "clientInfo": CLIENT, "clientCapabilities": {}}
            params = {**params, "_meta": {f"io.modelcontextprotocol/{key}": value for key, value in about.items()}}
            headers |= {"Mcp-Method": method}
            if "name" in params:
                headers |= {"Mcp-Name": params["name"]}
        self._sent += 1
        response = await self._post({"id": self._sent, "method": method, "params": params}, headers)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer["jsonrpc"] == "2.0"
        assert answer["id"] == self._sent
        result: Object = answer["result"]
        assert self._revision != STATELESS or result["resultType"] == "complete"
        return result

    @property
    def _revision_header(self) -> dict[str, str]:
        return {"MCP-Protocol-Version": self._revision}

    async def _post(self, message: Object, headers: Mapping[str, str]) -> httpx2.Response:
        return await self._http.post(
            self._url, json={"jsonrpc": "2.0", **message}, headers={**self._headers, **headers}
        )


async def tell(
    url: str, tokens: Mapping[str, str], calls: Sequence[Call], revision: str, habit: Habit | None = None
) -> Telling:
    """Make the calls, one after the other, as a client with this habit makes them."""
    async with httpx2.AsyncClient() as http:
        clients = {who: RawClient(http, url, token, revision) for who, token in tokens.items()}
        agreed = [await client.open() for client in clients.values()]
        outcomes = []
        listed = await clients["lead"].request("tools/list", {})
        schemas = {tool["name"]: tool["inputSchema"] for tool in listed["tools"]}
        for call in calls:
            for arguments in [call.arguments] if habit is None else habit(schemas[call.tool], call.arguments):
                result = await clients[call.who].request("tools/call", {"name": call.tool, "arguments": arguments})
                outcome = _outcome(result)
                if "relative to the repository's root" not in outcome.text:
                    break
            outcomes.append(outcome)
    return Telling(agreed[0], [tool["name"] for tool in listed["tools"]], outcomes)


def _outcome(result: dict[str, Any]) -> Outcome:
    [content] = result["content"]
    return Outcome(result.get("isError", False), content["text"], result.get("structuredContent"))
