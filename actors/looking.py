"""Looking at a project from outside: what pages show of its state, and what happened in it.

A `Look` goes through the mailbox like a command, so that it sees only what is durable. Nobody counts as having called.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import trio
from msgspec import Struct

from engine.identity import Principal
from engine.state import State
from engine.vocabulary import Reply, Topic

NOBODY = -1
"""The reader id of a look; no reader has it."""


Prepare = Callable[[State, datetime], Iterator[None] | None]


def _nothing(_: State, __: datetime) -> None:
    """There is nothing to prepare."""


class Look(Struct, frozen=True, kw_only=True):
    """Show what `view` makes of the state and the time.

    `view` changes nothing and takes about a millisecond: the project's calls wait meanwhile. It may give away records
    of the books, which are frozen, but no book. What it does may be prepared in short steps: `prepare` gives them, or
    None if there is nothing to prepare.
    """

    view: Callable[[State, datetime], Any]
    prepare: Prepare = _nothing


class Looked(Reply, frozen=True, kw_only=True):
    """The result of a view."""

    seen: Any


class Happening(Struct, frozen=True, kw_only=True):
    """An event in a few words, as actors remember the last ones: without what it says."""

    seq: int
    at: datetime
    type: str
    actor: str
    by: int
    topics: tuple[Topic, ...]


class Stir:
    """That something happened, noted until somebody asks."""

    def __init__(self) -> None:
        self.happened = trio.Event()

    async def wait(self) -> None:
        """Wait until something has happened since the last time."""
        await self.happened.wait()
        self.happened = trio.Event()


def nobody(project_id: int) -> Principal:
    """The caller of a look at this project; it counts as no call of a reader."""
    return Principal(id=NOBODY, project_id=project_id, handle="", label=None, project="")
