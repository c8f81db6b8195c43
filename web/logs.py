"""Structured logs: one line a request, and whatever the floors below have to say, on stderr.

Never a token, a query string or a body. Text is for people, JSON for machines; what libraries log through `logging`
comes out in the same form.
"""

import logging
import sys
from time import perf_counter
from typing import Any, TextIO

import msgspec
import structlog

from web.config import LogFormat
from web.exchange import Exchange

PATH_LENGTH_MAX = 120
"""How much of a path is logged: strangers choose it."""

_log = structlog.get_logger("web.request")


def configure_logs(log_format: LogFormat, stream: TextIO = sys.stderr, *, level: int = logging.INFO) -> None:
    """Set the process's logging up, from `level` on; once, before anything is logged."""
    stamp: list[structlog.types.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
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
        "method": exchange.scope["method"],
        "path": exchange.scope["path"][:PATH_LENGTH_MAX],
        "status": exchange.status,
        "ms": round((perf_counter() - exchange.started) * 1000, 2),
        "outcome": exchange.outcome,
    }
    if exchange.tool is not None:
        facts["tool"] = exchange.tool
    if exchange.principal is not None:
        facts["project"] = exchange.principal.project
        facts["actor"] = exchange.principal.actor
    _log.info("request", **facts)


def _renderer(log_format: LogFormat) -> structlog.types.Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(serializer=_to_json)
    return structlog.processors.LogfmtRenderer(key_order=["at", "level", "event"])


def _to_json(facts: Any, **_: Any) -> str:
    return msgspec.json.encode(facts, enc_hook=repr).decode()
