"""HTTP as values: what an endpoint is given and what it answers, whichever server carries it.

`aiohttp_server.py`, `lean/` and `asgi.py` carry it. An endpoint knows neither.
"""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import msgspec

__all__ = [
    "Closed",
    "Handler",
    "Headers",
    "Malformed",
    "Route",
    "SocketHandler",
    "SocketRoute",
    "TooLarge",
    "WebRequest",
    "WebResponse",
    "WebSocket",
]


class TooLarge(Exception):  # noqa: N818 - read in `except`
    """A body went past its cap."""


class Malformed(Exception):  # noqa: N818 - the same
    """A body that is not what its header fields say."""


class Closed(Exception):  # noqa: N818 - the same
    """The other side of a WebSocket, or of a stream, has gone."""


class Headers(Mapping[str, str]):
    """Header fields by name in any case; those sent several times are joined by a comma, as RFC 9110 5.3 has it."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: dict[str, str] = {}
        for name, value in fields:
            lower = name.lower()
            before = self._fields.get(lower)
            self._fields[lower] = value if before is None else f"{before}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self):  # type: ignore[no-untyped-def] # noqa: ANN204 - Mapping's
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        return f"Headers({sorted(self._fields)})"  # names only: values hold credentials


@lru_cache(maxsize=64)  # most clients send the same one
def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


# One of these and one or two of the next are made with every request: a frozen dataclass takes ten times as long.
class WebRequest(msgspec.Struct, frozen=True):
    """One request. `query` is the raw query string; `path` is below where the application is mounted.

    `body` is whole where it came whole. Else it may be read once, in chunks; that raises `Closed` where the client
    leaves in the middle of it, and `Malformed`.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes | AsyncIterable[bytes]

    def __repr__(self) -> str:
        return f"Request({self.method!r}, {self.path!r})"  # the rest may hold secrets

    @property
    def content_type(self) -> str:
        """The media type without its parameters, in lower case; empty where none was sent."""
        return _media_type(self.headers.get("content-type", ""))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in chunks."""
        if isinstance(self.body, bytes):
            yield self.body
            return
        async for chunk in self.body:
            yield chunk

    async def read(self, most: int) -> bytes:
        """The whole body.

        Raises:
            TooLarge: it has more than `most` bytes; no more than those were kept.
        """
        if isinstance(self.body, bytes):
            if len(self.body) > most:
                raise TooLarge
            return self.body
        chunks: list[bytes] = []
        size = 0
        async for chunk in self.body:
            size += len(chunk)
            if size > most:
                raise TooLarge
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


class WebResponse(msgspec.Struct, frozen=True):
    """One answer; a body in chunks is sent as they come, and closed where the client leaves."""

    status: int
    body: bytes | AsyncIterable[bytes] = b""
    headers: Sequence[tuple[str, str]] = ()


class WebSocket(Protocol):
    """A WebSocket that a client has asked for and that may be accepted."""

    @property
    def request(self) -> WebRequest: ...

    @property
    def offered(self) -> Sequence[str]:
        """The subprotocols that the client speaks."""

    async def accept(self, subprotocol: str | None = None) -> None:
        """Open it. Until then it may be closed instead, which a client sees as a refused handshake."""

    async def receive(self) -> str:
        """The next text message.

        Raises:
            Closed: the client has gone, or sent what is no text.
        """

    async def send(self, text: str) -> None:
        """Send a message, once there is room for it.

        Raises:
            Closed: the client has gone.
        """

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


Handler = Callable[[WebRequest], Awaitable[WebResponse]]
SocketHandler = Callable[[WebSocket], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint: the methods and the path that it serves. `{name}` in a path stands for one part of it."""

    methods: tuple[str, ...]
    path: str
    handler: Handler


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """An endpoint for WebSockets."""

    path: str
    handler: SocketHandler
