"""A request, as its connection has to know it."""

from dataclasses import dataclass

from gateway.api.web.http import Request, SocketHandler
from gateway.api.web.lean.body import Body

__all__ = ["Incoming", "Refused"]


@dataclass(slots=True)
class Incoming:
    """A request whose head is read.

    `keep`: the client would send another one after it. `old`: it speaks HTTP/1.0. `socket` answers it where it asks for
    a WebSocket.
    """

    request: Request
    body: Body
    keep: bool
    old: bool
    socket: SocketHandler | None = None


@dataclass(frozen=True, slots=True)
class Refused(Exception):  # noqa: N818 - it is answered in the requests' order, like one
    """Bytes that are no request; nothing after them can be read."""

    status: int
