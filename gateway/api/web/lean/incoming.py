"""A parsed request with what its connection needs for the response, and a rejected one."""

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass

from gateway.api.web.http import WebRequest
from gateway.api.web.inflated import InflatedBody
from gateway.api.web.lean.body import Body
from gateway.api.web.sockets import SocketHandler
from gateway.kit.lazy_headers import LazyHeaders

__all__ = ["IncomingRequest", "RejectedRequest"]


@dataclass(slots=True)
class IncomingRequest:
    """A request whose head was parsed.

    `headers` has lower-case names. `keep_alive`: the client may send another request on the connection. `is_http_1_0`:
    the version is 1.0, which has no chunked coding. `socket_handler`: the handler, if the client requests a WebSocket.
    """

    method: str
    path: str
    query: str
    headers: Mapping[bytes, bytes]
    body: Body
    keep_alive: bool
    is_http_1_0: bool
    socket_handler: SocketHandler | None = None

    def request(self, peer: str) -> WebRequest:
        """Return the request of the client at that address, for an endpoint.

        It is called late, so that most bodies are complete and can be bytes.
        """
        return WebRequest(self.method, self.path, self.query, LazyHeaders(self.headers), self._content(), peer=peer)

    def _content(self) -> bytes | AsyncIterable[bytes]:
        field = self.headers.get(b"content-encoding")
        if field is not None and (coding := field.decode("latin-1").strip().lower()) not in {"", "identity"}:
            return InflatedBody(self.body, coding)
        return self.body.read_nowait() if self.body.is_complete else self.body


@dataclass(frozen=True, slots=True)
class RejectedRequest(Exception):  # noqa: N818 - it is queued for its response like a request
    """Bytes that are not a valid request. `status` is that of the response; nothing after them can be parsed."""

    status: int
