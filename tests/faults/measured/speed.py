"""How fast several servers write to one project, beside one."""

from itertools import cycle
from pathlib import Path
from statistics import median

import trio

from tests.faults.measured.question import question
from tests.faults.world import Shape, World, world
from tests.load import Answered, Client, Record

CLIENTS = 18
ROUNDS = 3
SECONDS = 4.0
TASKS = 200_000
PARTICIPANTS = 100_000
SHAPE = Shape(servers=3, clients=CLIENTS, is_direct=True)

_SHIPPED_TASKS = f"""
with project as materialized (
    select p.id, (select coalesce(max(seq), 0) from events where project_id = p.id) as seq,
           (select min(id) from participations where project_id = p.id) as by
      from projects p
)
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select project.id, project.seq + 4 * (task - 1) + step, now(), 'ada/judge-0', project.by, type,
       case step when 1 then jsonb_build_object('task_id', task, 'title', 'task ' || task, 'lane', null, 'owner', null)
                 when 2 then jsonb_build_object('task_id', task, 'owner', 'ada/judge-0', 'owner_id', project.by)
                 else jsonb_build_object('task_id', task) end, 1
  from project, generate_series(1, {TASKS}) as task,
       unnest(array['task_create', 'task_assign', 'task_start', 'task_ship']) with ordinality as steps (type, step)
"""  # made of numbers

_PARTICIPANTS = f"""
with made as (insert into participants (owner_id, label, kind)
              select owner_id, 'extra-' || n, 'agent' from projects, generate_series(1, {PARTICIPANTS}) as n
              returning id)
insert into participations (participant_id, project_id) select made.id, projects.id from made, projects
"""  # made of numbers


@question("speed", f"{CLIENTS} clients claim in one project, over 1, 2 and 3 servers")
async def small(directory: Path) -> str:
    async with world(directory, SHAPE) as here:
        return await _rates(here)


@question("speed-large", f"The same with {TASKS:,} shipped tasks and {PARTICIPANTS:,} participants")
async def large(directory: Path) -> str:
    async with world(directory, SHAPE) as here:
        for bus in here.buses:
            await bus.kill()
        await trio.to_thread.run_sync(here.primary.query, _SHIPPED_TASKS)
        await trio.to_thread.run_sync(here.primary.query, _PARTICIPANTS)
        await trio.to_thread.run_sync(here.primary.query, "vacuum analyze")
        for bus in here.buses:
            await bus.start()
        return await _rates(here)


async def _rates(here: World) -> str:
    """The rates with one, two and three servers, by turns: the machine's own speed changes from minute to minute."""
    for bus in here.buses[1:]:
        await bus.terminate()
    rates: list[list[float]] = [[], [], []]
    for _ in range(ROUNDS):
        rates[0].append(await _rate(here, 1))
        for servers in (2, 3):
            await here.buses[servers - 1].start()
            rates[servers - 1].append(await _rate(here, servers))
        for bus in here.buses[1:]:
            await bus.terminate()
    one, *others = map(median, rates)
    shares = ", ".join(f"{servers} servers {rate / one:.2f} of it" for servers, rate in enumerate(others, 2))
    told = "; ".join(", ".join(f"{rate:,.0f}" for rate in each) for each in rates)
    return f"one server {one:,.0f} claims/s; {shares} (medians of {told})"


async def _rate(here: World, servers: int) -> float:
    """Claims a second over so many servers, once all of them are warm."""
    record = Record()
    ports = cycle(bus.port for bus in here.buses[:servers])
    crowd = [
        Client(name, (next(ports),), token, record) for name, token in here.team.tokens.items() if "client" in name
    ]

    async def claim(client: Client) -> None:
        async with client:
            while True:
                await client.insist("claim", sequence="speed")

    async with trio.open_nursery() as nursery:
        for client in crowd:
            nursery.start_soon(claim, client)
        await record.progress(20 * CLIENTS)
        warm = len(record.attempts)
        await trio.sleep(SECONDS)
        nursery.cancel_scope.cancel()
    return sum(isinstance(attempt.outcome, Answered) for attempt in record.attempts[warm:]) / SECONDS
