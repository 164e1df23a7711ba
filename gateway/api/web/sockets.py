"""The interface of WebSockets, which endpoints use with each of the servers."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.api.web.http import WebRequest

__all__ = ["FIRST_MESSAGE", "ControlFrames", "SocketHandler", "SocketRoute", "WebSocket"]

FIRST_MESSAGE = 16 * 1024
"""The maximum bytes of a WebSocket message until its endpoint knows who the client is."""

_CONTROL_FRAMES = 20  # a second; clients send a ping every few seconds


class ControlFrames:
    """Counts the pings and pongs of one WebSocket: they cost CPU time before and after the client is known."""

    __slots__ = ("_count", "_second")

    def __init__(self) -> None:
        self._count = 0
        self._second = 0

    def is_flood(self) -> bool:
        """Count one, and return whether the WebSocket has to be closed because there are too many in this second."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        return self._count > _CONTROL_FRAMES


class WebSocket(Protocol):
    """A WebSocket that a client has requested, and that a handler may accept."""

    @property
    def request(self) -> WebRequest: ...

    @property
    def subprotocols(self) -> Sequence[str]:
        """The subprotocols that the client offers."""

    async def accept(self, subprotocol: str | None = None) -> None:
        """Complete the handshake. A handler that closes the WebSocket instead refuses the handshake."""

    def allow_large_messages(self) -> None:
        """Accept messages beyond `FIRST_MESSAGE`, up to the maximum of the server: the client is known."""

    async def receive(self) -> str:
        """Return the next text message.

        Raises:
            Closed: the client has closed the WebSocket, or sent a message that is not text, or too many control frames.
        """

    async def send(self, text: str) -> None:
        """Send a message, and wait while the client reads too slowly.

        Raises:
            Closed: the client has closed the WebSocket.
        """

    async def close(self, code: int = 1000, reason: str = "") -> None: ...


SocketHandler = Callable[[WebSocket], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """An endpoint for WebSockets with its path."""

    path: str
    handler: SocketHandler
