"""Logs the requests to the three simulated APIs and the webhooks that were sent."""

import base64
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.exchange import SandboxRequest
from gateway.sandbox.multipart import MalformedMultipartError, parse_parts

__all__ = ["CallLog", "LoggedCall"]

_MAX_CALLS = 20_000


@dataclass(slots=True)
class LoggedCall:
    """A request and the status of its response.

    The status is None while the request is handled, and stays None when a fault closed the connection. An attempt to
    deliver a webhook is logged as a request whose path is the URL of the receiver.
    """

    source: str
    request: SandboxRequest
    status: int | None = None


class CallLog:
    """Keeps the newest 20,000 requests; they are converted to JSON only when the log is read."""

    def __init__(self) -> None:
        self._calls: deque[LoggedCall] = deque(maxlen=_MAX_CALLS)

    def add(self, source: str, request: SandboxRequest) -> LoggedCall:
        """Append a request, whose status is still unknown, and return its entry."""
        logged = LoggedCall(source, request)
        self._calls.append(logged)
        return logged

    def clear(self) -> None:
        """Remove all entries."""
        self._calls.clear()

    def entries(self) -> Sequence[LoggedCall]:
        """Return all entries in order of arrival."""
        return tuple(self._calls)

    def as_json(self) -> list[dict[str, Any]]:
        """Return all entries in order of arrival, as JSON values."""
        return [
            {
                "source": logged.source,
                "method": logged.request.method,
                "path": logged.request.path,
                "query": logged.request.query,
                "headers": dict(logged.request.headers),
                "status": logged.status,
                "body": _body(logged.request),
            }
            for logged in self._calls
        ]


def _body(request: SandboxRequest) -> str | list[dict[str, Any]]:
    content_type = request.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        try:
            parts = parse_parts(content_type, request.body)
        except MalformedMultipartError:
            parts = None
        if parts is not None:
            return [
                {
                    "name": part.name,
                    "filename": part.filename,
                    "contentType": part.content_type,
                    "size": len(part.content),
                }
                | _content(part.content)
                for part in parts
            ]
    return request.body.decode("utf-8", "replace")


def _content(content: bytes) -> dict[str, str]:
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
