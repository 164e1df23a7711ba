"""The log of what was asked of the three systems, and of the webhooks that were sent."""

import base64
from collections import deque
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.exchange import SandboxRequest
from gateway.sandbox.multipart import MalformedMultipartError, parts_of

__all__ = ["CallLog", "LoggedCall"]

_NEWEST = 20_000


@dataclass(slots=True)
class LoggedCall:
    """A call and the status it got: None while it runs, and for good when the line was cut.

    An attempt to deliver a webhook is a call from here, with the receiver's address as its path.
    """

    source: str
    call: SandboxRequest
    status: int | None = None


class CallLog:
    """Bounded to the newest 20,000; written out only when somebody reads it."""

    def __init__(self) -> None:
        self._calls: deque[LoggedCall] = deque(maxlen=_NEWEST)

    def add(self, source: str, call: SandboxRequest) -> LoggedCall:
        """Remember a call that has just arrived."""
        logged = LoggedCall(source, call)
        self._calls.append(logged)
        return logged

    def clear(self) -> None:
        """Forget everything."""
        self._calls.clear()

    def documents(self) -> list[dict[str, Any]]:
        """Every call in order of arrival, as JSON values."""
        return [
            {
                "source": logged.source,
                "method": logged.call.method,
                "path": logged.call.path,
                "query": logged.call.query,
                "headers": dict(logged.call.headers),
                "status": logged.status,
                "body": _body(logged.call),
            }
            for logged in self._calls
        ]


def _body(call: SandboxRequest) -> str | list[dict[str, Any]]:
    content_type = call.headers.get("content-type", "")
    if content_type.lower().startswith("multipart/form-data"):
        try:
            parts = parts_of(content_type, call.body)
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
    return call.body.decode("utf-8", "replace")


def _content(content: bytes) -> dict[str, str]:
    try:
        return {"text": content.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
