"""One call to a source and its answer, as values; and the shape that every step of the pipeline has."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

__all__ = [
    "Content",
    "Multipart",
    "Part",
    "Request",
    "Response",
    "Send",
    "Step",
    "Transport",
    "TransportLimits",
    "pipeline",
]


class Content(Protocol):
    """`size` bytes that are somewhere else, and may be read any number of times."""

    @property
    def size(self) -> int: ...

    def chunks(self) -> Iterator[bytes]:
        """All of them in order."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart/form-data body. What is no bytes is never held as a whole."""

    name: str
    content: bytes | Content = field(repr=False)
    content_type: str
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Multipart:
    """A multipart/form-data body, its parts in the order of the wire."""

    parts: tuple[Part, ...]


# One of these and one of the next are made with every call: to make a frozen dataclass takes ten times as long.
class Request(msgspec.Struct, frozen=True):
    """One call. `url` is final: escaped, with its query. `template` names the endpoint without ids.

    `headers` hold credentials: they are no part of the repr.
    """

    source: str
    method: str
    url: str
    template: str
    headers: Mapping[str, str] = {}
    body: bytes | Multipart | None = None

    def __repr__(self) -> str:
        return f"Request({self.source!r}, {self.method!r}, {self.template!r})"

    @property
    def writes(self) -> bool:
        """Whether the call may change something at the source."""
        return self.method not in {"GET", "HEAD"}


class Response(msgspec.Struct, frozen=True):
    """A whole answer: header names are looked up in any case. People's data are no part of the repr."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Response({self.status})"


Send = Callable[[Request], Awaitable[Response]]


class Step(Protocol):
    """A step of the pipeline: may look at, alter, refuse or repeat the call that it hands on."""

    async def __call__(self, request: Request, send: Send) -> Response: ...


class Transport(Protocol):
    """The wire: one method, and an end."""

    async def send(self, request: Request) -> Response:
        """One call, sent at most once.

        Raises:
            SourceUnavailable: not reached, or the connection was lost.
            SourceTimeout: no whole answer in time.
            SourceInvalidResponse: no HTTP, or more bytes than the cap.
        """

    async def aclose(self) -> None: ...


def pipeline(transport: Transport, steps: Sequence[Step]) -> Send:
    """The steps in order, the first one outermost, the transport at the end."""
    send: Send = transport.send
    for step in reversed(steps):
        send = _through(step, send)
    return send


def _through(step: Step, send: Send) -> Send:
    call = step.__call__  # bound once; and not awaited here: that would be one more coroutine a step and call
    return lambda request: call(request, send)


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """What a source may take: seconds for the whole call, to a connection, between two reads; sockets; bytes.

    `kept` is how many seconds a connection stays open without a call: sooner closed than by servers and NATs.
    """

    total: float = 10.0
    connect: float = 3.0
    read: float = 10.0
    kept: float = 15.0
    connections: int = 20
    response_bytes: int = 32 * 1024 * 1024
