"""Retrying what the environment broke: pauses that double, until a deadline."""

import trio

from actors.limits import Limits


class Backoff:
    """The pauses of one operation's retries. `tries` counts the failures so far."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._deadline = trio.current_time() + limits.retry_seconds_max
        self.tries = 0

    async def pause(self, *, immediately: bool = False) -> bool:
        """Wait before the next try; False, at once, when there is no time left for one.

        `immediately`: the failure was not the environment's, so only yield.
        """
        seconds = min(self._limits.backoff_seconds_max, self._limits.backoff_seconds_min * 2**self.tries)
        self.tries += 1
        if trio.current_time() + seconds >= self._deadline:
            return False
        await trio.sleep(0 if immediately else seconds)
        return True
