"""The log of the process, for the command line. A program that embeds the gateway configures its log itself.

Modules log with the standard library and pass values as `extra`. Here structlog's `ProcessorFormatter` formats all
records of the process, also those of other libraries: as text, or as one JSON object a line.
"""

import logging
import os
import sys
import threading
from collections.abc import Mapping
from functools import partial
from typing import Any, TextIO

from structlog.processors import format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, Processor

from gateway.kit.log_limit import LogLimit
from gateway.telemetry.log_fields import in_one_line, json_line, log_time, operation_fields, quoted
from gateway.telemetry.log_stream import LogStream

__all__ = ["configure_log"]

_LOG = logging.getLogger("gateway")
_UNLIMITED = frozenset({"gateway.changes"})
"""The loggers of which no record may be left out: that of changes with an unknown outcome."""
_FIRST = frozenset({"time", "level", "logger", "event"})
_COLORS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_NO_COLOR = "\x1b[0m"


def configure_log(level: str, log_format: str, *, stream: LogStream | TextIO | None = None) -> None:
    """Write all records from `level` on to `stream`, by default standard error, as `text` or `json`.

    Unexpected exceptions of the process, of threads and of the event loop, and Python's warnings, become records too.
    """
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(log_format, colors=_shows_colors(stream)))
    handler.addFilter(LogLimit(unlimited=_UNLIMITED))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    # The C library of gRPC writes lines of its own form to standard error, one for each client that fails in the TLS
    # handshake. It reads this when it is loaded.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    logging.getLogger("aiohttp.websocket").addFilter(_names_nothing)
    sys.excepthook = _log_uncaught
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_uncaught_in_thread


def _formatter(log_format: str, *, colors: bool) -> logging.Formatter:
    # `ExtraAdder` adds the `extra` of the record, also the `left_out` of `LogLimit`. A traceback is text: structlog's
    # other forms of it contain local variables, which may be secrets.
    before: list[Processor] = [_add_time, add_log_level, add_logger_name, _move_event, _add_operation, ExtraAdder()]
    render: Processor = _render_json if log_format == "json" else partial(_render_text, _COLORS if colors else {})
    after: list[Processor] = [format_exc_info, ProcessorFormatter.remove_processors_meta, render]
    return ProcessorFormatter(foreign_pre_chain=before, processors=after)


def _add_time(_logger: Any, _name: str, event: EventDict) -> EventDict:
    return {"time": log_time(event["_record"].created), **event}


def _move_event(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Put the message after the time, the level and the logger, as one reads a line."""
    event["event"] = event.pop("event")
    return event


def _add_operation(_logger: Any, _name: str, event: EventDict) -> EventDict:
    event.update(operation_fields())
    return event


def _render_json(_logger: Any, _name: str, event: EventDict) -> str:
    return json_line(event)


def _render_text(colors: Mapping[str, str], _logger: Any, _name: str, event: EventDict) -> str:
    """Return time, level, logger and message in the form of the access log, `name=value`, and the traceback."""
    level, exception = event["level"], event.pop("exception", None)
    start, end = (colors[level], _NO_COLOR) if level in colors else ("", "")
    values = [f"{name}={quoted(value)}" for name, value in event.items() if name not in _FIRST]
    line = f"{event['time']} {start}{level.upper():<7}{end} {event['logger']}: {in_one_line(event['event'])}"
    trace = [f"  {in_one_line(each)}" for each in exception.split("\n")] if exception else []
    return "\n".join([" ".join([line, *values]), *trace])


def _shows_colors(stream: LogStream | TextIO) -> bool:
    """Whether a terminal reads the log; https://no-color.org turns colors off."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _names_nothing(record: logging.LogRecord) -> bool:
    """Leave out the records with values: the subprotocols of a client, in which some send their credential."""
    return not record.args


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        _LOG.critical("unexpected error, the process ends", exc_info=(kind, error, trace))


def _log_unraisable(failure: "sys.UnraisableHookArgs") -> None:
    """Log an exception of a finalizer or a callback of C code, without the object, whose repr may contain anything."""
    if failure.exc_value is not None:
        error = (failure.exc_type, failure.exc_value, failure.exc_traceback)
        _LOG.error("unexpected error that no caller can get", exc_info=error)


def _log_uncaught_in_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None:
        error = (failure.exc_type, failure.exc_value, failure.exc_traceback)
        _LOG.error("unexpected error in a thread", exc_info=error)
