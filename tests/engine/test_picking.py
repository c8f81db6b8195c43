"""Values of a range that leases cover: by arithmetic where that is enough, exactly as each value alone would say."""

from itertools import chain

import pytest

from engine import picking, ranges, surfaces
from tests.engine.project import encoded

RANGES = [
    "port:3000-3012",
    "port:{a,b}1-3",
    "port:v1.x8-12",
    "gpu:7-12",
    "gpu:07-12",
    "sim:ios/1-9",
    "sim:ios-1-9",
    "port:0-3",
]

OTHERS = [
    *(
        "port:3000",
        "port:03001",
        "port:2990-3003",
        "port:3005-9999",
        "port:*",
        "port:30?1",
        "port:{3001,3003}",
        "port:1",
    ),
    *("gpu:7", "gpu:07", "gpu:008", "gpu:1-9", "gpu:9-8", "gpu:", "gpu:12/a", "sim:ios", "sim:ios/3", "sim:ios/3/x"),
    *(
        "port:3?0*",
        "port:{3*1,*2,x}",
        "port:{30*,3003-3005}",
        "port:*/a",
        "gpu:*8*/**",
        "gpu.a:1*",
        "sim:ios/?",
        "sim:*s*",
    ),
    *("sim:ios-2", "sim:ios/1-4", "sim:*/2", "sim:**", "port", "src/3", "**", "port:a3", "sim:ios/{1-2,7}"),
]


@pytest.mark.parametrize("surface", RANGES)
def test_a_lease_covers_the_values_that_it_overlaps(surface: str) -> None:
    values = ranges.values(surface)
    assert isinstance(values, list)
    for other in OTHERS:
        held = picking.held(surface, other)
        covered = [value for place, value in enumerate(values) if held >> place & 1]
        assert covered == [value for value in values if surfaces.overlap(value, other)], other


def test_what_is_no_range_has_no_values() -> None:
    assert picking.held("src/a.py", "src/a.py") == 0


@pytest.mark.parametrize(("taken", "place"), [(0, 0), (0b1, 1), (0b1011, 2), (0b1110, 0)])
def test_the_lowest_free_value(taken: int, place: int) -> None:
    assert picking.lowest_free(taken) == place


@pytest.mark.parametrize("surface", ["port:3000-3999", "port:0-250", "gpu:007-0123", "port:98-302", "port:5-5"])
def test_the_parts_of_a_range_have_its_values(surface: str) -> None:
    values = [encoded(ranges.values(part)) for part in ranges.parts(surface, 100)]
    assert list(chain.from_iterable(values)) == ranges.values(surface)
    assert max(map(len, values)) <= 100
    assert ranges.parts("port:3000", 100) == ["port:3000"]


@pytest.mark.parametrize("other", ["port:*9*", "port:3?1*", "port:3100", "port:3050-3150", "port:*", "gpu:*"])
def test_what_is_found_in_steps_is_the_same(other: str) -> None:
    steps = picking.held_in_steps("port:3000-3999", other)
    for _ in range(9):
        next(steps)
    with pytest.raises(StopIteration) as ended:
        next(steps)
    assert ended.value.value == picking.held("port:3000-3999", other)
