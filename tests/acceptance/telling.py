"""What a driver is given and brings back, and how that is held against what was expected.

A driver (`raw_http.py`, `python_sdk.py`, `typescript_v1.mjs`, `typescript_v2.mjs`) only carries calls to a server and
outcomes back, each in its own client's way. The comparison is made here, once for all of them, and is exact: times,
secrets and sentences are matched by what they look like, everything else by its value.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

Object = dict[str, Any]


class Call(Struct, frozen=True):
    """What a driver is given: `who` calls `tool`."""

    who: str
    tool: str
    arguments: Object


class Outcome(Struct, frozen=True):
    """What a driver brings back for one call."""

    is_error: bool
    text: str
    structured: Object | None = None


class Telling(Struct, frozen=True):
    """What a driver brings back: the agreed protocol revision, the tools it was shown, an outcome for every call."""

    protocol_version: str
    tools: list[str]
    outcomes: list[Outcome]


class Refused(Struct, frozen=True):
    """The expectation that a call is refused with this code, in a sentence that holds these words."""

    code: str
    words: str = ""


class Step(Struct, frozen=True):
    """One call and what must come of it."""

    call: Call
    expected: Object | Refused


class Like:
    """Equal to every value that passes `test`; shows as `name` where a comparison failed."""

    def __init__(self, name: str, test: Callable[[Any], bool]) -> None:
        self._name = name
        self._test = test

    def __eq__(self, other: object) -> bool:
        return self._test(other)

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f"<{self._name}>"


class Same(Like):
    """Equal to what `first` matched when this was compared first, and from then on to nothing else."""

    def __init__(self, first: Like) -> None:
        super().__init__(f"the same {first!r} every time", self._is_the_same)
        self._first = first
        self._seen: object = None

    def _is_the_same(self, value: object) -> bool:
        if self._seen is None and self._first == value:
            self._seen = value
        return value is not None and value == self._seen


def text_like(name: str, pattern: str) -> Like:
    """Text that matches the whole pattern."""
    return Like(name, lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None)


TIME = text_like("UTC time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TOKEN = text_like("token", r"llmbus_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")
TEXT = text_like("text", r"(?s).*\S.*")


def seconds_up_to(limit: int) -> Like:
    """A whole number of seconds that are left of `limit`; a machine under load may take a minute from one call on."""
    return Like(f"{limit - 60} to {limit} seconds", lambda value: type(value) is int and limit - 60 <= value <= limit)


def check(steps: list[Step], outcomes: list[Outcome]) -> None:
    """Assert that every outcome is what its step expects: the same keys, the same values, nothing more."""
    assert len(outcomes) == len(steps)
    for step, outcome in zip(steps, outcomes, strict=True):
        told = f"{step.call} -> {outcome}"
        if isinstance(step.expected, Refused):
            assert outcome.is_error, told
            assert outcome.text.startswith(f"{step.expected.code}: "), told
            assert step.expected.words in outcome.text, told
        else:
            assert not outcome.is_error, told
            assert outcome.structured == step.expected, step.call
            compact = json.dumps(outcome.structured, separators=(",", ":"), ensure_ascii=False)
            assert outcome.text == compact, told
