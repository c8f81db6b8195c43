"""The log: one line a request, and nothing in it that must not be."""

import io
import json
import logging

import pytest
import structlog

from tests.web.bus import Bus
from tests.web.log import Log
from web.config import LogFormat
from web.logs import configure_logs, request_sink

log = structlog.get_logger(__name__)


async def test_a_call_is_one_line_without_secrets(logged: Log, bus: Bus, token: str) -> None:
    await bus.call(token, "post", to_lane="docs", body="the body of this post")
    await bus.http.get("/healthz?secret=in-the-query")
    await bus.refusal(token, "admin_rotate", participant_name="ghost")
    made = await bus.call(token, "admin_provision", participant_name="scout")
    written = await logged.once_it_has("outcome", 4)
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
async def test_nobody_forges_a_line_or_a_field(logged: Log, bus: Bus) -> None:
    await bus.http.get("/a%0Astatus=200%20outcome=%22ok%22/\u2028x")
    (line,) = (await logged.once_it_has("outcome")).splitlines()
    assert line.count(" status=") == 1
    assert " status=404 " in line


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_goes_wrong_is_told_with_a_traceback(logged: Log, log_format: LogFormat) -> None:
    secret = "in-a-local-variable"
    try:
        int(secret[:2])
    except ValueError:
        structlog.get_logger("test").exception("went wrong", what="this")
        logging.getLogger("library").exception("also went wrong")
    written = logged.getvalue()
    assert written.count("Traceback") == 2
    assert secret not in written


@pytest.mark.parametrize("test", ["first", "second"])
def test_every_test_hears_a_logger_of_a_module(logged: Log, test: str) -> None:
    log.info("something", test=test)
    assert test in logged.getvalue()
    # As a command does that a test runs in this process.
    configure_logs("text", io.StringIO(), level=logging.WARNING)
    log.warning("something else")


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_what_a_test_configures_ends_with_it(level: int) -> None:
    assert request_sink() is None
    with structlog.testing.capture_logs() as heard:
        log.info("something")
    assert [line["event"] for line in heard] == ["something"]
    configure_logs("text", io.StringIO(), level=level)


async def test_a_wait_in_vain_shows_what_was_logged(logged: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.web.log.HANG_SECONDS", 0)
    log.info("something", what="else")
    with pytest.raises(pytest.fail.Exception, match=r"not logged 2 times(?s:.*)else"):
        await logged.once_it_has("something", 2)
