"""Serves a site by aiohttp's server."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Self

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from gateway.api.web.aiohttp_messages import (
    AiohttpHeaders,
    HeadReader,
    LastSentResponse,
    SentResponse,
    close_after_chunks,
    decompressed_content,
    hide_server,
    is_in_chunks,
    read_content,
    refuse_expectation,
    write_stream,
)
from gateway.api.web.aiohttp_websocket import serve_websocket
from gateway.api.web.http import WebRequest, WebResponse
from gateway.api.web.open_connections import ConnectionLimit, OpenConnections, listen, stop_listening
from gateway.api.web.request_target import split_target
from gateway.api.web.response_bytes import encode_response
from gateway.api.web.site import Site
from gateway.api.web.sockets import SocketHandler
from gateway.kit.shaped_headers import ShapedHeaders

__all__ = ["AiohttpServer", "aiohttp_application"]

_MAX_MESSAGE = 2 * 1024 * 1024  # bytes of a WebSocket message: more than the endpoints accept
_KEEP_ALIVE = 75.0  # seconds from a response, or from the start of a connection, to the end of the head of a request
_WRITE_TIMEOUT = 30.0  # seconds that a client may take to read a chunk, or the rest before its connection is closed
_SPECIAL = frozenset({"content-encoding", "expect", "transfer-encoding", "upgrade"})
"""The header fields that change how a request is read; most requests have none of them."""
_SENT, _LAST_SENT = SentResponse(), LastSentResponse()


def aiohttp_application(
    site: Site, *, max_message: int = _MAX_MESSAGE, write_timeout: float = _WRITE_TIMEOUT
) -> web.Application:
    """Return the site as an application, to run or to mount as a sub-application under any prefix.

    `max_message` is the largest WebSocket message in bytes. A client that takes more than `write_timeout` seconds to
    read a chunk is disconnected.
    """
    app = web.Application(client_max_size=0)  # the endpoints limit what they read
    app.on_response_prepare.append(hide_server)
    resource = app.router.add_resource("/{path:.*}")

    async def respond(incoming: web.Request) -> web.StreamResponse:
        request = WebRequest(
            incoming.method,
            "/" + incoming.match_info["path"],
            incoming.rel_url.raw_query_string,
            AiohttpHeaders(incoming.headers),
            read_content(incoming.content),
            incoming.scheme,
            resource.canonical.removesuffix("/{path}"),  # `add_subapp` puts its prefix in front of the path
            peer=incoming.remote or "",
            native=incoming,
        )
        if (handler := _socket_handler(site, request)) is not None:
            return await serve_websocket(incoming, request, handler, max_message)
        response = await site.respond(request)
        body = response.body
        if not isinstance(body, bytes):
            return await write_stream(incoming, response, body, write_timeout)
        whole = web.Response(body=body, status=response.status, headers=CIMultiDict(response.headers))
        close_after_chunks(incoming, whole)
        return whole

    resource.add_route("*", respond, expect_handler=refuse_expectation)
    return app


def _socket_handler(site: Site, request: WebRequest) -> SocketHandler | None:
    """Return the handler of a request for a WebSocket, None for any other request.

    Java's client sends `Upgrade: h2c` with every request; a server may ignore it (RFC 9110, 7.8).
    """
    if request.method != "GET" or request.headers.get("upgrade", "").strip().lower() != "websocket":
        return None
    return site.socket_handler(request.path)


def _is_server_error(record: logging.LogRecord) -> bool:
    """Keep malformed requests out of the log: aiohttp quotes them, and they may contain credentials."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, web.RequestPayloadError))


_LOG = logging.getLogger("gateway.http.aiohttp")
_LOG.addFilter(_is_server_error)


class _Connection(web.RequestHandler):
    """A connection that is tracked, and whose responses to malformed requests do not name the software."""

    def __init__(self, server: web.Server, connections: OpenConnections["_Connection"]) -> None:
        loop = asyncio.get_running_loop()
        # aiohttp's parser takes a body that ends early for a whole one, and rejects a coding for which it misses a
        # package before any endpoint can respond to it.
        super().__init__(
            server,
            loop=loop,
            logger=_LOG,
            access_log=None,  # type: ignore[arg-type]  # None disables the log
            keepalive_timeout=_KEEP_ALIVE,
            auto_decompress=False,
        )
        self._connections = connections
        self.heads = HeadReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        address = transport.get_extra_info("peername")
        self.peer: str = address[0] if address else ""  # in uvloop, one that has disconnected already has no address
        self._connections.opened(self, transport.get_extra_info("socket").fileno())

    async def start(self) -> None:
        """Respond to the requests. A client that does not read what was sent keeps its connection a limited time."""
        transport = self.transport
        try:
            await super().start()
        finally:
            if transport is not None and transport.get_write_buffer_size():
                asyncio.get_running_loop().call_later(_WRITE_TIMEOUT, transport.abort)

    def close_at_once(self) -> None:
        """Close the connection, without waiting for a client that does not read what was sent."""
        transport = self.transport
        self.force_close()
        if transport is not None and transport.get_write_buffer_size():
            transport.abort()

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


