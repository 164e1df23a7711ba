"""Requests, responses and events of the simulated APIs, independent of the HTTP server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

__all__ = ["SandboxEvent", "SandboxRequest", "SandboxResponse", "SimulatedApi"]


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """One request to a simulated API.

    `path` starts below the prefix of the API and is still percent-encoded, `query` is the raw text after the question
    mark, header names are in lower case. The API waits for `delay` seconds while it executes the request, so that
    the locks that it holds then are held for that time too.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    remote: str = "127.0.0.1"
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class SandboxEvent:
    """A change for which a webhook is sent; `body` holds the bytes of the webhook.

    The events of one `subject` (the id of a user) are delivered in their order.
    """

    name: str
    subject: str
    body: bytes


@dataclass(slots=True)
class SandboxResponse:
    """One response; `body` holds the bytes that are sent. Its event is delivered after the response was sent."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    event: SandboxEvent | None = None

    @classmethod
    def json(cls, document: Any, status: int = 200, **headers: str) -> "SandboxResponse":
        """Create a JSON response; headers are keyword arguments with underscores in their names (`Retry_After`)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, orjson.dumps(document), {"Content-Type": "application/json"} | named)


class SimulatedApi(Protocol):
    """One of the three simulated APIs."""

    async def respond(self, request: SandboxRequest) -> SandboxResponse:
        """Return the response that the real API would return."""

    def error_response(self, request: SandboxRequest, status: int, retry_after: float | None) -> SandboxResponse:
        """Return an error with this status in the format of the API, without executing the request."""

    def stored_user(self, user_id: str) -> dict[str, Any] | None:
        """Return a user as stored, with the fields that the API never returns; None for an unknown id."""
