"""The numbers in names: which part of a path is its number, of which sequence, and what is a date instead.

The number is in the file's name, or in the folder's when the file's name has none (`0001_users/up.sql`). A name may
hold several runs of digits (`oauth2-0007.md`): the one that looks like the numbers of its neighbours is meant, and a
year only where nothing else can be (`2026-0007.md`). Where the neighbours begin with their numbers, `use-s3.md` has
none.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kit.surfaces import matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DIGITS_MAX = 7
"""Without leading zeros. Longer runs are dates and clocks (`20261127101500_x.sql`), which no sequence counts."""

_WORDS = re.compile(r"[^\W_]+(?:\.[0-9][^\W_]*)*")
"""A word between separators; a version, such as `V1.2`, is one word."""

_RUNS = re.compile("[0-9]+")
_MONTH = "(?:0[1-9]|1[0-2])"
_DAY = "(?:0[1-9]|[12][0-9]|3[01])"
_YEAR = "(?:19|20)[0-9]{2}"
_MONTH_NAME = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATES = re.compile(
    rf"(?<![0-9])(?:{_YEAR}([-_./]){_MONTH}\1{_DAY}(?![0-9])|{_YEAR}[-_./]?{_MONTH}(?![^\W_])"
    rf"|[0-9]{{2}}([-_.]){_MONTH}\2{_DAY}(?![0-9])|[1-9][0-9]{_MONTH}{_DAY}(?![0-9])"
    rf"|(?:{_DAY}([-_.]){_MONTH}\3|{_MONTH}([-_.]){_DAY}\4){_YEAR}(?![0-9])"
    rf"|{_YEAR}[-_.]?[hqw][0-9]{{1,2}}(?![^\W_])|{_DAY}[-_.]?{_MONTH_NAME}[-_.]?{_YEAR}(?![0-9]))"
    rf"|(?<![^\W_])(?:[hqw][0-9]{{1,2}}[-_.]?|{_MONTH_NAME}[-_.]?(?:{_DAY}[-_.])?){_YEAR}(?![0-9])",
    re.IGNORECASE,
)
"""Days, and weeks, months and quarters alone, in a path.

