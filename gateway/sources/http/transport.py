"""The wire, by aiohttp: one session a source, kept alive."""

import asyncio
import ssl
from collections.abc import Mapping

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from gateway.sources.http.errors import cut_off, late, lost, no_http, not_reached, too_large
from gateway.sources.http.exchange import Multipart, Request, Response, TransportLimits
from gateway.sources.http.multipart import Form

__all__ = ["AiohttpTransport"]

_CHUNK = 64 * 1024


class _ConnectionLostError(Exception):
    """The connection broke after the call was sent."""


async def _never_again(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a change a second time.

    It repeats PUT and DELETE by itself when a connection drops before the answer
    (aio-libs/aiohttp#10790), on whatever its own two exceptions say; another one stops that. A failed
    connect passes: nothing was sent. Reads are kept from it too: repeating a call is a step of the pipeline.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _ConnectionLostError from error


class AiohttpTransport:
    """Calls of one source over one session. Made inside a running loop. `tls` says whom to trust, None as usual."""

    def __init__(self, limits: TransportLimits, *, tls: ssl.SSLContext | None = None) -> None:
        self._limits = limits
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limits.connections, keepalive_timeout=limits.kept, ssl=tls or True),
            # `connect` covers the wait for a free socket too, so that its end means: nothing was sent.
            timeout=aiohttp.ClientTimeout(
                total=limits.total,
                connect=min(limits.connect, limits.total),
                # A timer set anew with every read: none where it could not end before the whole call's.
                sock_read=limits.read if limits.read < limits.total else None,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_never_again,),
            headers={hdrs.USER_AGENT: "user-gateway", hdrs.ACCEPT: "application/json"},
        )

    async def send(self, request: Request) -> Response:
        headers: Mapping[str, str] = request.headers
        body: bytes | aiohttp.Payload | None
        if isinstance(request.body, Multipart):
            form = Form(request.body)
            headers, body = form.headed(headers), _Payload(form)
        else:
            body = request.body
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=headers,
                data=body,
                allow_redirects=False,
            ) as answer:
                return Response(answer.status, answer.headers, await self._body(answer, request))
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise not_reached(request, late=isinstance(error, TimeoutError)) from error
        except TimeoutError as error:
            raise late(request) from error
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError, _ConnectionLostError) as error:
            raise lost(request) from error
        except aiohttp.ClientPayloadError as error:
            raise cut_off(request) from error
        except aiohttp.ClientError as error:
            raise no_http(request) from error

    async def _body(self, answer: aiohttp.ClientResponse, request: Request) -> bytes:
        """The whole body, decompressed; never more than the cap in memory."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in answer.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > self._limits.response_bytes:
                answer.close()
                raise too_large(request, answer.status, self._limits.response_bytes)
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def aclose(self) -> None:
        await self._session.close()
        await asyncio.sleep(0)  # lets the closed sockets' callbacks run before the loop may end


class _Payload(aiohttp.Payload):
    """A form that aiohttp writes piece by piece, waiting until there is room."""

    _value: Form
    _autoclose = True

    def __init__(self, form: Form) -> None:
        super().__init__(form, content_type=form.content_type)
        self._size = form.size

    async def write(self, writer: AbstractStreamWriter) -> None:
        for chunk in self._value.chunks():
            await writer.write(chunk)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002 - aiohttp's parameters
        raise TypeError("a form is no text")
