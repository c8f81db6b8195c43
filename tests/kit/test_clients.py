"""Real agent clients with scripted models: what reached the model, and after how long: `make clients`.

The run writes docs/reference/clients.md. What a model was not shown is a dash there, so the page tells only what was
seen. The tests fail for what Claude Code did not do, because that is promised.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from statistics import median
from string import ascii_lowercase
from typing import Any

import httpx2
import msgspec
import pytest
import trio
from msgspec import Struct

from kit.client_files import command, numbers_command
from kit.install import Wishes, install
from tests.acceptance.test_clients import programs  # noqa: F401 - the fixture that installs the clients
from tests.kit import clients_page
from tests.kit.clients_page import Kept, Seen
from tests.kit.scratch import WorkTree
from tests.kit.scripted_models import Call, ScriptedModel, Shown, Turn, model
from tests.ports import free_port
from tests.web.bus import Bus

pytestmark = pytest.mark.clients

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "clients.md"
KEPT = PAGE.parents[2] / "build" / "clients.json"
"""What former runs have seen: a run of one client, or of the wakes alone, takes minutes."""

SECONDS_MAX = 150
QUIET_AFTER_SECONDS = 25.0
"""Without a request, a client that does not end is taken to be done."""

WAKES = int(os.environ.get("LLM_BUS_WAKES", "50"))
MEASURED = 20
QUIET_SECONDS = float(os.environ.get("LLM_BUS_QUIET_SECONDS", "180"))
"""How long nothing may be asked of the model while nothing happens."""


class Way(Struct, frozen=True):
    """How one client is run without an account: its command, its environment, files in its home, and its tools."""

    title: str
    command: tuple[str, ...]
    environment: Callable[[str], dict[str, str]]
    files: Callable[[str, str], dict[str, str]]
    shell: Callable[[int], Call]
    write: Callable[[str], Call]


def _bash(seconds: int) -> Call:
    return Call("bash", {"command": f"sleep {seconds}", "description": "wait"})


def _run_shell(seconds: int) -> Call:
    # Qwen Code refuses a command that sleeps and does nothing else.
    command = f"python3 -c 'import time; time.sleep({seconds})'"
    return Call("run_shell_command", {"command": command, "is_background": False})


def _codex_patch(path: str) -> Call:
    patch = f"*** Begin Patch\n*** Add File: {path}\n+text\n*** End Patch"
    # Codex offers this tool to models that its own list of models says can use it.
    return Call("apply_patch", {"input": patch})


def _codex_files(url: str, repository: str) -> dict[str, str]:
    config = f"""\
