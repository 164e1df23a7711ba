"""What goes over the wire, without the wire: a Call comes in, an Answer goes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

__all__ = ["SandboxEvent", "SandboxRequest", "SandboxResponse", "System"]


@dataclass(frozen=True, slots=True)
class SandboxRequest:
    """One request to a simulated system.

    `path` starts below the system's prefix and is still percent-encoded, `query` is the raw text after
    the question mark, header names are lower-case. `delay` (seconds) is spent where the system does its
    work, so that what it locks meanwhile stays locked.
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
    """What a call has changed, for those who follow; `body` is what is sent them, byte for byte.

    The events about one `subject` are told in their order.
    """

    name: str
    subject: str
    body: bytes


@dataclass(slots=True)
class SandboxResponse:
    """One response; `body` is what is sent, byte for byte. Its event is told once it has been given."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    event: SandboxEvent | None = None

    @classmethod
    def json(cls, document: Any, status: int = 200, **headers: str) -> "SandboxResponse":
        """An answer of JSON; header names are given with underscores (`Retry_After`)."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, orjson.dumps(document), {"Content-Type": "application/json"} | named)


class System(Protocol):
    """One of the three simulated systems."""

    async def answer(self, call: SandboxRequest) -> SandboxResponse:
        """Answer a call as the real system would."""

    def failure(self, call: SandboxRequest, status: int, retry_after: float | None) -> SandboxResponse:
        """Write an error with this status in the system's own shape, without doing anything."""

    def record(self, user_id: str) -> dict[str, Any] | None:
        """Return a user as stored, with what the API itself never shows."""
