"""Retrying what the environment broke: pauses that double, until a deadline."""

import trio

from actors.limits import Limits

_DOUBLINGS_MAX = 32
"""More make no difference to any pause, and past 1023 there is no float for the factor."""


def doubled(seconds: float, times: int, *, seconds_max: float) -> float:
    """`seconds`, doubled `times` times, and at most `seconds_max`."""
    return min(seconds_max, seconds * (1 << min(times, _DOUBLINGS_MAX)))


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
        seconds = doubled(self._limits.backoff_seconds_min, self.tries, seconds_max=self._limits.backoff_seconds_max)
        self.tries += 1
        if trio.current_time() + seconds >= self._deadline:
            return False
        await trio.sleep(0 if immediately else seconds)
        return True
