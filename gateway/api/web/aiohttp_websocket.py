"""WebSockets of aiohttp's server."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.http import WebSocketError

from gateway.api.web.http import Closed, WebRequest
from gateway.api.web.sockets import FIRST_MESSAGE, ControlFrames, SocketHandler

__all__ = ["abort", "serve_websocket"]

_FIRST_BYTES = 4 * FIRST_MESSAGE  # bytes of all messages until the endpoint knows who the client is
_FIRST_READ, _READ = 4 * 1024, 32 * 1024  # bytes that are read from a WebSocket at once, before and after that
_CLOSE_TIMEOUT = 2.0  # seconds for the closing handshake
_CONTROL_FRAMES = frozenset({WSMsgType.PING, WSMsgType.PONG})


async def serve_websocket(
    incoming: web.BaseRequest, request: WebRequest, handler: SocketHandler, max_message: int
) -> web.StreamResponse:
    """Let the handler of an endpoint serve a WebSocket that a client requests; return the response for aiohttp."""
    socket = _AiohttpWebSocket(incoming, request, max_message)
    with suppress(Closed):
        await handler(socket)
    return await socket.finish()


class _FirstMessages:
    """Limits the bytes of a WebSocket until `remove`, in front of aiohttp's parser, which has only a fixed limit.

    It also limits what is read from the socket at once, before and after `remove`: aiohttp parses all frames of 256
    KiB, which are tens of thousands, before another connection is served.
    """

    def __init__(self, connection: web.RequestHandler, socket: web.WebSocketResponse) -> None:
        self._connection = connection
        self._socket = socket
        self._left = _FIRST_BYTES
        self._parser = connection._payload_parser  # noqa: SLF001 - nothing public replaces it
        self._read_at_once(_FIRST_READ)
        if self._parser is not None:  # None: the client has disconnected
            connection._payload_parser = self  # noqa: SLF001 - the same

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Pass bytes on while there are not too many; return whether no more are accepted, and the rest."""
        self._left -= len(data)
        messages = self._socket._reader  # noqa: SLF001 - the same
        if self._left < 0 and messages is not None:
            problem = "Too many bytes before the client is known"
            messages.set_exception(WebSocketError(WSCloseCode.MESSAGE_TOO_BIG, problem))
            return True, b""
        result: tuple[bool, bytes] = self._parser.feed_data(data)
        return result

    def feed_eof(self) -> None:
        self._parser.feed_eof()

    def remove(self) -> None:
        """Let the connection pass all further bytes to aiohttp's parser."""
        self._read_at_once(_READ)
        if self._connection._payload_parser is self:  # noqa: SLF001 - the same
            self._connection._payload_parser = self._parser  # noqa: SLF001 - the same

    def _read_at_once(self, size: int) -> None:
        transport: Any = self._connection.transport
        if hasattr(transport, "max_size"):  # asyncio's transports on Unix; others keep their size
            transport.max_size = size


class _AiohttpWebSocket:
    """Implements `gateway.api.web.http.WebSocket`."""

    def __init__(self, incoming: web.BaseRequest, request: WebRequest, max_message: int) -> None:
        self.request = request
        self._incoming = incoming
        self._max_message = max_message
        self._socket: web.WebSocketResponse | None = None
        self._first_messages: _FirstMessages | None = None
        self._control_frames = ControlFrames()

    @property
    def subprotocols(self) -> Sequence[str]:
        names = self.request.headers.get("sec-websocket-protocol", "").split(",")
        return [name.strip() for name in names if name.strip()]

    async def accept(self, subprotocol: str | None = None) -> None:
        self._socket = web.WebSocketResponse(
            protocols=(subprotocol,) if subprotocol else (),
            max_msg_size=self._max_message,
            compress=False,
            autoping=False,  # it sends any number of pongs
        )
        await self._socket.prepare(self._incoming)
        self._first_messages = _FirstMessages(self._incoming.protocol, self._socket)

    def allow_large_messages(self) -> None:
        if self._first_messages is not None:
            self._first_messages.remove()

    async def receive(self) -> str:
        assert self._socket is not None  # noqa: S101 - handlers accept first
        while (message := await self._socket.receive()).type in _CONTROL_FRAMES:
            if self._control_frames.is_flood():
                await self.close(WSCloseCode.POLICY_VIOLATION, "Too many control frames")
                raise Closed
            if message.type is WSMsgType.PING:
                try:
                    await self._socket.pong(message.data)
                except (ConnectionResetError, RuntimeError) as error:
                    raise Closed from error
        if message.type is not WSMsgType.TEXT:
            raise Closed
        text: str = message.data
        return text

    async def send(self, text: str) -> None:
        if self._socket is None or self._socket.closed:
            raise Closed
        try:
            await self._socket.send_str(text)
        except (ConnectionResetError, RuntimeError) as error:
            raise Closed from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._socket is None or self._socket.closed:
            return
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_TIMEOUT):
                    await self._socket.close(code=code, message=reason.encode())
        finally:  # also after the CancelledError that aiohttp raises where a send was cancelled before
            abort(self._incoming)  # for clients that do not read, or do not respond to the close frame

    async def finish(self) -> web.StreamResponse:
        """Close the WebSocket, and return the response for aiohttp; a handshake that was not accepted is refused."""
        if self._socket is None:
            return web.Response(status=403)
        await self.close()
        return self._socket


def abort(incoming: web.BaseRequest) -> None:
    """Close the connection without waiting until the client has read what was written."""
    if incoming.transport is not None:
        incoming.transport.abort()
