"""A request, as its connection has to know it."""

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass

from gateway.api.web.http import SocketHandler, WebRequest
from gateway.api.web.inflated import InflatedBody
from gateway.api.web.lean.body import Body
from gateway.kit.lazy_headers import LazyHeaders

__all__ = ["IncomingRequest", "Refused"]


@dataclass(slots=True)
class IncomingRequest:
    """A request whose head is read.

    `keep`: the client would send another one after it. `old`: it speaks HTTP/1.0. `socket` answers it where it asks for
    a WebSocket.
    """

    method: str
    path: str
    query: str
    came: Mapping[bytes, bytes]
    body: Body
    keep: bool
    old: bool
    socket: SocketHandler | None = None

    def request(self) -> WebRequest:
        """What an endpoint is given, once it is this one's turn."""
        return WebRequest(self.method, self.path, self.query, LazyHeaders(self.came), self._content())

    def _content(self) -> bytes | AsyncIterable[bytes]:
        coding = self.came.get(b"content-encoding")
        if coding is not None and (word := coding.decode("latin-1").strip().lower()) not in {"", "identity"}:
            return InflatedBody(self.body, word)
        return self.body.take() if self.body.whole else self.body


@dataclass(frozen=True, slots=True)
class Refused(Exception):  # noqa: N818 - it is answered in the requests' order, like one
    """Bytes that are no request; nothing after them can be read."""

    status: int
