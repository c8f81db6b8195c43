"""Looks at everything a bus needs, from the settings to a full round trip, and says what is wrong and what to do.

`examine` makes the whole round; each `check_…` looks at one thing. How findings are shown is `web.cli.doctor_and_demo`.
It changes nothing that outlives it: no migration is applied, and the project that a round trip needs is removed again.
Every check reports one or more findings; one that cannot be made, because an earlier one failed, is left out.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Literal

import httpx2
from msgspec import Struct

from store import pending
from store.embedded.cluster import has_cluster
from store.embedded.disk import DiskStatistics
from store.errors import (
    EmbeddedUnavailable,
    EncodingUnfit,
    MigrationForbidden,
    SchemaTooNew,
    StatementTimeout,
    StoreError,
)
from store.ledger import losses
from store.ledger.repair import find_gaps
from store.opening import affordable_pool_size
from store.people.old_names import doubtful
from store.postgres import durability, vitals
from store.postgres.connection import Connection
from store.postgres.pool import POOL_SIZE_MAX
from web import VERSION
from web.cli.bus_client import BusClient, connect
from web.cli.bus_http import AROUND_PROXIES, json_in, reason
from web.cli.database import open_database
from web.cli.temporary_servers import temporary_bus
from web.config import Settings
from web.errors import BusUnreachable, ToolRefused
from web.mcp.tools import TOOLS
from web.onboarding.texts import mcp_url

Verdict = Literal["ok", "warn", "fail"]

CLOCK_SKEW_SECONDS_MAX = 2.0
"""More than this between two machines, and leases end visibly early or late."""

DISK_RESERVES_MIN = 4
"""With less than so many reserves left, it is time to act."""

NAMES_TOLD_MAX = 10
HTTP_SECONDS_MAX = 5.0

LEDGER_SECONDS_MAX = 30.0
"""How long looking for gaps may take."""

LOSSES_TOLD_FOR = timedelta(days=7)
LOSSES_TOLD_MAX = 10
"""Losses of events in the last week that are told, at most."""


class Finding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one check found; `todo` is there when there is something to do."""

    check: str
    verdict: Verdict
    says: str
    todo: str = ""


Report = Callable[[Finding], None]


def ok(check: str, says: str) -> Finding:
    """All is well."""
    return Finding(check=check, verdict="ok", says=says)


def warn(check: str, says: str, todo: str) -> Finding:
    """A finding that something works, but perhaps not for long or not as intended."""
    return Finding(check=check, verdict="warn", says=says, todo=todo)


def fail(check: str, says: str, todo: str) -> Finding:
    """A finding that something does not work."""
    return Finding(check=check, verdict="fail", says=says, todo=todo)


async def examine(settings: Settings, report: Report, *, url: str | None, token: str | None) -> None:
    """Make every check that can be made and report what it finds; fails only by a bug.

    With a `url` only that server is looked at, unless a database was named too.
    """
    if url is None or settings.database_url is not None:
        await _examine_database(settings, report, round_trip=token is None)
    address = url or settings.known_url
    found = await check_server(address, report, is_expected=url is not None, known_as=settings.public_url)
    if found and token is not None:
        await check_round_trip(address, token, report)


async def _examine_database(settings: Settings, report: Report, *, round_trip: bool) -> None:
    if settings.database_url is None and not has_cluster(settings.data_dir):
        says = f"There is no database in {settings.data_dir} yet."
        report(fail("database", says, "Make one with 'llm-bus up', or give --data-dir or --database-url."))
        return
    place = f"the embedded PostgreSQL in {settings.data_dir}" if settings.database_url is None else "the database given"
    report(ok("settings", f"The settings are valid; data is in {place}."))
    try:
        async with open_database(settings) as conninfo:
            if settings.disk is not None:
                report(check_disk(settings.disk.statistics()))
            if await check_database(conninfo, report) and round_trip:
                async with temporary_bus(settings, conninfo) as client:
                    await check_writing(client, report)
    except (EmbeddedUnavailable, OSError) as error:
        report(fail("database", str(error), "Do what it says, or give another --data-dir or DATABASE_URL."))


def check_disk(disk: DiskStatistics) -> Finding:
    """Whether the embedded database has room to write."""
    says = f"{disk.free_bytes / 2**30:.1f} GiB are free where the database is."
    todo = f"Free some space: below {disk.reserve_bytes >> 20} MiB (DISK_RESERVE_MIB) the server refuses every write."
    if disk.free_bytes < disk.reserve_bytes:
        return fail("disk", says, todo)
    if disk.free_bytes < DISK_RESERVES_MIN * disk.reserve_bytes:
        return warn("disk", says, todo)
    return ok("disk", says)


