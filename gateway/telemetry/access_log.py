"""The access log: one JSON object, or one line of text, for each request."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from select import PIPE_BUF
from typing import Any, Literal

from gateway.errors import Code
from gateway.telemetry.log_fields import in_one_line, json_bytes, log_time, quoted
from gateway.telemetry.log_stream import LogStream
from gateway.telemetry.report import CLIENT_LEFT, NO_CALLS, PROBES, CallSummary, RequestReport

__all__ = ["AccessLog", "AccessLogMode", "Write", "json_line", "text_line", "write_to_logger", "write_to_stream"]

AccessLogMode = Literal["all", "slow", "errors", "off"]
"""Which requests are logged: all; slow ones and those with errors; those with errors; none."""

_EXECUTED = 200
_FAILED = 500
_REFUSED = 400


Lines = Sequence[tuple[RequestReport, str]]
"""Requests whose lines are written, with their levels: info, warning or error."""

Write = Callable[[Lines, float], None]
"""Writes lines; gets the seconds since 1970 at which the clock of the reports was 0."""

_LOG = logging.getLogger("gateway.access")


class AccessLog:
    """Writes one line for each request by `write`.

    Of the requests that are neither slow (`slow` seconds or more) nor have an error, the share `sample` is logged, by
    chance. Requests for health, metrics and the icon, which are made every few seconds, are logged if they fail.
    """

    def __init__(
        self,
        mode: AccessLogMode,
        write: Write,
        *,
        sample: float = 1.0,
        slow: float = 1.0,
    ) -> None:
        self._logs_all = mode == "all"
        self._slow = slow if mode != "errors" else float("inf")
        self._sample = sample
        self._write = write

    def __call__(self, reports: Sequence[RequestReport]) -> None:
        lines: list[tuple[RequestReport, str]] = []
        for report in reports:
            codes = report.codes
            level = "info" if report.status == _EXECUTED and not codes else _level(report.status, codes)
            if level == "info" and report.duration < self._slow:
                if not self._logs_all or report.route in PROBES:
                    continue
                if self._sample < 1 and random.random() >= self._sample:  # noqa: S311 - chance, no secret
                    continue
            lines.append((report, level))
        if lines:
            self._write(lines, time.time() - time.perf_counter())


@lru_cache(256)  # the same combinations occur again and again
def _level(status: int | str, codes: tuple[str, ...]) -> str:
    """Return the level of a request with this status and these codes of errors."""
    if Code.INTERNAL in codes or (isinstance(status, int) and status >= _FAILED and status != CLIENT_LEFT):
        return "error"
    if codes or (isinstance(status, int) and status >= _REFUSED and status != CLIENT_LEFT):
        return "warning"
    return "info"


def fields(report: RequestReport, level: str, clock_start: float) -> dict[str, Any]:
    """Return the fields of a line, in their order; times are in milliseconds. A line has only those that apply."""
    summary = report.summary
    line: dict[str, Any] = {
        "time": log_time(clock_start + report.started + report.duration),
        "level": level,
        "logger": "gateway.access",
        "request_id": report.request_id,
        "trace_id": report.trace_id,
        "caller": report.shown_caller,
        "client": report.client,
        "client_version": report.client_version,
        "surface": report.surface,
        "method": report.method,
        "route": report.route,
        "operation": report.operation,
        "kind": report.kind,
        "document": report.document,
        "status": report.status,
        "codes": report.codes,
        "duration_ms": _ms(report.duration),
        "source_ms": _ms(summary.source_seconds),
        "waited_ms": _ms(summary.waited_seconds),
        "calls": summary.requests,
        "batched": summary.batched,
        "shared": summary.shared,
        "kept": summary.kept,
        "retries": summary.retries,
        "messages": report.messages,
        "bytes": report.bytes,
    }
    if report.cause:
        line["cause"] = report.cause
    return line


def _ms(seconds: float) -> float:
    return _hundredths(seconds) / 100


def _hundredths(seconds: float) -> int:
    """Return hundredths of a millisecond, half of one rounded up: `round` takes ten times as long."""
    return int(seconds * 100_000 + 0.5)


def json_line(report: RequestReport, level: str, clock_start: float) -> bytes:
    """Return the line as a JSON object, which always has all fields. `clock_start` is as for `Write`."""
    return json_bytes(fields(report, level, clock_start)) + b"\n"


def text_line(report: RequestReport, level: str, clock_start: float) -> bytes:
    """Return the line as text for people: surface, operation, status and milliseconds; then what else applies.

    2026-11-29T09:38:51.761Z INFO    http query Ada 200 5.4 ms calls=account:1 bytes=65 client=web request_id=…
    """
    # Written out field by field, without the dictionary of the other format: it is on the path of every request.
    duration = report.duration
    shared = _shared_text(
        level, report.surface, report.kind, report.operation, report.method, report.route, report.status
    )
    milliseconds = _tenths_text(_hundredths(duration))
    line = f"{log_time(clock_start + report.started + duration)} {shared} {milliseconds} ms"
    if report.codes:
        line += f" codes={quoted(','.join(report.codes))}"
    if report.summary is not NO_CALLS:
        line += _calls_text(report.summary)
    if report.messages:
        line += f" messages={report.messages}"
    if report.bytes:
        line += f" bytes={report.bytes}"
    if report.caller or report.client or report.client_version:
        line += _names_text(report.shown_caller, report.client, report.client_version)
    if request_id := report.request_id:
        is_plain = request_id.isprintable() and " " not in request_id  # nearly always
        line += f" request_id={request_id if is_plain else quoted(request_id)}"
    if report.trace_id:
        line += f" trace_id={quoted(report.trace_id)}"
    if report.cause:
        line += f" cause={quoted(report.cause)}"
    return f"{line}\n".encode("utf-8", "backslashreplace")


@lru_cache(512)
def _shared_text(  # noqa: PLR0917 - a cache looks up keywords more slowly
    level: str, surface: str, kind: str, operation: str, method: str, route: str, status: int | str
) -> str:
    """Return the part of a line that many requests have in common: level, surface, operation and status."""
    name = (f"{kind} {operation}" if kind else f"{method} {route}").strip()
    if not name.isprintable():  # a method of HTTP may be anything where another program's server parses it
        name = in_one_line(name)
    return f"{level.upper():<7} {surface} {name} {status}"


# Formatting a number takes as long as half of the other line, and most requests take some milliseconds.
@lru_cache(1024)
def _tenths_text(hundredths: int) -> str:
    """Return hundredths of a millisecond as milliseconds with one decimal place."""
    return f"{hundredths / 100:.1f}"


@lru_cache(1024)
def _hundredths_text(hundredths: int) -> str:
    """Return hundredths of a millisecond as milliseconds with the decimal places that are needed."""
    return str(hundredths / 100)


@lru_cache(256)
def _requests_text(requests: tuple[tuple[str, int], ...]) -> str:
    return f" calls={quoted(','.join([f'{source}:{count}' for source, count in requests]))}"


def _calls_text(summary: CallSummary) -> str:
    """Return what a line of text has about calls to sources."""
    text = _requests_text(tuple(summary.requests.items())) if summary.requests else ""
    if summary.source_seconds and (hundredths := _hundredths(summary.source_seconds)):
        text += f" source_ms={_hundredths_text(hundredths)}"
    if summary.waited_seconds and (hundredths := _hundredths(summary.waited_seconds)):
        text += f" waited_ms={_hundredths_text(hundredths)}"
    if summary.batched:
        text += f" batched={summary.batched}"
    if summary.shared:
        text += f" shared={summary.shared}"
    if summary.kept:
        text += f" kept={summary.kept}"
    if summary.retries:
        text += f" retries={summary.retries}"
    return text


@lru_cache(512)
def _names_text(caller: str, client: str, client_version: str) -> str:
    """Return what a line of text has about the caller and the client."""
    text = f" caller={quoted(caller)}" if caller else ""
    if client:
        text += f" client={quoted(client)}"
    if client_version:
        text += f" client_version={quoted(client_version)}"
    return text


def write_to_logger(lines: Lines, clock_start: float) -> None:
    """Log each line to `gateway.access` at the level INFO: a program that embeds the gateway decides where it goes."""
    if not _LOG.isEnabledFor(logging.INFO):
        return
    for report, level in lines:
        name, request = report.operation or report.kind or report.route, fields(report, level, clock_start)
        outcome = " ".join((str(report.status), *report.codes))
        _LOG.info("%s %s %s", report.surface, name, outcome, extra={"request": request})


def write_to_stream(stream: LogStream, line: Callable[[RequestReport, str, float], bytes]) -> Write:
    """Return a function that writes lines to the stream of the log, those of one iteration of the loop together.

    `logging` would take ten times as long: it is left out on the path of every request. A piece consists of whole lines
    that a pipe takes at once, so that those of another process that writes to it do not come in between.
    """

    def write(lines: Lines, clock_start: float) -> None:
        piece = b""
        for report, level in lines:
            text = line(report, level, clock_start)
            if piece and len(piece) + len(text) > PIPE_BUF:
                stream.write(piece)
                piece = b""
            piece += text
        stream.write(piece)

    return write
