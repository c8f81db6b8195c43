"""PostgreSQL's clock, as every server of one database uses it.

A server's own wall clock may be wrong by an hour; the ledger must not be. So the time of a decision is PostgreSQL's:
each round trip that reads `clock_timestamp()` is a sample, placed at the middle of the round trip on this machine's
monotonic clock, and wrong by half of the round trip at most (RFC 5905 §8). Between samples the monotonic clock
carries the time on. The machine's wall clock is used only until the first sample.

A sample that disagrees with the time served by more than `JUMP_SECONDS_MAX` is a jump: PostgreSQL failed over to a host
with another clock, or somebody set it. `trouble` then says so and nothing is written, until `JUMP_SAMPLES` samples in a
row agree on the new time.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog
from msgspec import Struct

log = structlog.get_logger(__name__)

JUMP_SECONDS_MAX = 2.0
"""By how much PostgreSQL's clock may leave the time served and still be followed at once."""

JUMP_SAMPLES = 3
"""How many samples in a row must agree before a jump is followed."""

UNCERTAINTY_SECONDS_MAX = 2.0
"""Round trips so slow that the time may be wrong by more than this are no measurement."""

DRIFT_MAX = 0.001
"""How much two clocks may drift apart: twice what an NTP daemon may slew (500 ppm)."""


class Sample(Struct, frozen=True):
    """PostgreSQL's time at a moment of the monotonic clock, wrong by `uncertainty_seconds` at most."""

    server: datetime
    local: float
    uncertainty_seconds: float

    @classmethod
    def between(cls, sent: float, server: datetime, received: float) -> "Sample":
        """The sample of one round trip, whose ends are moments of the monotonic clock."""
        return cls(server, (sent + received) / 2, (received - sent) / 2)


class ClockStatistics(Struct, frozen=True, kw_only=True):
    """A clock at one moment: `offset_seconds` is how far this machine's wall clock is ahead of PostgreSQL's."""

    offset_seconds: float
    uncertainty_seconds: float
    trouble: bool
    jumps: int


class Clock:
    """Tells PostgreSQL's time. `sample` corrects it; `now` never waits."""

    def __init__(self, *, monotonic: Callable[[], float] = monotonic) -> None:
        self._monotonic = monotonic
        self._anchor: Sample | None = None
        self._candidate: Sample | None = None
        self._agreeing = 0
        self._jumps = 0

    def now(self) -> datetime:
        """PostgreSQL's time in UTC, in whole milliseconds, as the ledger keeps time."""
        now = datetime.now(UTC) if self._anchor is None else _carried(self._anchor, self._monotonic())
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    @property
    def trouble(self) -> str | None:
        """Why this server must not decide anything now; None when the time is known."""
        if self._candidate is None or self._anchor is None:
            return None
        seconds = (self._candidate.server - _carried(self._anchor, self._candidate.local)).total_seconds()
        return f"PostgreSQL's clock jumped by {seconds:+.1f} s; waiting until it is steady."

    def sample(self, sample: Sample) -> None:
        """Take a measurement into account."""
        if sample.uncertainty_seconds > UNCERTAINTY_SECONDS_MAX and self._anchor is not None:
            return
        if self._anchor is None or not _is_jump(self._anchor, sample):
            self._candidate = None
            if self._anchor is None or self._is_better(self._anchor, sample):
                self._anchor = sample
        elif self._candidate is None or _is_jump(self._candidate, sample):
            self._candidate, self._agreeing = sample, 1
            self._jumps += 1
            log.error("clock jumped", trouble=self.trouble)
        else:
            self._agreeing += 1
            if self._agreeing >= JUMP_SAMPLES:
                log.warning("following PostgreSQL's clock after its jump", now=sample.server.isoformat())
                self._anchor, self._candidate = sample, None

    def statistics(self) -> ClockStatistics:
        """The clock in numbers."""
        local = self._monotonic()
        return ClockStatistics(
            offset_seconds=0.0
            if self._anchor is None
            else (datetime.now(UTC) - _carried(self._anchor, local)).total_seconds(),
            uncertainty_seconds=0.0 if self._anchor is None else _uncertainty(self._anchor, local),
            trouble=self._candidate is not None,
            jumps=self._jumps,
        )

    @staticmethod
    def _is_better(anchor: Sample, sample: Sample) -> bool:
        """Whether the sample is more certain than the anchor is by now, or shows that the anchor is wrong."""
        apart = abs((sample.server - _carried(anchor, sample.local)).total_seconds())
        allowed = _uncertainty(anchor, sample.local)
        return sample.uncertainty_seconds <= allowed or apart > allowed + sample.uncertainty_seconds


def _carried(anchor: Sample, local: float) -> datetime:
    return anchor.server + timedelta(seconds=local - anchor.local)


def _uncertainty(anchor: Sample, local: float) -> float:
    return anchor.uncertainty_seconds + DRIFT_MAX * abs(local - anchor.local)


def _is_jump(anchor: Sample, sample: Sample) -> bool:
    apart = abs((sample.server - _carried(anchor, sample.local)).total_seconds())
    return apart > JUMP_SECONDS_MAX + _uncertainty(anchor, sample.local) + sample.uncertainty_seconds
