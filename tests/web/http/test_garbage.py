"""What a call leaves behind: nothing that only the garbage collector finds.

The SDK's handshake and Hypercorn's pages do leave some; they are rare.
"""

import gc
from collections.abc import Iterator

import pytest

from tests.web.bus import Bus
from web.http.exchange import Exchange


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize(
    "call",
    [
        ("whoami", {}),
        ("claim", {"sequence": "adr"}),
        ("claim", {"sequence": ""}),
        ("whats_new", {"wait_seconds": 0.01}),
        ("who_holds", {"surfaces": ["src/**"]}),
    ],
)
async def test_a_call_is_freed_without_a_collection(bus: Bus, token: str, call: tuple[str, dict[str, object]]) -> None:
    # Collecting what calls left held up everybody for two milliseconds, ten times a second and more.
    name, arguments = call
    for revision in ("2025-11-25", "2026-07-28"):
        for _ in range(3):
            await bus.result(token, name, revision, **arguments)
    assert _exchanges() <= 1  # the last one may still be on its way out


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("client", ["claude-code", "gitx", "nobody"])
async def test_a_hook_is_freed_without_a_collection(bus: Bus, token: str, client: str) -> None:
    for _ in range(3):
        await bus.http.post(f"/hook/{client}", json={}, headers={"Authorization": f"Bearer {token}"})
    assert _exchanges() <= 1


def _exchanges() -> int:
    return sum(isinstance(each, Exchange) for each in gc.get_objects())
