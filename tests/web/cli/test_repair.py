"""`llm-bus repair` shows gaps, closes them when told to, and `doctor` reports them."""

import json

from tests.postgres import Server, query
from tests.web.command_line import llm_bus

MINT = ("token", "mint", "--owner", "ann@example.com", "--project", "shop", "--participant", "a")
EVENTS = """
insert into events select 1, n, now(), 'ann/a', 1, 'release', '{"surface": "a"}', 0 from generate_series(1, 11) as n
"""


def test_gaps_are_reported_shown_and_closed(postgres: Server) -> None:
    database = ("--database-url", postgres.create_database())
    llm_bus(*MINT, *database)
    query(database[1], EVENTS)
    whole = llm_bus("repair", *database)
    assert (whole.returncode, whole.stdout) == (0, "No ledger has a gap.\n")
    query(database[1], "delete from events where seq in (6, 7, 8)")
    shown = llm_bus("repair", *database)
    assert (shown.returncode, shown.stdout) == (1, "ann/shop lacks events 6 to 8.\n")
    findings = json.loads(llm_bus("doctor", "--json", *database, "--port", "1").stdout)["findings"]
    assert "lacks the events 6 to 8" in str([finding for finding in findings if finding["check"] == "ledger"])
    closed = llm_bus("repair", "--apply", *database)
    assert closed.returncode == 0
    assert "Closed ann/shop: 3 events recorded as lost." in closed.stdout
    assert llm_bus("repair", *database).returncode == 0
    postgres.drop_database(database[1])
