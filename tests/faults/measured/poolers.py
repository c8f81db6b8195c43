"""PgBouncer between the servers and PostgreSQL."""

from contextlib import AsyncExitStack
from pathlib import Path
from subprocess import STDOUT

import trio
from psycopg.conninfo import make_conninfo

from tests.faults import pooler
from tests.faults.measured.question import question, told, violations
from tests.faults.processes import LLM_BUS
from tests.faults.world import Shape, world
from tests.load import Answered

CALLS = 300
SECONDS_MAX = 60


@question("pooled-session", "PgBouncer in session mode")
async def session_mode(directory: Path) -> str:
    if pooler.program() is None:
        return "not measured: PgBouncer is not installed here"
    async with world(directory, Shape(is_pooled=True)) as here:
        async with here.team.client("client-0", here.buses[0].port) as client:
            answered = [await client.call("claim", sequence="adr", note=f"{n}") for n in range(CALLS)]
        served = sum(isinstance(outcome, Answered) for outcome in answered)
        return f"{served} of {CALLS} calls served; {told(violations(here))}"


@question("pooled-transaction", "PgBouncer in transaction mode")
async def transaction_mode(directory: Path) -> str:
    if pooler.program() is None:
        return "not measured: PgBouncer is not installed here"
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(world(directory, Shape()))
        mode = pooler.pooled(directory / "transaction", here.wires[0].port, mode="transaction")
        port = await stack.enter_async_context(mode)
        url = make_conninfo(host="127.0.0.1", port=port, user="bus", dbname="bus", sslmode="disable")
        said = [f"`{command}` {await _say(command, url)}" for command in ("serve", "migrate", "doctor")]
        return "; ".join(said)


async def _say(command: str, url: str) -> str:
    """What a command says about a database, and whether it ends with a failure."""
    port = ["--port", "0"] if command == "serve" else []
    with trio.move_on_after(SECONDS_MAX):
        done = await trio.run_process(
            [*LLM_BUS, command, *port, "--database-url", url], capture_stdout=True, stderr=STDOUT, check=False
        )
        lines = [line.strip() for line in done.stdout.decode().splitlines()]
        said = next((line for line in lines if "transaction" in line), lines[-1] if lines else "")
        return f"ends with {done.returncode}: {said}"
    return f"went on for {SECONDS_MAX} s"
