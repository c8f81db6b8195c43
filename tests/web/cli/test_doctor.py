"""What the doctor finds, on databases and servers that are well, and on those that are not."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from store.embedded.disk import DiskStatistics
from store.opening import Store
from store.people import owners
from store.people.temporary_owners import remove_temporary_owner
from store.postgres.vitals import Vitals
from store.postgres.vitals import examine as examine_vitals
from tests.postgres import Server, query
from tests.web.command_line import Running, llm_bus, serving
from web.cli import doctor
from web.cli.doctor import Finding, check_database, check_server

LEDGER = ("events", "snapshots", "cursors", "liveness", "owners", "projects", "participants", "tokens", "audit")
OLD_RECORD = """
insert into audit (at, owner_id, actor, action, detail) values (now() - interval '400 days', 0, 'ann', 'grant', '{}')
"""
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def database(postgres: Server) -> Iterator[str]:
    conninfo = postgres.create_database()
    yield conninfo
    postgres.drop_database(conninfo)


@pytest.fixture(scope="module")
def server(database: str) -> Iterator[Running]:
    with serving("serve", "--database-url", database) as running:
        yield running


def verdicts(findings: list[Finding]) -> dict[str, str]:
    """The worst verdict of every check."""
    found: dict[str, str] = {}
    for finding in findings:
        found[finding.check] = max(found.get(finding.check, "ok"), finding.verdict, key=["ok", "warn", "fail"].index)
    return found


def examined(*arguments: str, **environment: str) -> tuple[int, dict[str, str], list[dict[str, str]]]:
    """Exit code, verdicts and findings of the command."""
    done = llm_bus("doctor", "--json", *arguments, **environment)
    answer = json.loads(done.stdout)
    findings = [Finding(**finding) for finding in answer["findings"]]
    assert answer["healthy"] == (done.returncode == 0)
    return done.returncode, verdicts(findings), answer["findings"]


def rows(database: str) -> dict[str, object]:
    return {table: query(database, f"select count(*) from {table}") for table in LEDGER}


def test_a_healthy_bus_passes_every_check(server: Running, database: str) -> None:
    code, found, _ = examined("--url", server.url, "--database-url", database)
    assert code == 0
    checks = ("settings", "database", "sessions", "clock", "migrations", "names", "ledger", "round trip", "server")
    assert found == {**dict.fromkeys(checks, "ok"), "durability": "warn"}  # the tests' PostgreSQL is careless


async def test_settings_that_lose_answered_calls_are_named_with_what_to_do(conninfo: str) -> None:
    findings: list[Finding] = []
    await check_database(conninfo, findings.append)
    told = [finding for finding in findings if finding.check == "durability"]
    assert [finding.says.split(" is off")[0] for finding in told] == ["fsync", "full_page_writes", "synchronous_commit"]
    assert all(f"Set {finding.says.split()[0]} = on" in finding.todo for finding in told)


def test_the_round_trip_leaves_nothing_behind(postgres: Server) -> None:
    untouched = postgres.create_database()
    _, found, _ = examined("--database-url", untouched, "--port", "1")
    assert found["round trip"] == "ok"
    assert rows(untouched) == {table: [(0,)] for table in LEDGER}
    postgres.drop_database(untouched)


async def test_the_round_trip_removes_nothing_old(conninfo: str) -> None:
    query(conninfo, OLD_RECORD)
    assert examined("--database-url", conninfo, "--port", "1")[1]["round trip"] == "ok"
    assert query(conninfo, "select actor from audit") == [("ann",)]


def test_with_a_token_the_running_server_is_asked_and_nothing_is_written(server: Running, database: str) -> None:
    mint = ("token", "mint", "--owner", "ann@example.com", "--project", "shop", "--participant", "a", "--json")
    token = json.loads(llm_bus(*mint, "--database-url", database).stdout)["token"]
    code, found, findings = examined("--url", server.url, LLM_BUS_TOKEN=token)
    assert (code, found["round trip"]) == (0, "ok")
    assert "ann/a in project shop" in findings[-1]["says"]
    assert query(database, "select count(*) from events") == [(0,)]


def test_a_wrong_token_fails_and_is_named(server: Running) -> None:
    code, found, findings = examined("--url", server.url, LLM_BUS_TOKEN="llmbus_wrong")
    assert (code, found["round trip"]) == (1, "fail")
    assert "does not know this token" in findings[-1]["says"]
    assert "llmbus_wrong" not in str(findings)


def test_no_server_is_a_remark_and_a_failure_only_where_one_was_named(database: str) -> None:
    code, found, _ = examined("--database-url", database, "--port", "1")
    assert (code, found["server"]) == (0, "warn")
    code, found, _ = examined("--url", NOWHERE)
    assert (code, found) == (1, {"server": "fail"})


def test_an_unreachable_database_fails_and_says_what_to_do() -> None:
    code, found, findings = examined("--port", "1", DATABASE_URL="postgresql://bus:hunter2@127.0.0.1:1/bus")
    assert (code, found["database"]) == (1, "fail")
    assert "DATABASE_URL" in str(findings)
    assert "hunter2" not in str(findings)


def test_an_empty_data_directory_fails_and_stays_empty(tmp_path: Path) -> None:
    code, found, _ = examined("--data-dir", str(tmp_path), "--port", "1")
    assert (code, found["database"]) == (1, "fail")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("reserves", "verdict"), [(0.5, "fail"), (2, "warn"), (8, "ok")])
def test_a_disk_that_fills_up_is_told_before_writes_are_refused(reserves: float, verdict: str) -> None:
    found = doctor.check_disk(DiskStatistics(free_bytes=round(reserves * 2**28), reserve_bytes=2**28))
    assert found.verdict == verdict
    assert (found.todo == "") == (verdict == "ok")


def test_for_people_it_prints_a_line_each_and_a_conclusion(database: str) -> None:
    done = llm_bus("doctor", "--database-url", database, "--port", "1")
    assert "ok    database   PostgreSQL" in done.stdout
    assert "→ Start it: llm-bus up" in done.stdout
    assert done.stdout.rstrip().endswith("findings deserve a look.")


async def test_pending_migrations_are_named_and_not_applied(conninfo: str) -> None:
    query(conninfo, "drop table schema_migrations")
    findings: list[Finding] = []
    assert not await check_database(conninfo, findings.append)
    assert verdicts(findings)["migrations"] == "warn"
    assert "0001_ledger" in findings[-1].says
    assert query(conninfo, "select to_regclass('schema_migrations') is null") == [(True,)]


async def test_a_newer_schema_fails(conninfo: str) -> None:
    query(conninfo, "insert into schema_migrations (number, name) values (9999, '9999_future')")
    findings: list[Finding] = []
    assert not await check_database(conninfo, findings.append)
    assert verdicts(findings)["migrations"] == "fail"


async def test_a_database_that_takes_no_writes_fails(conninfo: str) -> None:
    findings: list[Finding] = []
    assert not await check_database(f"{conninfo} options='-c default_transaction_read_only=on'", findings.append)
    assert verdicts(findings)["database"] == "fail"


@pytest.mark.parametrize(("major", "is_supported"), [(14, False), (15, True), (18, True), (19, False)])
async def test_versions_from_15_to_18_are_supported(conninfo: str, major: int, *, is_supported: bool) -> None:
    found = await examine_vitals(conninfo)
    values = {name: getattr(found, name) for name in found.__struct_fields__}
    assert Vitals(**{**values, "major_version": major}).is_supported is is_supported


@pytest.mark.parametrize(("seconds", "verdict"), [(0, "ok"), (-1.5, "ok"), (5, "warn"), (-5, "warn")])
def test_clocks_may_differ_a_little(seconds: float, verdict: str) -> None:
    assert doctor._clock("the database", timedelta(seconds=seconds)).verdict == verdict


@contextmanager
def answering(answers: dict[str, bytes]) -> Iterator[str]:
    """The URL of a server that is not ours: says these words on these paths, and hangs up on any other."""

    class Other(BaseHTTPRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return "the day before yesterday"

        def do_GET(self) -> None:
            if (answer := answers.get(self.path)) is not None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{other.server_port}"
        finally:
            other.shutdown()
            thread.join()


async def test_somebody_else_on_the_port_is_told_apart() -> None:
    findings: list[Finding] = []
    with answering({"/healthz": b"hello"}) as url:
        assert not await check_server(url, findings.append, is_expected=True)
    assert "is not LLM Bus" in findings[0].says


async def test_a_server_that_hangs_up_after_its_first_answer_is_a_finding_and_no_traceback() -> None:
    findings: list[Finding] = []
    with answering({"/healthz": b'{"service": "llm-bus", "version": "0"}'}) as url:
        assert not await check_server(url, findings.append, is_expected=True)
    assert (findings[-1].check, findings[-1].verdict) == ("server", "fail")
    assert "stopped" in findings[-1].says


async def test_a_server_on_this_machine_is_asked_around_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", NOWHERE)
    findings: list[Finding] = []
    with answering({"/healthz": b"hello"}) as url:
        await check_server(url, findings.append, is_expected=True)
    assert "is not LLM Bus" in findings[0].says


def test_a_server_that_calls_itself_something_else_deserves_a_look(database: str) -> None:
    with serving("serve", "--database-url", database, "--public-url", "https://bus.example.com") as server:
        code, found, findings = examined("--url", server.url)
        from_behind_its_proxy = examined("--url", server.url, PUBLIC_URL="https://bus.example.com")[1]
    assert (code, found["server"], from_behind_its_proxy["server"]) == (0, "warn", "ok")
    assert "PUBLIC_URL" in findings[-1]["todo"]


async def test_only_temporary_owners_are_removed(store: Store) -> None:
    real = await store.write(owners.ensure_owner, "ann@example.com")
    assert not await store.write(remove_temporary_owner, real.id)
    assert await store.read(owners.find_owner, "ann@example.com") is not None
