"""What a seed stands for: the shape of a world, and the faults that strike it."""

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.faults import clocks, pooler
from tests.faults.catalogue import FAULTS, Fault
from tests.faults.catalogue.postgres import FULL_DISK
from tests.faults.world import Shape

FAULTS_PER_RUN = 5
SECONDS_AHEAD = 2
"""Within what a server corrects; by more, it refuses to serve (`tests.faults.measured.failovers`)."""


@dataclass(frozen=True)
class Plan:
    """One run, from its seed."""

    seed: int
    shape: Shape
    faults: Sequence[Fault]

    @classmethod
    def draw(cls, seed: int, faults: int = FAULTS_PER_RUN) -> "Plan":
        """The run with this seed: the same on every machine that has the same programs."""
        rng = random.Random(seed)
        plain = Shape(servers=rng.choice((1, 2, 2, 3)))
        shape = rng.choices(*zip(*variants(plain), strict=True))[0]
        usual = [fault for fault in FAULTS if fault.applies(shape) and not fault.is_last]
        last = [fault for fault in FAULTS if fault.applies(shape) and fault.is_last]
        full_disk = next(fault for fault in FAULTS if fault.name == FULL_DISK)
        chosen = rng.sample(usual, faults)
        if shape.has_small_disk and full_disk not in chosen:
            chosen[0] = full_disk
        return cls(seed, shape, chosen + ([rng.choice(last)] if last else []))


def variants(plain: Shape) -> list[tuple[Shape, int]]:
    """The shapes that this machine can make, with how often each is drawn."""
    made = [
        (plain, 10),
        (replace(plain, standby="synchronous"), 5),
        (replace(plain, standby="asynchronous"), 3),
    ]
    if pooler.program() is not None:
        made.append((replace(plain, is_pooled=True), 3))
    if clocks.library() is not None:
        made.append((replace(plain, seconds_ahead=SECONDS_AHEAD), 2))
    if os.geteuid() == 0:
        made.append((replace(plain, has_small_disk=True), 2))
    return made
