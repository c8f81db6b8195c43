"""`POST /hook/git`: the reports of commit hooks, under the same token as every other call."""

from typing import Any

import pytest

from tests.web.bus import Bus

REPORT = {"commit": "9fceb02", "numbers": {"claimed": 1}, "paths": {"own": 2, "none": 1}}


async def sent(bus: Bus, token: str | None, body: Any, client: str = "git") -> tuple[int, dict[str, Any]]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    response = await bus.http.post(f"/hook/{client}", json=body, headers=headers)
    answer: dict[str, Any] = response.json()
    return response.status_code, answer


async def test_a_report_becomes_one_event_of_whoever_sent_it(bus: Bus) -> None:
    ann = await bus.mint("ann", is_admin=False)
    for _ in range(2):
        assert await sent(bus, ann, REPORT) == (200, {"commit": "9fceb02"})
    (event,) = (await bus.call(ann, "query_events", type="commit_check"))["events"]
    assert event["actor"] == "ada/ann"
    assert event["payload"] == {
        "commit": "9fceb02",
        "numbers": {"claimed": 1, "by_hook": 0, "unclaimed": 0},
        "paths": {"own": 2, "by_hook": 0, "other": 0, "none": 1},
    }


async def test_without_a_token_nothing_is_kept(bus: Bus) -> None:
    status, answer = await sent(bus, None, REPORT)
    assert (status, answer["error"]) == (401, "invalid_token")
    assert (await sent(bus, "llmbus_wrong", REPORT))[0] == 401


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([REPORT], "one JSON object"),
        ({}, "'commit' is missing"),
        ({"commit": "HEAD"}, "'commit' must be a hash"),
        ({**REPORT, "numbers": {"claimed": -1}}, "'numbers"),
        ({**REPORT, "actor": "ada/bob"}, "'actor' is not an argument"),
    ],
)
async def test_what_is_no_report_is_refused_in_words(bus: Bus, body: Any, words: str) -> None:
    ann = await bus.mint("ann", is_admin=False)
    status, answer = await sent(bus, ann, body)
    assert (status, answer["error"]) == (400, "invalid")
    assert words in answer["message"]
    assert await bus.ledger_length(ann) == 0


async def test_there_are_no_other_hooks(bus: Bus) -> None:
    ann = await bus.mint("ann", is_admin=False)
    assert (await sent(bus, ann, REPORT, client="notepad"))[0] == 404
