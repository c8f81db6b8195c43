"""The name that somebody may have meant: what answers about an unknown lane or sequence add."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_CLOSE = 0.7
"""Ratio of common characters (difflib): `bakend` is close to `backend`, `web` is not to `wiki`."""

_LENGTH_DIFFERENCE_MAX = 2
_COMPARED_MAX = 100


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is closest to this one, if one is close; names differ by more than nothing."""
    length, folded = len(name), name.casefold()
    alike = (other for other in known if other != name and abs(len(other) - length) <= _LENGTH_DIFFERENCE_MAX)
    spelled = {other.casefold(): other for other in islice(alike, _COMPARED_MAX)}
    close = get_close_matches(folded, spelled, n=1, cutoff=_CLOSE)
    return spelled[close[0]] if close else None
