"""A design without actors, for comparison: the same claims as plain SQL, driven by pgbench.

A transaction a claim, with prepared statements, from a client written in C: the counter's upsert returns the number,
and an event with it is inserted. `squeezed` makes both one statement, so one round trip: the strongest form that we
know, though the application no longer sees its number before it writes the event. It has tables of its own: a counter
per sequence, and events with a generated id and one index, so fewer than ours. All claims take numbers of one sequence,
as everywhere in this benchmark, so its row is what they queue for.
"""

import re
import shutil
from pathlib import Path

from store.embedded.programs import installed_binaries
from store.errors import EmbeddedUnavailable
from store.postgres.connection import Connection
from store.postgres.passwords import for_a_program
from web.bench import processes as bench_processes
from web.bench.results import Sample, percentile
from web.errors import BenchFailed

THREADS = 2

_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)

_SCHEMA = """
create schema plain;
create table plain.counters (
    project_id bigint, sequence text, current bigint not null, primary key (project_id, sequence)
);
create table plain.events (
    id bigint generated always as identity primary key, project_id bigint not null,
    at timestamptz not null default now(), actor text not null, type text not null, data jsonb not null
);
create index on plain.events (project_id, id);
"""

_HISTORY = """
insert into plain.events (project_id, actor, type, data)
select 1, 'bench/runner', 'claim',
       jsonb_build_object('sequence', 'old', 'number', i, 'formatted', i::text, 'note', null)
  from generate_series(1, %s) as i
"""

_TAKE = """
insert into plain.counters (project_id, sequence, current) values (1, 'adr', 1)
    on conflict (project_id, sequence) do update set current = counters.current + 1
returning current
"""

_RECORD = """
insert into plain.events (project_id, actor, type, data)
select 1, 'bench/runner', 'claim', jsonb_build_object(
       'sequence', 'adr', 'number', {number}, 'formatted', ({number})::text, 'note', 'the storage format')
"""

_CLAIM = f"""
begin;
{_TAKE} \\gset
{_RECORD.format(number=":current::bigint")};
commit;
"""

_SQUEEZED_CLAIM = f"""
with taken as ({_TAKE})
{_RECORD.format(number="current")} from taken returning data;
"""


async def prepare(conninfo: str, events: int) -> None:
    """Make the tables, with so many events of history."""
    connection = await Connection.open(conninfo, statement_timeout_seconds=float("inf"))
    try:
        await connection.run_script(_SCHEMA.encode())
        await connection.execute(_HISTORY, (events,))
    finally:
        connection.close()


async def measure(
    conninfo: str, workspace: Path, *, connections: int, seconds: float, squeezed: bool = False
) -> Sample:
    """Claim on so many connections at once for about so many seconds."""
    script, log = workspace / "claim.sql", workspace / "claims"
    script.write_text(_SQUEEZED_CLAIM if squeezed else _CLAIM)
    options = {
        "protocol": "prepared",
        "client": connections,
        "jobs": THREADS,
        "time": max(1, round(seconds)),
        "file": script,
        "log-prefix": log,
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    database, secret = for_a_program(conninfo)
    command = [find_pgbench(), *arguments, "--no-vacuum", "--log", database]
    said = await bench_processes.run_program(command, "pgbench", **secret)
    ordered = _milliseconds(log)
    if (rate := _RATE.search(said)) is None or not ordered:
        raise BenchFailed(f"pgbench claimed nothing: {said}")
    return Sample(
        requests=len(ordered),
        requests_per_second=float(rate[1]),
        p50_ms=percentile(ordered, 0.5),
        p99_ms=percentile(ordered, 0.99),
    )


def find_pgbench() -> str:
    """Where pgbench is: the embedded server's, or the system's. Raises `BenchFailed`."""
    try:
        embedded = installed_binaries() / "pgbench"
    except EmbeddedUnavailable:
        embedded = None
    found = str(embedded) if embedded is not None and embedded.exists() else shutil.which("pgbench")
    if found is None:
        raise BenchFailed("pgbench is missing: install PostgreSQL's client programs.")
    return found


def _milliseconds(log: Path) -> list[float]:
    """The time of every transaction, ascending: the third column of pgbench's log, one file a thread."""
    files = list(log.parent.glob(f"{log.name}.*"))
    lines = [line for file in files for line in file.read_text().splitlines()]
    for file in files:
        file.unlink()
    return sorted(int(line.split()[2]) / 1000 for line in lines)
