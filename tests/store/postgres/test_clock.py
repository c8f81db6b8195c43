"""PostgreSQL's clock carried by the monotonic one: corrected by samples, and not believed while it jumps."""

from datetime import UTC, datetime, timedelta

from store.postgres.clock import JUMP_SAMPLES, Clock, Sample
from store.postgres.connection import Connection

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class World:
    """A monotonic clock that is moved by hand, and PostgreSQL's beside it."""

    def __init__(self) -> None:
        self.local = 1000.0
        self.ahead = timedelta(0)
        self.clock = Clock(monotonic=lambda: self.local)

    @property
    def server(self) -> datetime:
        return NOON + timedelta(seconds=self.local - 1000) + self.ahead

    def sample(self, round_trip_seconds: float = 0.002) -> None:
        sent = self.local
        self.local += round_trip_seconds / 2
        server = self.server
        self.local += round_trip_seconds / 2
        self.clock.sample(Sample.between(sent, server, self.local))


def apart(world: World) -> float:
    return abs((world.clock.now() - world.server).total_seconds())


def test_until_the_first_sample_the_wall_clock_is_all_there_is() -> None:
    assert abs((Clock().now() - datetime.now(UTC)).total_seconds()) < 60


def test_time_is_postgresqls_whatever_the_machine_believes() -> None:
    world = World()
    world.sample()
    world.local += 3600
    assert apart(world) < 0.002
    assert world.clock.trouble is None
    assert abs(world.clock.statistics().offset_seconds) > 3600, "the wall clock of this machine is months away"


def test_a_slow_round_trip_does_not_spoil_a_good_sample() -> None:
    world = World()
    world.sample()
    world.clock.sample(Sample(world.server + timedelta(seconds=1), world.local, 1.5))
    assert apart(world) < 0.002


def test_drift_is_corrected() -> None:
    world = World()
    world.sample()
    for _ in range(100):
        world.local += 10
        world.ahead += timedelta(milliseconds=5)
        world.sample()
    assert apart(world) < 0.02
    assert world.clock.trouble is None


def test_a_jump_is_trouble_until_it_proves_steady() -> None:
    world = World()
    world.sample()
    world.ahead = timedelta(hours=1)
    for _ in range(JUMP_SAMPLES - 1):
        world.sample()
        assert world.clock.trouble == "PostgreSQL's clock jumped by +3600.0 s; waiting until it is steady."
        assert apart(world) > 3599
    world.sample()
    assert world.clock.trouble is None
    assert apart(world) < 0.002
    assert world.clock.statistics().jumps == 1


def test_a_jump_that_was_none_is_forgotten() -> None:
    world = World()
    world.sample()
    world.ahead = timedelta(seconds=-30)
    world.sample()
    assert world.clock.statistics().trouble
    world.ahead = timedelta(0)
    world.sample()
    assert not world.clock.statistics().trouble
    assert apart(world) < 0.002


def test_a_measurement_that_says_nothing_is_left_out() -> None:
    world = World()
    world.sample()
    world.clock.sample(Sample(world.server + timedelta(hours=1), world.local, 5))
    assert world.clock.trouble is None


async def test_every_session_is_a_sample(conninfo: str) -> None:
    clock = Clock()
    (await Connection.open(conninfo, clock=clock)).close()
    assert 0 < clock.statistics().uncertainty_seconds < 10
