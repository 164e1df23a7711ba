"""The form of what is in the log: times, JSON, and the ids of the running operation."""

import json
from collections.abc import Mapping
from typing import Any

import orjson

from gateway.kit.utc_text import utc_second
from gateway.operation import current_operation, current_trace

__all__ = ["in_one_line", "json_bytes", "json_line", "log_time", "operation_fields", "quoted"]

_MILLISECONDS = tuple(f".{number:03}Z" for number in range(1000))


def json_line(fields: Mapping[str, Any]) -> str:
    """Return the fields as JSON in one line, whatever values they have."""
    return json_bytes(fields).decode()


def json_bytes(fields: Mapping[str, Any]) -> bytes:
    """Return the same as bytes."""
    try:
        return orjson.dumps(fields, default=str)
    except TypeError:  # half of a surrogate pair, or an integer beyond 64 bits
        return json.dumps(fields, default=str, separators=(",", ":")).encode()


def log_time(seconds: float) -> str:
    """Return a time in seconds since 1970 as in the log: ISO 8601 in UTC, with milliseconds."""
    whole = int(seconds)
    return f"{utc_second(whole)}{_MILLISECONDS[int((seconds - whole) * 1000)]}"


def operation_fields() -> dict[str, str]:
    """Return the `request_id` and the `trace_id` of the running operation, as far as there are any."""
    fields = {}
    running, trace = current_operation.get(), current_trace.get()
    if running is not None and running.request_id is not None:
        fields["request_id"] = running.request_id
    if trace is not None:
        fields["trace_id"] = trace.trace_id
    return fields


def in_one_line(text: str) -> str:
    """Return the text with its control characters escaped: nothing in it must look like another line of the log."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def quoted(value: object) -> str:
    """Return a value as it is written after its name in a line of text: in quotes if it has a blank."""
    text = str(value)
    if text and " " not in text:
        return text if text.isprintable() else in_one_line(text)
    return repr(text)
