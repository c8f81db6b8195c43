"""What is told of settings and addresses under which answered calls may be lost."""

from typing import Any

import pytest
from msgspec.structs import replace

from store.postgres.durability import Kept, risks_of_address, risks_of_settings

SAFE = Kept(fsync="on", full_page_writes="on", synchronous_commit="on", has_synchronous_standby=False)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({}, []),
        ({"fsync": "off"}, ["fsync"]),
        ({"full_page_writes": "off"}, ["full_page_writes"]),
        ({"synchronous_commit": "off"}, ["synchronous_commit"]),
        ({"synchronous_commit": "off", "has_synchronous_standby": True}, ["synchronous_commit"]),
        ({"synchronous_commit": "local"}, []),
        ({"synchronous_commit": "local", "has_synchronous_standby": True}, ["synchronous_commit"]),
        ({"synchronous_commit": "remote_write", "has_synchronous_standby": True}, []),
        ({"fsync": "off", "synchronous_commit": "off"}, ["fsync", "synchronous_commit"]),
    ],
)
def test_each_risky_setting_is_named(changed: dict[str, Any], named: list[str]) -> None:
    assert [risk.says.split()[0] for risk in risks_of_settings(replace(SAFE, **changed))] == named


@pytest.mark.parametrize(
    ("conninfo", "is_risky"),
    [
        ("postgresql://bus@db/bus", False),
        ("postgresql://bus@db1,db2/bus", True),
        ("postgresql://bus@db1,db2/bus?target_session_attrs=any", True),
        ("postgresql://bus@db1,db2/bus?target_session_attrs=prefer-standby", True),
        ("postgresql://bus@db1,db2/bus?target_session_attrs=read-write", False),
        ("host=db1,db2 target_session_attrs=primary dbname=bus", False),
        ("hostaddr=10.0.0.1,10.0.0.2 dbname=bus", True),
        ("host=/run/postgresql dbname=bus", False),
    ],
)
def test_addresses_of_several_servers_want_the_one_that_takes_writes(conninfo: str, *, is_risky: bool) -> None:
    assert bool(list(risks_of_address(conninfo))) is is_risky


def test_the_environment_may_say_which_server_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "read-write")
    assert list(risks_of_address("postgresql://bus@db1,db2/bus")) == []
