"""Refusals: a command that is not carried out answers with a value, not an exception.

A `Refusal` is the caller's fault or a rule of the domain; its sentence says what to do. It changes nothing. Exceptions
in this package (`engine.errors`) mean misuse or a bug.
"""

from typing import Literal

from msgspec import Struct

Code = Literal["invalid", "not_found", "conflict", "forbidden", "busy", "unavailable"]


class Refusal(Struct, frozen=True):
    """A command that was not carried out: a stable code for programs, a sentence for its reader."""

    code: Code
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def invalid(message: str) -> Refusal:
    """The arguments make no sense, whatever the state."""
    return Refusal("invalid", message)


def not_found(message: str) -> Refusal:
    """The arguments name something that does not exist in this project."""
    return Refusal("not_found", message)


def conflict(message: str) -> Refusal:
    """The state forbids it now."""
    return Refusal("conflict", message)


def forbidden(message: str) -> Refusal:
    """The caller may not do this; somebody else may."""
    return Refusal("forbidden", message)
