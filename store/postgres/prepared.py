"""Statements that every session prepares at their first use: the few that run for every batch of commands.

A statement is run by its name, with parameters as text, below psycopg's cursors: for a statement of a millisecond those
cost as much as the round trip; bytes are text that is encoded already. Parameters need a cast where PostgreSQL cannot
infer their type.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from itertools import count

Parameter = str | bytes | int | datetime | tuple[int, ...] | None

_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_numbers = count(1)


class Prepared:
    """One statement with parameters `%(name)s`."""

    def __init__(self, statement: str) -> None:
        self.statement = statement
        names = dict.fromkeys(_PLACEHOLDER.findall(statement))
        self._places = {name: number for number, name in enumerate(names, start=1)}
        self.name = b"llm_bus_%d" % next(_numbers)
        self.query = _PLACEHOLDER.sub(lambda found: f"${self._places[found[1]]}", statement).encode()

    def encode(self, parameters: Mapping[str, Parameter]) -> list[bytes | None]:
        """The values in their places, as PostgreSQL reads them."""
        return [_encode(parameters[name]) for name in self._places]


Call = tuple[Prepared, Mapping[str, Parameter]]
"""A prepared statement, and what to run it with."""

BEGIN, COMMIT = Prepared("begin"), Prepared("commit")


def _encode(value: Parameter) -> bytes | None:
    match value:
        case int():
            return b"%d" % value
        case None | bytes():
            return value
        case datetime():
            return value.isoformat().encode()
        case tuple():
            return b"{%b}" % ",".join(map(str, value)).encode()
        case _:
            return value.encode()
