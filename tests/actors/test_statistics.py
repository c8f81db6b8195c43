"""Distributions count what was at most each bound."""

from actors.statistics import distribution


def test_a_value_is_counted_with_the_first_bound_that_is_not_below_it() -> None:
    seen = distribution((1, 10))
    for value in (0, 1, 5, 10, 11, 1000):
        seen.observe(value)
    assert seen.counts == [2, 2, 2]
    assert seen.total == 1027
