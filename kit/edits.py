"""How the installer changes a file, and how it changes it back: text in, text out, no files touched.

An edit knows what it adds and can tell it from what was there, so adding twice is adding once and `remove` also works
on a file that was changed since. None means that there is no file. Line endings are kept.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = "llm-bus/kit.pyz"
"""Every command of ours contains this path, and no command of others."""

FINDS_PYTHON = '{python}="${{{program}%kit.pyz}}python"; [ -x "${python}" ] || {python}=python3'
"""Shell that sets a variable to what starts the program whose path another one has; see `kit.bundle.launcher`."""

HOOK_PATH = "/hook/"
"""A part of every address of ours that a client's hook asks."""

_UTF_16 = ("\udcff", "\udcfe")
"""How UTF-16 begins; bytes that are no UTF-8 are surrogates."""

_BYTE_ORDER_MARKS = ("\ufeff", *_UTF_16)

_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")
"""Half a surrogate pair, as JSON escapes it and as Python holds it."""

_FORMER_PROGRAM = ".llm-bus/llm_bus_hook.py"


class CannotEdit(Exception):
    """The file is not what its name says; it is left alone, and the message says why."""


@dataclass(frozen=True)
class Own:
    """A file of the kit, recognised by `mark`."""

    content: str
    mark: str

    def add(self, _: str | None) -> str:
        """The kit's own text; it replaces what was there."""
        return self.content

    def remove(self, text: str | None) -> str | None:
        """None for a file of ours; any other file as it is."""
        return None if text is None or self.mark in text else text


@dataclass(frozen=True)
class Retired:
    """A file of an earlier kit, recognised by `mark`, that is no longer needed."""

    mark: str

    def add(self, text: str | None) -> str | None:
        """None for a file of ours; any other file as it is."""
        return None if text is None or self.mark in text else text

    def remove(self, text: str | None) -> str | None:
        """As `add`: a retired file does not come back."""
        return self.add(text)


@dataclass(frozen=True)
class Seed:
    """The first content of a file. A file that exists is left as it is."""

    content: str

    def add(self, text: str | None) -> str:
        """The seed, if there is nothing."""
        return self.content if text is None else text

    def remove(self, text: str | None) -> str | None:
        """Nothing, if nobody has touched the seed."""
        return None if text == self.content else text


@dataclass(frozen=True)
class Block:
    """Lines between two marking lines: at the beginning of a script, which has a `first_line`, else at the end."""

    content: str
    begin: str
    end: str
    first_line: str = ""

    def add(self, text: str | None) -> str:
        """The block brought up to date where it is, or put in; raises `CannotEdit` for text in UTF-16."""
        if text is None:
            return f"{self.first_line}{self._block}"
        if text.startswith(_UTF_16):
            raise CannotEdit("it is UTF-16: save it as UTF-8, then install again")
        newline = "\r\n" if "\r\n" in text else "\n"
        block = self._block.replace("\n", newline)
        if found := self._find(text):
            return f"{text[: found.start()]}{block}{text[found.end() :]}"
        if self.first_line:
            if not text.startswith("#!"):
                return f"{block}{text}"
            first, ending, rest = text.partition("\n")
            return f"{first}{ending or newline}{block}{rest}"
        gap = "" if not text else newline if text.endswith("\n") else newline * 2
        return f"{text}{gap}{block}"

    def remove(self, text: str | None) -> str | None:
        """The text around the block; None when nothing is left, or only the first line that came with the block."""
        if text is None or not (found := self._find(text)):
            return text
        before, after = text[: found.start()], text[found.end() :]
        if not (self.first_line or after):
            before = re.sub(r"(\r?\n)\r?\n$", r"\1", before)
        rest = before + after
        return None if rest in ("", self.first_line) else rest

    @property
    def _block(self) -> str:
        return f"{self.begin}\n{self.content.strip()}\n{self.end}\n"

    def _find(self, text: str) -> re.Match[str] | None:
        # Start at the last begin line before the end line: text after a begin line without its end line is not ours.
        begin, end = re.escape(self.begin), re.escape(self.end)
        return re.search(rf"{begin}\r?\n(?:(?!{begin}).)*?{end}(\r?\n|$)", text, re.DOTALL)


@dataclass(frozen=True)
class Inserted:
    """Marked lines in the middle of a file: `place` finds the line after which they go, and their indentation."""

    content: str
    begin: str
    end: str
    place: Callable[[str], tuple[int, str]]

    def add(self, text: str | None) -> str:
        """The lines brought up to date where they are, or put in; raises `CannotEdit` when there is no place."""
        if text is None:
            raise CannotEdit("it is not there")
        bare = self.remove(text) or ""
        at, indent = self.place(bare)
        newline = "\r\n" if "\r\n" in bare else "\n"
        rows = [self.begin, *self.content.strip("\n").split("\n"), self.end]
        return bare[:at] + "".join(f"{indent}{row}{newline}" for row in rows) + bare[at:]

    def remove(self, text: str | None) -> str | None:
        """The file without the lines."""
        begin, end = re.escape(self.begin), re.escape(self.end)
        return None if text is None else re.sub(rf"[ \t]*{begin}\r?\n(?:.*\n)*?[ \t]*{end}(?:\r?\n|$)", "", text)


