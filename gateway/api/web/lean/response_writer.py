"""Writes responses to a connection (RFC 9112)."""

import time
from collections.abc import AsyncIterable, Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from gateway.api.web.http import ExtendedHeaders, WebResponse
from gateway.api.web.lean.body import ConnectionIO
from gateway.api.web.lean.incoming import IncomingRequest

__all__ = ["CLOSE", "CONTINUE", "encode_response", "response_head", "write_response", "write_stream"]

_STATUSES_WITHOUT_BODY = frozenset({204, 304})  # nor a Content-Length here (RFC 9110, 8.6)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = "Connection: close\r\n"
_KEEP_ALIVE = "Connection: keep-alive\r\n"
_CHUNKED = "Transfer-Encoding: chunked\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


def response_head(status: int, headers: Sequence[tuple[str, str]], framing: str) -> bytes:
    """Return the lines before a body; `framing` are those about its length and about keeping the connection.

    Raises:
        ValueError: a header field contains a line break.
    """
    fixed = ""
    if headers.__class__ is ExtendedHeaders:
        fixed, headers = headers.fixed.lines, headers.fields
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if fields.count("\n") != len(headers) or fields.count("\r") != len(headers):
        raise ValueError("a line break in a header field")
    text = f"{_status_line(status)}{fixed}{fields}{_date(int(time.time()))}{framing}\r\n"
    return text.encode("utf-8", "surrogateescape")  # values that repeat bytes of a request were decoded in this way


def _chunk(data: bytes) -> bytes:
    """Return a chunk of a body; `data` must not be empty, because an empty chunk is the last one (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    return f"HTTP/1.1 {status} {phrase}\r\n"


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"


def encode_response(
    response: WebResponse, body: bytes, *, is_head: bool, keep_alive: bool, is_http_1_0: bool = False
) -> bytes:
    """Return the bytes of a response whose body is complete; `is_head`: the method of the request is HEAD.

    Raises:
        ValueError: a header field contains a line break.
    """
    status = response.status
    bodiless = is_head or status in _STATUSES_WITHOUT_BODY
    # An empty body for HEAD stands for one of unknown length: the site removed it (RFC 9110, 9.3.2).
    lengthless = bodiless and (not body or status in _STATUSES_WITHOUT_BODY)
    framing = "" if lengthless else f"Content-Length: {len(body)}\r\n"
    if not keep_alive or is_http_1_0:
        framing += _connection(keep_alive=keep_alive, is_http_1_0=is_http_1_0)
    head = response_head(status, response.headers, framing)
    return head if bodiless else head + body


async def write_response(
    incoming: IncomingRequest, response: WebResponse, connection: ConnectionIO, *, keep_alive: bool
) -> bool:
    """Send a response as fast as the client reads it; return whether another request may follow on the connection.

    Raises:
        Closed: the client has disconnected.
        ValueError: a header field contains a line break; nothing was sent.
    """
    body, is_head, is_http_1_0 = response.body, incoming.method == "HEAD", incoming.is_http_1_0
    keep_alive = keep_alive and incoming.keep_alive and incoming.body.is_complete
    if isinstance(body, bytes):
        data = encode_response(response, body, is_head=is_head, keep_alive=keep_alive, is_http_1_0=is_http_1_0)
        connection.write(data)
        await connection.wait_writable()
    else:
        keep_alive = await write_stream(
            response, body, connection, is_head=is_head, keep_alive=keep_alive, is_http_1_0=is_http_1_0
        )
    incoming.body.discard()
    return keep_alive


async def write_stream(
    response: WebResponse,
    body: AsyncIterable[bytes],
    connection: ConnectionIO,
    *,
    is_head: bool,
    keep_alive: bool,
    is_http_1_0: bool = False,
) -> bool:
    """Send a response whose body is sent chunk by chunk: see `write_response`."""
    bodiless = is_head or response.status in _STATUSES_WITHOUT_BODY
    # In HTTP/1.0 such a body ends with the connection (RFC 9112, 6.3).
    keep_alive = keep_alive and (bodiless or not is_http_1_0)
    coding = "" if bodiless or is_http_1_0 else _CHUNKED
    framing = coding + _connection(keep_alive=keep_alive, is_http_1_0=is_http_1_0)
    connection.write(response_head(response.status, response.headers, framing))
    if not bodiless:
        await _stream(body, connection, chunked=not is_http_1_0)
    await connection.wait_writable()
    return keep_alive


async def _stream(body: AsyncIterable[bytes], connection: ConnectionIO, *, chunked: bool) -> None:
    chunks = aiter(body)
    try:
        async for data in chunks:
            if data:
                connection.write(_chunk(data) if chunked else data)
                await connection.wait_writable()
        if chunked:
            connection.write(_LAST_CHUNK)
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


def _connection(*, keep_alive: bool, is_http_1_0: bool) -> str:
    """Return the Connection field. Keeping the connection is the default of HTTP/1.1 only (RFC 9112, 9.3)."""
    if keep_alive:
        return _KEEP_ALIVE if is_http_1_0 else ""
    return CLOSE
