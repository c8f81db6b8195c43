"""Retrying what the environment broke: pauses that double, until what waits for the result has waited long enough."""

from math import inf

import trio

from actors.limits import Limits

_DOUBLINGS_MAX = 32
"""More make no difference to any pause, and past 1023 there is no float for the factor."""


def doubled(seconds: float, times: int, *, seconds_max: float) -> float:
    """`seconds`, doubled `times` times, and at most `seconds_max`."""
    return min(seconds_max, seconds * (1 << min(times, _DOUBLINGS_MAX)))


class Backoff:
    """The pauses of one operation's retries. `tries` counts the pauses so far."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._began = trio.current_time()
        self.tries = 0
        self._told_at = 0

    @property
    def too_late_for(self) -> float:
        """The next try comes too late for all that was accepted until this moment of Trio's time.

        It is `-inf` at first: what was accepted before the operation began is retried for as long as what came then.
        """
        moment = trio.current_time() + self._seconds - self._limits.retry_seconds_max
        return moment if moment >= self._began else -inf

    async def pause(self, *, immediately: bool = False) -> None:
        """Wait before the next try. `immediately`: the failure was not the environment's, so only yield."""
        seconds = self._seconds
        self.tries += 1
        await trio.sleep(0 if immediately else seconds)

    def tell(self) -> bool:
        """Whether a failure is to be logged now: the first time, and whenever there were twice as many tries."""
        is_due = self.tries >= 2 * self._told_at
        if is_due:
            self._told_at = self.tries
        return is_due

    @property
    def _seconds(self) -> float:
        return doubled(self._limits.backoff_seconds_min, self.tries, seconds_max=self._limits.backoff_seconds_max)
