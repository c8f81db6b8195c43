"""Rows of a result as records: the columns are the record's fields, in their order."""

from collections.abc import Sequence
from typing import Any, TypeVar

from msgspec import Struct

Record = TypeVar("Record", bound=Struct)


def record(kind: type[Record], row: Sequence[Any]) -> Record:
    """The record of this kind that a row holds."""
    return kind(**dict(zip(kind.__struct_fields__, row, strict=True)))