`2026-11-27`, `26_11_27`, `261127`, `27.11.2026`, `27-nov-2026`, `2026/11/27`, `2026-11`, `202611`,
`2026-Q4`, `Nov-2026`.
"""

_DIRECTION_WORD = "(?:up|down|do|undo|forwards?|backwards?|rollback|revert|reverse|deploy|verify)"
_DIRECTION = re.compile(rf"^{_DIRECTION_WORD}[-_]+|[-_]+{_DIRECTION_WORD}$", re.IGNORECASE)
_FLYWAY = re.compile("^[BUV](?=[0-9])")
"""How Flyway begins the names of a baseline, an undo and a versioned migration."""

_FLYWAY_VERSION = re.compile("^[BUV][0-9]+(?:_[0-9]+)+__")  # V1_2__x.sql, a version and not a number

Shape = tuple[int, str, str]
"""How a run of digits stands in a name: its width, and what kind of character is on each side."""


@dataclass(frozen=True)
class Numbered:
    """A path that holds a number of a sequence; `segment` of it does, from `start` to `end`."""

    path: str
    sequence: str
    segment: int
    start: int
    end: int

    @property
    def number(self) -> int:
        """The number; leading zeros do not count."""
        return int(self._name[self.start : self.end])

    @property
    def stem(self) -> str:
        """What files that belong together share: `0001_users` of `0001_users.up.sql` and `0001_users/down.sql`.

        A word for the direction does not count (`0001_users_down.sql`, `rollback_0001_users.sql`), nor does Flyway's
        letter for it (`U1__users.sql` undoes `V1__users.sql`).
        """
        dot = self._name.find(".", self.end)
        name = self._name if dot < 0 else self._name[:dot]
        return _FLYWAY.sub("V", _DIRECTION.sub("", name))

    @property
    def place(self) -> str:
        """The folder in which this number counts, with a slash at its end, or nothing."""
        return "".join(f"{part}/" for part in self.path.split("/")[: self.segment])

    @property
    def unit(self) -> str:
        """The path that carries the number: the file, or the folder that it is in."""
        return "/".join(self.path.split("/")[: self.segment + 1])

    def renumbered(self, number: int) -> str:
        """The unit with another number, as wide as this one."""
        width = self.end - self.start
        return f"{self.place}{self._name[: self.start]}{str(number).zfill(width)}{self._name[self.end :]}"

    def __str__(self) -> str:
        return f"{self.sequence} {self.number}"

    @property
    def _name(self) -> str:
        return self.path.split("/")[self.segment]


class Numbering:
    """Finds numbers by the globs of a config, and by what the names of a repository look like.

    `neighbours` are paths that are known already. A glob's own neighbours decide which run of digits is the number.
    """

    def __init__(self, sequences: Mapping[str, str], neighbours: Iterable[str] = ()) -> None:
        self._sequences = sequences
        self._neighbours = list(neighbours)
        self._shapes: dict[str, Counter[Shape]] = {}
        self._begun: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._narrowest: dict[tuple[str, str, str], int] = {}

    def find(self, path: str) -> Numbered | None:
        """The number of a path, of the sequence whose glob comes first; None for one that has none."""
        glob = next((glob for glob in self._sequences if matches(glob, path)), None)
        found = None if glob is None else _runs_of(path)
        if glob is None or found is None:
            return None
        segment, name, runs = found
        usual = self._usual(glob)
        run = max(
            runs,
            key=lambda run: (usual[_shape(name, run)], _stands_alone(name, run), not _is_year(run), -run.start()),
        )
        begin = sum(len(part) + 1 for part in path.split("/")[:segment])
        if _is_no_number(run) or _is_date(path, begin, begin + run.start()) or self._is_apart(glob, path[:begin], run):
            return None
        return Numbered(path, self._sequences[glob], segment, run.start(), run.end())

    def of(self, paths: Iterable[str]) -> list[Numbered]:
        """The numbered ones among paths."""
        return [found for path in paths if (found := self.find(path)) is not None]

    def _usual(self, glob: str) -> Counter[Shape]:
        """How often each shape occurs among names in which only one run of digits can be the number."""
        if glob not in self._shapes:
            self._shapes[glob] = Counter()
            for path in self._neighbours:
                found = _runs_of(path) if matches(glob, path) else None
                if found is not None and len(found[2]) == 1:
                    segment, name, [run] = found
                    self._shapes[glob][_shape(name, run)] += 1
                    folder = "".join(f"{part}/" for part in path.split("/")[:segment])
                    self._note_beginning(glob, folder, run)
        return self._shapes[glob]

    def _note_beginning(self, glob: str, folder: str, run: re.Match[str]) -> None:
        before, width = _before(run), len(run.group())
        self._begun[glob, folder][before] += 1
        self._narrowest[glob, folder, before] = min(width, self._narrowest.get((glob, folder, before), width))

    def _is_apart(self, glob: str, folder: str, run: re.Match[str]) -> bool:
        """Whether most numbers of a folder are elsewhere in the names, and these digits are in a word, or fewer."""
        before, begun = _before(run), self._begun[glob, folder]
        if not begun or begun[before] >= max(begun.values()):
            return False
        usual = max(begun, key=begun.__getitem__)
        return not _stands_alone(run.string, run) or len(run.group()) < self._narrowest[glob, folder, usual]


def _runs_of(path: str) -> tuple[int, str, list[re.Match[str]]] | None:
    """The last segment with digits, of the file's name and its folder's: where it is, and its runs of digits."""
    segments = path.split("/")
    for segment in range(len(segments) - 1, max(len(segments) - 3, -1), -1):
        name = segments[segment]
        if re.search("[0-9]", name):
            runs = _lone_runs(name)
            return (segment, name, runs) if runs else None
    return None


def _before(run: re.Match[str]) -> str:
    """What a name begins with, before its number; Flyway's letters are one."""
    return _FLYWAY.sub("V", run.string)[: run.start()]


def _shape(name: str, run: re.Match[str]) -> Shape:
    before, after = name[: run.start()][-1:], name[run.end() :][:1]
    return len(run.group()), _kind(before), _kind(after)


def _kind(character: str) -> str:
    return "a" if character.isalpha() else character


def _stands_alone(name: str, run: re.Match[str]) -> bool:
    _, before, after = _shape(name, run)
    return "a" not in (before, after)


def _lone_runs(name: str) -> list[re.Match[str]]:
    """The runs of digits that are alone in their word: versions and hashes (`1.10`, `9f86d0`) have several."""
    if _FLYWAY_VERSION.match(name):
        return []
    words = [list(_RUNS.finditer(name, *word.span())) for word in _WORDS.finditer(name)]
    return [runs[0] for runs in words if len(runs) == 1]


def _is_year(run: re.Match[str]) -> bool:
    return re.fullmatch(_YEAR, run.group()) is not None


def _is_no_number(run: re.Match[str]) -> bool:
    return not 0 < len(run.group().lstrip("0")) <= DIGITS_MAX


def _is_date(path: str, segment: int, position: int) -> bool:
    """Whether a position is in a date, or behind one (a clock) in the segment that begins there."""
    dates = (date.span() for date in _DATES.finditer(path))
    return any(begin <= position and (position < end or segment <= begin) for begin, end in dates)
