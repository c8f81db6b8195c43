"""One run: a world under load, faults that strike it one after the other, and the verdict on what clients were told."""

import random
from collections import Counter
from pathlib import Path

import msgspec
import trio
from msgspec import Struct

from tests.faults.catalogue import Fault
from tests.faults.checker import Verdict, Violation, check, operations, read_ledger
from tests.faults.checker.evidence import MARKS
from tests.faults.patience import patient
from tests.faults.plan import Plan
from tests.faults.workload import LeftUnanswered, load
from tests.faults.world import JUDGES, World, world
from tests.load import Answered, Attempt, now

ANSWERS_BETWEEN_FAULTS = (50, 200)
RECOVERY_SECONDS_MAX = 90.0
"""Past this a server counts as unusable, on a machine that has nothing else to do (`tests.faults.patience`)."""

TRACEBACK_CHARACTERS_MAX = 3000


class Strike(Struct, kw_only=True):
    """What one fault came to, up to the moment at which every server had answered a write again."""

    fault: str
    in_flight: int
    acknowledged: int = 0
    saw: dict[str, int]
    recovery_seconds: float | None = None
    lost: int = 0
    doubled: int = 0
    violations: int = 0


class Result(Struct, kw_only=True):
    """What a run came to."""

    seed: int
    shape: str
    strikes: list[Strike]
    operations: int
    acknowledged: int
    events: int
    excused: int
    violations: list[tuple[str, str]]


class Window(Struct):
    """The time of one strike."""

    fault: Fault
    struck: float
    in_flight: int
    healed: float = 0.0
    recovered: float | None = None


async def run(plan: Plan, directory: Path) -> Result:
    """Make the world of a plan in an empty directory, strike it, and judge."""
    rng = random.Random(plan.seed)
    windows, unusable = list[Window](), list[Violation]()
    async with world(directory, plan.shape) as here:
        try:
            async with load(here.clients(rng), rng, here.gate):
                for fault in plan.faults:
                    await here.record.progress(rng.randint(*ANSWERS_BETWEEN_FAULTS))
                    window = await strike(here, fault, rng)
                    windows.append(window)
                    if window.recovered is None:
                        unusable.append(Violation("unusable", f"after {fault.name}", window.healed))
                        break
                else:
                    await here.record.progress(ANSWERS_BETWEEN_FAULTS[0])
            await look_through_every_server(here)
        except LeftUnanswered as error:
            unusable.append(Violation("unusable", str(error), now()))
        ledger = read_ledger(here.primary.conninfo())
        history = operations(here.record)
        verdict = await trio.to_thread.run_sync(lambda: check(history, ledger, failover=here.failover))
        verdict.violations += [*unusable, *_crashes(here)]
        for name, kept in (("history.json", history), ("ledger.json", ledger)):
            (directory / name).write_bytes(msgspec.json.format(msgspec.json.encode(kept)))
        return Result(
            seed=plan.seed,
            shape=str(plan.shape),
            strikes=[_told(window, here, verdict, windows[index + 1 :]) for index, window in enumerate(windows)],
            operations=len(history),
            acknowledged=verdict.acknowledged,
            events=len(ledger),
            excused=verdict.excused,
            violations=[(violation.rule, violation.said) for violation in verdict.violations],
        )


async def strike(here: World, fault: Fault, rng: random.Random) -> Window:
    window = Window(fault, now(), here.record.under_way)
    await fault.strike(here, rng)
    window.healed = now()
    waiting = {bus.port for bus in here.buses}
    seen = len(here.record.attempts)
    with trio.move_on_after(patient(RECOVERY_SECONDS_MAX)):
        while waiting:
            await here.record.progress(1)
            fresh, seen = here.record.attempts[seen:], len(here.record.attempts)
            waiting -= {attempt.port for attempt in fresh if attempt.began > window.healed and _is_write(attempt)}
        window.recovered = now()
    return window


async def look_through_every_server(here: World) -> None:
    """When all is over, everything is there, and goes on, through every server."""
    for bus, label in zip(here.buses, JUDGES, strict=False):
        async with here.team.client(label, bus.port) as judge:
            with trio.move_on_after(patient(RECOVERY_SECONDS_MAX)) as patience:
                await judge.insist("claim", sequence="judged", note=label, key=label)
                await judge.insist("list_sequences")
                await judge.insist("list_tasks", limit=100)
                await judge.insist("query_events", limit=5)
            if patience.cancelled_caught:
                raise LeftUnanswered(f"the server at {bus.port} did not answer at the end")


def _told(window: Window, here: World, verdict: Verdict, later: list[Window]) -> Strike:
    until = later[0].struck if later else float("inf")
    over = window.recovered if window.recovered is not None else until
    attempts = [each for each in here.record.attempts if window.struck <= each.ended <= over]
    broken = [each for each in verdict.violations if window.struck <= each.at < until]
    rules = Counter(violation.rule for violation in broken)
    return Strike(
        fault=window.fault.name,
        in_flight=window.in_flight,
        acknowledged=sum(map(_is_write, attempts)),
        saw=dict(Counter(each.kind for each in attempts)),
        recovery_seconds=None if window.recovered is None else window.recovered - window.healed,
        lost=rules["lost"] + rules["altered"],
        doubled=rules["twice"] + rules["key"],
        violations=len(broken),
    )


def _is_write(attempt: Attempt) -> bool:
    return attempt.tool in MARKS and isinstance(attempt.outcome, Answered)


def _crashes(here: World) -> list[Violation]:
    """Whatever happens, no server leaves a traceback in its log."""
    tracebacks = (bus.said.partition("Traceback")[2] for bus in here.buses)
    return [Violation("traceback", said[:TRACEBACK_CHARACTERS_MAX]) for said in tracebacks if said]
