"""How often the event loop went round: whether long work lets other tasks run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


class Passes:
    """`count` passes of the event loop so far."""

    count = 0

    async def keep_counting(self) -> None:
        """Count until cancelled."""
        while True:
            self.count += 1
            await trio.lowlevel.checkpoint()


@asynccontextmanager
async def counted_passes() -> AsyncIterator[Passes]:
    """The passes while the block runs."""
    passes = Passes()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(passes.keep_counting)
        yield passes
        nursery.cancel_scope.cancel()