class _Request(web.BaseRequest):
    """A request to a server without an application, with its parsed head, its body and its connection as attributes."""

    ATTRS = web.BaseRequest.ATTRS | {"connection", "parsed", "payload"}

    parsed: RawRequestMessage
    payload: StreamReader
    connection: _Connection

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        # The signal of an application would hide the name of the software otherwise.
        await hide_server(self, response)


class _SiteHandler:
    """Handles the requests of all connections of a server.

    aiohttp's application would find a route, which a site does itself, and prepare each response in many steps.
    """

    def __init__(self, site: Site, connections: OpenConnections["_Connection"]) -> None:
        self._site = site
        self._connections = connections

    async def handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        """Return the response for aiohttp; one whose body is bytes has been sent."""
        assert isinstance(incoming, _Request)  # noqa: S101 - see `AiohttpServer.start`
        connection, connections = incoming.connection, self._connections
        connections.busy(connection)
        try:
            headers = connection.heads.read(incoming.parsed)
            is_plain = isinstance(headers, ShapedHeaders) and not headers.shape.among(_SPECIAL)
            if not is_plain and "expect" in headers and (refusal := await refuse_expectation(incoming)) is not None:
                return refusal
            request = _web_request(incoming, headers, is_plain=is_plain)
            if request is None:
                response = WebResponse(400)
            elif not is_plain and (handler := _socket_handler(self._site, request)) is not None:
                return self._closed_if_retired(await serve_websocket(incoming, request, handler, _MAX_MESSAGE))
            elif (fast := self._site.try_respond(request)) is None:
                response = await self._site.respond_by_handler(request)
            else:
                response = fast if isinstance(fast, WebResponse) else await fast()
            body = response.body
            if not isinstance(body, bytes):
                return self._closed_if_retired(await write_stream(incoming, response, body, _WRITE_TIMEOUT))
            keep_alive = not (
                incoming.parsed.should_close or connections.retired or (not is_plain and is_in_chunks(headers))
            )
            data = encode_response(
                response,
                body,
                is_head=incoming.parsed.method == "HEAD",
                keep_alive=keep_alive,
                is_http_1_0=incoming.parsed.version < HttpVersion11,
            )
            transport = connection.transport
            if transport is not None:
                transport.write(data)
        finally:
            connections.idle(connection)
        if transport is not None and transport.get_write_buffer_size():
            await _wait_until_read(incoming, transport)
        return _SENT if keep_alive else _LAST_SENT

    def _closed_if_retired(self, response: web.StreamResponse) -> web.StreamResponse:
        if self._connections.retired:
            response.force_close()
        return response


def _web_request(incoming: _Request, headers: Mapping[str, str], *, is_plain: bool) -> WebRequest | None:
    """Return the request for the site, None if its target cannot be read; `is_plain`: it has no `Content-Encoding`."""
    message, content = incoming.parsed, incoming.payload
    try:
        path, query = _split_target(message.path)
    except ValueError:
        return None
    body = read_content(content) if is_plain else decompressed_content(headers, content)
    return WebRequest(message.method, path, query, headers, body, peer=incoming.connection.peer, native=incoming)


async def _wait_until_read(incoming: web.BaseRequest, transport: asyncio.Transport) -> None:
    """Wait while the client has too much to read; disconnect one that does not read."""
    timer = asyncio.get_running_loop().call_later(_WRITE_TIMEOUT, transport.abort)
    try:
        with suppress(ConnectionError):  # it is disconnected
            await incoming.writer.drain()
    finally:
        timer.cancel()


@lru_cache(maxsize=256)  # nearly all requests have the same few targets
def _split_target(target: str) -> tuple[str, str]:
    return split_target(target)


class AiohttpServer:
    """Implements `gateway.api.web.servers.HttpServer`."""

    def __init__(
        self, runner: web.ServerRunner, server: asyncio.Server, connections: OpenConnections["_Connection"]
    ) -> None:
        self._runner = runner
        self._server = server
        self._connections = connections

    @classmethod
    async def start(
        cls, site: Site, host: str, port: int, *, grace: float, limit: ConnectionLimit | None = None
    ) -> Self:
        connections = OpenConnections[_Connection](limit, _Connection.close_at_once)
        loop = asyncio.get_running_loop()

        def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
            request = _Request(message, payload, protocol, writer, task, loop)
            request.parsed, request.payload, request.connection = message, payload, protocol
            return request

        http = web.Server(
            _SiteHandler(site, connections).handle, request_factory=make_request, handler_cancellation=True
        )
        runner = web.ServerRunner(http, shutdown_timeout=grace)
        await runner.setup()

        def connect() -> _Connection:
            return _Connection(http, connections)

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

    @property
    def connections(self) -> int:
        return len(self._connections)

    def retire(self) -> None:
        self._connections.retired = True

    async def stop(self) -> None:
        self._connections.stopped = True
        await stop_listening(self._server)
        await self._runner.cleanup()
