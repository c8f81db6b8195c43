"""Structured logs: one line a request, and whatever the floors below have to say, on stderr.

Never a token, a query string or a body. Text is for people, JSON for machines; what libraries log through `logging`
comes out in the same form.
"""

import json
import logging
import re
import sys
from time import perf_counter
from typing import Any, TextIO

import msgspec
import structlog

from web.config import LogFormat
from web.http.exchange import UNANSWERED, Exchange

PATH_LENGTH_MAX = 120
"""How much of a path is logged: strangers choose it."""

_PLAIN = re.compile(r"[!#-<>-~]+").fullmatch
"""What needs no quotes: visible ASCII but quote and equals sign. So nobody can forge a field or a line."""

_log = structlog.get_logger("web.request")


def configure_logs(log_format: LogFormat, stream: TextIO = sys.stderr, *, level: int = logging.INFO) -> None:
    """Set the process's logging up, from `level` on; once, before anything is logged."""
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


def log_request(exchange: Exchange) -> None:
    """Write the one line that a request gets."""
    facts: dict[str, Any] = {
        "method": exchange.request.method,
        "path": exchange.request.path[:PATH_LENGTH_MAX],
        "status": exchange.status,
        "ms": round((perf_counter() - exchange.started) * 1000, 2),
        "outcome": exchange.outcome if exchange.is_answered else UNANSWERED,
    }
    if exchange.tool is not None:
        facts["tool"] = exchange.tool
    if exchange.principal is not None:
        facts["project"] = exchange.principal.project
        facts["actor"] = exchange.principal.actor
    if named := exchange.named_id:
        facts["request_id"] = named
    _log.info("request", **facts)


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
    line = " ".join([begin, *(f"{key}={_quoted(value)}" for key, value in facts.items())])
    return line if traceback is None else f"{line}\n{traceback}"


def _quoted(value: object) -> str:
    text = str(value)
    return text if _PLAIN(text) else json.dumps(text)
