"""Structured logs on stderr: text for people, JSON for machines; what libraries log through `logging` looks the same.

The one line that every request gets is written by `web.request_log`.
"""

import json
import logging
import re
import sys
from collections.abc import Callable
from typing import NamedTuple, TextIO

import msgspec
import structlog

from web.config import LogFormat

_PLAIN = re.compile(r"[!#-<>-~]+").fullmatch
"""What needs no quotes: visible ASCII but quote and equals sign. So nobody can forge a field or a line."""


class Sink(NamedTuple):
    """Where lines go, and in which form."""

    write: Callable[[str], object]
    log_format: LogFormat


_sink: Sink | None = None


def configure_logs(log_format: LogFormat, stream: TextIO = sys.stderr, *, level: int = logging.INFO) -> None:
    """Set the process's logging up, from `level` on; once, before anything is logged."""
    global _sink  # noqa: PLW0603 - logging is the process's
    _sink = Sink(stream.write, log_format) if level <= logging.INFO else None
    stamp: list[structlog.types.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,  # a plain traceback: locals could hold what must not be written
    ]
    structlog.configure(
        processors=[*stamp, _renderer(log_format)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=stamp,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(log_format)],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def request_sink() -> Sink | None:
    """Where the lines of requests go; None when the log begins above them."""
    return _sink


def _renderer(log_format: LogFormat) -> structlog.types.Processor:
    return _to_json if log_format == "json" else _to_text


def _to_json(_: object, __: str, facts: structlog.types.EventDict) -> str:
    return msgspec.json.encode(facts, enc_hook=repr).decode(errors="replace")


def _to_text(_: object, __: str, facts: structlog.types.EventDict) -> str:
    """One line of `key=value`, and a traceback below it where there is one.

    structlog's own renderer looks at every character of every value, which cost more than the rest of the line.
    """
    begin = f"{facts.pop('at', '')} {facts.pop('level', '')} {facts.pop('event', '')}"
    traceback = facts.pop("exception", None)
    line = " ".join([begin, *(f"{key}={quoted(value)}" for key, value in facts.items())])
    return line if traceback is None else f"{line}\n{traceback}"


def quoted(value: object) -> str:
    """The text of a value, in quotes unless it is visible ASCII, so that nobody can forge a field or a line."""
    text = str(value)
    return text if _PLAIN(text) else json.dumps(text)
