"""A transport on aiohttp: one session for each source, with keep-alive."""

import asyncio
import ssl
from collections.abc import Callable, Mapping

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from gateway.sources.http.errors import (
    connect_error,
    disconnected_error,
    not_http_error,
    timeout_error,
    too_large_error,
    truncated_error,
    unreachable_error,
)
from gateway.sources.http.exchange import Multipart, Request, Response, TransportLimits
from gateway.sources.http.multipart import EncodedMultipart
from gateway.sources.http.unread import UnreadBytes

__all__ = ["AiohttpTransport"]

_CHUNK_BYTES = 64 * 1024


class _ConnectionLostError(Exception):
    """The connection broke after the request was sent."""


class _ClientRequest(aiohttp.ClientRequest):
    """A request that reports when it is written: aiohttp calls `send` with a connection, and writes at once."""

    on_write: Callable[[], None] | None = None

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if self.on_write is not None:
            self.on_write()
        return await super().send(conn)


class _Connector(aiohttp.TCPConnector):
    """A connector that does not reuse a connection on which the source has sent something unrequested.

    aiohttp checks that when a call ends, and would use later bytes as the response to the next call. `_get` is its
    method for an idle connection (checked with 3.14.5).
    """

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            protocol = connection.protocol
            transport = None if protocol is None or protocol.should_close else protocol.transport
            if transport is not None and not UnreadBytes(transport):
                break
            connection.close()
        return connection


def _send_once(request: Request) -> aiohttp.ClientMiddlewareType:
    """Return a middleware that keeps aiohttp from sending a request a second time.

    It repeats PUT and DELETE when the connection is lost before the response (aio-libs/aiohttp#10790), after two of its
    exceptions; a third one, raised here, prevents that. The exception of a failed connect passes, since nothing was
    sent. Reads are not repeated here either: repeating a call is a step of the pipeline.
    """

    async def send(client_request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if isinstance(client_request, _ClientRequest):
            client_request.on_write = request.on_write
        try:
            return await handler(client_request)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise _ConnectionLostError from error

    return send


class AiohttpTransport:
    """Sends the calls of one source over one session. It must be created inside a running event loop.

    `tls` is the context for https; None verifies certificates against the default roots.
    """

    def __init__(self, limits: TransportLimits, *, tls: ssl.SSLContext | None = None) -> None:
        self._limits = limits
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=limits.connections, keepalive_timeout=limits.keep_alive, ssl=tls or True),
            # `connect` includes the wait for a free connection, so when it passes, nothing was sent.
            timeout=aiohttp.ClientTimeout(
                total=limits.total,
                connect=min(limits.connect, limits.total),
                # It costs a timer for each read, so it is left out where the total timeout is not later.
                sock_read=limits.read if limits.read < limits.total else None,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=_ClientRequest,
            headers={hdrs.USER_AGENT: "user-gateway", hdrs.ACCEPT: "application/json"},
        )

    async def send(self, request: Request) -> Response:
        if self._session.closed:  # the gateway has ended before this attempt
            raise unreachable_error(request, ConnectionAbortedError())
        headers: Mapping[str, str] = request.headers
        body: bytes | aiohttp.Payload | None
        if isinstance(request.body, Multipart):
            form = EncodedMultipart(request.body)
            headers, body = form.with_content_type(headers), _MultipartPayload(form)
        else:
            body = request.body
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=headers,
                data=body,
                allow_redirects=False,
                middlewares=(_send_once(request),),
            ) as response:
                return Response(response.status, response.headers, await self._read_body(response, request))
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise connect_error(request, error) from error
        except TimeoutError as error:
            raise timeout_error(request) from error
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError, _ConnectionLostError) as error:
            raise disconnected_error(request) from error
        except aiohttp.ClientPayloadError as error:
            raise truncated_error(request) from error
        except aiohttp.ClientError as error:
            raise not_http_error(request) from error

    async def _read_body(self, response: aiohttp.ClientResponse, request: Request) -> bytes:
        """Return the complete body, decompressed. At most the allowed number of bytes is held in memory."""
        limit = self._limits.response_bytes if request.max_bytes is None else request.max_bytes
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            size += len(chunk)
            if size > limit:
                response.close()
                raise too_large_error(request, response.status, limit)
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def aclose(self) -> None:
        await self._session.close()
        await asyncio.sleep(0)  # the callbacks of the closed sockets run before the event loop may stop


class _MultipartPayload(aiohttp.Payload):
    """A form that aiohttp writes piece by piece, as fast as the source reads it.

    `_value`, `_size` and `_autoclose` are attributes that aiohttp's payload classes set (checked with 3.14.5).
    """

    _value: EncodedMultipart
    _autoclose = True

    def __init__(self, form: EncodedMultipart) -> None:
        super().__init__(form, content_type=form.content_type)
        self._size = form.size

    async def write(self, writer: AbstractStreamWriter) -> None:
        for chunk in self._value.chunks():
            await writer.write(chunk)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - aiohttp's parameters
        raise TypeError("a multipart body is not text")
