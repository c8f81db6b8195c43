"""A server whose disk is nearly full answers what only reads, and refuses what writes."""

from pathlib import Path

from store import Store
from tests.web.bus import running_bus

FAR_TOO_MUCH_MIB = 2**50


async def test_with_a_nearly_full_disk_writes_are_refused_and_reads_answered(
    store: Store, conninfo: str, tmp_path: Path
) -> None:
    async with running_bus(store, conninfo, data_dir=tmp_path, disk_reserve_mib=FAR_TOO_MUCH_MIB) as bus:
        token = await bus.mint()
        assert (await bus.refusal(token, "claim", sequence="adr")).startswith("unavailable: the disk")
        assert await bus.call(token, "list_sequences") == {"sequences": []}
        numbers = (await bus.http.get("/metrics")).text
    assert "llm_bus_disk_free_bytes" in numbers
    assert "llm_bus_disk_reserve_bytes" in numbers
