"""HTTP requests and responses as values, and the routes of endpoints.

The endpoints use only these, so they work with each of the servers: `aiohttp_server.py`, `lean/` and `asgi.py`.
"""

import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, Final, Protocol, Self

import msgspec

from gateway.callers.connection import Connection
from gateway.telemetry.report import RequestReport, Surface

__all__ = [
    "UNBUFFERED",
    "Closed",
    "ExtendedHeaders",
    "FixedHeaders",
    "Handler",
    "Handling",
    "Headers",
    "Malformed",
    "Route",
    "TooLarge",
    "TryHandle",
    "WebRequest",
    "WebResponse",
    "joined",
]


class TooLarge(Exception):  # noqa: N818 - it reads well in `except`
    """A body is larger than its reader allows."""


class Malformed(Exception):  # noqa: N818 - the same
    """A body is not encoded or framed as its header fields state."""


class Closed(Exception):  # noqa: N818 - the same
    """The client has closed the WebSocket or the connection."""


def joined(name: str, values: Iterable[str]) -> str:
    """Return the values of a repeated header field as one. HTTP/2 splits `Cookie` elsewhere (RFC 9113, 8.2.3)."""
    return ("; " if name.lower() == "cookie" else ", ").join(values)


class Headers(Mapping[str, str]):
    """Header fields by name in any case. The values of a repeated name are joined by commas (RFC 9110, 5.3)."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: dict[str, str] = {}
        for name, value in fields:
            lower = name.lower()
            previous = self._fields.get(lower)
            if previous is not None:
                value = joined(lower, (previous, value))  # noqa: PLW2901 - joined
            self._fields[lower] = value

    @classmethod
    def of(cls, fields: dict[str, str]) -> Self:
        """Return header fields whose names are in lower case already; the dictionary must not change any more."""
        headers = cls()
        headers._fields = fields
        return headers

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def get(self, name: str, default: Any = None) -> Any:
        return self._fields.get(name.lower(), default)  # `Mapping.get` raises and catches a KeyError

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204 - as in Mapping
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Headers({sorted(self._fields)})"  # names only: values may be credentials


@lru_cache(maxsize=64)  # most clients send the same value
def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


@lru_cache(maxsize=64)  # the same for almost all requests
def _base_url(forwarded: str, scheme: str, host: str, mount: str) -> str:
    if not _HOST.fullmatch(host):
        return ""
    forwarded = forwarded.partition(",")[0].strip().lower()
    return f"{forwarded if forwarded in {'http', 'https'} else scheme}://{host}{mount}"


# A request creates one of these and one or two WebResponses: frozen dataclasses would take ten times as long.
class WebRequest(msgspec.Struct, frozen=True):
    """One request. `query` is the raw query string, `path` is relative to where the application is mounted.

    `scheme` is that of the connection, and `mount` the path of the application, empty if it is not mounted in another.
    `body` is bytes if all of it had arrived with the head. Otherwise it can be iterated over once, in chunks, which
    raises `Closed` if the client disconnects before its end, and `Malformed`. `report` is filled by whoever handles the
    request. `peer` is the address of the client; `native` is the request as the server has it, for embedding programs.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes | AsyncIterable[bytes]
    scheme: str = "http"
    mount: str = ""
    report: RequestReport = msgspec.field(default_factory=RequestReport)
    peer: str = ""
    native: Any = None

    def __repr__(self) -> str:
        return f"WebRequest({self.method!r}, {self.path!r})"  # the rest may contain secrets

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; empty where there is none."""
        return _media_type(self.headers.get("content-type", ""))

    @property
    def base_url(self) -> str:
        """The URL at which the client reaches the application, as far as the client states it; else empty.

        A client may send any `Host`, so this is for responses to that client alone. `X-Forwarded-Proto` is the scheme
        that the client uses if a proxy ends TLS; of several proxies, the first one has added it first.
        """
        headers = self.headers
        return _base_url(headers.get("x-forwarded-proto", ""), self.scheme, headers.get("host", ""), self.mount)

    def connection(self) -> Connection:
        """Return what the caller of the request is authenticated by."""
        return Connection("http", self.headers, None, self.peer, self.native)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Return the body in chunks."""
        if isinstance(self.body, bytes):
            yield self.body
            return
        async for chunk in self.body:
            yield chunk

    async def read(self, max_bytes: int) -> bytes:
        """Return the whole body.

        Raises:
            TooLarge: it has more than `max_bytes`; no more than those were kept.
            Closed: the client disconnected before its end.
            Malformed: it is not encoded or framed as its header fields state.
        """
        if isinstance(self.body, bytes):
            if len(self.body) > max_bytes:
                raise TooLarge
            return self.body
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.body:
            size += len(chunk)
            if size > max_bytes:
                raise TooLarge
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


