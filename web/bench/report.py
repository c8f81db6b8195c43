"""A benchmark's results as a page: the targets first, met or missed, then every number they come from."""

from collections.abc import Callable, Sequence
from statistics import median

from web.bench.results import (
    CONNECTIONS,
    CURVE_CONNECTIONS,
    CURVE_TOOLS,
    DASHBOARD,
    ECHO,
    LIMIT,
    PLAIN_SQUEEZED,
    TOOLS,
    Beside,
    Holding,
    Holdings,
    Results,
    Row,
    Size,
    Target,
    durable_to,
    share_of_limit,
    targets,
)

_MEGABYTE = 1_000_000

_INTRODUCTION = """\
# Benchmarks

Written by `llm-bus bench`; every number below is from one run of it. Numbers depend on the machine, and this one also
ran the load and PostgreSQL: only ratios within the run mean something elsewhere.
"""

_EXPLANATION = """\
## What was measured

- **echo**: Hypercorn on Trio as it comes, with an application that reads a POST's body and answers with JSON
  (`web/bench/echo.py`). Whatever Python serves over HTTP starts from there.
- **httptools echo**: the same over `httptools` alone (`web/bench/limit.py`), the parser that our server reads with. A
  server on Trio in Python cannot be faster.
- **claim, whoami, post, whats_new, read_posts**: the tool called over MCP (2025-11-25), answered by `llm-bus serve` in
  a process of its own that also writes its log. Every claim takes a number of the same sequence. `whats_new` does not
  move the cursor, so each call reads 100 events, which were made the same at every size just before
  (`web/bench/recent.py`); `read_posts` reads the 20 newest unread posts. After claims, the numbers taken were counted
  and agreed with the answers.
- **dashboard**: the first page of the web admin, asked for with a session's cookie. Its owner has {projects} projects;
  one of them is the one with {large:,} events, in which claims and posts are made all the while.
- **claims without HTTP**: 64 tasks that ask the directory in the same process; PostgreSQL has committed each answer.
- **claim in one new project, over 64 projects**: 64 connections; over 64 projects every connection goes through all of
  them. *3 ms commits*: PostgreSQL waits 3 ms longer at every commit (`commit_delay`, with `commit_siblings` 0), as on a
  slow disk. Projects that had to commit one after the other would show there.
- **plain SQL**: the same claims by pgbench on 16 connections, prepared, a transaction each: `INSERT … ON CONFLICT DO
  UPDATE … RETURNING`, then a row of an events table with the number. One sequence for all, as above, so transactions
  queue for its row. *In one statement* both are one round trip, the strongest form that we know; the application then
  does not see its number before the event is written.
- **one commit**: the same claim in one statement on one connection, so one commit and its round trip.
- **history**: the events in the ledger before. A tenth are posts to the caller; {unread:,} of {posts:,} are unread at
  {large:,} events. Both sizes have a database and a server of their own. Small projects are new for every sample.
- **one token against everybody else**: one call repeated on 32 connections in a project that was prepared for it
  (`web/bench/attacks.py`), without the bounds of fair use; a neighbour claims in another project, and a probe asks
  `/healthz` 20 times a second, before and meanwhile.
- **a project that holds much**: its ledger has shipped tasks, posts to lanes that nobody reads, acknowledged posts,
  keyed claims and active leases (`web/bench/holdings.py`). Every tool is called on one connection, in turns with a
  project that holds little; each has a database and a server of its own. A call after a change of people looks its
  token up again. *Memory* is beyond the same server with an empty project.
- **very many connections**: calls that wait in `whats_new` with `wait_seconds`, then one post to each of their
  projects; every post is news to all who wait there, and all of them are answered. Then claims on 2,000 connections,
  each one every four seconds, before and while another project claims on 64 connections as fast as it can, with the
  limits that `llm-bus serve` has by default; of the rounds, the one with the median ratio is shown.
- **activation**: from the first question to a directory without an actor until its answer, with a snapshot that is as
  old as it can get.

Each number is the median of {rounds} rounds of {seconds:g} s; a round measures what is compared one after the other,
and a ratio is the median of the rounds' ratios. *cpu* is the server process's processor time a request, without
PostgreSQL's.
"""


