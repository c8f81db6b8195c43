"""A server with a bug that was put in on purpose: `python -m tests.faults.planted BUG serve …`.

The product has no switch for any of them. Each takes one step out of the product, just before the product's own command
line runs in this process.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

import engine.ledger
from actors import Directory
from actors.batch import Deciding
from engine.decision import Decision
from engine.keys import KeyBook
from store.ledger import appends
from store.ledger.appends import Append, Appends, Checked
from store.ledger.journal import PostgresJournal
from store.postgres.prepared import Prepared
from web.cli.entry import main

BUGS: dict[str, Callable[[], None]] = {}


def bug(plant: Callable[[], None]) -> Callable[[], None]:
    """Put a function on the list, under its own name."""
    BUGS[plant.__name__] = plant
    return plant


def put(owner: object, name: str, value: object) -> None:
    """Put something in the place of what a module or class has under this name."""
    assert hasattr(owner, name), f"{owner} has no {name} any more"
    setattr(owner, name, value)


@bug
def answers_before_the_commit() -> None:
    """Callers hear what was decided while it is being written."""
    decide = Deciding.run

    def hasty(self: Deciding, *arguments: Any) -> Any:
        work = decide(self, *arguments)
        for request, settled in work.answers:
            request.settle(settled)
        return work

    put(Deciding, "run", hasty)


@bug
def does_not_look_at_the_predecessor() -> None:
    """Events are put on a ledger that has lost those before them.

    A server also reads the ledger anew when its sessions were lost, and when it is not sure that it is alone, and it
    writes only while others can see it. These go too, or it would notice in time.
    """
    put(Directory, "missed_news", lambda _: None)
    ignores_its_deafness()

    async def write_alone(_: Any, group: Sequence[Append], *__: Any) -> dict[int, Checked]:
        """Groups have a statement of their own."""
        return {append.project: Checked(follows=True, registered=True) for append in group}

    put(Appends, "together", write_alone)
    for kind, prepared in appends.APPEND.items():
        unchecked = prepared.statement.replace("where follows and registered", "")
        appends.APPEND[kind] = Prepared(unchecked.replace("select follows, registered", "select true, true"))


@bug
def takes_what_it_found_for_durable() -> None:
    """A write of unknown outcome is answered as soon as it shows, though no standby may have it."""

    put(PostgresJournal, "confirm", PostgresJournal.head)


@bug
def forgets_keys() -> None:
    """A retry is carried out again."""
    put(KeyBook, "used", lambda *_: None)


@bug
def moves_the_cursor_before_the_read() -> None:
    """A digest counts as shown when it was decided, whether or not its events can be read."""
    whats_new = engine.ledger.whats_new

    def hasty(*arguments: Any) -> Decision:
        decision = whats_new(*arguments)
        if decision.advances is None:
            return decision
        return msgspec.structs.replace(decision, cursor=decision.advances, advances=None)

    put(engine.ledger, "whats_new", hasty)


@bug
def ignores_its_deafness() -> None:
    """A server takes its state for current, whoever else may write."""
    put(PostgresJournal, "alone", property(lambda _: True))


if __name__ == "__main__":
    BUGS[sys.argv.pop(1)]()
    main()