UNBUFFERED: Final = (("Incremental", "?1"), ("X-Accel-Buffering", "no"))
"""The header fields of a response that no proxy may hold back until it is complete: those of RFC 10036 and of nginx."""


class FixedHeaders:
    """Header fields that many responses have in common. `lines` is how HTTP/1.1 writes them, encoded once.

    `has_lifetime`: `Cache-Control` is one of them.

    Raises:
        ValueError: a field contains a line break.
    """

    __slots__ = ("fields", "has_lifetime", "lines")

    def __init__(self, *fields: tuple[str, str]) -> None:
        self.fields = fields
        self.has_lifetime = any(name == "Cache-Control" for name, _ in fields)
        self.lines = "".join([f"{name}: {value}\r\n" for name, value in fields])
        if self.lines.count("\n") != len(fields) or self.lines.count("\r") != len(fields):
            raise ValueError("a line break in a header field")

    def with_fields(self, *fields: tuple[str, str]) -> "ExtendedHeaders":
        """Return the header fields of one response: these, and then the given ones."""
        return ExtendedHeaders(self, fields)


class ExtendedHeaders(Sequence[tuple[str, str]]):
    """Fixed header fields, followed by those of one response. A server may write `fixed.lines` for the former."""

    __slots__ = ("fields", "fixed")

    def __init__(self, fixed: FixedHeaders, fields: tuple[tuple[str, str], ...]) -> None:
        self.fixed = fixed
        self.fields = fields

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return chain(self.fixed.fields, self.fields)

    def __getitem__(self, index: Any) -> Any:
        return (*self.fixed.fields, *self.fields)[index]

    def __len__(self) -> int:
        return len(self.fixed.fields) + len(self.fields)


class WebResponse(msgspec.Struct, frozen=True):
    """One response. An iterable body is sent chunk by chunk, and its iterator closed if the client disconnects."""

    status: int
    body: bytes | AsyncIterable[bytes] = b""
    headers: Sequence[tuple[str, str]] = ()


Handler = Callable[[WebRequest], Awaitable[WebResponse]]


class Handling(Protocol):
    """A request that the fast path of an endpoint has checked completely, and not begun to handle.

    `immediate`: its response needs no wait, so that `respond_now` returns it, with a body of bytes. Otherwise `respond`
    returns it. A server may call neither, if the client disconnects.
    """

    @property
    def immediate(self) -> bool: ...

    def respond_now(self) -> WebResponse: ...

    async def respond(self) -> WebResponse: ...


TryHandle = Callable[[WebRequest], Handling | None]
"""Decides without waiting whether the fast path can handle a request. None: the handler does; nothing was done yet."""


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint with its methods and its path, in which `{name}` matches one segment.

    `try_handle` is its fast path, for a literal path only; its responses are those of the handler. `surface` is that of
    the reports of its requests.
    """

    methods: tuple[str, ...]
    path: str
    handler: Handler
    try_handle: TryHandle | None = None
    surface: Surface = "http"
