"""Trouble on demand: what shall go wrong with the next calls."""

import re
from dataclasses import dataclass
from typing import Any

__all__ = ["KINDS", "Fault", "FaultError", "Faults"]

_CALL_KINDS = ("slow", "status", "hangup-before", "hangup-after", "html", "garbage", "half-body")
KINDS = {
    "account": _CALL_KINDS,
    "softwareone": _CALL_KINDS,
    "reseller": _CALL_KINDS,
    "webhooks": ("forged", "late", "repeated", "lost"),
}
"""What can go wrong with the calls of each system, and with the webhooks that are sent."""

_FIELDS = {"source", "method", "path", "times", "kind", "delay", "status", "retryAfter"}
_LOWEST_ERROR, _HIGHEST_ERROR = 400, 599


class FaultError(ValueError):
    """A fault is described wrongly; the text says how, in a sentence."""


@dataclass(slots=True)
class Fault:
    """One planned trouble for the next `times` calls that match, or the next attempts to deliver a webhook.

    `path` is a regular expression searched in the path below the system's prefix; for webhooks in
    `<event>/<user id>`, and their method is POST. `delay` and `retry_after` are seconds.
    """

    source: str
    kind: str
    method: str | None = None
    path: re.Pattern[str] | None = None
    times: int = 1
    delay: float = 1.0
    status: int = 503
    retry_after: float | None = None

    def matches(self, source: str, method: str, path: str) -> bool:
        """Whether this call is to suffer."""
        return (
            self.source == source
            and self.method in {None, method}
            and (self.path is None or self.path.search(path) is not None)
        )


class Faults:
    """The planned troubles, oldest first."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def plan(self, document: Any) -> None:
        """Add a fault from its JSON form; raises FaultError."""
        self._planned.append(_parse(document))

    def clear(self) -> None:
        """Plan nothing any more."""
        self._planned.clear()

    def take(self, source: str, method: str, path: str) -> Fault | None:
        """The fault for this call, used up by one."""
        for fault in self._planned:
            if fault.matches(source, method, path):
                fault.times -= 1
                if fault.times <= 0:
                    self._planned.remove(fault)
                return fault
        return None


def _parse(document: Any) -> Fault:
    if not isinstance(document, dict):
        raise FaultError("A fault is a JSON object.")
    if unknown := sorted(document.keys() - _FIELDS):
        raise FaultError(f"A fault has no '{unknown[0]}'; it has {', '.join(sorted(_FIELDS))}.")
    kinds = KINDS.get(str(document.get("source")))
    if kinds is None:
        raise FaultError(f"'source' must be one of {', '.join(KINDS)}.")
    if document.get("kind") not in kinds:
        raise FaultError(f"'kind' must be one of {', '.join(kinds)}.")
    method = document.get("method")
    if method is not None and not isinstance(method, str):
        raise FaultError("'method' must be a text.")
    fault = Fault(document["source"], document["kind"], method.upper() if method else None)
    fault.path = _pattern(document.get("path"))
    fault.times = int(_number(document, "times", 1, 1, 1_000_000))
    fault.delay = _number(document, "delay", 1.0, 0, 600)
    fault.status = int(_number(document, "status", 503, _LOWEST_ERROR, _HIGHEST_ERROR))
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


def _number(document: dict[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise FaultError(f"'{name}' must be a number from {least:g} to {most:g}.")
    return value
