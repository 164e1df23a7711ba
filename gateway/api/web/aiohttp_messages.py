"""Requests and responses of aiohttp's server, as an endpoint has them."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from typing import Any

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.api.web.aiohttp_websocket import abort
from gateway.api.web.http import Closed, Malformed, WebResponse, joined
from gateway.api.web.inflated import InflatedBody
from gateway.api.web.response_bytes import encode_response

__all__ = [
    "AiohttpHeaders",
    "WholeResponse",
    "close_after_chunks",
    "decompressed_content",
    "hide_server",
    "read_content",
    "refuse_expectation",
    "write_stream",
]


_CHECK_INTERVAL = 5.0  # seconds


async def hide_server(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Remove the name and version of the software, which attackers compare with lists of vulnerabilities."""
    response.headers.popall("Server", None)


async def refuse_expectation(incoming: web.BaseRequest) -> web.StreamResponse | None:
    """Let a client that waits for it send its body (RFC 9110, 10.1.1); return the response to any other expectation.

    aiohttp's function quotes the request.
    """
    if incoming.headers.get("expect", "").strip().lower() != "100-continue":
        refusal = web.Response(status=417)
        refusal.force_close()  # the body is not read
        return refusal
    if incoming.version >= (1, 1) and incoming.transport is not None:
        incoming.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return None


class AiohttpHeaders(Mapping[str, str]):
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
    """The body of a request in chunks."""

    __slots__ = ("_request",)

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._request.content.iter_any():
                yield chunk
        except ConnectionResetError as error:
            raise Closed from error
        except (web.RequestPayloadError, HttpProcessingError) as error:
            raise Malformed from error


def decompressed_content(incoming: web.BaseRequest) -> bytes | AsyncIterable[bytes]:
    """Return the body of a request with a `Content-Encoding` that aiohttp has not decompressed."""
    # Of two fields, either may count for a proxy in front: joined they are no coding that is supported.
    coding = ", ".join(incoming.headers.getall("Content-Encoding")).strip().lower()
    if coding in {"", "identity"}:
        return read_content(incoming)
    return InflatedBody(aiter(_AiohttpBody(incoming)), coding)


def read_content(incoming: web.BaseRequest) -> bytes | AsyncIterable[bytes]:
    """Return the body of a request: bytes if it is complete, as most are, since they arrive with the head."""
    content = incoming.content
    return content.read_nowait() if content.is_eof() and content.exception() is None else _AiohttpBody(incoming)


async def write_stream(
    incoming: web.BaseRequest, response: WebResponse, body: AsyncIterable[bytes], seconds: float
) -> web.StreamResponse:
    """Send a response whose body is sent chunk by chunk; the client may take so many seconds to read a chunk."""
    stream = web.StreamResponse(status=response.status, headers=CIMultiDict(response.headers))
    close_after_chunks(incoming, stream)
    chunks = aiter(body)
    leaving = _CancelAfterLeaving(incoming)
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
        leaving.stop()
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    return stream


class _CancelAfterLeaving:
    """Cancels the current task after the client has disconnected.

    aiohttp does that itself where it runs with `handler_cancellation`. Without it, a stream that has nothing to send
    would never notice.
    """

    __slots__ = ("_incoming", "_task", "_timer")

    def __init__(self, incoming: web.BaseRequest) -> None:
        self._incoming = incoming
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(_CHECK_INTERVAL, self._check)

    def stop(self) -> None:
        self._timer.cancel()

    def _check(self) -> None:
        if self._incoming.transport is None and self._task is not None:
            self._task.cancel()
        else:
            self._timer = asyncio.get_running_loop().call_later(_CHECK_INTERVAL, self._check)


def close_after_chunks(incoming: web.BaseRequest, response: web.StreamResponse) -> None:
    """Close the connection after a request in chunks.

    aiohttp's parser adds the last trailer of such a request to the header of the next request on the connection, which
    a proxy may have got from somebody else (seen with 3.14.5).
    """
    if "Transfer-Encoding" in incoming.headers:
        response.force_close()


class WholeResponse(web.StreamResponse):
    """A response whose body is bytes. It is written in one piece, without what aiohttp does to prepare a response.

    A client that takes more than `write_timeout` seconds to read it is disconnected.
    """

    def __init__(self, response: WebResponse, body: bytes, write_timeout: float) -> None:
        super().__init__(status=response.status)
        self._response = response
        self._content = body
        self._write_timeout = write_timeout
        self._is_last = False

    @property
    def keep_alive(self) -> bool:
        """Whether the connection is kept; aiohttp reads it after the response was written."""
        return not self._is_last

    def force_close(self) -> None:
        self._is_last = True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        keep_alive = not self._is_last and request.keep_alive
        self._is_last = not keep_alive
        data = encode_response(
            self._response,
            self._content,
            is_head=request.method == "HEAD",
            keep_alive=keep_alive,
            is_http_1_0=request.version < HttpVersion11,
        )
        transport.write(data)
        writer = request.writer
        if transport.get_write_buffer_size():
            timer = asyncio.get_running_loop().call_later(self._write_timeout, transport.abort)
            try:
                await writer.drain()
            finally:
                timer.cancel()
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Do nothing: `prepare` has written everything."""
