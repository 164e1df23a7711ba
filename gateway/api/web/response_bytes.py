"""Encodes responses as HTTP/1.1 writes them (RFC 9112)."""

import time
from collections.abc import Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from gateway.api.web.http import ExtendedHeaders, WebResponse

__all__ = ["CLOSE", "connection_field", "encode_response", "is_bodiless", "response_head"]

_STATUSES_WITHOUT_BODY = frozenset({204, 304})  # nor a Content-Length here (RFC 9110, 8.6)

CLOSE = "Connection: close\r\n"
_KEEP_ALIVE = "Connection: keep-alive\r\n"


def response_head(status: int, headers: Sequence[tuple[str, str]], framing: str) -> bytes:
    """Return the lines before a body; `framing` are those about its length and about keeping the connection.

    Raises:
        ValueError: a header field contains a line break.
    """
    fixed = fields = ""
    if headers.__class__ is ExtendedHeaders:
        fixed, headers = headers.fixed.lines, headers.fields
    for name, value in headers:
        field = f"{name}: {value}"
        if "\n" in field or "\r" in field:
            raise ValueError("a line break in a header field")
        fields += f"{field}\r\n"
    text = f"{_first_lines(status, time.time() // 1)}{fixed}{fields}{framing}\r\n"
    return text.encode("utf-8", "surrogateescape")  # values that repeat bytes of a request were decoded in this way


@lru_cache(maxsize=64)
def _first_lines(status: int, second: float) -> str:
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
    return f"HTTP/1.1 {status} {phrase}\r\nDate: {formatdate(second, usegmt=True)}\r\n"


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
        framing += connection_field(keep_alive=keep_alive, is_http_1_0=is_http_1_0)
    head = response_head(status, response.headers, framing)
    return head if bodiless else head + body


def connection_field(*, keep_alive: bool, is_http_1_0: bool) -> str:
    """Return the Connection field. Keeping the connection is the default of HTTP/1.1 only (RFC 9112, 9.3)."""
    if keep_alive:
        return _KEEP_ALIVE if is_http_1_0 else ""
    return CLOSE


def is_bodiless(status: int, *, is_head: bool) -> bool:
    """Return whether a response has no body, whatever the endpoint returned."""
    return is_head or status in _STATUSES_WITHOUT_BODY
