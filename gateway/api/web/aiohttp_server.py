"""Serves a site by aiohttp's server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

from aiohttp import WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.api.web.http import Closed, Malformed, SocketHandler, WebRequest, WebResponse
from gateway.api.web.site import Site

__all__ = ["AiohttpServer", "aiohttp_application"]

_MAX_MESSAGE = 2 * 1024 * 1024  # bytes of a WebSocket message: more than the endpoints accept
_WRITE_TIMEOUT = 30.0  # seconds that a client may take to read a chunk
_CLOSE_TIMEOUT = 2.0  # seconds for the closing handshake of a WebSocket


def aiohttp_application(
    site: Site, *, max_message: int = _MAX_MESSAGE, write_timeout: float = _WRITE_TIMEOUT
) -> web.Application:
    """Return the site as an application, to run or to mount as a sub-application under any prefix.

    `max_message` is the largest WebSocket message in bytes. A client that takes more than `write_timeout` seconds to
    read a chunk is disconnected.
    """
    app = web.Application(client_max_size=0)  # the endpoints limit what they read

    async def handle(incoming: web.Request) -> web.StreamResponse:
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

    app.router.add_route("*", "/{path:.*}", handle)
    return app


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


class _AiohttpWebSocket:
    """Implements `gateway.api.web.http.WebSocket`."""

    def __init__(self, incoming: web.Request, request: WebRequest, max_message: int) -> None:
        self.request = request
        self._incoming = incoming
        self._max_message = max_message
        self._socket: web.WebSocketResponse | None = None

    @property
    def subprotocols(self) -> Sequence[str]:
        names = self.request.headers.get("sec-websocket-protocol", "").split(",")
        return [name.strip() for name in names if name.strip()]

    async def accept(self, subprotocol: str | None = None) -> None:
        self._socket = web.WebSocketResponse(
            protocols=(subprotocol,) if subprotocol else (), max_msg_size=self._max_message, compress=False
        )
        await self._socket.prepare(self._incoming)

    async def receive(self) -> str:
        assert self._socket is not None  # noqa: S101 - handlers accept first
        message = await self._socket.receive()
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


class AiohttpServer:
    """Implements `gateway.api.web.servers.HttpServer`."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner

    @classmethod
    async def start(cls, site: Site, host: str, port: int, *, grace: float) -> Self:
        app = aiohttp_application(site)
        runner = web.AppRunner(app, access_log=None, logger=_LOG, shutdown_timeout=grace, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except BaseException:
            await runner.cleanup()
            raise
        return cls(runner)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._runner.addresses[0][:2]
        return host, port

    async def stop(self) -> None:
        await self._runner.cleanup()
