"""Requests and responses of aiohttp's server, as an endpoint has them."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec
from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.api.web.aiohttp_websocket import abort
from gateway.api.web.http import Closed, Malformed, WebResponse, joined
from gateway.api.web.inflated import InflatedBody
from gateway.kit.shaped_headers import ShapedHeaders, shape_of

__all__ = [
    "AiohttpHeaders",
    "HeadReader",
    "LastSentResponse",
    "SentResponse",
    "close_after_chunks",
    "decompressed_content",
    "hide_server",
    "is_in_chunks",
    "read_content",
    "refuse_expectation",
    "write_stream",
]


_CHECK_INTERVAL = 5.0  # seconds
_MAX_SHAPED = 16 * 1024  # bytes of names and values
_MAX_REMEMBERED = 2 * 1024  # the same, for each connection


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


class _Head(msgspec.Struct, frozen=True):
    """The head of a request, as aiohttp has parsed it, and its header fields."""

    method: str
    path: str
    raw_headers: tuple[tuple[bytes, bytes], ...]
    headers: ShapedHeaders


class HeadReader:
    """Reads the header fields of the requests of one connection.

    It remembers the last head, since most clients send the next request with the same one.
    """

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: _Head | None = None

    def read(self, message: RawRequestMessage) -> Mapping[str, str]:
        """Return the header fields of a request: `ShapedHeaders`, or others if a name is repeated or they are large."""
        raw_headers, last = message.raw_headers, self._last
        if (
            last is not None
            and raw_headers == last.raw_headers
            and message.method == last.method
            and message.path == last.path
        ):
            return last.headers
        fields = dict(raw_headers)
        size = sum(map(len, fields)) + sum(map(len, fields.values()))
        # What is derived from a head is kept for the next one: of no head that is as large as aiohttp accepts.
        shape = shape_of(tuple(fields)) if size <= _MAX_SHAPED and len(fields) == len(raw_headers) else None
        if shape is None:
            return AiohttpHeaders(message.headers)
        headers = ShapedHeaders(fields, shape)
        self._last = _Head(message.method, message.path, raw_headers, headers) if size <= _MAX_REMEMBERED else None
        return headers


class _AiohttpBody:
    """The body of a request in chunks."""

    __slots__ = ("_content",)

    def __init__(self, content: StreamReader) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._content.iter_any():
                yield chunk
        except ConnectionResetError as error:
            raise Closed from error
        except (web.RequestPayloadError, HttpProcessingError) as error:
            raise Malformed from error


def decompressed_content(headers: Mapping[str, str], content: StreamReader) -> bytes | AsyncIterable[bytes]:
    """Return the body of a request that may have a `Content-Encoding`, which aiohttp has not decompressed."""
    # Of two fields, either may count for a proxy in front: joined they are no coding that is supported.
    coding = headers.get("content-encoding", "").strip().lower()
    if coding in {"", "identity"}:
        return read_content(content)
    return InflatedBody(aiter(_AiohttpBody(content)), coding)


def read_content(content: StreamReader) -> bytes | AsyncIterable[bytes]:
    """Return the body of a request: bytes if it is complete, as most are, since they arrive with the head."""
    return content.read_nowait() if content.is_eof() and content.exception() is None else _AiohttpBody(content)


async def write_stream(
    incoming: web.BaseRequest, response: WebResponse, body: AsyncIterable[bytes], seconds: float
) -> web.StreamResponse:
    """Send a response whose body is sent chunk by chunk; the client may take so many seconds to read a chunk."""
    stream = web.StreamResponse(status=response.status, headers=CIMultiDict(response.headers))
    close_after_chunks(incoming, stream)
    if incoming.version < HttpVersion11:
        stream.force_close()  # the body ends with the connection (RFC 9112, 6.3), which aiohttp would keep
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
    if is_in_chunks(incoming.headers):
        response.force_close()


def is_in_chunks(headers: Mapping[str, str]) -> bool:
    """Return whether a request is in chunks, after which its connection is closed: see `close_after_chunks`."""
    return "Transfer-Encoding" in headers


class SentResponse(web.StreamResponse):
    """A response that has been written: aiohttp gets it in the place of one that it would prepare and write.

    It stands for any such response; `keep_alive`: the connection is kept.
    """

    keep_alive = True

    async def prepare(self, _request: web.BaseRequest) -> None:
        """Do nothing: the response has been written."""

    async def write_eof(self, _data: bytes = b"") -> None:
        """Do nothing, as in `prepare`."""


class LastSentResponse(SentResponse):
    """The last response of its connection."""

    keep_alive = False
