"""The request and the response of one call to a source, the interface of the steps and of the transport."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from gateway.calls import CallKind, Endpoint, endpoint_of
from gateway.errors import GatewayError

__all__ = [
    "IDEMPOTENCY_KEY",
    "ConstantHeaders",
    "Content",
    "KeyedHeaders",
    "Multipart",
    "Part",
    "Request",
    "Response",
    "ResultObserver",
    "Send",
    "Step",
    "Transport",
    "TransportFactory",
    "TransportLimits",
    "pipeline",
]


class Content(Protocol):
    """`size` bytes that are not in memory as a whole, and can be read any number of times."""

    @property
    def size(self) -> int: ...

    def chunks(self) -> Iterator[bytes]:
        """Return all bytes, in order."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart/form-data body."""

    name: str
    content: bytes | Content = field(repr=False)
    content_type: str
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Multipart:
    """A multipart/form-data body, with its parts in the order in which they are sent."""

    parts: tuple[Part, ...]


IDEMPOTENCY_KEY = "Idempotency-Key"


class ConstantHeaders(dict[str, str]):
    """Headers that never change, with what is derived from them once for all requests that have them.

    `compared` is for single flight; `lines` are the header lines of requests to one host, with the base URL that they
    are for. Both are None until they are used.
    """

    __slots__ = ("compared", "lines")

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.compared: str | None = None
        self.lines: tuple[object, str] | None = None


class KeyedHeaders(dict[str, str]):
    """The headers of a change: `constant` ones, and the idempotency key, which none of them has."""

    __slots__ = ("constant", "key")

    def __init__(self, constant: ConstantHeaders, key: str) -> None:
        super().__init__(constant)
        self[IDEMPOTENCY_KEY] = key
        self.constant = constant
        self.key = key


# A request and a response are created for every call. Creating a frozen dataclass takes ten times as long as a struct.
class Request(msgspec.Struct, frozen=True):
    """A request to a source. `url` is complete: escaped, with its query. `template` is its path without ids.

    `headers` contain credentials, so the repr leaves them out. `to_error` makes the exception for a response with a
    status outside 2xx, by the documentation of the source; None: no such response is documented. `on_write` is called
    by the transport immediately before it writes the first byte. `kind` is how a log of calls names this attempt, and
    `resends` how often the request was sent before. `max_bytes` is the maximum size of the response; None: that of the
    transport. `base_url` is what the URL begins with before the template; empty: the template stands for all that
    follows the host.
    `observe` is called once the result is known: whether the response is as documented.
    """

    source: str
    method: str
    url: str
    template: str
    headers: Mapping[str, str] = {}
    body: bytes | Multipart | None = None
    to_error: "Callable[[Request, Response], GatewayError] | None" = None
    on_write: Callable[[], None] | None = None
    kind: CallKind = CallKind.CALL
    resends: int = 0
    max_bytes: int | None = None
    base_url: str = ""
    observe: "ResultObserver | None" = None

    def __repr__(self) -> str:
        return f"Request({self.source!r}, {self.method!r}, {self.template!r})"

    @property
    def endpoint(self) -> Endpoint:
        """What is called, without ids."""
        return endpoint_of(self.source, self.method, self.template)

    @property
    def address(self) -> str:
        """The URL for operators: without query, and with the names of ids in place of ids."""
        if self.base_url:
            return self.base_url + self.template
        url = urlsplit(self.url)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}{self.template}"

    @property
    def writes(self) -> bool:
        """Whether the source may change something because of this request."""
        return self.method not in {"GET", "HEAD"}


class Response(msgspec.Struct, frozen=True):
    """A complete response. `headers` ignore the case of names. The repr leaves out personal data."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"Response({self.status})"


ResultObserver = Callable[[Request, GatewayError | None], None]
"""Receives a request with its error, or None where the response is as documented. It must not raise."""

Send = Callable[[Request], Awaitable[Response]]


class Step(Protocol):
    """A step of the pipeline. It calls `send` any number of times, with this request or a changed one."""

    async def __call__(self, request: Request, send: Send) -> Response: ...


class Transport(Protocol):
    """An HTTP client for the calls of one source, of any number at the same time."""

    async def send(self, request: Request, /) -> Response:
        """Send a request at most once, and return its response, of whatever status; redirects are not followed.

        Immediately before the first byte is written, `request.on_write` is called: with a connection, and without
        anything to wait for in between. If it is not called, nothing was sent. A task that is cancelled here, for
        example at the deadline of the operation, gives up the request.

        Raises:
            SourceUnavailable: there was no connection, or it was lost.
            SourceTimeout: the response was not complete in time.
            SourceInvalidResponse: the response is not HTTP, or larger than allowed.

        The error of a change that may have been written has `outcome=Outcome.UNKNOWN`.
        """

    async def aclose(self) -> None:
        """Close the connections. No request is under way then."""


def pipeline(transport: Transport, steps: Sequence[Step]) -> Send:
    """Return a function that sends a request through the steps, the first one outermost, to the transport."""
    send: Send = transport.send
    for step in reversed(steps):
        send = _bind(step, send)
    return send


def _bind(step: Step, send: Send) -> Send:
    call = step.__call__  # looked up once; returned, not awaited, which would add a coroutine for each step and call
    return lambda request: call(request, send)


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """The limits of one attempt, and of the connections to one source.

    Times are in seconds: for the whole attempt, for getting a connection, between two reads. `keep_alive` is how long
    a connection without a call stays open; it is shorter than the idle timeouts of most servers and NATs.
    """

    total: float = 10.0
    connect: float = 3.0
    read: float = 10.0
    keep_alive: float = 15.0
    connections: int = 20
    response_bytes: int = 32 * 1024 * 1024


TransportFactory = Callable[[str, TransportLimits], Transport]
"""Creates the transport of one source, by its name, inside the event loop; the gateway closes it."""
