"""Serves a site by aiohttp's server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.api.web.aiohttp_websocket import abort, serve_websocket
from gateway.api.web.http import Closed, Malformed, WebRequest, WebResponse, joined
from gateway.api.web.open_connections import ConnectionLimit, OpenConnections, listen, stop_listening
from gateway.api.web.site import Site

__all__ = ["AiohttpServer", "aiohttp_application"]

_MAX_MESSAGE = 2 * 1024 * 1024  # bytes of a WebSocket message: more than the endpoints accept
_KEEP_ALIVE = 75.0  # seconds from a response, or from the start of a connection, to the end of the head of a request
_WRITE_TIMEOUT = 30.0  # seconds that a client may take to read a chunk


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
    resource = app.router.add_resource("/{path:.*}")

    async def respond(incoming: web.Request) -> web.StreamResponse:
        path = "/" + incoming.match_info["path"]
        content = incoming.content
        # Most bodies arrive together with the head.
        body = content.read_nowait() if content.is_eof() and content.exception() is None else _AiohttpBody(incoming)
        query = incoming.rel_url.raw_query_string
        headers = _AiohttpHeaders(incoming.headers)
        # `add_subapp` puts its prefix in front of the path of the resource.
        mount = resource.canonical.removesuffix("/{path}")
        request = WebRequest(
            incoming.method,
            path,
            query,
            headers,
            body,
            incoming.scheme,
            mount,
            peer=incoming.remote or "",
            native=incoming,
        )
        # Java's client sends `Upgrade: h2c` with every request; a server may ignore it (RFC 9110, 7.8).
        upgrade = incoming.headers.get("upgrade", "").strip().lower() if incoming.method == "GET" else ""
        if upgrade == "websocket" and (handler := site.socket_handler(path)) is not None:
            return await serve_websocket(incoming, request, handler, max_message)
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
    resource.add_route("*", handler, expect_handler=_expect)
    return app


async def _hide_server(_request: web.Request, response: web.StreamResponse) -> None:
    """Remove the name and version of the software, which attackers compare with lists of vulnerabilities."""
    response.headers.popall("Server", None)


async def _expect(incoming: web.Request) -> web.StreamResponse | None:
    """Let a client that waits for it send its body (RFC 9110, 10.1.1); aiohttp's function quotes any other value."""
    if incoming.headers.get("expect", "").strip().lower() != "100-continue":
        refusal = web.Response(status=417)
        refusal.force_close()  # the body is not read
        return refusal
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
        return values[0] if len(values) == 1 else joined(name, values)

    def get(self, name: str, default: Any = None) -> Any:
        values = self._fields.getall(name, ())
        return values[0] if len(values) == 1 else joined(name, values) if values else default

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
        whole = web.Response(body=response.body, status=response.status, headers=headers)
        _close_after_chunks(incoming, whole)
        return whole
    stream = web.StreamResponse(status=response.status, headers=headers)
    _close_after_chunks(incoming, stream)
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
        abort(incoming)
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    return stream


def _close_after_chunks(incoming: web.Request, response: web.StreamResponse) -> None:
    """Close the connection after a request in chunks.

    aiohttp's parser adds the last trailer of such a request to the header of the next request on the connection, which
    a proxy may have got from somebody else (seen with 3.14.5).
    """
    if "Transfer-Encoding" in incoming.headers:
        response.force_close()


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

    @property
    def connections(self) -> int:
        return len(self._connections)

    def retire(self) -> None:
        self._connections.retired = True

    async def stop(self) -> None:
        self._connections.stopped = True
        await stop_listening(self._server)
        await self._runner.cleanup()
