"""The log of the process, for the command line. A program that embeds the gateway configures its log itself.

Modules log with the standard library and pass values as `extra`. Here structlog's `ProcessorFormatter` formats all
records of the process, also those of other libraries: as text, or as one JSON object a line.
"""

import logging
import os
import sys
import threading
from typing import Any, TextIO

from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, Processor

from gateway.kit.log_limit import LogLimit
from gateway.telemetry.log_fields import json_line, log_time, operation_fields
from gateway.telemetry.log_stream import LogStream

__all__ = ["configure_log"]

_LOG = logging.getLogger("gateway")
_UNLIMITED = frozenset({"gateway.changes"})
"""The loggers of which no record may be left out: that of changes with an unknown outcome."""


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
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _formatter(log_format: str, *, colors: bool) -> logging.Formatter:
    render: list[Processor]
    if log_format == "json":
        render = [format_exc_info, ProcessorFormatter.remove_processors_meta, _render_json]
    else:
        console = ConsoleRenderer(
            colors=colors,
            pad_event_to=0,
            sort_keys=False,
            timestamp_key="time",
            exception_formatter=plain_traceback,  # the default one prints local variables, which may be secrets
        )
        render = [ProcessorFormatter.remove_processors_meta, _escape_control_characters, console]
    # `ExtraAdder` adds the `extra` of the record, also the `left_out` of `LogLimit`.
    before: list[Processor] = [_add_time, add_log_level, add_logger_name, _move_event, _add_operation, ExtraAdder()]
    return ProcessorFormatter(foreign_pre_chain=before, processors=render)


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


def _escape_control_characters(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Keep a message and each value in one line: nothing in them must look like another record."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable() and name != "exception":
            event[name] = "".join(each if each.isprintable() else repr(each)[1:-1] for each in value)
    return event


def _shows_colors(stream: LogStream | TextIO) -> bool:
    """Whether a terminal reads the log; https://no-color.org turns colors off."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        _LOG.critical("unexpected error, the process ends", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None:
        error = (failure.exc_type, failure.exc_value, failure.exc_traceback)
        _LOG.error("unexpected error in a thread", exc_info=error)
