"""Load over HTTP: the calls of the benchmark, and one measurement of one of them.

wrk makes the load where it is installed, otherwise `web.bench.generator`; either is a process of its own with one
request under way on every connection, and both report the same sample.
"""

import shutil
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from msgspec import Struct

from web.admin import cookies
from web.bench import processes as bench_processes
from web.bench.generator import Load
from web.bench.processes import Served
from web.bench.results import Sample
from web.errors import BenchFailed

PROTOCOL_VERSION = "2025-11-25"

ARGUMENTS: dict[str, dict[str, Any]] = {
    "claim": {"sequence": "adr", "note": "the storage format"},
    "whoami": {},
    "post": {
        "to_actor": "peer",
        "subject": "the parser is done",
        "body": "The parser is done and its tests pass. What is left is the printer. " * 3,
        "ref": "PR-1",
    },
    "whats_new": {"advance_cursor": False},
    "read_posts": {"to_me": True, "unacked_only": True, "limit": 20},
}
"""What each tool is called with: a call that can be repeated and always does the same work."""

CALL_SECONDS_MAX = 30.0
_WHOLE_SECONDS_MIN = 1

_SCRIPT = """
wrk.method = {method}
wrk.headers = {headers}
wrk.body = {body}
local turns, turn, requests = {turns}, 0, {{}}
function init()
  for number, changed in ipairs(turns) do
    for name, value in pairs(changed) do wrk.headers[name] = value end
    requests[number] = wrk.format()
  end
  if #turns == 0 then requests[1] = wrk.format() end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    "\\nsample {{\\"requests\\":%d,\\"microseconds\\":%d,\\"p50\\":%d,\\"p99\\":%d,\\"errors\\":%d}}\\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


class _Counted(Struct, frozen=True):
    requests: int
    microseconds: int
    p50: int
    p99: int
    errors: int


def tool_load(served: Served, tool: str, token: str, *others: str, connections: int = 1, seconds: float = 1.0) -> Load:
    """A tool call of the project behind `token`; with other tokens, the calls take turns among all of them."""
    return call_load(served, tool, ARGUMENTS[tool], token, *others, connections=connections, seconds=seconds)


def call_load(
    served: Served,
    tool: str,
    arguments: dict[str, Any],
    token: str,
    *others: str,
    connections: int,
    seconds: float,
) -> Load:
    """`tool_load` with arguments of one's own."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": PROTOCOL_VERSION,
    }
    return Load(
        url=f"{served.url}/mcp",
        headers=headers,
        body=msgspec.json.encode(message).decode(),
        turns=[{"Authorization": f"Bearer {each}"} for each in (token, *others)] if others else [],
        connections=connections,
        seconds=seconds,
    )


def dashboard_load(served: Served, session_id: str, *, connections: int, seconds: float) -> Load:
    """The dashboard of the owner whose session it is."""
    return Load(
        url=f"{served.url}/admin/",
        method="GET",
        headers={"Cookie": f"{cookies.SESSION}={session_id}", "Accept": "text/html"},
        connections=connections,
        seconds=seconds,
    )


async def look_once(load: Load) -> str:
    """Ask for a page once; its HTML. Raises `BenchFailed` when it is not there."""
    try:
        async with httpx2.AsyncClient(timeout=CALL_SECONDS_MAX, trust_env=False) as http:
            answer = await http.get(load.url, headers=load.headers)
    except httpx2.HTTPError as error:
        raise BenchFailed(f"{load.url} does not answer as it should: {error!r}.") from error
    if answer.status_code != httpx2.codes.OK:
        raise BenchFailed(f"{load.url} answers {answer.status_code}.")
    return answer.text


async def call_once(load: Load) -> dict[str, Any]:
    """Send the request once; the tool's result. Raises `BenchFailed` when there is none."""
    try:
        async with httpx2.AsyncClient(timeout=CALL_SECONDS_MAX, trust_env=False) as http:
            answer = await http.post(load.url, headers=load.headers, content=load.body)
        result = msgspec.json.decode(answer.content)["result"]
        found: dict[str, Any] = result["structuredContent"]
    except (httpx2.HTTPError, msgspec.DecodeError, KeyError) as error:
        raise BenchFailed(f"{load.url} does not answer as it should: {error!r}.") from error
    return found


async def measure(load: Load, served: Served, workspace: Path) -> Sample:
    """Put the load on and report what came of it, the server's processor time included."""
    before = bench_processes.cpu_seconds(served.pid)
    if wrk := find_wrk(load.seconds):
        sample = await _measure_with_wrk(wrk, load, workspace)
    else:
        sample = await bench_processes.run_job("web.bench.generator", load, Sample)
    after = bench_processes.cpu_seconds(served.pid)
    if before is None or after is None or sample.requests == 0:
        return sample
    return msgspec.structs.replace(sample, cpu_ms=(after - before) * 1000 / sample.requests)


def find_wrk(seconds: float) -> str | None:
    """Where wrk is; None where it is not, and for less than a second, which it cannot do."""
    return shutil.which("wrk") if seconds >= _WHOLE_SECONDS_MIN else None


async def _measure_with_wrk(wrk: str, load: Load, workspace: Path) -> Sample:
    script = workspace / "load.lua"
    script.write_text(
        _SCRIPT.format(
            method=_quoted(load.method),
            headers=_lua_table(load.headers),
            body=_quoted(load.body),
            turns=f"{{{', '.join(map(_lua_table, load.turns))}}}",
        )
    )
    options = ("-t1", f"-c{load.connections}", f"-d{round(load.seconds)}s", f"--timeout={CALL_SECONDS_MAX:g}s")
    said = await bench_processes.run_program([wrk, *options, "-s", str(script), load.url], "wrk")
    counted = msgspec.json.decode(said.rpartition("sample ")[2], type=_Counted)
    return Sample(
        requests=counted.requests,
        requests_per_second=counted.requests / (counted.microseconds / 1e6),
        p50_ms=counted.p50 / 1000,
        p99_ms=counted.p99 / 1000,
        errors=counted.errors,
    )


def _lua_table(pairs: dict[str, str]) -> str:
    return "{" + ", ".join(f"[{_quoted(name)}] = {_quoted(value)}" for name, value in pairs.items()) + "}"


def _quoted(text: str) -> str:
    # JSON's quoting is Lua's for ASCII without control characters, and all of this is.
    return msgspec.json.encode(text).decode()
