import json
import sys
from contextlib import suppress
from functools import partial
from itertools import groupby
from pathlib import Path

import msgspec
import pytest
import trio

from engine.events import encode
from engine.sequences import Claimed
from store import Store
from tests.bounds import HANG_SECONDS
from tests.postgres import Server, query
from web.bench.generator import Load
from web.bench.holdings import LARGE
from web.bench.load import ARGUMENTS
from web.bench.processes import run_job
from web.bench.report import page
from web.bench.results import (
    COMMIT,
    CONNECTIONS,
    CROWD,
    CROWD_OF_ONE,
    CURVE_CONNECTIONS,
    CURVE_TOOLS,
    DASHBOARD,
    DASHBOARD_CONNECTIONS,
    DURABLE,
    DURABLE_TASKS,
    ECHO,
    LIMIT,
    PLAIN,
    PLAIN_CONNECTIONS,
    PLAIN_SQUEEZED,
    SLOW_CROWD,
    SLOW_ONE,
    TOOLS,
    Disturbance,
    Facts,
    Flooded,
    Holding,
    Holdings,
    Memory,
    Results,
    Row,
    Sample,
    Target,
    Waiting,
    percentile,
    targets,
    usual_flood,
)
from web.bench.run import SMALL_EVENTS, _check_claims
from web.bench.seed import TAIL_EVENTS, Project, database, seed
from web.cli.entry import run
from web.errors import BenchFailed
from web.mcp.tools import TOOLS as BUS_TOOLS

LARGE_EVENTS = 2 * SMALL_EVENTS


def sample(rate: float = 100.0, p50_ms: float = 1.0) -> Sample:
    return Sample(requests=100, requests_per_second=rate, p50_ms=p50_ms, p99_ms=2 * p50_ms)


def results(**samples: list[Sample]) -> Results:
    """Results in which everything takes the same time, but the subjects given by name."""
    rounds = max((len(given) for given in samples.values()), default=1)

    def row(subject: str, events: int | None, connections: int) -> Row:
        found = samples.get(subject.replace(" ", "_"), [sample()] * rounds)
        return Row(subject=subject, events=events, connections=connections, samples=found)

    sizes = (SMALL_EVENTS, LARGE_EVENTS)
    return Results(
        facts=Facts(
            **dict.fromkeys(("date", "commit", "processor", "system", "python", "postgres"), "some"),
            cores=2,
            fsync="on",
            synchronous_commit="on",
            load_generator="wrk",
            load_average="0",
        ),
        seconds=1.0,
        small_events=SMALL_EVENTS,
        large_events=LARGE_EVENTS,
        dashboard_projects=100,
        dashboard_events=LARGE_EVENTS,
        posts=200,
        unread=20,
        rows=[
            *(row(echo, None, each) for echo in (ECHO, LIMIT) for each in (*CONNECTIONS, *CURVE_CONNECTIONS)),
            *(row(tool, SMALL_EVENTS, each) for tool in CURVE_TOOLS for each in CURVE_CONNECTIONS),
            row(COMMIT, None, 1),
            *(row(tool, events, connections) for tool in TOOLS for events in sizes for connections in CONNECTIONS),
            *(row(DASHBOARD, LARGE_EVENTS, connections) for connections in DASHBOARD_CONNECTIONS),
            *(row(DURABLE, events, DURABLE_TASKS) for events in sizes),
            *(row(subject, 0, 64) for subject in (CROWD, CROWD_OF_ONE, SLOW_CROWD, SLOW_ONE)),
            *(row(plain, events, PLAIN_CONNECTIONS) for plain in (PLAIN, PLAIN_SQUEEZED) for events in sizes),
        ],
        activation_seconds=[0.5],
        disturbances=[
            Disturbance(attack="a storm", calm=sample(), attacked=sample(), probe=sample(), attacker=sample())
        ],
        holdings=Holdings(small=holding(), large=holding(), p50s_ms={"claim": (1.0, 1.0)}),
        waiting=[
            Waiting(
                calls=10,
                projects=projects,
                bytes_each=1024.0,
                cpu_share=0.01,
                idle_ms=1.0,
                woken_p50_ms=2.0,
                woken_p99_ms=late_ms,
            )
            for projects, late_ms in ((5, 50.0), (1, 500.0))
        ],
        flooded=Flooded(
            connections=20, projects=5, calm_p99_ms=1.0, flooded_p99_ms=2.0, disconnects=0, calls=300, busy=200
        ),
        memory=[Memory(events=events, active_bytes=None, loaded_bytes=1_000_000) for events in sizes],
    )


