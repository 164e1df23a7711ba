"""Serves a site by aiohttp's server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.http import WebSocketError
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.api.web.http import (
    FIRST_MESSAGE,
    Closed,
    ControlFrames,
    Malformed,
    SocketHandler,
    WebRequest,
    WebResponse,
)
from gateway.api.web.open_connections import ConnectionLimit, OpenConnections, listen
from gateway.api.web.site import Site

__all__ = ["AiohttpServer", "aiohttp_application"]

_MAX_MESSAGE = 2 * 1024 * 1024  # bytes of a WebSocket message: more than the endpoints accept
_FIRST_BYTES = 4 * FIRST_MESSAGE  # bytes of all messages until the endpoint knows who the client is
_FIRST_READ, _READ = 4 * 1024, 32 * 1024  # bytes that are read from a WebSocket at once, before and after that
_KEEP_ALIVE = 75.0  # seconds from a response, or from the start of a connection, to the end of the head of a request
_WRITE_TIMEOUT = 30.0  # seconds that a client may take to read a chunk
_CLOSE_TIMEOUT = 2.0  # seconds for the closing handshake of a WebSocket


def aiohttp_application(
    site: Site,
    *,
    max_message: int = _MAX_MESSAGE,
    write_timeout: float = _WRITE_TIMEOUT,
    connections: OpenConnections[web.RequestHandler] | None = None,
) -> web.Application:
    """Return the site as an application, to run or to mount as a sub-application under any prefix.

    `max_message` is the largest WebSocket message in bytes. A client that takes more than `write_timeout` seconds to
    read a chunk is disconnected. `connections` are those of the server that runs the application.
    """
    app = web.Application(client_max_size=0)  # the endpoints limit what they read
    app.on_response_prepare.append(_hide_server)

    async def respond(incoming: web.Request) -> web.StreamResponse:
        path = "/" + incoming.match_info["path"]
        content = incoming.content
        # Most bodies arrive together with the head.
        body = content.read_nowait() if content.is_eof() and content.exception() is None else _AiohttpBody(incoming)
        query = incoming.rel_url.raw_query_string
        request = WebRequest(incoming.method, path, query, _AiohttpHeaders(incoming.headers), body)
        # Java's client sends `Upgrade: h2c` with every request; a server may ignore it (RFC 9110, 7.8).
        upgrade = incoming.headers.get("upgrade", "").strip().lower() if incoming.method == "GET" else ""
        if upgrade == "websocket" and (handler := site.socket_handler(path)) is not None:
            return await _serve_websocket(incoming, request, handler, max_message)
        return await _write(incoming, await site.respond(request), write_timeout)

    async def track(incoming: web.Request) -> web.StreamResponse:
        assert connections is not None  # noqa: S101 - this is the handler only if there are any
        connections.busy(incoming.protocol)
        try:
            response = await respond(incoming)
        finally:
            connections.idle(incoming.protocol)
        if connections.retired:
            response.force_close()
        return response

    handler = respond if connections is None else track
    app.router.add_route("*", "/{path:.*}", handler, expect_handler=_expect)
    return app


async def _hide_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Remove the name and version of the software, which attackers compare with lists of vulnerabilities."""
    response.headers.popall("Server", None)


async def _expect(incoming: web.Request) -> web.StreamResponse | None:
    """Let a client that waits for it send its body (RFC 9110, 10.1.1); aiohttp's function quotes any other value."""
    if incoming.headers.get("expect", "").strip().lower() != "100-continue":
        return web.Response(status=417)
    if incoming.version >= (1, 1) and incoming.transport is not None:
        incoming.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None


class _AiohttpHeaders(Mapping[str, str]):
    """aiohttp's header fields. The values of a repeated name are joined when they are read."""

    __slots__ = ("_fields",)

    def __init__(self, fields: "CIMultiDictProxy[str]") -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        values = self._fields.getall(name)
        return values[0] if len(values) == 1 else ", ".join(values)

    def get(self, name: str, default: Any = None) -> Any:
        values = self._fields.getall(name, ())
        return values[0] if len(values) == 1 else ", ".join(values) if values else default

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name in self._fields))

    def __len__(self) -> int:
        return len(set(self))