def page(results: Results) -> str:
    """The whole page, in Markdown."""
    parts = [_INTRODUCTION, _targets(targets(results))]
    if results.rows:
        parts += [_strongest(results), _curve(results), _numbers(results.rows), _recovery(results)]
    if results.disturbances:
        parts.append(_disturbances(results))
    if results.holdings is not None:
        parts.append(_holdings(results.holdings))
    if results.waiting:
        parts.append(_throngs(results))
    if results.beside:
        parts.append(_beside(results.beside))
    if results.rows:
        parts.append(_explanation(results))
    return "\n".join([*parts, _machine(results)])


def _explanation(results: Results) -> str:
    return _EXPLANATION.format(
        unread=results.unread,
        posts=results.posts,
        large=results.large_events,
        projects=results.dashboard_projects,
        rounds=max(len(row.samples) for row in results.rows),
        seconds=results.seconds,
    )


def _targets(found: list[Target]) -> str:
    rows = [
        (
            target.promise,
            target.bound,
            f"{target.measured:.2f}{target.unit}",
            "met" if target.met else "**missed**",
        )
        for target in found
    ]
    return f"## Targets\n\n{_table(('ratio', 'target', 'measured', ''), rows)}"


def _strongest(results: Results) -> str:
    small, large = (
        durable_to(results, PLAIN_SQUEEZED, events) for events in (results.small_events, results.large_events)
    )
    return (
        f"To plain SQL in one statement, which is stronger than the target asks for, the same claims are {small:.2f} "
        f"at {results.small_events:,} events and {large:.2f} at {results.large_events:,}.\n"
    )


def _curve(results: Results) -> str:
    """What a call costs as connections grow, and what share of the limit is reached."""
    rows = []
    for connections in sorted((*CONNECTIONS, *CURVE_CONNECTIONS)):
        tools = [results.row(tool, results.small_events, connections) for tool in CURVE_TOOLS]
        costs = (results.row(ECHO, None, connections), results.row(LIMIT, None, connections), *tools)
        cells = [_number(row.median("cpu_ms"), ".3f") for row in costs]
        shares = [f"{share_of_limit(results, tool, connections):.2f}" for tool in CURVE_TOOLS]
        rows.append((str(connections), *cells, *shares))
    head = ("connections", "echo", "httptools echo", *CURVE_TOOLS, *(f"{tool} to the limit" for tool in CURVE_TOOLS))
    return (
        "## From 1 to 256 connections\n\n"
        "Processor time of the server per request in ms, and requests/s beside those of the httptools echo.\n\n"
        f"{_table(head, rows)}"
    )


def _numbers(rows: list[Row]) -> str:
    cells = [
        (
            row.subject,
            "" if row.events is None else f"{row.events:,}",
            str(row.connections),
            _number(row.median("requests_per_second"), ",.0f"),
            _number(row.median("p50_ms"), ".2f"),
            _number(row.median("p99_ms"), ".2f"),
            _number(row.median("cpu_ms"), ".2f"),
        )
        for row in sorted(rows, key=_place)
    ]
    head = ("", "history", "connections", "requests/s", "p50 ms", "p99 ms", "cpu ms")
    errors = sum(sample.errors for row in rows for sample in row.samples)
    requests = sum(sample.requests for row in rows for sample in row.samples)
    return f"## Numbers\n\n{_table(head, cells)}\n{requests:,} requests, {errors:,} errors.\n"


def _place(row: Row) -> tuple[int, int, int]:
    order = (ECHO, LIMIT, *TOOLS, DASHBOARD)
    return order.index(row.subject) if row.subject in order else len(order), row.events or 0, row.connections


def _recovery(results: Results) -> str:
    memory = [
        (f"{memory.events:,}", _megabytes(memory.active_bytes), _megabytes(memory.loaded_bytes))
        for memory in results.memory
    ]
    seconds = results.activation_seconds
    return (
        "## Activation and memory\n\n"
        f"Activation of the project with {results.large_events:,} events: {median(seconds):.2f} s "
        f"(from {min(seconds):.2f} to {max(seconds):.2f} s in {len(seconds)}).\n\n"
        + _table(("history", "server's memory, project active", "after all load"), memory)
    )


