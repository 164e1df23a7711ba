"""An answer on its way to the client."""

import time
from collections.abc import AsyncIterable, Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from gateway.api.web.http import WebResponse
from gateway.api.web.lean.body import Flow
from gateway.api.web.lean.incoming import IncomingRequest

__all__ = ["BODILESS", "CHUNKED", "CLOSE", "CONTINUE", "KEEP_ALIVE", "LAST_CHUNK", "answer", "chunk", "head"]

BODILESS = frozenset({204, 304})
"""Statuses whose answers have no body, nor a length of one."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"
CLOSE = "Connection: close\r\n"
KEEP_ALIVE = "Connection: keep-alive\r\n"


def head(status: int, headers: Sequence[tuple[str, str]], framing: str) -> bytes:
    """The lines before a body; `framing` are those that tell where it ends, and what becomes of the connection.

    Raises:
        ValueError: there is a line break in a header.
    """
    fields = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if fields.count("\n") != len(headers) or fields.count("\r") != len(headers):
        raise ValueError("a line break in a header")
    text = f"{_status_line(status)}{fields}{_date(int(time.time()))}{framing}\r\n"
    return text.encode("utf-8", "surrogateescape")  # what a request's own bytes are told with


def chunk(data: bytes) -> bytes:
    """A chunk of a body whose length nobody knows yet. It is not empty: that would be the last one."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    return f"HTTP/1.1 {status} {phrase}\r\n"


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"


async def answer(incoming: IncomingRequest, response: WebResponse, flow: Flow, *, keep: bool) -> bool:
    """Send the answer, as fast as the client reads it; whether another request may follow, which `keep` allows.

    Raises:
        Closed: the client has gone.
        ValueError: there is a line break in a header; nothing was sent.
    """
    body, status, old = response.body, response.status, incoming.old
    keep = keep and incoming.keep and incoming.body.whole
    unsaid = status in BODILESS or incoming.method == "HEAD"
    if isinstance(body, bytes):
        # An empty body of HEAD is what is left of one whose length nobody knows here.
        lengthless = status in BODILESS or (unsaid and not body)
        length = "" if lengthless else f"Content-Length: {len(body)}\r\n"
        top = head(status, response.headers, length + _connection(keep=keep, old=old))
        flow.write(top if unsaid else top + body)
    else:
        keep = keep and (unsaid or not old)  # to HTTP/1.0 only its end tells the end of a body
        framing = "" if unsaid or old else CHUNKED
        flow.write(head(status, response.headers, framing + _connection(keep=keep, old=old)))
        if not unsaid:
            await _stream(body, flow, chunked=not old)
    incoming.body.drop()
    await flow.room()
    return keep


async def _stream(body: AsyncIterable[bytes], flow: Flow, *, chunked: bool) -> None:
    chunks = aiter(body)
    try:
        async for data in chunks:
            if data:
                flow.write(chunk(data) if chunked else data)
                await flow.room()
        if chunked:
            flow.write(LAST_CHUNK)
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


def _connection(*, keep: bool, old: bool) -> str:
    if keep:
        return KEEP_ALIVE if old else ""
    return CLOSE
