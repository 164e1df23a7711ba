"""A site carried by aiohttp's server."""

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

_LARGEST_MESSAGE = 2 * 1024 * 1024  # bytes that a WebSocket's client may send at once: more than endpoints take
_STUCK = 30.0  # seconds that a client may take to read a chunk
_GOODBYE = 2.0  # seconds to close a WebSocket in the proper way


def aiohttp_application(
    site: Site, *, largest_message: int = _LARGEST_MESSAGE, stuck: float = _STUCK
) -> web.Application:
    """The site as an application, to run or to mount as a sub-application under any prefix.

    `largest_message` is in bytes, of a WebSocket. A client that takes `stuck` seconds to read a chunk is dropped.
    """
    app = web.Application(client_max_size=0)  # the endpoints cap what they read

    async def handle(incoming: web.Request) -> web.StreamResponse:
        path = "/" + incoming.match_info["path"]
        content = incoming.content
        # What came with the head, as most requests do, is there already.
        body = content.read_nowait() if content.is_eof() and content.exception() is None else _Body(incoming)
        query = incoming.rel_url.raw_query_string
        request = WebRequest(incoming.method, path, query, _Headers(incoming.headers), body)
        # Java's client asks for HTTP/2 by the same field (`h2c`), whatever else it asks for: that may be passed over.
        wish = incoming.headers.get("upgrade", "").strip().lower() if incoming.method == "GET" else ""
        if wish == "websocket" and (handler := site.socket(path)) is not None:
            return await _converse(incoming, request, handler, largest_message)
        return await _write(incoming, await site.respond(request), stuck)

    app.router.add_route("*", "/{path:.*}", handle)
    return app


class _Headers(Mapping[str, str]):
    """aiohttp's header fields; those sent several times are joined when they are asked for."""

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


class _Body:
    """A request's body in chunks, decompressed by aiohttp with a cap on what a chunk becomes."""

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


async def _write(incoming: web.Request, response: WebResponse, stuck: float) -> web.StreamResponse:
    headers = CIMultiDict(response.headers)
    if isinstance(response.body, bytes):
        return web.Response(body=response.body, status=response.status, headers=headers)
    stream = web.StreamResponse(status=response.status, headers=headers)
    chunks = aiter(response.body)
    try:
        await stream.prepare(incoming)
        async for chunk in chunks:
            async with asyncio.timeout(stuck):
                await stream.write(chunk)
        await stream.write_eof()
    except ConnectionResetError:  # the client has gone: there is nobody to tell
        pass
    except TimeoutError:  # it is there, and reads nothing
        _abort(incoming)
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    return stream


async def _converse(
    incoming: web.Request, request: WebRequest, handler: SocketHandler, largest: int
) -> web.StreamResponse:
    socket = _Socket(incoming, request, largest)
    with suppress(Closed):
        await handler(socket)
    return await socket.end()


class _Socket:
    """See `gateway.api.web.http.WebSocket`."""

    def __init__(self, incoming: web.Request, request: WebRequest, largest: int) -> None:
        self.request = request
        self._incoming = incoming
        self._largest = largest
        self._socket: web.WebSocketResponse | None = None

    @property
    def offered(self) -> Sequence[str]:
        sent = self.request.headers.get("sec-websocket-protocol", "")
        return [name.strip() for name in sent.split(",") if name.strip()]

    async def accept(self, subprotocol: str | None = None) -> None:
        self._socket = web.WebSocketResponse(
            protocols=(subprotocol,) if subprotocol else (), max_msg_size=self._largest, compress=False
        )
        await self._socket.prepare(self._incoming)

    async def receive(self) -> str:
        assert self._socket is not None  # noqa: S101 - accepted first
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
            async with asyncio.timeout(_GOODBYE):
                await self._socket.close(code=code, message=reason.encode())
        _abort(self._incoming)  # what is left then is a client that reads nothing, or hears nothing

    async def end(self) -> web.StreamResponse:
        """What aiohttp wants to be returned; a handshake that was never accepted is refused."""
        if self._socket is None:
            return web.Response(status=403)
        await self.close()
        return self._socket


def _abort(incoming: web.Request) -> None:
    """Close the connection without waiting for what was written to be read."""
    if incoming.transport is not None:
        incoming.transport.abort()


def _is_ours(record: logging.LogRecord) -> bool:
    """What a stranger sends that is no HTTP is told to the stranger alone: aiohttp quotes it, credentials and all."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, web.RequestPayloadError))


_LOG = logging.getLogger("gateway.http.aiohttp")
_LOG.addFilter(_is_ours)


class AiohttpServer:
    """See `gateway.api.web.servers.HttpServer`."""

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