@dataclass(frozen=True)
class JsonHooks:
    """Our entries among the hooks of a JSON file; `hooks` has a list of entries for each event.

    `base` is what the file needs besides, such as a version; it stays when others have put something in.
    """

    hooks: dict[str, list[dict[str, Any]]]
    base: dict[str, Any] = field(default_factory=dict)

    def add(self, text: str | None) -> str:
        """The file with our entries, once, after those of others."""
        settings = _parse(text)
        known = settings.get("hooks", {})
        if {event: ours for event in known if (ours := _ours(known[event]))} == self.hooks:
            return text or ""
        _drop_ours(settings)
        for name, value in self.base.items():
            settings.setdefault(name, value)
        for event, entries in self.hooks.items():
            settings.setdefault("hooks", {}).setdefault(event, []).extend(entries)
        return _print(settings, text)

    def remove(self, text: str | None) -> str | None:
        """The file without any entry of ours; None when nothing is left."""
        if text is None or not _is_ours(text):
            return text
        settings = _parse(text)
        _drop_ours(settings)
        return _print(settings, text) if settings not in ({}, self.base) else None


@dataclass(frozen=True)
class JsonMember:
    """One member of a JSON file, inside of others: `path` leads to it. Other members stay."""

    path: tuple[str, ...]
    value: Any

    def add(self, text: str | None) -> str:
        """The file with the member."""
        document = _parse(text)
        inner = document
        for name in self.path[:-1]:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise CannotEdit(f"its '{name}' is not an object")
        if inner.get(self.path[-1]) == self.value:
            return text or ""
        inner[self.path[-1]] = self.value
        return _print(document, text)

    def remove(self, text: str | None) -> str | None:
        """The file without the member, and without what is empty because of it; None when nothing is left."""
        document = {} if text is None else _parse(text)
        way = [document]
        for name in self.path[:-1]:
            way.append(way[-1].get(name, {}))
        if text is None or self.path[-1] not in way[-1]:
            return text
        for inner, name in zip(reversed(way), reversed(self.path)):
            if name == self.path[-1] or not inner[name]:
                del inner[name]
        return _print(document, text) if document else None


@dataclass(frozen=True)
class Both:
    """Two edits of one file."""

    first: JsonHooks
    second: JsonMember

    def add(self, text: str | None) -> str | None:
        """The file with both."""
        return self.second.add(self.first.add(text))

    def remove(self, text: str | None) -> str | None:
        """The file without either."""
        return self.first.remove(self.second.remove(text))


def _is_ours(text: str) -> bool:
    return PROGRAM in text or _FORMER_PROGRAM in text or f"{HOOK_PATH}claude-code" in text


def _parse(text: str | None) -> dict[str, Any]:
    if text and text[0] in _BYTE_ORDER_MARKS:
        raise CannotEdit("it begins with a byte order mark: save it as UTF-8 without one, then install again")
    try:
        settings = json.loads((text or "").strip() or "{}", object_pairs_hook=_without_repetition)
    except ValueError as error:
        told = f"it is not JSON: {error}; take comments and trailing commas out, then install again"
        raise CannotEdit(told) from error
    except RecursionError as error:
        raise CannotEdit("it is nested too deeply") from error
    if not isinstance(settings, dict) or not isinstance(settings.get("hooks", {}), dict):
        raise CannotEdit("it is not an object with an object of hooks")
    if not all(isinstance(entries, list) for entries in settings.get("hooks", {}).values()):
        raise CannotEdit("its hooks are not lists")
    return settings


def _without_repetition(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; raises `CannotEdit` where a name is there twice, because only one of the two could be written back."""
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        name = next(name for name in names if names.count(name) > 1)
        raise CannotEdit(f"it has {json.dumps(name)} twice in one object: keep one, then install again")
    return found


def _print(settings: dict[str, Any], like: str | None) -> str:
    """JSON, indented as the file was; raises `CannotEdit` where that would not say the same, or be no JSON."""
    found = re.search(r'^([ \t]+)"', like or "", re.MULTILINE)
    newline = "\r\n" if "\r\n" in (like or "") else "\n"
    try:
        printed = json.dumps(settings, ensure_ascii=False, allow_nan=False, indent=found.group(1) if found else 2)
    except ValueError as error:
        raise CannotEdit("it has a number that is too large for JSON") from error
    if _ESCAPED_HALF.search(like or "") and _HALF.search(printed):
        raise CannotEdit("it has half a surrogate pair")
    return f"{printed}\n".replace("\n", newline)


def _ours(entries: list[Any]) -> list[Any]:
    return [entry for entry in entries if _is_ours(json.dumps(entry))]


def _drop_ours(settings: dict[str, Any]) -> None:
    """Take out our commands, and every container that is empty because of it."""
    events = settings.get("hooks", {})
    for event in list(events):
        kept = [left for entry in events[event] if (left := _without_ours(entry)) is not None]
        if kept != events[event]:
            events[event] = kept
            if not kept:
                del events[event]
    if "hooks" in settings and not events:
        del settings["hooks"]


def _without_ours(entry: Any) -> Any:
    """An entry without our commands; None when it has no other."""
    if not _is_ours(json.dumps(entry)):
        return entry
    commands = entry.get("hooks") if isinstance(entry, dict) else None
    kept = [command for command in commands if not _is_ours(json.dumps(command))] if isinstance(commands, list) else []
    return {**entry, "hooks": kept} if kept else None