def holding() -> Holding:
    return Holding(
        size=LARGE, memory_bytes=1_000_000, first_answer_seconds=0.1, snapshot_bytes=1_000_000, slowest_step_ms=1.0
    )


def verdicts(found: Results) -> dict[str, bool]:
    return {target.promise: target.met for target in targets(found)}


def test_a_quick_run_measures_every_subject_and_leaves_no_database(
    postgres: Server, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    written = tmp_path / "docs" / "benchmarks.md"

    code = run(["bench", "--quick", "--json", "--database-url", postgres.conninfo, "--output", str(written)])

    assert code == 0
    found = msgspec.json.decode(capfd.readouterr().out, type=Results)
    assert {row.subject for row in found.rows} >= {
        ECHO,
        LIMIT,
        COMMIT,
        *TOOLS,
        DASHBOARD,
        DURABLE,
        PLAIN,
        CROWD,
        SLOW_CROWD,
    }
    assert all(taken.requests > 0 and taken.errors == 0 for row in found.rows for taken in row.samples)
    assert found.holdings is not None
    assert {what.partition(" ")[0] for what in found.holdings.p50s_ms} == {tool.name for tool in BUS_TOOLS}
    assert written.read_text() == page(found)
    assert query(postgres.conninfo, "select from pg_database where datname like 'llm_bus_bench_%'") == []


def test_a_part_can_be_measured_alone_beside_another_version_and_writes_no_page(
    postgres: Server, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "llm-bus"
    other.write_text(f'#!/bin/sh\nexec {sys.executable} -m llm_bus "$@"\n')
    other.chmod(0o755)
    measured = ["--quick", "--json", "--database-url", postgres.conninfo, "--only", "beside", "--beside", str(other)]

    assert run(["bench", *measured]) == 0

    found = msgspec.json.decode(capfd.readouterr().out, type=Results)
    assert {each.tool for each in found.beside} == set(TOOLS)
    assert all(taken.errors == 0 for each in found.beside for taken in (*each.mine, *each.other))
    assert {target.promise.partition(" ")[0] for target in targets(found)} == {"whats_new", "read_posts"}
    assert "## Beside another version" in page(found)
    assert not (tmp_path / "docs").exists()
    assert query(postgres.conninfo, "select from pg_database where datname like 'llm_bus_bench_%'") == []


def test_another_version_must_be_named_to_be_measured(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--only", "beside"]) == 2
    assert "--beside PROGRAM" in capfd.readouterr().err


async def test_the_seeded_history_is_what_the_engine_would_have_written(store: Store, conninfo: str) -> None:
    project = await seed(store, conninfo, SMALL_EVENTS, lambda _: None)

    rows = await store.journal.tail(project.principal.project_id, 0, SMALL_EVENTS + 1)
    stored = query(
        conninfo, "select data::text from events where project_id = %s order by seq", (project.principal.project_id,)
    )
    assert [json.loads(str(data)) for (data,) in stored] == [json.loads(encode(row.event.data)) for row in rows]
    assert {row.event.data.type for row in rows} == {"claim", "post", "ack", "lease", "release"}
    times = [row.event.at for row in rows]
    assert times == sorted(times)


async def test_the_seeded_sequences_have_no_gaps(store: Store, conninfo: str) -> None:
    project = await seed(store, conninfo, SMALL_EVENTS, lambda _: None)

    rows = await store.journal.tail(project.principal.project_id, 0, SMALL_EVENTS)
    claims = sorted((data.sequence, data.number) for row in rows if isinstance(data := row.event.data, Claimed))
    for _, taken in groupby(claims, key=lambda claim: claim[0]):
        numbers = [number for _, number in taken]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_long_history_gets_a_snapshot_as_old_as_an_actor_leaves_it(store: Store, conninfo: str) -> None:
    events = TAIL_EVENTS + 1_000

    project = await seed(store, conninfo, events, lambda _: None)

    kept = await store.journal.load(project.principal.project_id)
    assert kept is not None
    assert kept.seq == events - TAIL_EVENTS


async def test_a_history_that_folds_to_something_else_is_not_measured(
    store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Project, "unread", property(lambda project: project.posts + 1))

    with pytest.raises(BenchFailed, match="not what was meant"):
        await seed(store, conninfo, SMALL_EVENTS, lambda _: None)


async def test_the_databases_of_a_run_that_failed_are_dropped(conninfo: str) -> None:
    names = "select datname from pg_database where datname like 'llm_bus_bench_%'"

    async def fail() -> None:
        async with database(conninfo):
            assert len(await trio.to_thread.run_sync(query, conninfo, names)) == 1
            raise BenchFailed("on the way")

    with pytest.raises(BenchFailed):
        await fail()
    assert await trio.to_thread.run_sync(query, conninfo, names) == []


def test_every_tool_is_called_with_arguments_it_knows() -> None:
    known = {tool.name: set(tool.arguments.__struct_fields__) for tool in BUS_TOOLS}

    for tool, arguments in ARGUMENTS.items():
        assert arguments.keys() <= known[tool]
    assert set(ARGUMENTS) == set(TOOLS)


@pytest.mark.parametrize(
    ("status", "answered", "failed"), [(b"200 OK", True, False), (b"500 Internal Server Error", False, True)]
)
async def test_the_generator_counts_only_good_answers(status: bytes, *, answered: bool, failed: bool) -> None:
    async def answer(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):  # the generator hangs up when its time is over
            while await stream.receive_some():
                await stream.send_all(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\n{")
                await stream.send_all(b"}")

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
        load = Load(url=url, headers={}, body="{}", connections=2, seconds=0.1)
        with trio.fail_after(HANG_SECONDS):
            if failed:
                with pytest.raises(BenchFailed, match="answered nothing"):
                    await run_job("web.bench.generator", load, Sample)
            else:
                taken = await run_job("web.bench.generator", load, Sample)
                assert (taken.requests > 0) is answered
                assert taken.errors == 0
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("numbers", [99, 117])
def test_claims_that_do_not_agree_with_the_ledger_fail_the_run(numbers: int) -> None:
    with pytest.raises(BenchFailed, match="100 claims were answered"):
        _check_claims(sample(), 16, numbers)


def test_claims_under_way_at_the_end_may_be_in_the_ledger() -> None:
    _check_claims(sample(), 16, 116)


def test_a_ratio_is_the_median_of_rounds_not_the_ratio_of_medians() -> None:
    echo = [sample(1000), sample(100), sample(10)]
    claim = [sample(3000), sample(300), sample(1)]

    found = next(target for target in targets(results(echo=echo, claim=claim)) if "requests/s" in target.promise)

    assert found.measured == pytest.approx(3)
    assert found.met


def test_the_dashboard_is_judged_as_on_the_machine_of_its_promise() -> None:
    def found(p50_ms: float, rate: float) -> Target:
        shown = results(dashboard=[sample(p50_ms=p50_ms)], echo=[sample(rate)])
        return next(target for target in targets(shown) if target.promise.startswith("dashboard"))

    assert found(p50_ms=20, rate=1_400).measured == pytest.approx(20)
    assert not found(p50_ms=20, rate=2_800).met
    assert found(p50_ms=50, rate=700).met


def test_what_was_missed_is_said_to_be_missed() -> None:
    slow = results(
        claim=[sample(rate=249, p50_ms=3.6)],
        claims_without_HTTP=[sample(rate=999)],
        whoami=[sample(rate=400, p50_ms=0.4)],
    )

    reached = verdicts(slow)

    missed = {promise for promise, kept in reached.items() if not kept}
    assert {promise.split(" to ")[0].split(" at ")[0] for promise in missed} == {"claim", "durable claims without HTTP"}
    assert page(slow).count("**missed**") == len(missed) == 8


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([1.0], 0.99) == 1.0
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert percentile(list(map(float, range(100))), 0.99) == 99.0


def test_the_usual_flood_is_the_one_with_the_median_ratio_and_hides_no_disconnect() -> None:
    floods = [
        Flooded(connections=20, projects=5, calm_p99_ms=calm, flooded_p99_ms=3.0, disconnects=lost, calls=300, busy=200)
        for calm, lost in ((1.0, 2), (3.0, 0), (2.0, 1))
    ]
    found = usual_flood(floods)
    assert (found.calm_p99_ms, found.disconnects) == (2.0, 3)
