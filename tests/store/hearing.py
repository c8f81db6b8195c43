"""A listener that can be waited for."""

import math
from collections.abc import Callable
from contextlib import suppress

import trio

from store import Listener

LOOK_SECONDS = 0.02


class Heard:
    """A listener that keeps what it was told, and can be waited for."""

    def __init__(self) -> None:
        self._said, self._hears = trio.open_memory_channel[object](math.inf)
        self.listener = Listener(
            project=self._said.send_nowait,
            identity=lambda *_: self._said.send_nowait("identity"),
            audited=lambda _: None,
            gap=lambda: self._said.send_nowait("gap"),
        )

    def received(self) -> list[object]:
        found = []
        with suppress(trio.WouldBlock):
            while True:
                found.append(self._hears.receive_nowait())
        return found

    async def next(self) -> object:
        with trio.fail_after(120):
            return await self._hears.receive()

    async def next_project(self) -> object:
        """The next news that is no gap: a poll that is late on a busy machine counts as one."""
        while (news := await self.next()) == "gap":
            pass
        return news


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that can only be looked at."""
    with trio.fail_after(120):
        while not condition():  # noqa: ASYNC110 - nobody sets an event
            await trio.sleep(LOOK_SECONDS)
