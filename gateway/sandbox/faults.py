"""Planned faults: errors, delays and broken responses for the next requests or webhooks."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = ["KINDS", "Fault", "FaultError", "FaultKind", "Faults", "WebhookFaultKind"]

FaultKind = Literal[
    "slow",
    "status",
    "hangup-before",
    "hangup-after",
    "html",
    "other-api",
    "redirect",
    "clock",
    "garbage",
    "half-body",
]
"""How a call to a source fails (docs/testing.md)."""

WebhookFaultKind = Literal["forged", "late", "repeated", "lost"]
"""What happens to a webhook instead of being delivered once and at once (docs/testing.md)."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "account": get_args(FaultKind),
    "softwareone": get_args(FaultKind),
    "reseller": get_args(FaultKind),
    "webhooks": get_args(WebhookFaultKind),
}
"""The kinds of faults, for the requests to each API and for webhooks."""

_FIELDS = {"source", "method", "path", "times", "kind", "delay", "status", "retryAfter", "location"}
_MIN_STATUS, _MAX_STATUS = 400, 599
_MAX_DELAY = 600


class FaultError(ValueError):
    """The description of a fault is invalid; the message is a sentence that explains why."""


@dataclass(slots=True)
class Fault:
    """A fault of the next `times` matching requests, or of the next attempts to deliver a webhook.

    `path` is a regular expression that is searched in the path below the prefix of the API. For webhooks it is
    searched in `<event>/<user id>`, and the method is POST. `delay` and `retry_after` are in seconds; for the kind
    `clock`, `delay` is by how much the header `Date` is ahead, and may be negative. An HTML page has the `status`, 200
    where none is given, and a redirect leads to `location`.
    """

    source: str
    kind: str
    method: str | None = None
    path: re.Pattern[str] | None = None
    times: int = 1
    delay: float = 1.0
    status: int = 503
    retry_after: float | None = None
    location: str = "/"

    def matches(self, source: str, method: str, path: str) -> bool:
        """Return whether the fault applies to this request."""
        return (
            self.source == source
            and self.method in {None, method}
            and (self.path is None or self.path.search(path) is not None)
        )


class Faults:
    """The planned faults, oldest first."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def plan(self, document: Any) -> None:
        """Add a fault from its JSON form (docs/testing.md). Raises FaultError."""
        self._planned.append(_parse(document))

    def clear(self) -> None:
        """Remove all planned faults."""
        self._planned.clear()

    def take(self, source: str, method: str, path: str) -> Fault | None:
        """Return the oldest fault that applies to this request, and count it as used once."""
        for fault in self._planned:
            if fault.matches(source, method, path):
                fault.times -= 1
                if fault.times <= 0:
                    self._planned.remove(fault)
                return fault
        return None


def _parse(document: Any) -> Fault:
    if not isinstance(document, dict):
        raise FaultError("A fault must be a JSON object.")
    if unknown := sorted(document.keys() - _FIELDS):
        raise FaultError(f"Unknown field '{unknown[0]}'. A fault has the fields {', '.join(sorted(_FIELDS))}.")
    kinds = KINDS.get(str(document.get("source")))
    if kinds is None:
        raise FaultError(f"'source' must be one of {', '.join(KINDS)}.")
    if document.get("kind") not in kinds:
        raise FaultError(f"'kind' must be one of {', '.join(kinds)}.")
    method = document.get("method")
    if method is not None and not isinstance(method, str):
        raise FaultError("'method' must be a string.")
    fault = Fault(document["source"], document["kind"], method.upper() if method else None)
    fault.path = _pattern(document.get("path"))
    fault.times = int(_number(document, "times", 1, 1, 1_000_000))
    is_clock = fault.kind == "clock"
    fault.delay = _number(document, "delay", 1.0, -_MAX_DELAY if is_clock else 0, _MAX_DELAY)
    page = fault.kind == "html"
    fault.status = int(_number(document, "status", 200 if page else 503, 200 if page else _MIN_STATUS, _MAX_STATUS))
    fault.location = str(document.get("location", "/"))
    if document.get("retryAfter") is not None:
        fault.retry_after = _number(document, "retryAfter", 0, 0, 86_400)
    return fault


def _pattern(text: Any) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        return re.compile(text)
    except (re.error, TypeError) as error:
        raise FaultError(f"'path' must be a regular expression: {error}.") from error


def _number(document: dict[str, Any], name: str, default: float, minimum: float, maximum: float) -> float:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
        raise FaultError(f"'{name}' must be a number from {minimum:g} to {maximum:g}.")
    return value
