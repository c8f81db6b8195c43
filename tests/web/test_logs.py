"""The log: one line a request, and nothing in it that must not be."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from trio.testing import wait_all_tasks_blocked

from tests.web.bus import Bus
from web import logs
from web.config import LogFormat
from web.logs import configure_logs


@pytest.fixture
def log_format() -> LogFormat:
    return "json"


@pytest.fixture
def stream(log_format: LogFormat, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Where this test's logs go; afterwards they go where they went."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = structlog.get_config()
    stream = io.StringIO()
    configure_logs(log_format, stream)
    # A logger that was used keeps its configuration: cheap in a server, wrong between tests.
    monkeypatch.setattr(logs, "_log", structlog.get_logger("web.request"))
    yield stream
    structlog.reset_defaults()
    structlog.configure(**before)
    root.handlers[:], root.level = handlers, level


async def test_a_call_is_one_line_without_secrets(stream: io.StringIO, bus: Bus, token: str) -> None:
    await bus.call(token, "post", to_lane="docs", body="the body of this post")
    await bus.http.get("/healthz?secret=in-the-query")
    await bus.refusal(token, "admin_rotate", participant_name="ghost")
    made = await bus.call(token, "admin_provision", participant_name="scout")
    await wait_all_tasks_blocked()
    written = stream.getvalue()
    lines = [line for line in map(json.loads, written.splitlines()) if line["event"] == "request"]
    assert [(line["path"], line["status"], line["outcome"], line.get("tool")) for line in lines] == [
        ("/mcp", 200, "ok", "post"),
        ("/healthz", 200, "ok", None),
        ("/mcp", 200, "not_found", "admin_rotate"),
        ("/mcp", 200, "ok", "admin_provision"),
    ]
    assert (lines[0]["actor"], lines[0]["project"], lines[0]["method"]) == ("ada/lead", "demo", "POST")
    for secret in (token, made["token"], "the body of this post", "in-the-query"):
        assert secret not in written


@pytest.mark.parametrize("log_format", ["text"])
async def test_nobody_forges_a_line_or_a_field(stream: io.StringIO, bus: Bus) -> None:
    await bus.http.get("/a%0Astatus=200%20outcome=%22ok%22/\u2028x")
    await wait_all_tasks_blocked()
    (line,) = stream.getvalue().splitlines()
    assert line.count(" status=") == 1
    assert " status=404 " in line


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_goes_wrong_is_told_with_a_traceback(stream: io.StringIO, log_format: LogFormat) -> None:
    secret = "in-a-local-variable"
    try:
        int(secret[:2])
    except ValueError:
        structlog.get_logger("test").exception("went wrong", what="this")
        logging.getLogger("library").exception("also went wrong")
    written = stream.getvalue()
    assert written.count("Traceback") == 2
    assert secret not in written