async def check_database(conninfo: str, report: Report) -> bool:
    """Whether the database answers and can be used by this version as it is."""
    try:
        found = await vitals.examine(conninfo)
    except EncodingUnfit as error:
        report(fail("database", str(error), "Make that database, and correct DATABASE_URL."))
        return False
    except StoreError as error:
        report(fail("database", str(error), "Start PostgreSQL, or correct DATABASE_URL: host, port, name, password."))
        return False
    milliseconds = found.round_trip_seconds * 1000
    report(ok("database", f"PostgreSQL {found.version} answers in {milliseconds:.1f} ms (database {found.name})."))
    if not found.is_supported:
        known = f"{vitals.VERSION_MIN} to {vitals.VERSION_MAX}"
        report(warn("database", f"PostgreSQL {found.major_version} is untested.", f"Use a version from {known}."))
    if found.is_read_only:
        report(fail("database", "The database accepts no writes.", "Point DATABASE_URL at the primary server."))
    report(_clock("the database", found.now - datetime.now(UTC)))
    if not await _check_pooler(conninfo, report) or not await _check_migrations(conninfo, report):
        return False
    try:
        await _check_durability(conninfo, report)
        await _check_names(conninfo, report)
        await _check_ledgers(conninfo, report)
    except StoreError as error:
        todo = "Grant the database's user select, insert, update and delete on all tables, or see PostgreSQL's log."
        report(fail("tables", str(error), todo))
        return False
    return not found.is_read_only


async def _check_pooler(conninfo: str, report: Report) -> bool:
    """Whether a connection keeps its session, and whether there are enough of them."""
    try:
        size = await affordable_pool_size(conninfo)
    except StoreError as error:
        report(fail("sessions", str(error), "Connect to PostgreSQL directly, or change the pooler's settings."))
        return False
    if size < POOL_SIZE_MAX:
        says = f"The pooler has room for a server with a pool of {size} sessions; {POOL_SIZE_MAX} serve a busy one."
        report(warn("sessions", says, "Raise the pooler's pool size; a server that runs now has taken its part of it."))
    else:
        report(ok("sessions", "Connections to PostgreSQL keep their sessions."))
    return True


async def _check_migrations(conninfo: str, report: Report) -> bool:
    try:
        missing = await pending(conninfo)
    except SchemaTooNew as error:
        report(fail("migrations", str(error), "Run the llm-bus that migrated it, or a newer one."))
        return False
    except MigrationForbidden as error:
        report(fail("migrations", str(error), "Then start the server: it makes its tables."))
        return False
    except StoreError as error:
        report(fail("migrations", str(error), "Give the database's user the right to read schema_migrations."))
        return False
    if missing:
        names = ", ".join(missing)
        report(warn("migrations", f"To be applied: {names}.", "Run 'llm-bus migrate', or start the server: it does."))
        return False
    report(ok("migrations", "The schema is this version's."))
    return True


async def _check_durability(conninfo: str, report: Report) -> None:
    connection = await Connection.open(conninfo)
    try:
        found = await durability.risks(connection, conninfo)
    finally:
        connection.close()
    for risk in found:
        report(warn("durability", risk.says, risk.todo))
    if not found:
        report(ok("durability", "What was answered survives a crash of PostgreSQL."))


async def _check_names(conninfo: str, report: Report) -> None:
    found = await doubtful(conninfo)
    for sentence in found[:NAMES_TOLD_MAX]:
        report(warn("names", sentence, "It keeps working; you can give it another name in the web admin."))
    if not found:
        report(ok("names", "No two participants of an owner look the same, and all names can be read."))
    elif len(found) > NAMES_TOLD_MAX:
        report(warn("names", f"{len(found) - NAMES_TOLD_MAX} more are like these.", "Mend those first."))


async def _check_ledgers(conninfo: str, report: Report) -> None:
    try:
        connection = await Connection.open(conninfo, statement_timeout_seconds=LEDGER_SECONDS_MAX)
        try:
            gaps = await find_gaps(connection)
            lost = await losses.recent(connection, LOSSES_TOLD_FOR, LOSSES_TOLD_MAX)
        finally:
            connection.close()
    except StatementTimeout:
        says = f"Looking for gaps in the ledgers took over {LEDGER_SECONDS_MAX:g} s."
        report(warn("ledger", says, "Look with 'llm-bus repair', which has no time limit."))
        return
    for gap in gaps:
        says = f"The ledger of {gap.handle}/{gap.slug} lacks the events {gap.first} to {gap.last}."
        report(fail("ledger", says, "Make a backup, then close the gap: llm-bus repair --apply."))
    for loss in lost:
        says = (
            f"The ledger of {loss.handle}/{loss.slug} lost its events after {loss.kept}; a server had seen {loss.had}."
        )
        report(warn("ledger", f"{says} Noted at {loss.at:%Y-%m-%d %H:%M} UTC.", "Tell its team what may be missing."))
    if not gaps:
        report(ok("ledger", "No ledger has a gap."))