def _disturbances(results: Results) -> str:
    rows = [
        (
            found.attack,
            f"{found.calm.p99_ms:.2f}",
            f"{found.attacked.p99_ms:.2f}",
            _number(found.probe.max_ms, ".1f"),
            f"{found.attacker.requests_per_second:,.0f}",
            f"{found.attacker.errors:,}",
        )
        for found in results.disturbances
    ]
    head = ("attack", "claim p99 before, ms", "during, ms", "/healthz worst, ms", "attacker's answers/s", "refused")
    return f"## One token against everybody else\n\n{_table(head, rows)}"


def _holdings(found: Holdings) -> str:
    sizes = (found.small.size, found.large.size)
    rows = [
        *(
            (name.replace("_", " "), *(f"{getattr(size, name):,}" for size in sizes), "")
            for name in Size.__struct_fields__
        ),
        *(
            (what, *(_number(value(held), form) for held in (found.small, found.large)), "")
            for what, value, form in _COSTS_OF_HOLDING
        ),
        *((f"{what}, p50 ms", f"{one:.2f}", f"{other:.2f}", f"{other / one:.2f}") for what, (one, other) in
          sorted(found.p50s_ms.items())),
    ]  # fmt: skip
    return f"## A project that holds much\n\n{_table(('', 'little', 'much', 'ratio'), rows)}"


_COSTS_OF_HOLDING: tuple[tuple[str, Callable[[Holding], float | None], str], ...] = (
    ("memory, MB", lambda held: None if held.memory_bytes is None else held.memory_bytes / _MEGABYTE, ".1f"),
    ("snapshot, MB", lambda held: held.snapshot_bytes / _MEGABYTE, ".2f"),
    ("slowest step of a snapshot, ms", lambda held: held.slowest_step_ms, ".1f"),
    ("first answer, s", lambda held: held.first_answer_seconds, ".3f"),
)


def _throngs(results: Results) -> str:
    """What very many connections cost."""
    head = ("calls that wait", "projects", "KiB each", "% of a core", "woken p50, ms", "p99, ms", "round trip, ms")
    rows = [
        (
            f"{found.calls:,}",
            str(found.projects),
            f"{found.bytes_each / 1024:.1f}",
            f"{found.cpu_share * 100:.1f}",
            f"{found.woken_p50_ms:.1f}",
            f"{found.woken_p99_ms:.1f}",
            f"{found.idle_ms:.2f}",
        )
        for found in results.waiting
    ]
    told = f"## Very many connections\n\n{_table(head, rows)}"
    if (found := results.flooded) is not None:
        told += (
            f"\nClaims on {found.connections:,} connections in {found.projects} projects take "
            f"{found.calm_p99_ms:.1f} ms (p99), and {found.flooded_p99_ms:.1f} ms while one project floods on 64 more. "
            f"{found.disconnects} connections ended; {found.busy:,} of the flooder's {found.calls:,} calls were busy.\n"
        )
    return told


def _beside(found: list[Beside]) -> str:
    """Another version beside this one."""
    head = ("", "connections", "requests/s", f"{found[0].version}, requests/s", "ratio", "p50 ms", "its p50 ms")
    rows = [
        (
            each.tool,
            str(each.connections),
            *(f"{median(sample.requests_per_second for sample in side):,.0f}" for side in (each.mine, each.other)),
            f"{each.ratio:.2f}",
            *(f"{median(sample.p50_ms for sample in side):.2f}" for side in (each.mine, each.other)),
        )
        for each in sorted(found, key=lambda each: each.connections)
    ]
    return (
        "## Beside another version\n\n"
        "Both in turns on this machine, each with a new database and the same 120 posts to the caller.\n\n"
        f"{_table(head, rows)}"
    )


def _machine(results: Results) -> str:
    facts = results.facts
    return (
        "## Where\n\n"
        f"{facts.date}, commit {facts.commit}. {facts.cores} cores ({facts.processor}), {facts.system}, "
        f"{facts.python}, PostgreSQL {facts.postgres} with fsync {facts.fsync} and synchronous_commit "
        f"{facts.synchronous_commit}. "
        f"Load from {facts.load_generator}. The machine's load average before: {facts.load_average}.\n"
    )


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    rule = ("---", *("---:" for _ in head[1:]))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *rows))


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / _MEGABYTE:.0f} MB"
