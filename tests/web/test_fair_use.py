"""What one token may do, what one owner may have, and that it is nobody else's business."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from store import Store
from tests.bounds import HANG_SECONDS
from tests.web.bus import Bus, running_bus
from web.fair_use import KEYS_MAX, Buckets, FairUse


async def test_a_bucket_holds_a_burst_and_is_refilled(mock_clock: MockClock) -> None:
    buckets = Buckets(rate=2, capacity=4)
    assert [buckets.take("a", 1) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    mock_clock.jump(0.5)
    assert buckets.take("a", 1) == 0
    assert buckets.take("a", 3) == 1.5
    assert buckets.take("b", 4) == 0
    mock_clock.jump(1000)
    assert [buckets.take("a", 1) for _ in range(5)] == [0, 0, 0, 0, 0.5]


async def test_more_than_the_capacity_is_owed(mock_clock: MockClock) -> None:
    buckets = Buckets(rate=1, capacity=10)
    assert buckets.take("a", 25) == 0
    assert buckets.take("a", 1) == 16
    mock_clock.jump(16)
    assert buckets.take("a", 1) == 0


async def test_buckets_are_bounded_and_a_rate_of_0_bounds_nothing() -> None:
    buckets = Buckets(rate=1, capacity=1)
    for number in range(KEYS_MAX + 10):
        buckets.take(number, 1)
    assert len(buckets._levels) == KEYS_MAX
    unbounded = FairUse(calls_per_second=0, written_bytes_per_day=0)
    assert all(unbounded.refuse("a", 10**12) is None for _ in range(10_000))


async def test_too_many_calls_are_busy_for_this_token_alone(store: Store, conninfo: str) -> None:
    async with running_bus(store, conninfo, calls_per_second=1) as bus:
        flooder, other = await bus.mint("flooder"), await bus.mint("other")
        with trio.fail_after(HANG_SECONDS):
            while not (refused := await call(bus, flooder, "whoami"))[0].startswith("busy: "):
                pass
        assert refused == ("busy: this token may make 1 calls a second; try again in 1 second.", "1")
        assert (await bus.call(other, "whoami"))["actor"] == "ada/other"
        metrics = (await bus.http.get("/metrics")).text
    assert 'llm_bus_requests_total{outcome="busy",tool="whoami"}' in metrics
    assert "llm_bus_fair_use_calls_refused_total" in metrics


async def test_a_long_body_counts_as_several_calls(store: Store, conninfo: str) -> None:
    long = {"name": "whoami", "arguments": {"x": "x" * 400_000}}
    async with running_bus(store, conninfo, calls_per_second=5) as bus:
        flooder, other = await bus.mint("flooder"), await bus.mint("other")
        assert (await bus.ask(flooder, "tools/call", long)).status_code == 200
        refused = await bus.ask(flooder, "tools/call", long)
        assert (refused.status_code, refused.json()["error"]) == (429, "busy")
        assert 1 <= int(refused.headers["Retry-After"]) <= 50
        assert (await bus.ask(other, "tools/call", long)).status_code == 200


async def test_too_many_written_bytes_are_busy_and_reads_go_on(store: Store, conninfo: str) -> None:
    async with running_bus(store, conninfo, written_bytes_per_day=10_000) as bus:
        writer = await bus.mint("writer")
        await bus.call(writer, "post", to_lane="all", body="x" * 8_000)
        text, retry_after = await call(bus, writer, "post", to_lane="all", body="x" * 8_000)
        assert text.startswith("busy: this token may write 10000 bytes a day; try again in ")
        assert retry_after is not None
        assert int(retry_after) > 1_000
        assert len((await bus.call(writer, "read_posts"))["posts"]) == 1


@pytest.mark.parametrize(
    ("quotas", "tool", "arguments", "word"),
    [
        ({"tokens_per_owner": 2}, "admin_provision", {"participant_name": "lead"}, "tokens that work"),
        ({"participants_per_owner": 2}, "admin_provision", {"participant_name": "new"}, "participants"),
        ({"invites_per_owner": 2}, "create_invite", {}, "open invites"),
    ],
)
async def test_an_owner_has_no_more_than_the_quota(
    store: Store, conninfo: str, *, quotas: dict[str, Any], tool: str, arguments: dict[str, Any], word: str
) -> None:
    async with running_bus(store, conninfo, **quotas) as bus:
        lead = await bus.mint("lead")
        await bus.call(lead, "create_invite")
        await bus.call(lead, tool, **{name: value and "other" for name, value in arguments.items()})
        refusal = await bus.refusal(lead, tool, **arguments)
    assert refusal.startswith(f"busy: an owner may have 2 {word}")


async def call(bus: Bus, token: str, tool: str, **arguments: Any) -> tuple[str, str | None]:
    """The text that a tool answers, and the seconds after which to try again."""
    response = await bus.ask(token, "tools/call", {"name": tool, "arguments": arguments})
    return response.json()["result"]["content"][0]["text"], response.headers.get("retry-after")
