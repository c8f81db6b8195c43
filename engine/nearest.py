"""The name that somebody may have meant: what answers about an unknown lane or sequence add."""

import unicodedata
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import islice

_CLOSE = 0.7
"""Ratio of common characters (difflib): `bakend` is close to `backend`, `web` is not to `wiki`."""

_LENGTH_DIFFERENCE_MAX = 2
_COMPARED_MAX = 100

_BETWEEN_WORDS = str.maketrans("", "", "-_. @")
"""Separators of words, and the mark of a mention."""


def spelled_alike(name: str, known: Iterable[str]) -> str | None:
    """A known name that differs from this one only in capitals and in what is between words, if there is one."""
    wanted = _letters(name)
    return next((other for other in _of_like_length(name, known) if _letters(other) == wanted), None)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is closest to this one, if one is close; never the name itself.

    Capitals and accents make no difference, and a name of the same letters in another order is close.
    """
    plain = {_plain(other): other for other in _of_like_length(name, known)}
    if not plain:  # the name may be longer than any, and long to compare
        return None
    wanted = _plain(name)
    same_letters = [other for other in plain if sorted(other) == sorted(wanted)]
    close = get_close_matches(wanted, same_letters or plain, n=1, cutoff=0 if same_letters else _CLOSE)
    return plain[close[0]] if close else None


def _of_like_length(name: str, known: Iterable[str]) -> Iterator[str]:
    """The first known names, without this one, that are about as long."""
    length = len(name)
    alike = (other for other in known if other != name and abs(len(other) - length) <= _LENGTH_DIFFERENCE_MAX)
    return islice(alike, _COMPARED_MAX)


def _plain(name: str) -> str:
    """The name in small letters without accents."""
    decomposed = unicodedata.normalize("NFKD", name.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _letters(name: str) -> str:
    return name.casefold().translate(_BETWEEN_WORDS)