async def check_server(url: str, report: Report, *, is_expected: bool, known_as: str | None = None) -> bool:
    """Whether a bus answers under `url` and is ready; `is_expected`: nobody there is a failure, not a remark.

    It may call itself `known_as`, when it is looked at from behind its proxy.
    """
    async with httpx2.AsyncClient(base_url=url, timeout=HTTP_SECONDS_MAX, mounts=AROUND_PROXIES) as http:
        try:
            health = await http.get("/healthz")
        except httpx2.HTTPError as error:
            blame = fail if is_expected else warn
            report(
                blame(
                    "server", f"Nobody answers at {url} ({reason(error)}).", "Start it: llm-bus up, or llm-bus serve."
                )
            )
            return False
        if (version := _version_in(health)) is None:
            report(fail("server", f"What answers at {url} is not LLM Bus.", "Use another --port, or correct the URL."))
            return False
        report(_version(url, version))
        if (ahead := _ahead(health)) is not None:
            report(_clock("the server", ahead))
        try:
            ready, refusal = await http.get("/readyz"), await http.post("/mcp", json={})
        except httpx2.HTTPError as error:
            says = f"The server at {url} began to answer and stopped ({type(error).__name__})."
            report(fail("server", says, "Look at its log, and at any proxy in between."))
            return False
        if ready.status_code != httpx2.codes.OK:
            report(fail("server", "The server runs, but its database does not answer.", "Look at the database first."))
            return False
        report(_announced_url(url, known_as, refusal))
        return True


async def check_round_trip(url: str, token: str, report: Report) -> None:
    """Whether an MCP client with this token is served; calls only what changes nothing."""
    try:
        async with connect(mcp_url(url), token) as client:
            began = time.perf_counter()
            me = await client.call("whoami")
            milliseconds = (time.perf_counter() - began) * 1000
            tools = await client.tool_names()
            revision = client.protocol_version
    except (BusUnreachable, ToolRefused) as error:
        todo = "Check the token in LLM_BUS_TOKEN: 'llm-bus token mint --help' says how to get another."
        report(fail("round trip", f"An MCP client is not served: {error}", todo))
        return
    who = f"{me['actor']} in project {me['project']}"
    report(ok("round trip", f"An MCP client ({revision}) is served as {who}: whoami in {milliseconds:.1f} ms."))
    if len(tools) != len(TOOLS):
        says = f"The server offers {len(tools)} tools, this version {len(TOOLS)}."
        report(warn("round trip", says, "Upgrade the older of the two."))


async def check_writing(client: BusClient, report: Report) -> None:
    """Whether a claim, a post and its acknowledgement become durable; for a project that nobody else sees."""
    # A server's first write waits a second until other servers know of it, which says nothing about the database.
    await client.call("register", lane="doctor")
    began = time.perf_counter()
    claimed = await client.call("claim", sequence="doctor")
    posted = await client.call("post", to_lane="doctor", body="Is it durable?")
    await client.call("ack", post_id=posted["post_id"])
    milliseconds = (time.perf_counter() - began) * 1000
    events = (await client.call("query_events"))["events"]
    types = [event["type"] for event in events]
    if claimed["number"] == 1 and types == ["ack", "post", "claim", "register"]:
        report(ok("round trip", f"Claim, post and ack are in the ledger, in order, after {milliseconds:.0f} ms."))
    else:
        report(fail("round trip", f"The ledger holds {types} after claim, post, ack.", "Report this as a bug."))


def _version_in(health: httpx2.Response) -> str | None:
    """The version of the LLM Bus that answered; None when something else did."""
    try:
        answer = json_in(health)
        return str(answer["version"]) if answer["service"] == "llm-bus" else None
    except (LookupError, TypeError):
        return None


def _ahead(health: httpx2.Response) -> timedelta | None:
    """How far the server's clock is ahead of ours, to the second; None when it does not tell its time."""
    try:
        return parsedate_to_datetime(health.headers["date"]) - datetime.now(UTC).replace(microsecond=0)
    except (ValueError, LookupError, TypeError):  # none, or one that a proxy wrote badly
        return None


def _version(url: str, theirs: str) -> Finding:
    ours = VERSION
    if theirs == ours:
        return ok("server", f"LLM Bus {theirs} answers at {url}.")
    return warn("server", f"LLM Bus {theirs} answers at {url}; this is {ours}.", "Restart it to use this version.")


def _announced_url(url: str, known_as: str | None, refusal: httpx2.Response) -> Finding:
    """What the server tells a client without a token: where it is to be found, which must be where it was found."""
    announced = refusal.headers.get("www-authenticate", "")
    if refusal.status_code == httpx2.codes.FORBIDDEN:
        return fail("server", f"The server refuses the host in {url}.", "Set PUBLIC_URL or ALLOWED_HOSTS.")
    if refusal.status_code != httpx2.codes.UNAUTHORIZED or not announced.startswith("Bearer"):
        says = f"/mcp answers {refusal.status_code} to a client without a token; 401 was expected."
        return fail("server", says, "Look for a proxy in between that answers in its place.")
    if not any(f'"{address}/' in announced for address in (url, known_as)):
        says = f"The server does not call itself {url}: {announced}."
        return warn("server", says, "Set PUBLIC_URL to the address that clients use.")
    return ok("server", "/mcp asks for a token, as it should.")


def _clock(whose: str, ahead: timedelta) -> Finding:
    seconds = ahead.total_seconds()
    if abs(seconds) <= CLOCK_SKEW_SECONDS_MAX:
        return ok("clock", f"The clocks of this machine and of {whose} agree.")
    says = f"The clock of {whose} is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine's."
    return warn("clock", says, "Let both take their time from NTP: leases and tokens are timed by it.")