model = "gpt-5.5"
model_provider = "scripted"
[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "MODEL_KEY"
[projects."{repository}"]
trust_level = "trusted"
"""
    return {".codex/config.toml": config}


def _opencode(url: str, servers: dict[str, Any] | None = None) -> dict[str, str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "scripted",
        "options": {"baseURL": f"{url}/v1", "apiKey": "none"},
        "models": {"model": {"name": "model"}},
    }
    config = {"provider": {"scripted": provider}, "model": "scripted/model", "mcp": servers or {}}
    return {"OPENCODE_CONFIG_CONTENT": json.dumps(config)}


WAYS = {
    "claude-code": Way(
        "Claude Code",
        ("claude", "-p", "Do it.", "--permission-mode", "acceptEdits", "--allowedTools", "Write", "Bash"),
        lambda url: {
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": "none",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
        lambda _url, _repository: {},
        lambda seconds: Call("Bash", {"command": f"sleep {seconds}"}),
        lambda path: Call("Write", {"file_path": path, "content": "text\n"}),
    ),
    "codex": Way(
        "Codex CLI",
        ("codex", "exec", "--dangerously-bypass-approvals-and-sandbox", "--dangerously-bypass-hook-trust", "Do it."),
        lambda _: {"MODEL_KEY": "none"},
        _codex_files,
        lambda seconds: Call("exec_command", {"cmd": f"sleep {seconds}"}),
        _codex_patch,
    ),
    "gemini": Way(
        "Gemini CLI",
        ("gemini", "-y", "-p", "Do it."),
        lambda url: {
            "GEMINI_API_KEY": "none",
            "GOOGLE_GEMINI_BASE_URL": url,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        },
        lambda _url, _repository: {
            ".gemini/settings.json": json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}})
        },
        lambda seconds: Call("run_shell_command", {"command": f"sleep {seconds}"}),
        lambda path: Call("write_file", {"file_path": path, "content": "text\n"}),
    ),
    "qwen": Way(
        "Qwen Code",
        ("qwen", "-y", "-p", "Do it."),
        lambda url: {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_MODEL": "scripted"},
        lambda _url, _repository: {},
        _run_shell,
        lambda path: Call("write_file", {"file_path": path, "content": "text\n"}),
    ),
    "opencode": Way(
        "opencode",
        ("opencode", "run", "-m", "scripted/model", "Do it."),
        _opencode,
        lambda _url, _repository: {},
        _bash,
        lambda path: Call("write", {"filePath": path, "content": "text\n"}),
    ),
    "copilot": Way(
        "Copilot CLI",
        ("copilot", "-p", "Do it.", "--allow-all-tools"),
        lambda url: {
            "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
            "COPILOT_PROVIDER_API_KEY": "none",
            "COPILOT_MODEL": "gpt-4.1",
            "COPILOT_OFFLINE": "true",
        },
        lambda _url, repository: {".copilot/config.json": json.dumps({"trusted_folders": [repository]})},
        _bash,
        lambda path: Call("create", {"path": path, "file_text": "text\n"}),
    ),
}


SEEN: dict[str, Seen] = {}
EVENTS: dict[str, float] = {}
"""Seconds that each event costs, whatever the client."""


@pytest.fixture(scope="module", autouse=True)
def page() -> Iterator[None]:
    """The page is written from what this run and former ones have seen, as soon as that is every client."""
    yield
    kept = msgspec.json.decode(KEPT.read_bytes(), type=Kept) if KEPT.exists() else Kept()
    kept.events = EVENTS or kept.events
    for client, seen in SEEN.items():
        former = kept.clients.get(client, Seen())
        known = {name: value or getattr(former, name) for name, value in msgspec.structs.asdict(seen).items()}
        kept.clients[client] = Seen(**known)
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_bytes(msgspec.json.encode(kept))
    if kept.clients.keys() >= WAYS.keys():
        titles = {name: way.title for name, way in WAYS.items()}
        PAGE.write_text(clients_page.page(titles, kept, measured=MEASURED, quiet_seconds=QUIET_SECONDS), "utf-8")


@contextmanager
def running(way: Way, tree: WorkTree, scripted: ScriptedModel, programs: Path) -> Iterator[subprocess.Popen[bytes]]:  # noqa: F811
    """A client at work in a repository, in a home of its own."""
    home = tree.path.parent / "home"
    for name, text in way.files(scripted.url, str(tree.path)).items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    home.mkdir(exist_ok=True)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "LLM_BUS_TOKEN": tree.who.token or "",
        **way.environment(scripted.url),
    }
    with subprocess.Popen(
        way.command,
        cwd=tree.path,
        env=environment,
        stdin=subprocess.PIPE if "stream-json" in way.command else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):  # it may have ended by itself
                os.killpg(process.pid, signal.SIGKILL)


async def shown(scripted: ScriptedModel, text: str, since: int = 0, seconds_max: float = SECONDS_MAX) -> Shown | None:
    return await trio.to_thread.run_sync(scripted.wait_for, text, seconds_max, since)


async def call(bus: Bus, who: WorkTree, tool: str, **arguments: Any) -> dict[str, Any]:
    assert who.who.token is not None
    return await bus.call(who.who.token, tool, **arguments)


async def prepare(tree: WorkTree, client: str) -> None:
    for folder in ("src", "docs/decisions"):
        tree.write(f"{folder}/.keep")  # not every client makes the folder of a file
    install(tree.path, Wishes(server=tree.who.endpoint.removesuffix("/mcp"), clients=(client,)))
    await tree.git("add", "--all")
    await tree.git("commit", "--quiet", "--no-verify", "--message", "the kit")


@pytest.mark.parametrize("client", WAYS)
async def test_what_reaches_the_model(
    bus: Bus,
    alice: WorkTree,
    bob: WorkTree,
    programs: Path,  # noqa: F811 - the fixture
    client: str,
) -> None:
    way, seen = WAYS[client], Seen()
    await prepare(alice, client)
    await call(bus, bob, "lease", surface="src/**", note="refactoring")
    await call(bus, bob, "claim", sequence="adr")
    script: list[Turn] = [
        way.write(str(alice.path / "src/a.py")),
        way.write(str(alice.path / "docs/decisions/0001-mine.md")),
        way.shell(4),
        way.shell(3),
        "Done.",
    ]
    with model(*script) as scripted:
        began = time.time()
        with running(way, alice, scripted, programs) as process:
            await _until(lambda: len(scripted.shown) >= 3 or process.poll() is not None)
            posted = time.time()
            await call(bus, bob, "post", to_actor="alice", subject="Mid turn", body="…", ref="PR-7")
            await _until(lambda: process.poll() is not None or _is_quiet(scripted))
        seen.packet = _after(scripted, "you are ada/alice", began)
        seen.lease = _after(scripted, "is leased by ada/bob")
        seen.collision = _after(scripted, "adr 1 belongs to ada/bob")
        seen.handoff = _after(scripted, "1 new handoff", posted)
        seen.turn_end = _after(scripted, "1 unread handoff")
    former = SEEN.get(client, Seen())
    turn_end = seen.turn_end or former.turn_end
    SEEN[client] = msgspec.structs.replace(seen, costs=former.costs, wake=former.wake, turn_end=turn_end)
    if client == "claude-code":
        assert None not in (seen.packet, seen.lease, seen.collision, seen.handoff, seen.turn_end)


async def _until(holds: Callable[[], bool]) -> None:
    """Wait for another process to get somewhere, in real time."""
    with trio.move_on_after(SECONDS_MAX):
        while not holds():  # noqa: ASYNC110 - nothing tells of it
            await trio.sleep(0.1)


def _is_quiet(scripted: ScriptedModel) -> bool:
    return bool(scripted.shown) and time.time() - scripted.shown[-1].at > QUIET_AFTER_SECONDS


def _after(scripted: ScriptedModel, text: str, cause: float | None = None) -> float | None:
    """How long after its cause, or after the request before, a text was first shown."""
    found = next((position for position, shown in enumerate(scripted.shown) if text in shown.text), None)
    if found is None:
        return None
    before = scripted.shown[found - 1].at if found else scripted.shown[found].at
    return scripted.shown[found].at - (before if cause is None else cause)


async def test_an_idle_claude_code_is_woken_by_every_post_once(
    bus: Bus,
    alice: WorkTree,
    bob: WorkTree,
    programs: Path,  # noqa: F811 - the fixture
) -> None:
    await prepare(alice, "claude-code")
    way = WAYS["claude-code"]
    server = {"type": "http", "url": alice.who.endpoint, "headers": {"Authorization": "Bearer ${LLM_BUS_TOKEN}"}}
    connection = alice.path.parent / "connection.json"
    connection.write_text(json.dumps({"mcpServers": {"llm-bus": server}}))
    streams = ("--input-format", "stream-json", "--output-format", "stream-json", "--verbose")
    tools = ("--mcp-config", str(connection), "--allowedTools", "mcp__llm-bus__ack")
    idle = msgspec.structs.replace(way, command=("claude", "-p", *streams, *tools))
    with (
        model(chooses=_acknowledges("mcp__llm-bus__ack")) as scripted,
        running(idle, alice, scripted, programs) as process,
    ):
        assert process.stdin is not None
        said = {"type": "user", "message": {"role": "user", "content": "Wait for posts."}}
        process.stdin.write(json.dumps(said).encode() + b"\n")
        process.stdin.flush()
        assert await shown(scripted, "Wait for posts.") is not None
        took = await _wakes(bus, alice, bob, scripted)
    SEEN.setdefault("claude-code", Seen()).wake = took
    assert median(took) < 1.0


async def test_an_idle_opencode_goes_on_and_is_woken_by_every_post_once(
    bus: Bus,
    alice: WorkTree,
    bob: WorkTree,
    programs: Path,  # noqa: F811 - the fixture
) -> None:
    """Its server is asked as its windows ask it."""
    await prepare(alice, "opencode")
    headers = {"Authorization": "Bearer {env:LLM_BUS_TOKEN}"}
    servers = {"llm-bus": {"type": "remote", "url": alice.who.endpoint, "headers": headers}}
    port = free_port()
    serving = msgspec.structs.replace(
        WAYS["opencode"],
        command=("opencode", "serve", "--port", str(port)),
        environment=lambda url: _opencode(url, servers),
    )
    unread = (await call(bus, bob, "post", to_actor="alice", subject="Before.", body="…"))["post_id"]
    seen = SEEN.setdefault("opencode", Seen())
    with model(chooses=_acknowledges("llm-bus_ack")) as scripted, running(serving, alice, scripted, programs):
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as opencode:
            name = await _begin_session(opencode)
            said = {"parts": [{"type": "text", "text": "Wait for posts."}]}
            assert (await opencode.post(f"/session/{name}/prompt_async", json=said)).is_success
        assert await shown(scripted, "1 unread handoff") is not None
        seen.turn_end = _after(scripted, "1 unread handoff")
        await _until_acknowledged(bus, bob, unread)
        seen.wake = await _wakes(bus, alice, bob, scripted)
    assert median(seen.wake) < 1.0


async def _begin_session(opencode: httpx2.AsyncClient) -> str:
    """The name of a new session. What the server is asked in its first seconds, it may never answer."""
    with trio.fail_after(SECONDS_MAX):
        while True:
            with suppress(httpx2.TransportError):
                made = await opencode.post("/session", json={})
                return str(made.json()["id"])
            await trio.sleep(0.2)


async def _wakes(bus: Bus, alice: WorkTree, bob: WorkTree, scripted: ScriptedModel) -> list[float]:
    """The seconds from each of bob's posts until alice's idle client has asked its model; each is asked of once."""
    took = []
    await _waits(alice)
    before = len(scripted.shown)
    for count in range(WAKES):
        await _waits(alice)
        posted = time.time()
        number = (await call(bus, bob, "post", to_actor="alice", subject=f"Wake {count}.", body="…"))["post_id"]
        found = await shown(scripted, f"Wake {count}.", seconds_max=20)
        assert found is not None, f"post {count} was lost"
        took.append(found.at - posted)
        await _until_acknowledged(bus, bob, number)
    await _waits(alice)
    requests = len(scripted.shown)
    assert requests - before == 2 * WAKES, "two requests for each post: to ack, and to end"
    await trio.sleep(QUIET_SECONDS)  # the promise is about real time in which nothing happens
    assert len(scripted.shown) == requests
    return took


def _acknowledges(tool: str) -> Callable[[str], Turn]:
    """A model that acknowledges each post that it was interrupted for, once."""

    def choose(text: str) -> Turn:
        told = re.findall(r"- #(\d+) from ada/bob", text) if re.search(r"\d (?:new|unread) handoff", text) else []
        done = re.findall(r'post_id\\*": ?(\d+)', text)
        waiting = [number for number in told if number not in done]
        return Call(tool, {"post_id": int(waiting[0])}) if waiting else "Done."

    return choose


async def _until_acknowledged(bus: Bus, author: WorkTree, number: int) -> None:
    with trio.fail_after(SECONDS_MAX):
        while True:
            posts = (await call(bus, author, "read_posts", from_me=True, limit=1))["posts"]
            if [(post["post_id"], bool(post["acked_by"])) for post in posts] == [(number, True)]:
                return
            await trio.sleep(0.2)


@pytest.mark.parametrize("client", WAYS)
async def test_what_hooks_cost_in_a_session(
    bus: Bus,
    alice: WorkTree,
    bob: WorkTree,
    programs: Path,  # noqa: F811 - the fixture
    client: str,
) -> None:
    way = WAYS[client]
    await prepare(alice, client)
    bob.write("src/.keep")
    took = []
    for tree in (alice, bob):  # with hooks, and without
        script: list[Turn] = [
            way.write(str(tree.path / f"src/{letter}.py")) for letter in ascii_lowercase[: MEASURED + 1]
        ]
        script += [_varied(way.shell(0), number) for number in range(MEASURED + 1)]
        with model(*script) as scripted:
            with running(way, tree, scripted, programs) as process:
                await _until(lambda: process.poll() is not None or _is_quiet(scripted))
            took.append([after.at - before.at for before, after in pairwise(scripted.shown)])
    with_hooks, without = took
    # The first of each kind has to load what the others find.
    kinds = {"edit": slice(1, MEASURED + 1), "other tool": slice(MEASURED + 2, 2 * MEASURED + 2)}
    costs = {
        kind: (median(with_hooks[part]), median(without[part]))
        for kind, part in kinds.items()
        if min(len(with_hooks), len(without)) >= part.stop
    }
    SEEN.setdefault(client, Seen()).costs = costs
    assert client != "claude-code" or SEEN[client].costs


def _varied(call: Call, number: int) -> Call:
    """A shell call that is like no other: some clients stop a model that repeats itself."""
    name = "cmd" if "cmd" in call.arguments else "command"
    return msgspec.structs.replace(call, arguments={**call.arguments, name: f"{call.arguments[name]} # {number}"})


async def test_what_each_event_costs(bus: Bus, alice: WorkTree) -> None:
    """The program as clients start it, and the server's own hook over a kept connection."""
    await prepare(alice, "claude-code")
    session = {"cwd": str(alice.path), "session_id": "1"}
    edit = {"tool_name": "Write", "tool_input": {"file_path": str(alice.path / "src/a.py")}}
    events: dict[str, dict[str, Any]] = {
        "session starts": {"hook_event_name": "SessionStart"},
        "after an edit": {"hook_event_name": "PostToolUse", **edit},
        "turn ends": {"hook_event_name": "Stop"},
    }
    for name, given in events.items():
        sent = json.dumps({**session, **given}).encode()
        ran = [await _timed(alice.run("sh", "-c", command("claude-code"), stdin=sent)) for _ in range(MEASURED)]
        EVENTS[f"{name}, program"] = median(ran)
    sent = json.dumps({**session, **events["after an edit"]}).encode()
    numbered = {"tool_name": "Write", "tool_input": {"file_path": str(alice.path / "docs/decisions/0001-a.md")}}
    for name, given in (("a file", edit), ("a numbered file", numbered)):
        looked = json.dumps({**session, **given}, separators=(",", ":")).encode()
        looks = numbers_command("claude-code")
        ran = [await _timed(alice.run("sh", "-c", looks, stdin=looked)) for _ in range(MEASURED)]
        EVENTS[f"after {name} was written, program for numbers only"] = median(ran)
    headers = {"Authorization": f"Bearer {alice.who.token}", "Content-Type": "application/json"}
    for name, path, body in (
        ("after an edit, HTTP", "/hook/claude-code", sent),
        ("a round trip to the server", "/mcp", b"{}"),
    ):
        asked = [await _timed(bus.http.post(path, content=body, headers=headers)) for _ in range(MEASURED)]
        EVENTS[name] = median(asked)
    for name, alone in (
        ("Python alone, as the kit starts it", ".git/llm-bus/python -I -S -c pass"),
        ("`python3` alone", "python3 -I -c pass"),
        ("three questions to git", "git rev-parse HEAD; git rev-parse HEAD; git rev-parse HEAD"),
    ):
        EVENTS[name] = median([await _timed(alice.run("sh", "-c", alone)) for _ in range(MEASURED)])


async def _timed(step: Awaitable[object]) -> float:
    began = time.perf_counter()
    await step
    return time.perf_counter() - began


async def _waits(who: WorkTree) -> None:
    """Until a process waits for the idle session. It is looked for by name: a probe would take its lock."""
    with trio.fail_after(SECONDS_MAX):
        while not any(  # noqa: ASYNC110 - nothing tells of it
            _is_waiting(Path("/proc", name), who) for name in os.listdir("/proc") if name.isdigit()
        ):
            await trio.sleep(0.1)
    await trio.sleep(1.0)  # until it has asked the bus


def _is_waiting(process: Path, who: WorkTree) -> bool:
    try:
        is_ours = process.joinpath("cwd").readlink() == who.path.resolve()
        return is_ours and process.joinpath("cmdline").read_bytes().endswith(b"--wake\0")
    except OSError:
        return False