class _AiohttpBody:
    """The body of a request in chunks, decompressed by aiohttp, which limits the size of each chunk."""

    __slots__ = ("_request",)

    def __init__(self, request: web.Request) -> None:
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._request.content.iter_any():
                yield chunk
        except ConnectionResetError as error:
            raise Closed from error
        except (web.RequestPayloadError, HttpProcessingError) as error:
            raise Malformed from error


async def _write(incoming: web.Request, response: WebResponse, seconds: float) -> web.StreamResponse:
    headers = CIMultiDict(response.headers)
    if isinstance(response.body, bytes):
        return web.Response(body=response.body, status=response.status, headers=headers)
    stream = web.StreamResponse(status=response.status, headers=headers)
    chunks = aiter(response.body)
    try:
        await stream.prepare(incoming)
        async for chunk in chunks:
            async with asyncio.timeout(seconds):
                await stream.write(chunk)
        await stream.write_eof()
    except ConnectionResetError:  # the client has disconnected
        pass
    except TimeoutError:  # the client is connected, but does not read
        _abort(incoming)
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    return stream


async def _serve_websocket(
    incoming: web.Request, request: WebRequest, handler: SocketHandler, max_message: int
) -> web.StreamResponse:
    socket = _AiohttpWebSocket(incoming, request, max_message)
    with suppress(Closed):
        await handler(socket)
    return await socket.finish()


_CONTROL_FRAMES = frozenset({WSMsgType.PING, WSMsgType.PONG})


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

    def __init__(self, incoming: web.Request, request: WebRequest, max_message: int) -> None:
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
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                await self._socket.close(code=code, message=reason.encode())
        _abort(self._incoming)  # for clients that do not read, or do not respond to the close frame

    async def finish(self) -> web.StreamResponse:
        """Close the WebSocket, and return the response for aiohttp; a handshake that was not accepted is refused."""
        if self._socket is None:
            return web.Response(status=403)
        await self.close()
        return self._socket


def _abort(incoming: web.Request) -> None:
    """Close the connection without waiting until the client has read what was written."""
    if incoming.transport is not None:
        incoming.transport.abort()


def _is_server_error(record: logging.LogRecord) -> bool:
    """Keep malformed requests out of the log: aiohttp quotes them, and they may contain credentials."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, web.RequestPayloadError))


_LOG = logging.getLogger("gateway.http.aiohttp")
_LOG.addFilter(_is_server_error)


class _Connection(web.RequestHandler):
    """A connection that is tracked, and whose responses to malformed requests do not name the software."""

    def __init__(self, server: web.Server, connections: OpenConnections[web.RequestHandler]) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(server, loop=loop, logger=_LOG, access_log=None, keepalive_timeout=_KEEP_ALIVE)  # type: ignore[arg-type]  # None disables the log
        self._connections = connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connections.opened(self, transport.get_extra_info("socket").fileno())

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._connections.closed(self)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        super().handle_error(request, status, exc, message)  # it logs the error
        # No signal is sent before this response is written. aiohttp's quotes the request.
        response = web.Response(status=status, headers={"Server": "gateway"})
        response.force_close()
        return response


class AiohttpServer:
    """Implements `gateway.api.web.servers.HttpServer`."""

    def __init__(
        self, runner: web.AppRunner, server: asyncio.Server, connections: OpenConnections[web.RequestHandler]
    ) -> None:
        self._runner = runner
        self._server = server
        self._connections = connections

    @classmethod
    async def start(
        cls, site: Site, host: str, port: int, *, grace: float, limit: ConnectionLimit | None = None
    ) -> Self:
        connections = OpenConnections[web.RequestHandler](limit, web.RequestHandler.force_close)
        app = aiohttp_application(site, connections=connections)
        runner = web.AppRunner(app, shutdown_timeout=grace, handler_cancellation=True)
        await runner.setup()

        def connect() -> _Connection:
            assert runner.server is not None  # noqa: S101 - set up
            return _Connection(runner.server, connections)

        try:
            server = await listen(connect, host, port)
        except BaseException:
            await runner.cleanup()
            raise
        return cls(runner, server, connections)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    def retire(self) -> None:
        self._connections.retired = True

    async def stop(self) -> None:
        self._server.close()
        await self._runner.cleanup()
