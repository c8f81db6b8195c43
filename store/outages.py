"""What fails at every try for a while is logged when it begins, at growing intervals, and once it is over."""

from math import inf

import trio

TELL_SECONDS_MIN = 10.0
TELL_SECONDS_MAX = 600.0
"""Between two log lines about one outage; doubles from the one to the other. What fails and recovers again and again is
logged no more often than the shorter one."""


class Outage:
    """The outages of one thing that is tried again and again, one after the other."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._is_told = False
        self._silent_until = -inf
        self._silence = TELL_SECONDS_MIN

    def failed(self) -> bool:
        """A try has failed: whether that is to be logged."""
        now = trio.current_time()
        if self._began is None:
            self._began, self._is_told, self._silence = now, False, TELL_SECONDS_MIN
        if now < self._silent_until:
            return False
        self._is_told = True
        self._silent_until = now + self._silence
        self._silence = min(TELL_SECONDS_MAX, 2 * self._silence)
        return True

    def over(self) -> float | None:
        """A try has succeeded: how many seconds nothing worked, if that was logged."""
        began, self._began = self._began, None
        return trio.current_time() - began if began is not None and self._is_told else None

    @property
    def seconds(self) -> float:
        """How long nothing has worked."""
        return 0.0 if self._began is None else trio.current_time() - self._began
