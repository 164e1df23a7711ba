"""Writes responses to a connection (RFC 9112)."""

from collections.abc import AsyncIterable

from gateway.api.web.http import WebResponse
from gateway.api.web.lean.body import ConnectionIO
from gateway.api.web.lean.incoming import IncomingRequest
from gateway.api.web.response_bytes import connection_field, encode_response, is_bodiless, response_head

__all__ = ["CONTINUE", "write_response", "write_stream"]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CHUNKED = "Transfer-Encoding: chunked\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    """Return a chunk of a body; `data` must not be empty, because an empty chunk is the last one (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


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
    else:
        keep_alive = await write_stream(
            response, body, connection, is_head=is_head, keep_alive=keep_alive, is_http_1_0=is_http_1_0
        )
    incoming.body.discard()
    await connection.wait_writable()
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
    bodiless = is_bodiless(response.status, is_head=is_head)
    # In HTTP/1.0 such a body ends with the connection (RFC 9112, 6.3).
    keep_alive = keep_alive and (bodiless or not is_http_1_0)
    coding = "" if bodiless or is_http_1_0 else _CHUNKED
    framing = coding + connection_field(keep_alive=keep_alive, is_http_1_0=is_http_1_0)
    connection.write(response_head(response.status, response.headers, framing))
    if not bodiless:
        await _stream(body, connection, chunked=not is_http_1_0)
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
